"""Named shared memory segments whose names stay right when processes die.

``SharedMemory`` and ``ShareableList`` have the interface of ``multiprocessing.shared_memory``; to
change over, import them from here::

    from shm_util import shared_memory          # from multiprocessing import shared_memory

``Segment`` and the functions ``info``, ``list``, ``keep``, ``remove``, ``prune`` and ``wait`` offer
what only this library has.

Without a ``namespace``, names are looked up in the namespace that the environment variable
``NOB_DATABASE`` selects, or else in that of the effective user. C programs that use shm_util share
these names. Errors are ``OSError`` and its subclasses: ``errno`` is that of the man pages, and
``strerror`` also describes what failed on what.
"""

from ._segment import Info, Loaded, Segment, info, keep, list, prune, remove, wait
from .shared_memory import ShareableList, SharedMemory

__all__ = [
    "Info",
    "Loaded",
    "Segment",
    "ShareableList",
    "SharedMemory",
    "info",
    "keep",
    "list",
    "prune",
    "remove",
    "wait",
]
