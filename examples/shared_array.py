#!/usr/bin/env python3
"""NumPy: four processes fill the quarters of one array in shared memory; then one is killed.

It needs the packages shm-util (make python) and numpy.
"""

import multiprocessing
import os
import signal

import numpy

from shm_util import SharedMemory

COUNT = 1 << 20


def fill(name: str, part: int) -> None:
    block = SharedMemory(name)
    array = numpy.frombuffer(block.buf)
    quarter = COUNT // 4
    array[part * quarter : (part + 1) * quarter] = part
    if part == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    del array  # while a view exists, close() is a BufferError
    block.close()


def main() -> None:
    # transient: the memory ends with the last process, even if all are killed
    block = SharedMemory(create=True, size=8 * COUNT, transient=True)
    workers = [multiprocessing.Process(target=fill, args=(block.name, part)) for part in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    array = numpy.frombuffer(block.buf)
    print([float(value) for value in array[:: COUNT // 4]])  # [0.0, 1.0, 2.0, 3.0]
    del array
    block.close()


if __name__ == "__main__":
    main()
