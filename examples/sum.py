#!/usr/bin/env python3
"""Python: nothing to build; the bytes of the segment are a memoryview."""

import ctypes
import os

LIBRARY = ctypes.CDLL("libshm_util.so.1")
LIBRARY.shmCreate.argtypes = [
    ctypes.c_char_p,
    ctypes.c_long,
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(ctypes.c_void_p),
]
LIBRARY.shmxDetach.argtypes = [ctypes.c_void_p]
LIBRARY.shmSizeOf.argtypes = [ctypes.c_void_p]
LIBRARY.shmSizeOf.restype = ctypes.c_long


class Segment:
    """A segment for a `with` statement. `bytes` are its bytes."""

    def __init__(self, name, size=0):
        """Creates it with `size` bytes, or attaches the existing one; with 0 only the latter."""
        address, memory = ctypes.c_void_p(), ctypes.c_void_p()
        status = LIBRARY.shmCreate(name.encode(), size, address, memory)
        if status:
            raise OSError(status, os.strerror(status), name)
        self._memory = memory
        array = ctypes.c_char * LIBRARY.shmSizeOf(memory)
        self.bytes = memoryview(array.from_address(address.value)).cast("B")

    def close(self):
        """Detaches the segment. shmDestroy would delete it if no other process has it attached.

        Views made from `bytes` must not be used afterwards.
        """
        self.bytes.release()
        LIBRARY.shmxDetach(self._memory)
        self._memory = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


if __name__ == "__main__":
    with Segment("numbers") as segment:
        count = segment.bytes[:4].cast("i")[0]
        segment.bytes[404:408].cast("i")[0] = sum(segment.bytes[4:404].cast("i")[:count])
        segment.bytes[408:424] = b"Python".ljust(16, b"\0")
