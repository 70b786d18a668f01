"""Segments as the library has them: see shm_util_ext(3)."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from . import _native

_Name = str | bytes
_Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]


class Info(NamedTuple):
    """What is known about a segment.

    Times are seconds since the epoch. What its kind of memory does not record is 0, -1 or None.
    """

    name: str
    #: "sysv", "directory" or "private"
    kind: str
    #: the System V identifier, as ``ipcs -m`` shows it
    id: int
    key: int
    #: in bytes
    size: int
    created: float
    attached: float | None
    detached: float | None
    changed: float
    creator_pid: int
    last_pid: int
    uid: int
    gid: int
    creator_uid: int
    creator_gid: int
    #: the permission bits
    mode: int
    #: how many attachments there are in all processes
    mappings: int
    #: whether it is locked in memory
    locked: bool
    #: whether it outlives its holders
    kept: bool
    #: whether it ends with its last holder, even if that is killed
    transient: bool
    #: whether it has not been published yet
    hidden: bool


class Loaded(NamedTuple):
    """The result of a load, in bytes."""

    #: how many bytes were read
    read: int
    #: the size of the file
    file: int
    #: the size of the segment
    segment: int


def _info(fields: dict[str, Any]) -> Info:
    fields["name"] = os.fsdecode(fields["name"])
    return Info(**fields)


def _namespace(namespace: _Name | None) -> bytes | None:
    if isinstance(namespace, os.PathLike):
        raise TypeError(
            "a namespace is str or bytes: a path object drops the '/' at the end, which selects a "
            "directory"
        )
    return None if namespace is None else os.fsencode(namespace)


class Segment:
    """Attaches the segment of a name.

    :param name: any string without a zero character, of at most 1000 bytes.
    :param size: create the segment with this many bytes if the name does not exist. An existing
        one must have at least that size (OSError ``EINVAL``). None: the name must exist
        (FileNotFoundError).
    :param namespace: the path that selects the namespace: one that ends in "/" is a directory whose
        files are the segments; "private:" is memory of this process and its children. None: that of
        ``NOB_DATABASE``, or of the user.
    :param exclusive: FileExistsError if the name exists.
    :param unique: complete the name, so that it is new.
    :param readonly: views of the memory are read-only.
    :param keep: a new segment outlives its holders, until its name is removed.
    :param transient: a new segment ends with its last holder, even if that is killed.
    :param hidden: a new segment has no name until ``publish()``.
    :param huge_pages: a new segment is in huge pages.
    :param no_reserve: reserve no swap space for a new segment.
    :param mode: the permission bits of a new segment (default: 0o660).

    As a context manager, it calls ``close()`` at the end. Without ``close()``, the segment is
    detached when the object is deleted, and stays.

    >>> with Segment("python/doc", 100) as segment:
    ...     segment.buf[:5] = b"hello"
    ...     segment.info().size
    100
    """

    _attachment: _native.Attachment
    _buf: memoryview | None

    def __init__(
        self,
        name: _Name,
        size: int | None = None,
        *,
        namespace: _Name | None = None,
        exclusive: bool = False,
        unique: bool = False,
        readonly: bool = False,
        keep: bool = False,
        transient: bool = False,
        hidden: bool = False,
        huge_pages: bool = False,
        no_reserve: bool = False,
        mode: int = 0o660,
    ) -> None:
        if size is not None and size <= 0:
            raise ValueError("'size' must be a positive number of bytes")
        self._attachment = _native.attach(
            os.fsencode(name),
            size,
            _namespace(namespace),
            exclusive=exclusive,
            unique=unique,
            readonly=readonly,
            keep=keep,
            transient=transient,
            hidden=hidden,
            huge_pages=huge_pages,
            no_reserve=no_reserve,
            mode=mode,
        )
        self._name = os.fsdecode(self._attachment.name)
        self._size = self._attachment.size
        self._buf = memoryview(self._attachment.memory())

    def __enter__(self) -> Segment:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self._name!r}, size={self._size})"

    @property
    def buf(self) -> memoryview:
        """A view of the memory. ValueError once the segment was closed."""
        if self._buf is None:
            raise ValueError("the segment was closed")
        return self._buf

    @property
    def name(self) -> str:
        return self._name

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self._size

    @property
    def id(self) -> int:
        """The System V identifier, as ``ipcs -m`` shows it; -1 for other kinds of memory."""
        return self._attachment.id

    @property
    def is_new(self) -> bool:
        """Whether this call created the segment."""
        return self._attachment.is_new

    @property
    def readonly(self) -> bool:
        return self._attachment.readonly

    @property
    def closed(self) -> bool:
        return self._buf is None

    def _end(self, detach: Callable[[], None]) -> None:
        if self._buf is None:
            return
        self._buf.release()
        try:
            detach()
        except BufferError:
            self._buf = memoryview(self._attachment.memory())
            raise
        self._buf = None

    def close(self) -> None:
        """Detaches the segment. The last process to do so deletes it, unless it is kept.

        This is shmDestroy(3). A second call does nothing. BufferError: a view of ``buf`` exists,
        such as a slice or an array that was made with ``numpy.frombuffer``. For an array that was
        made with ``numpy.ndarray(buffer=...)``, the memory stays until the array is gone.
        """
        self._end(self._attachment.destroy)

    def detach(self) -> None:
        """Detaches the segment, which stays, even if no other process has it attached."""
        self._end(self._attachment.detach)

    def info(self) -> Info:
        """What is known about the segment now."""
        return _info(self._attachment.info())

    def save(self, file: _Path) -> None:
        """Writes the segment's bytes to a file: all of them, or the file stays as it was."""
        self._attachment.save(os.fsencode(file))

    def load(self, file: _Path) -> Loaded:
        """Reads as many bytes of a file as the segment has room for, and reports how many."""
        return Loaded(*self._attachment.load(os.fsencode(file)))

    def keep(self, yes: bool = True) -> None:
        """Makes the segment outlive its holders, until its name is removed; or ends that."""
        self._attachment.keep(yes)

    def remove(self) -> None:
        """Removes the name now; the memory stays until the last process detaches it."""
        self._attachment.remove()

    def publish(self) -> None:
        """Gives a hidden segment its name. FileExistsError: another segment has it."""
        self._attachment.publish()

    def sync(self) -> None:
        """In a directory: returns when the bytes are on the disk."""
        self._attachment.sync()

    def lock(self) -> None:
        """Keeps the memory from being swapped out."""
        self._attachment.lock()

    def unlock(self) -> None:
        """Lets the memory be swapped out again."""
        self._attachment.unlock()


