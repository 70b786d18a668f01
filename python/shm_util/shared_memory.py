"""``multiprocessing.shared_memory`` on named segments that no resource tracker deletes.

What differs from the standard library:

* No process deletes a segment that others use, and no tracker process is started. ``track`` is
  accepted, and has no effect.
* A segment that is not unlinked stays until a reboot, as the standard library documents it; with
  ``transient=True``, it ends with the last process that has it attached, even if that is killed.
* Names belong to a namespace of this library, so they are not files in /dev/shm.
"""

from __future__ import annotations

import errno
import os
import types
from functools import partial
from multiprocessing import shared_memory as _standard
from typing import TYPE_CHECKING, Any

from . import _native

__all__ = ["SharedMemory", "ShareableList"]

# Some programs, and CPython's tests, use these names of the standard module.
_USE_POSIX = True
_O_CREX = os.O_CREAT | os.O_EXCL
_SHM_NAME_PREFIX = "/psm_"
_make_filename = _standard._make_filename  # type: ignore[attr-defined]


class SharedMemory:
    """Creates a shared memory block, or attaches an existing one.

    :param name: the block's name; None creates a block with a new name.
    :param create: create a block; FileExistsError if the name exists.
    :param size: the size of a new block in bytes; ignored without ``create``.
    :param track: has no effect: there is no resource tracker.
    :param transient: delete the block with the last process that has it attached, however that
        process ends. ``unlink()`` is not needed then, and is no error if the block is gone. This
        applies to new blocks, and needs System V memory (OSError ``ENOTSUP`` in a directory
        namespace).

    Only the user who created a block may attach it.

    >>> block = SharedMemory(create=True, size=10, transient=True)
    >>> block.buf[:5] = b"hello"
    >>> again = SharedMemory(block.name)
    >>> bytes(again.buf[:5])
    b'hello'
    >>> again.close(); block.close()
    """

    # Defaults with which close() and unlink() work if __init__ fails. Subclasses may set _flags.
    _name: str | None = None
    _attachment: _native.Attachment | None = None
    _buf: memoryview | None = None
    _transient = False
    _flags = os.O_RDWR
    _mode = 0o600

    def __init__(
        self,
        name: str | bytes | None = None,
        create: bool = False,
        size: int = 0,
        *,
        track: bool = True,
        transient: bool = False,
    ) -> None:
        if not size >= 0:
            raise ValueError("'size' must be a positive integer")
        if create:
            self._flags = _O_CREX | os.O_RDWR
            if size == 0:
                raise ValueError("'size' must be a positive number different from zero")
        if name is None and not self._flags & os.O_EXCL:
            raise ValueError("'name' can only be None if create=True")
        if transient and not self._flags & os.O_CREAT:
            raise ValueError("'transient' applies only to blocks that are created")

        self._transient = transient
        if name is None:
            while True:
                try:
                    self._attach(_make_filename(), size)
                except FileExistsError:
                    continue
                break
        else:
            self._attach("/" + os.fsdecode(name), size)

    def _attach(self, name: str, size: int) -> None:
        exclusive = bool(self._flags & os.O_EXCL)
        # A subclass may attach a block that exists, or else create it. The latter takes a size.
        if self._flags & os.O_CREAT and (exclusive or size > 0):
            self._attachment = _native.attach(
                _segment_name(name),
                size,
                None,
                exclusive=exclusive,
                transient=self._transient,
                mode=self._mode,
            )
        else:
            self._attachment = _native.attach(_segment_name(name), None, None)
        self._name = name
        self._size = self._attachment.size
        self._buf = memoryview(self._attachment.memory())

    # There is no __del__: without this object, the attachment ends with the last view of it.

    def __reduce__(self) -> tuple[Any, ...]:
        return (self.__class__, (self.name, False, self.size))

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.name!r}, size={self.size})"

    @property
    def buf(self) -> memoryview | None:
        """A view of the memory; None once it was closed."""
        return self._buf

    @property
    def name(self) -> str:
        """The name with which other processes attach the block."""
        name = self._name or ""
        return name[1:] if name.startswith("/") else name

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self._size

    def close(self) -> None:
        """Detaches the block, which stays. A second call does nothing.

        BufferError: a view of ``buf`` exists, such as a slice or an array that was made with
        ``numpy.frombuffer``. For an array that was made with ``numpy.ndarray(buffer=...)``, the
        memory stays until the array is gone.
        """
        if self._attachment is None or self._buf is None:
            return
        self._buf.release()
        try:
            self._attachment.detach()
        except BufferError:
            self._buf = memoryview(self._attachment.memory())
            raise
        self._attachment = self._buf = None

    def unlink(self) -> None:
        """Removes the name now; the memory stays until the last process closes it.

        FileNotFoundError: the name does not exist any more. That is no error for the object that
        created a transient block, which may be gone with the last ``close()``.
        """
        if not self._name:
            return
        if "\0" in self._name:
            raise ValueError("embedded null character")
        try:
            if self._attachment is None:
                _native.remove(_segment_name(self._name), None)
            else:
                # This never removes the name of a block that was created later.
                self._attachment.remove()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EIDRM):
                raise
            if self._transient:
                return
            if error.errno == errno.ENOENT:
                raise
            raise FileNotFoundError(
                errno.ENOENT, f"{os.strerror(errno.ENOENT)}: it was unlinked before", self.name
            ) from None


def _segment_name(name: str) -> bytes:
    # shm_open(3) also ignores slashes at the beginning.
    return os.fsencode(name.lstrip("/"))


if TYPE_CHECKING:
    _StandardList = _standard.ShareableList[Any]
else:
    _StandardList = _standard.ShareableList


class ShareableList(_StandardList):
    """The standard library's ``ShareableList``, on a block of this module.

    :param transient: as for ``SharedMemory``.

    >>> numbers = ShareableList([1, 2.5, "three"], transient=True)
    >>> numbers[2]
    'three'
    >>> numbers.shm.close()
    """

    def __init__(
        self, sequence: Any = None, *, name: str | None = None, transient: bool = False
    ) -> None:
        # The standard class makes its block with the SharedMemory of its own module. This is the
        # same code with another one.
        standard = _standard.ShareableList.__init__
        memory = partial(SharedMemory, transient=True) if transient else SharedMemory
        same = types.FunctionType(
            standard.__code__,
            {**vars(_standard), "SharedMemory": memory},
            standard.__name__,
            standard.__defaults__,
            standard.__closure__,
        )
        same(self, sequence, name=name)
