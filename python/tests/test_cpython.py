"""CPython's own tests of shared memory, which the interpreter brings along."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import sysconfig
from collections.abc import Iterator

import pytest

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def substitute() -> Iterator[None]:
    """Some of the tests start interpreters that ignore the environment (-E, -I). These, too, read
    the files in site-packages whose names end in .pth."""
    if sys.prefix == sys.base_prefix:
        pytest.skip("CPython's tests need a virtual environment")
    segments = int(pathlib.Path("/proc/sys/kernel/shmmni").read_text())
    if segments < 64:
        pytest.skip(f"CPython's tests need 64 segments; kernel.shmmni is {segments}")
    file = pathlib.Path(sysconfig.get_path("purelib"), "shm_util_substitute.pth")
    file.write_text(
        f"import os, sys; 'SHM_UTIL_SUBSTITUTE' in os.environ and "
        f"(sys.path.append({str(HERE)!r}), __import__('substitute'))\n"
    )
    yield
    file.unlink()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.usefixtures("substitute")
def test_cpythons_own_tests_pass(method: str) -> None:
    result = subprocess.run(
        [sys.executable, str(HERE / "cpython.py"), method],
        env={**os.environ, "SHM_UTIL_SUBSTITUTE": "yes"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    if result.returncode == 77:
        pytest.skip(result.stdout.strip())
    assert result.returncode == 0, result.stdout
    print(result.stdout)
