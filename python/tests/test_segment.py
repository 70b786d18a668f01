"""Segment and the functions by name."""

from __future__ import annotations

import errno
import fcntl
import os
import pathlib
import signal
import struct
import subprocess
import sys
import threading
import time

import pytest

import shm_util
from shm_util import Segment

# fcntl has a name for it from Python 3.13 on.
F_OFD_SETLK = 37


def test_the_last_close_deletes_it() -> None:
    with Segment("last", 100) as segment:
        assert segment.is_new and segment.size == len(segment) == len(segment.buf) == 100
        with Segment("last") as again:
            assert not again.is_new
            again.buf[5] = 8
        assert segment.buf[5] == 8
        assert segment.info().mappings == 1
    assert segment.closed
    with pytest.raises(FileNotFoundError):
        Segment("last")


def test_detach_leaves_an_orphan_that_prune_deletes() -> None:
    Segment("orphan", 100).detach()
    assert shm_util.prune(3600) == []
    assert [info.name for info in shm_util.prune(0)] == ["orphan"]


def test_a_deleted_object_detaches() -> None:
    segment = Segment("dropped", 100)
    del segment
    assert shm_util.info("dropped").mappings == 0
    shm_util.remove("dropped")


def test_a_kept_segment_outlives_its_holders() -> None:
    Segment("kept", 100, keep=True).close()
    assert shm_util.info("kept").kept
    shm_util.keep("kept", False)
    Segment("kept").close()
    assert shm_util.list() == []


def test_an_existing_segment_must_be_large_enough() -> None:
    with Segment("small", 100):
        with pytest.raises(OSError) as caught:
            Segment("small", 200)
        assert caught.value.errno == errno.EINVAL
        assert "has 100 bytes, 200 requested" in caught.value.strerror
        with pytest.raises(FileExistsError):
            Segment("small", 100, exclusive=True)


def test_a_read_only_segment_refuses_to_be_written() -> None:
    with Segment("view", 100) as segment, Segment("view", readonly=True) as view:
        segment.buf[0] = 4
        assert view.buf.readonly and view.buf[0] == 4
        with pytest.raises(TypeError):
            view.buf[0] = 5
        with pytest.raises(ValueError):
            view.load("/dev/null")


def test_names_can_be_completed() -> None:
    with Segment("job.", 10, unique=True) as one, Segment("job.", 10, unique=True) as two:
        assert one.name != two.name and one.name.startswith("job.")


def test_a_hidden_segment_has_no_name_until_it_is_published() -> None:
    with Segment("hidden", 10, hidden=True) as segment:
        assert segment.info().hidden
        with pytest.raises(FileNotFoundError):
            shm_util.info("hidden")
        segment.publish()
        assert not shm_util.info("hidden").hidden


