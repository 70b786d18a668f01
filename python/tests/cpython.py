"""Runs CPython's own tests of shared memory, which the interpreter brings along, against this
package: python cpython.py fork|spawn|forkserver. Exits with 77 if the interpreter lacks them.

The child processes of the tests find this package instead of multiprocessing.shared_memory, too:
see substitute.py.
"""

from __future__ import annotations

import sys
import unittest

try:
    from test import _test_multiprocessing as theirs
except ImportError as error:
    print(f"this Python lacks its tests: {error}")
    sys.exit(77)

import multiprocessing.shared_memory

import shm_util.shared_memory

# They require that the resource tracker prints a warning, and this package does without it.
# test_shared_memory.py checks what is left after processes were killed.
ABOUT_THE_TRACKER = {
    "test_shared_memory_cleaned_after_process_termination",
    "test_shared_memory_tracking",
}

if __name__ == "__main__":
    assert multiprocessing.shared_memory is shm_util.shared_memory
    assert theirs.shared_memory is shm_util.shared_memory
    names: dict[str, object] = {"__name__": __name__}
    theirs.install_tests_in_module_dict(names, sys.argv[1])
    suite = unittest.TestSuite()
    for name, case in names.items():
        if isinstance(case, type) and issubclass(case, theirs._TestSharedMemory):
            for test in unittest.defaultTestLoader.loadTestsFromTestCase(case):
                if test._testMethodName not in ABOUT_THE_TRACKER:
                    suite.addTest(test)
    names["setUpModule"]()
    try:
        result = unittest.TextTestRunner(verbosity=2).run(suite)
    finally:
        names["tearDownModule"]()
    print(f"cpython: {result.testsRun} run, {len(result.skipped)} skipped")
    sys.exit(not result.wasSuccessful() or result.testsRun == 0)
