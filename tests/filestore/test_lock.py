"""The store's lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stonelog.filestore import Store, StoreLocked, files
from stonelog.filestore.lock import StoreLock

HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock inside the block."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Appends wait for the lock only briefly."""
    monkeypatch.setenv("STONELOG_STORE_LOCK_SECONDS", "0.05")


def append(store: Store) -> int:
    """The `seq` of one more event."""
    return store.append(category="api", action="read").seq


def test_while_others_write_there_is_time_for_other_work(directory: Path) -> None:
    """Whoever waits for the lock can do something meanwhile, but not when it seems that it will not be had."""
    directory.mkdir()
    calls: list[int] = []
    with StoreLock.opened(directory / "lock", 0.05) as lock:
        lock.acquire(lambda: calls.append(1))
        lock.release()
        assert calls == []
        with holder(directory / "lock"), pytest.raises(StoreLocked):
            lock.acquire(lambda: calls.append(1))
        assert 1 <= len(calls) <= 10
        with holder(directory / "lock") as other:
            lock.acquire(other.kill)
            lock.release()


def test_a_held_lock_is_store_locked_and_nothing_is_written(directory: Path) -> None:
    """After lock_seconds the caller hears StoreLocked; files are as before; once it is free appending goes on."""
    with Store.open(directory) as store:
        receipt = store.append(category="api", action="read")
        before = Path(receipt.file).read_bytes()
        with holder(directory / "lock"):
            with pytest.raises(StoreLocked, match=r"held the store's lock for 0.05 s; nothing was written"):
                append(store)
            with pytest.raises(StoreLocked):
                store.append_many([{"category": "api", "action": "read"}] * 3)
            with pytest.raises(StoreLocked):
                Store.open(directory)
            assert Path(receipt.file).read_bytes() == before
            assert [event.seq for event in store.read()] == [1]
        assert append(store) == 2


def test_F20_a_killed_holder_does_not_stop_the_next(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of a process that was killed is free: the next append needs no second try."""
    with Store.open(directory) as store, holder(directory / "lock") as process:
        process.kill()
        process.wait()
        assert append(store) == 1


def test_F21_a_stopped_holder_times_others_out_until_it_goes_on(directory: Path) -> None:
    """While the holder is stopped others hear StoreLocked; nothing is lost when it continues and lets go."""
    with Store.open(directory) as store, holder(directory / "lock") as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(StoreLocked):
            append(store)
        process.send_signal(signal.SIGCONT)
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        assert append(store) == 1


def test_W03_a_removed_lock_file_is_made_anew(directory: Path) -> None:
    """With the lock file gone, two open stores still agree on one lock and one order."""
    with Store.open(directory) as one, Store.open(directory) as two:
        assert [append(one), append(two)] == [1, 2]
        (directory / "lock").unlink()
        assert [append(one), append(two), append(one)] == [3, 4, 5]
        assert [event.seq for event in one.read()] == [1, 2, 3, 4, 5]


def test_W03_the_lock_is_the_file_at_the_path(directory: Path) -> None:
    """When the lock file was replaced, holding the old one is nothing: who holds the new one keeps others out."""
    with Store.open(directory) as store:
        append(store)
        (directory / "lock").rename(directory / "old")
        with holder(directory / "lock"), pytest.raises(StoreLocked):
            append(store)
        with holder(directory / "old"):
            assert append(store) == 2


def test_W03_a_lock_that_cannot_be_opened_again_leaves_a_usable_lock(tmp_path: Path) -> None:
    """If the place vanished, each try fails the same way, and it works again when that is back."""
    path = tmp_path / "there" / "lock"
    path.parent.mkdir()
    lock = StoreLock(path, 0.05)
    path.parent.rename(tmp_path / "away")
    others = []
    for _ in range(3):
        with pytest.raises(FileNotFoundError), lock.held():
            pass
        others.append(os.open(tmp_path, os.O_RDONLY))
    for each in others:
        os.close(each)  # none of them was closed by the lock
    (tmp_path / "away").rename(path.parent)
    other = files.open_lock(path)
    with lock.held():
        assert not files.lock(other)
    assert files.lock(other)
    files.close(other)
    lock.close()


def test_F37_an_interrupted_call_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EINTR and EAGAIN of flock are no errors."""
    import fcntl

    answers: list[type[OSError] | None] = [InterruptedError, BlockingIOError, None, None]

    def flock(fd: int, operation: int) -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    lock = StoreLock(tmp_path / "lock", 10.0)
    monkeypatch.setattr(fcntl, "flock", flock)
    with lock.held():
        assert len(answers) == 1  # only the unlocking is left
    assert answers == []
    lock.close()


def test_the_lock_is_free_after_an_error_inside(tmp_path: Path) -> None:
    """Whatever happens in the block, MemoryError too, the lock is let go (F40)."""
    one, two = StoreLock(tmp_path / "lock", 0.05), StoreLock(tmp_path / "lock", 0.05)
    with pytest.raises(MemoryError), one.held():
        raise MemoryError
    with two.held(), pytest.raises(StoreLocked), one.held():
        raise AssertionError("two hold it")
    one.close()
    two.close()


def test_the_note_is_what_the_last_holder_wrote(tmp_path: Path) -> None:
    """A shorter note does not leave the end of a longer one; a new lock file has none, not even an empty one."""
    lock = StoreLock(tmp_path / "lock", 1.0)
    assert lock.note_is("") is False
    lock.write_note("2026-11-23.001.jsonl")
    lock.write_note("2026-11-23.jsonl")
    other = StoreLock(tmp_path / "lock", 1.0)
    assert other.note_is("2026-11-23.jsonl")
    assert not other.note_is("2026-11-23.001.jsonl")
    lock.close()
    other.close()


@pytest.mark.parametrize("kind", ["link", "directory", "pipe"])
def test_a_lock_that_is_no_file_is_a_clear_error(directory: Path, kind: str) -> None:
    """A link, a directory or a pipe called `lock` is refused by name; the link's target is not touched."""
    from stonelog.filestore import StoreReadOnly

    directory.mkdir(mode=0o700)
    place = directory / "lock"
    if kind == "link":
        place.symlink_to(directory / "target")
    elif kind == "directory":
        place.mkdir()
    else:
        os.mkfifo(place)
    with pytest.raises(StoreReadOnly, match="lock: "):
        Store.open(directory)
    assert not (directory / "target").exists()
