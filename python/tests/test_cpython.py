"""CPython's own tests of shared memory, which the interpreter brings along."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_cpythons_own_tests_pass(method: str) -> None:
    environment = dict(os.environ)
    # Besides the substitute, what this interpreter finds the package with.
    paths = [str(HERE / "substitute"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    result = subprocess.run(
        [sys.executable, str(HERE / "cpython.py"), method],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    if result.returncode == 77:
        pytest.skip(result.stdout.strip())
    assert result.returncode == 0, result.stdout
