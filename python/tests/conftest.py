"""The tests work in a namespace of their own, which must be empty in the end."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import tempfile
from collections.abc import Iterator

import pytest

# The library reads it once, at its first call.
_directory = tempfile.TemporaryDirectory(prefix="shm_util_python.")
os.environ["NOB_DATABASE"] = os.path.join(_directory.name, "namespace")
for _name in ("SHM_UTIL_KEEP", "SHM_UTIL_TRANSIENT", "APERROR_PRINT"):
    os.environ.pop(_name, None)

# What a shell starts in the background ignores this signal, and so would the programs of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)

import shm_util  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Each test deletes what it creates, also if it fails."""
    yield
    left = shm_util.list()
    for info in left:
        shm_util.remove(info.name)
    assert [info.name for info in left] == []


@pytest.fixture(scope="session")
def c_program(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A C program that uses the C library of this project."""
    library = TOP / "build" / "lib"
    if not (library / "libshm_util.so").exists():
        pytest.skip("the C library is not built: run make")
    program = tmp_path_factory.mktemp("c") / "program"
    source = pathlib.Path(__file__).with_name("program.c")
    cc = os.environ.get("CC", "cc")
    command = [cc, f"-I{TOP}/include", str(source), f"-L{library}", "-lshm_util"]
    try:
        subprocess.run([*command, f"-Wl,-rpath,{library}", "-o", str(program)], check=True)
    except FileNotFoundError:
        pytest.skip("there is no C compiler")
    return program


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what was skipped and the totals as the project's other tests do."""
    stats = terminalreporter.stats
    reasons = set()
    for report in stats.get("skipped", []):
        reasons.add(report.longrepr[2].removeprefix("Skipped: "))
    for reason in sorted(reasons):
        terminalreporter.write_line(f"SKIP: python: {reason}")
    passed = len(stats.get("passed", []))
    failed = len(stats.get("failed", [])) + len(stats.get("error", []))
    terminalreporter.write_line(
        f"python: {passed} passed, {failed} failed, {len(reasons)} skipped"
    )