def info(name: _Name, *, namespace: _Name | None = None) -> Info:
    """What is known about the segment of a name. FileNotFoundError: there is none."""
    return _info(_native.info(os.fsencode(name), _namespace(namespace)))


def list(*, namespace: _Name | None = None) -> builtins.list[Info]:
    """All segments of a namespace, in no particular order."""
    return [_info(fields) for fields in _native.list(_namespace(namespace))]


def keep(name: _Name, yes: bool = True, *, namespace: _Name | None = None) -> None:
    """Makes the segment of a name outlive its holders, until its name is removed; or ends that."""
    _native.keep(os.fsencode(name), yes, _namespace(namespace))


def remove(name: _Name, *, namespace: _Name | None = None) -> None:
    """Removes a name now; the memory stays until the last process detaches it."""
    _native.remove(os.fsencode(name), _namespace(namespace))


def prune(minimum_age: float, *, namespace: _Name | None = None) -> builtins.list[Info]:
    """Deletes orphans: segments that are not kept, and that no process has had attached for at
    least this many seconds. Returns what they were."""
    return [_info(fields) for fields in _native.prune(minimum_age, _namespace(namespace))]


def wait(name: _Name, timeout: float | None = None, *, namespace: _Name | None = None) -> None:
    """Waits until a segment of this name exists. TimeoutError after ``timeout`` seconds."""
    _native.wait(os.fsencode(name), timeout, _namespace(namespace))
