"""Puts this package in the place of multiprocessing.shared_memory. test_cpython.py has every
interpreter import this module when it starts, also those that ignore PYTHONPATH."""

import multiprocessing
import multiprocessing.shared_memory
import sys

import shm_util.shared_memory

multiprocessing.shared_memory = shm_util.shared_memory
sys.modules["multiprocessing.shared_memory"] = shm_util.shared_memory
