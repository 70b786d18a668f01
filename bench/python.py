#!/usr/bin/env python3
"""Compares this package with multiprocessing.shared_memory: python bench/python.py [ROUNDS]

Both take turns in one run; the figures are medians of the rounds, in microseconds per call, and the
median of the ratios. Run it in an environment in which the package is installed.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import shared_memory as standard
from typing import Any

import shm_util

CALLS = 300
KILLED = 1000


def create(memory: Callable[..., Any], size: int) -> None:
    block = memory(create=True, size=size)
    block.close()
    block.unlink()


def create_and_close(memory: Callable[..., Any], size: int) -> None:
    memory(create=True, size=size).close()


def attach(memory: Callable[..., Any], name: str) -> None:
    memory(name).close()


def time_of(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - start) / CALLS * 1e6


def compare(title: str, calls: dict[str, Callable[[], None]], rounds: int) -> None:
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        # The one that begins changes.
        for name in sorted(calls, reverse=number % 2 == 1):
            times[name].append(time_of(calls[name]))
    first = times["standard"]
    for name, found in times.items():
        ratios = [ours / theirs for ours, theirs in zip(found, first)]
        print(
            f"| {title} | {name} | {statistics.median(found):.1f} | {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}) |"
        )


# A process of its own, as the standard library's tracker ends with the program that started it.
LEAVE = """
import os, signal, sys
if sys.argv[1] == "standard":
    from multiprocessing.shared_memory import SharedMemory
    block = SharedMemory(create=True, size=5000)
else:
    from shm_util import SharedMemory
    block = SharedMemory(create=True, size=5000, transient=True)
block.buf[0] = 1
# The whole group, as when a terminal is closed or a container ends.
os.killpg(0, signal.SIGKILL)
"""


def left() -> int:
    names = [name for name in os.listdir("/dev/shm") if name.startswith("psm_")]
    return len(names) + len(shm_util.list())


def count_left(which: str) -> None:
    before = set(os.listdir("/dev/shm")), left()
    for _ in range(KILLED):
        command = [sys.executable, "-c", LEAVE, which]
        process = subprocess.Popen(command, start_new_session=True)
        assert process.wait() == -signal.SIGKILL
    print(f"| {which} | {left() - before[1]} of {KILLED} |")
    for name in set(os.listdir("/dev/shm")) - before[0]:
        if name.startswith("psm_"):
            os.unlink(os.path.join("/dev/shm", name))


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    print(f"Python {sys.version.split()[0]}, {rounds} rounds, load {os.getloadavg()[0]:.1f}\n")
    print("| what | with | us | ratio |\n| --- | --- | --- | --- |")
    transient = partial(shm_util.SharedMemory, transient=True)
    for size in (4096, 1 << 20):
        compare(
            f"create, close, unlink {size} bytes",
            {
                "standard": partial(create, standard.SharedMemory, size),
                "shm_util": partial(create, shm_util.SharedMemory, size),
                "shm_util, transient": partial(create, transient, size),
                "shm_util, transient, without unlink": partial(create_and_close, transient, size),
            },
            rounds,
        )
    theirs = standard.SharedMemory(create=True, size=4096)
    ours = shm_util.SharedMemory(create=True, size=4096)
    gone = transient(create=True, size=4096)
    compare(
        "attach, close",
        {
            "standard": partial(attach, standard.SharedMemory, theirs.name),
            "shm_util": partial(attach, shm_util.SharedMemory, ours.name),
            "shm_util, transient": partial(attach, shm_util.SharedMemory, gone.name),
        },
        rounds,
    )
    for block in (theirs, ours):
        block.close()
        block.unlink()
    gone.close()
    print("\n| with | left after kills |\n| --- | --- |")
    for which in ("standard", "shm_util"):
        count_left(which)


if __name__ == "__main__":
    main()
