"""SharedMemory and ShareableList: what differs from the standard library, and what must not."""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

import shm_util
from shm_util import ShareableList, SharedMemory, shared_memory


@pytest.fixture
def block() -> Iterator[SharedMemory]:
    block = SharedMemory(create=True, size=100)
    yield block
    block.close()
    try:
        block.unlink()
    except FileNotFoundError:
        pass


def in_process(code: str, *arguments: str) -> str:
    """What another Python process prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


ATTACH = "import sys, shm_util; block = shm_util.SharedMemory(sys.argv[1]); "


def test_the_size_is_exactly_what_was_asked_for(block: SharedMemory) -> None:
    assert block.size == 100 and len(block.buf) == 100
    assert bytes(block.buf) == bytes(100)


def test_another_process_attaches_it_by_name(block: SharedMemory) -> None:
    block.buf[:5] = b"hello"
    read = ATTACH + "print(bytes(block.buf[:5]).decode()); block.buf[0] = ord('j')"
    assert in_process(read, block.name) == "hello\n"
    assert bytes(block.buf[:5]) == b"jello"


def test_close_detaches_and_the_block_stays(block: SharedMemory) -> None:
    block.buf[0] = 7
    block.close()
    assert block.buf is None
    block.close()
    again = SharedMemory(block.name)
    assert again.buf[0] == 7
    again.close()


def test_the_end_of_a_reader_deletes_nothing(block: SharedMemory) -> None:
    in_process(ATTACH, block.name)
    in_process(ATTACH + "import os; os.kill(os.getpid(), 9) if len(sys.argv) > 2 else 0", block.name)
    assert shm_util.info(block.name).size == 100


def test_a_block_outlives_its_creator_killed_or_not() -> None:
    code = (
        "import os, sys, shm_util\n"
        "block = shm_util.SharedMemory(sys.argv[1], create=True, size=10)\n"
        "block.buf[0] = 5\n"
        "sys.stdout.flush()\n"
        "os.kill(os.getpid(), int(sys.argv[2])) if sys.argv[2] != '0' else None\n"
    )
    for number in (0, signal.SIGKILL):
        subprocess.run([sys.executable, "-c", code, "outlives", str(int(number))], check=False)
        block = SharedMemory("outlives")
        assert block.buf[0] == 5
        block.unlink()
        block.close()


def test_unlink_removes_the_name_and_the_memory_stays(block: SharedMemory) -> None:
    block.unlink()
    with pytest.raises(FileNotFoundError):
        SharedMemory(block.name)
    block.buf[0] = 1
    with pytest.raises(FileNotFoundError):
        block.unlink()


def test_unlink_does_not_remove_a_block_that_was_created_later(block: SharedMemory) -> None:
    block.unlink()
    later = SharedMemory(block.name, create=True, size=10)
    with pytest.raises(FileNotFoundError):
        block.unlink()
    SharedMemory(block.name).close()
    later.close()
    later.unlink()


def test_close_with_a_view_is_a_buffer_error(block: SharedMemory) -> None:
    view = block.buf[10:20]
    with pytest.raises(BufferError):
        block.close()
    view[0] = 1
    assert block.buf[10] == 1
    view.release()
    block.close()
    assert block.buf is None


def test_a_view_keeps_the_memory_when_the_object_is_gone() -> None:
    block = SharedMemory("view", create=True, size=100)
    view = memoryview(block.buf)[1:]
    block.unlink()
    del block
    gc.collect()
    view[0] = 3
    assert view[0] == 3


def test_the_buffer_outlives_the_object(block: SharedMemory) -> None:
    # The standard library releases it: SharedMemory(name).buf[0] is a ValueError there.
    SharedMemory(block.name).buf[7] = 42
    view = SharedMemory(block.name).buf
    gc.collect()
    assert view[7] == 42
    assert shm_util.info(block.name).mappings == 2
    del view
    assert shm_util.info(block.name).mappings == 1


def test_a_view_at_the_end_of_the_program_is_no_crash() -> None:
    code = (
        "import shm_util\n"
        "block = shm_util.SharedMemory(create=True, size=100, transient=True)\n"
        "view = block.buf[1:]\n"
    )
    assert in_process(code) == ""


def test_names_may_begin_with_a_slash(block: SharedMemory) -> None:
    again = SharedMemory("/" + block.name)
    assert shm_util.info(block.name).mappings == 2
    again.close()


def test_names_may_be_bytes() -> None:
    name = b"caf\xe9"
    block = SharedMemory(name, create=True, size=10)
    assert os.fsencode(block.name) == name
    assert [os.fsencode(info.name) for info in shm_util.list()] == [name]
    block.unlink()
    block.close()


def test_arguments_are_checked() -> None:
    for arguments in (
        {"name": "a\0b"},
        {"name": "a\0b", "create": True, "size": 1},
        {"create": True},
        {"create": True, "size": -1},
        {"size": -1, "name": "x"},
        {},
        {"name": "x", "transient": True},
    ):
        with pytest.raises(ValueError):
            SharedMemory(**arguments)  # type: ignore[arg-type]


def test_errors_have_errno_and_a_sentence(block: SharedMemory) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        SharedMemory("nowhere")
    assert caught.value.errno == errno.ENOENT
    assert caught.value.strerror.startswith(os.strerror(errno.ENOENT) + ": no segment 'nowhere'")
    with pytest.raises(FileExistsError) as caught_too:
        SharedMemory(block.name, create=True, size=1)
    assert caught_too.value.errno == errno.EEXIST
    with pytest.raises(OSError) as too_long:
        SharedMemory("x" * 1001, create=True, size=1)
    assert too_long.value.errno == errno.ENAMETOOLONG


def test_only_its_user_may_attach_it(block: SharedMemory) -> None:
    assert shm_util.info(block.name).mode == 0o600


def test_it_is_pickled_by_name(block: SharedMemory) -> None:
    block.buf[0] = 9
    again = pickle.loads(pickle.dumps(block))
    assert again.buf[0] == 9
    again.close()


def _add(block: SharedMemory, times: int, lock: object) -> None:
    for _ in range(times):
        with lock:  # type: ignore[attr-defined]
            block.buf[0] += 1
    block.close()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_every_start_method_share_it(block: SharedMemory, method: str) -> None:
    context = multiprocessing.get_context(method)
    lock = context.Lock()
    workers = [context.Process(target=_add, args=(block, 20, lock)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert block.buf[0] == 60


def test_a_transient_block_ends_with_its_last_process() -> None:
    block = SharedMemory(create=True, size=10, transient=True)
    other = SharedMemory(block.name)
    block.close()
    assert shm_util.info(other.name).transient
    other.close()
    with pytest.raises(FileNotFoundError):
        SharedMemory(block.name)


def test_unlinking_a_transient_block_that_is_gone_is_no_error() -> None:
    block = SharedMemory("gone", create=True, size=100, transient=True)
    block.close()
    block.unlink()
    block = SharedMemory("gone", create=True, size=100, transient=True)
    other = SharedMemory("gone")
    block.unlink()
    block.unlink()
    with pytest.raises(FileNotFoundError):
        other.unlink()
    block.close()
    other.close()


def test_killed_processes_leave_no_transient_block() -> None:
    for number in range(1000):
        child = os.fork()
        if child == 0:
            try:
                SharedMemory(f"killed/{number}", create=True, size=5000, transient=True).buf[0] = 1
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert shm_util.list() == []


def test_no_tracker_process_is_started() -> None:
    code = (
        "import shm_util\n"
        "from multiprocessing import resource_tracker\n"
        "block = shm_util.SharedMemory(create=True, size=10)\n"
        "print(resource_tracker._resource_tracker._fd)\n"
        "block.unlink(); block.close()\n"
    )
    assert in_process(code) == "None\n"


def test_threads_may_close_while_others_read() -> None:
    errors: list[BaseException] = []

    def read(block: SharedMemory) -> None:
        try:
            while (view := block.buf) is not None:
                sum(view[:64])
        except (TypeError, ValueError):
            pass  # closed between two steps
        except BaseException as error:
            errors.append(error)

    for _ in range(50):
        block = SharedMemory(create=True, size=100, transient=True)
        readers = [threading.Thread(target=read, args=(block,)) for _ in range(3)]
        for reader in readers:
            reader.start()
        while True:
            try:
                block.close()
                break
            except BufferError:
                pass
        for reader in readers:
            reader.join()
    assert errors == []


def test_a_list_is_shared() -> None:
    numbers = ShareableList([1, 2.5, "three", None, b"x"])
    again = ShareableList(name=numbers.shm.name)
    again[0] = 7
    assert list(numbers) == [7, 2.5, "three", None, b"x"]
    assert isinstance(numbers, shared_memory.ShareableList)
    assert pickle.loads(pickle.dumps(numbers))[0] == 7
    again.shm.close()
    numbers.shm.close()
    numbers.shm.unlink()


def test_a_list_may_be_transient() -> None:
    numbers = ShareableList([1], transient=True)
    assert shm_util.info(numbers.shm.name).transient
    numbers.shm.close()
    assert shm_util.list() == []