def test_save_and_load(tmp_path: pathlib.Path) -> None:
    with Segment("saved", 100) as segment:
        segment.buf[:] = bytes(range(100))
        segment.save(tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == bytes(range(100))
        (tmp_path / "short").write_bytes(b"abc")
        assert segment.load(tmp_path / "short") == (3, 3, 100)
        assert bytes(segment.buf[:4]) == b"abc\x03"
        with pytest.raises(FileNotFoundError):
            segment.load(tmp_path / "none")


def test_close_with_a_view_is_a_buffer_error() -> None:
    segment = Segment("exported", 100)
    view = segment.buf[:10]
    with pytest.raises(BufferError):
        segment.close()
    assert not segment.closed
    view.release()
    segment.close()
    with pytest.raises(ValueError):
        segment.buf
    with pytest.raises(ValueError):
        segment.info()


def test_namespaces_and_kinds_of_memory(tmp_path: pathlib.Path) -> None:
    for namespace, kind in [
        (f"{tmp_path}/plant", "sysv"),
        (f"{tmp_path}/", "directory"),
        ("private:", "private"),
    ]:
        with Segment("x", 100, namespace=namespace) as segment:
            info = segment.info()
            assert (info.kind, info.size) == (kind, 100)
            assert (segment.id == -1) == (kind != "sysv")
            assert [found.name for found in shm_util.list(namespace=namespace)] == ["x"]
            segment.buf[0] = 1
            segment.sync()
            with pytest.raises(FileNotFoundError):
                shm_util.info("x")
        assert shm_util.list(namespace=namespace) == []


def test_a_path_object_is_no_namespace(tmp_path: pathlib.Path) -> None:
    # It would drop the "/" that selects a directory.
    with pytest.raises(TypeError, match="drops the '/'"):
        Segment("x", 100, namespace=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        shm_util.list(namespace=tmp_path)  # type: ignore[arg-type]


def test_paths_contain_no_null_character() -> None:
    with Segment("x", 100) as segment:
        for call in (
            lambda: segment.save("a\0b"),
            lambda: segment.load(b"a\0b"),
            lambda: shm_util.list(namespace="/a\0b"),
            lambda: Segment("x", namespace="/a\0b"),
        ):
            with pytest.raises(ValueError, match="null"):
                call()


def test_other_threads_run_while_a_close_waits_for_a_lock(tmp_path: pathlib.Path) -> None:
    segment = Segment("locked", 100, namespace=f"{tmp_path}/")
    with open(tmp_path / "locked", "r+b") as file:
        # As a process that changes the segment: an exclusive lock on byte 0.
        lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
        fcntl.fcntl(file, F_OFD_SETLK, lock)
        errors: list[OSError] = []

        def close() -> None:
            try:
                segment.close()
            except OSError as error:
                errors.append(error)

        thread = threading.Thread(target=close)
        thread.start()
        time.sleep(0.05)  # it waits by now; the test is right without, too
        # Leaving this block unlocks the file. Were this thread stopped, the other one would give up.
    thread.join()
    assert errors == []
    assert os.listdir(tmp_path) == []


def test_wait_returns_when_the_segment_exists() -> None:
    with pytest.raises(TimeoutError) as caught:
        shm_util.wait("awaited", 0.3)
    assert caught.value.strerror.endswith("after 300 ms")
    with pytest.raises(TimeoutError) as caught:
        shm_util.wait("sunset after rain", 0.01)
    assert "'sunset after rain' in" in caught.value.strerror
    assert caught.value.strerror.endswith("after 10 ms")
    segments: list[Segment] = []
    thread = threading.Timer(0.1, lambda: segments.append(Segment("awaited", 10)))
    thread.start()
    shm_util.wait("awaited")
    thread.join()
    segments[0].close()
    for seconds in (-1, float("nan")):
        with pytest.raises(ValueError):
            shm_util.wait("awaited", seconds)


def test_ctrl_c_ends_a_wait() -> None:
    code = "import shm_util\nprint('ready', flush=True)\nshm_util.wait('never', 60)\n"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait() == -signal.SIGINT


def test_info_has_what_the_library_knows() -> None:
    with Segment("known", 100, mode=0o640, transient=True):
        info = shm_util.info("known")
        assert (info.mode, info.transient, info.creator_pid) == (0o640, True, os.getpid())
        assert info.attached is not None and info.attached >= info.created > 0


def test_a_c_program_reads_what_python_wrote(c_program: pathlib.Path) -> None:
    segment = Segment("from python", 100)
    segment.buf[:6] = b"hello\0"
    command = [c_program, "read", "from python"]
    assert subprocess.run(command, check=True, capture_output=True).stdout == b"hello\n"
    segment.close()


def test_python_reads_what_a_c_program_wrote(c_program: pathlib.Path) -> None:
    command = [c_program, "create", "from c", "good morning"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == b"ready\n"
        segment = Segment("from c")
        assert bytes(segment.buf[:12]) == b"good morning"
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.wait(30) == 0
    assert segment.info().mappings == 1
    segment.close()


def test_a_c_program_is_the_last_to_leave(c_program: pathlib.Path) -> None:
    segment = Segment("last is c", 100)
    segment.buf[:2] = b"x\0"
    segment.detach()
    subprocess.run([c_program, "read", "last is c"], check=True, capture_output=True)
    assert shm_util.list() == []
