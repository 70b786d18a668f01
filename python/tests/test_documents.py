"""The programs in the documents run as they are."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import pytest

import shm_util

TOP = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("document", ["README.md", "python/README.md", "docs/python.md"])
def test_the_programs_in_a_document_run(document: str, tmp_path: pathlib.Path) -> None:
    text = (TOP / document).read_text()
    programs = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert programs
    for program in programs:
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)


def test_the_example_with_an_array_runs() -> None:
    pytest.importorskip("numpy", reason="NumPy is not installed")
    command = [sys.executable, str(TOP / "examples" / "shared_array.py")]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert output == "[0.0, 1.0, 2.0, 3.0]\n"


def test_the_examples_in_docstrings_are_right() -> None:
    import doctest

    for module in (shm_util.shared_memory, sys.modules["shm_util._segment"]):
        result = doctest.testmod(module)
        assert result.attempted > 0 and result.failed == 0
