"""The end of an attachment whose memory may still be in use."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from . import _native


class View:
    """The view of an attachment's memory that a program gets."""

    def __init__(self, attachment: _native.Attachment) -> None:
        self._attachment = attachment
        self._memory: memoryview | None = memoryview(attachment.memory())

    @property
    def memory(self) -> memoryview | None:
        return self._memory

    def close(self, detach: Callable[[], None]) -> None:
        """Releases the view, and detaches the memory.

        BufferError: another view exists, such as a slice or an array that was made with
        ``numpy.frombuffer``; then nothing has changed. ``numpy.ndarray(buffer=...)`` keeps the memory's
        address and a reference to the memory, but no view. Without the memory, an access would be a
        crash, so the memory stays until that reference is gone.
        """
        if self._memory is None:
            return
        memory = self._memory.obj
        self._memory.release()
        # A slice is not a view of the view, but of the memory.
        if self._attachment.views > 0:
            self._memory = memoryview(memory)
            raise BufferError("cannot close exported pointers exist")
        self._memory = None
        reference = weakref.ref(memory)
        del memory
        still_used = reference()
        if still_used is None:
            detach()
        else:
            weakref.finalize(still_used, detach).atexit = False
