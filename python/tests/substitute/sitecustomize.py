"""Python imports this module when it starts: from then on, multiprocessing.shared_memory is that of
this package, in each process that inherits PYTHONPATH."""

import multiprocessing
import multiprocessing.shared_memory
import sys

import shm_util.shared_memory

multiprocessing.shared_memory = shm_util.shared_memory
sys.modules["multiprocessing.shared_memory"] = shm_util.shared_memory
