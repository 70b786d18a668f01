"""Arrays in shared memory."""

from __future__ import annotations

import os
import pathlib
import signal

import pytest

import shm_util
from shm_util import Segment, SharedMemory

numpy = pytest.importorskip("numpy", reason="NumPy is not installed")

GIB = 1 << 30


def _available() -> int:
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def test_close_with_an_array_is_a_buffer_error() -> None:
    block = SharedMemory(create=True, size=800, transient=True)
    array = numpy.frombuffer(block.buf, dtype=numpy.float64)
    array[:] = 1.5
    with pytest.raises(BufferError):
        block.close()
    assert array.sum() == 150
    del array
    block.close()


def test_an_array_without_a_view_keeps_the_memory() -> None:
    """NumPy keeps the address, but no view: with the standard library, the access would crash."""
    block = SharedMemory(create=True, size=800, transient=True)
    array = numpy.ndarray((10, 10), dtype=numpy.float64, buffer=block.buf)
    array[:] = 1.5
    block.close()
    assert array.sum() == 150
    assert shm_util.info(block.name).mappings == 1
    del array
    assert shm_util.list() == []
    segment = Segment("array", 800)
    array = numpy.ndarray((10, 10), dtype=numpy.float64, buffer=segment.buf)
    segment.close()
    array[:] = 2
    del array
    assert shm_util.list() == []


def test_four_processes_share_a_gibibyte_and_one_is_killed() -> None:
    if _available() < 2 * GIB:
        pytest.skip("less than 2 GiB of memory are available")
    try:
        block = SharedMemory(create=True, size=GIB, transient=True)
    except OSError as error:
        pytest.skip(f"no segment of 1 GiB can be created: {error.strerror}")
    array = numpy.frombuffer(block.buf, dtype=numpy.uint64)
    quarter = len(array) // 4
    children = []
    for part in range(4):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                # By name, as a process that was not forked would.
                own = SharedMemory(block.name)
                mine = numpy.frombuffer(own.buf, dtype=numpy.uint64)
                mine[part * quarter : (part + 1) * quarter] = part + 1
                if part == 2:
                    os.kill(os.getpid(), signal.SIGKILL)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    assert statuses == [0, 0, signal.SIGKILL, 0]
    sums = [int(array[part * quarter : (part + 1) * quarter].sum()) for part in range(4)]
    assert sums == [(part + 1) * quarter for part in range(4)]
    assert shm_util.info(block.name).mappings == 1
    del array
    block.close()
    assert shm_util.list() == []
