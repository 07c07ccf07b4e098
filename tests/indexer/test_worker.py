"""The indexer's thread: it follows the files, survives what befalls the index, takes over, and ends promptly."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from answers import wait_until
from shards import assert_covered, catalog, path_of
from stonelog.filestore import Store, StoreLock
from stonelog.indexer import Index, Worker
from stonelog.indexer import watch as watching
from stonelog.indexer import worker as module
from stonelog.indexer.shard import ShardWriter

NEVER = 3600.0
"""A time between polls that no test waits for."""

CHILD = """
import sys, time
from stonelog.indexer import Worker
worker = Worker(sys.argv[1], poll_seconds=0.02)
worker.start()
print("started", flush=True)
sys.stdin.read()
worker.stop()
"""


@pytest.fixture
def worker(directory: Path) -> Iterator[Worker]:
    """Not started yet; stopped at the end."""
    worker = Worker(directory, poll_seconds=0.02)
    yield worker
    worker.stop()


def child(directory: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"started\n"
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.communicate(timeout=30)
    assert process.returncode in (0, -signal.SIGKILL)


def indexed(index: Index, seq: int) -> bool:
    return index.status().indexed_seq >= seq


def test_it_follows_the_files(store: Store, directory: Path, worker: Worker) -> None:
    """What is there at the start is indexed, and what comes later too."""
    worker.start()
    with Index.open(directory) as index:
        wait_until(lambda: indexed(index, 10))
        store.append(category="api", action="read")
        wait_until(lambda: indexed(index, 11))
        wait_until(lambda: worker.status().indexed_seq == 11)
    assert worker.status().alive
    assert worker.status().error == ""


def test_a_change_wakes_it(store: Store, directory: Path) -> None:
    """It does not wait for its next poll."""
    worker = Worker(directory, poll_seconds=NEVER)
    worker.start()
    with Index.open(directory) as index:
        wait_until(lambda: indexed(index, 10))
        for number in range(11, 16):
            store.append(category="api", action="read")
            wait_until(lambda number=number: indexed(index, number))
    worker.stop()


def test_F56_without_watches_it_polls(
    store: Store, directory: Path, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F56: when the system has no watches left the index still follows."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(watching.Observer, "start", refuse)
    worker.start()
    with Index.open(directory) as index:
        wait_until(lambda: indexed(index, 10))
        store.append(category="api", action="read")
        wait_until(lambda: indexed(index, 11))


def test_it_waits_for_a_store(directory: Path, worker: Worker) -> None:
    """Started before there is a store it makes nothing, and begins when there is one."""
    worker.start()
    wait_until(lambda: worker.status().error != "")
    assert not directory.exists()
    with Store.open(directory, durability="none") as store, Index.open(directory) as index:
        store.append(category="api", action="read")
        wait_until(lambda: indexed(index, 1))
        wait_until(lambda: worker.status().error == "")


@pytest.mark.parametrize("lost", ["folder", "catalog.json", ".sqlite", ".sqlite-wal", ".sqlite-shm"])
def test_F52_a_deleted_index_is_built_again(store: Store, directory: Path, worker: Worker, lost: str) -> None:
    """F52: whatever of the index is deleted while it runs comes back, and answers were right all the time."""
    worker.start()
    with Index.open(directory) as index:
        for round_ in range(3):
            wait_until(lambda: index.status().state == "ok")
            if lost == "folder":
                shutil.rmtree(directory / "index")
            else:
                for path in (directory / "index").glob(f"*{lost}"):
                    path.unlink()
            for _ in range(20):
                assert index.count("number") == 10
            store.append(category="api", action="read", message=f"round {round_}")
            assert index.count("round") == round_ + 1
            wait_until(lambda: index.status().state == "ok" and active(directory) is not None)
        worker.stop()
        assert_covered(directory)


def active(directory: Path) -> Path | None:
    """The file of the active shard, if there is one."""
    try:
        path = path_of(directory, catalog(directory).shards[-1].number)
    except (OSError, ValueError, IndexError):
        return None
    return path if path.exists() else None


@pytest.mark.parametrize("damage", ["zeros", "garbage", "empty", "half"])
@pytest.mark.parametrize("what", ["shard", "catalog"])
def test_F52_a_damaged_index_gives_no_wrong_answer(
    store: Store, directory: Path, worker: Worker, what: str, damage: str
) -> None:
    """F52: while a file is damaged under it, answers come from the lines."""
    worker.start()
    with Index.open(directory) as index:
        wait_until(lambda: indexed(index, 10))
        path = active(directory) if what == "shard" else directory / "index" / "catalog.json"
        assert path is not None
        size = path.stat().st_size
        if damage in ("zeros", "garbage"):
            with path.open("r+b") as file:
                file.write(bytes(size) if damage == "zeros" else os.urandom(size))
        else:
            os.truncate(path, 0 if damage == "empty" else size // 2)
        for number in range(20):
            store.append(category="api", action="read", username="ada", message="after")
            assert index.count("after") == number + 1
            assert index.count("username:ada") == 6 + number
            assert len(index.search("username:ada OR number", limit=100).events) == 11 + number


def test_an_error_does_not_end_it(
    store: Store, directory: Path, worker: Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a pass raises is told once and tried again."""
    real, calls = ShardWriter.add, []

    def failing(self, feed, most):
        calls.append(feed)
        raise KeyError("time")

    monkeypatch.setattr(ShardWriter, "add", failing)
    worker.start()
    wait_until(lambda: len(calls) > 3)
    assert worker.status().alive
    assert "time" in worker.status().error
    assert len([record for record in caplog.records if "not up to date" in record.message]) == 1
    monkeypatch.setattr(ShardWriter, "add", real)
    wait_until(lambda: worker.status().indexed_seq == 10)
    assert worker.status().error == ""


def test_what_comes_together_is_indexed_together(
    directory: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is woken, there is a pause after each pass; a stop ends the pause."""
    monkeypatch.setattr(module, "_PAUSE_SECONDS", NEVER)
    worker = Worker(directory, poll_seconds=NEVER)
    worker.start()
    wait_until(lambda: worker.status().indexed_seq == 10)
    for _ in range(20):
        store.append(category="api", action="read")
        worker._turns.wake()
    assert worker.status().indexed_seq == 10
    worker.stop()
    assert not worker.status().alive


def test_stopping_does_not_wait_for_the_next_poll(directory: Path, store: Store) -> None:
    """However soon after the start it comes, stop is not lost."""
    for _ in range(50):
        worker = Worker(directory, poll_seconds=NEVER)
        worker.start()
        worker.stop()
        assert not worker.status().alive


def test_stopping_does_not_wait_for_another_indexer(directory: Path, store: Store) -> None:
    """While another process keeps the lock, stopping takes no longer than a moment."""
    lock = StoreLock(directory / "index.lock", 1.0)
    with lock.held():
        worker = Worker(directory, poll_seconds=NEVER)
        worker.start()
        thread = threading.Thread(target=worker.stop, daemon=True)
        thread.start()
        thread.join(5)
        assert not thread.is_alive()
    lock.close()


def test_it_can_be_started_again(store: Store, directory: Path, worker: Worker) -> None:
    """After a stop it goes on; starting or stopping twice does nothing."""
    worker.stop()
    for _ in range(3):
        seq = store.append(category="api", action="read").seq
        worker.start()
        worker.start()
        wait_until(lambda seq=seq: worker.status().indexed_seq == seq)
        worker.stop()
        worker.stop()


def test_stopping_leaves_no_threads(store: Store, directory: Path) -> None:
    """Neither its own nor the watcher's thread stays."""
    before = set(threading.enumerate())
    worker = Worker(directory, poll_seconds=NEVER)
    worker.start()
    wait_until(lambda: worker.status().indexed_seq == 10)
    worker.stop()
    wait_until(lambda: set(threading.enumerate()) <= before)


def test_two_processes_share_and_take_over(store: Store, directory: Path) -> None:
    """Two indexers work on one index without harm; when one is killed the other goes on."""
    one, two = child(directory), child(directory)
    try:
        with Index.open(directory) as index:
            for number in range(11, 31):
                store.append(category="api", action="read", message="shared")
                assert index.count("shared") == number - 10
            wait_until(lambda: indexed(index, 30))
            made = active(directory)
            one.kill()
            one.wait()
            store.append_many([{"category": "api", "action": "read", "message": "shared"}] * 10)
            wait_until(lambda: indexed(index, 40))
            assert index.count("shared") == 30
            assert index.status().state == "ok"
            assert active(directory) == made
    finally:
        for process in (one, two):
            end(process)


def test_a_query_right_after_an_append_sees_it(store: Store, directory: Path, worker: Worker) -> None:
    """Promise 3: from four threads, 1,000 times, with and without a worker, an event is in the very next answer."""
    failures: list[str] = []

    def append_and_ask(name: str, index: Index) -> None:
        for number in range(125):
            receipt = store.append(category="api", action="read", username=name, message=f"{name}x{number}")
            found = index.search(f"{name}x{number}").events
            if [event.seq for event in found] != [receipt.seq]:
                failures.append(f"{name} {number}: {found}")
            if number % 5 == 0 and index.count(f"username:{name}") != number + 1:
                failures.append(f"{name} {number}: count")

    for half in ("with", "without"):
        if half == "with":
            worker.start()
        else:
            worker.stop()
        with Index.open(directory) as index:
            threads = [threading.Thread(target=append_and_ask, args=(f"{half}{n}", index)) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert failures == []


def test_answers_are_consistent_under_load(store: Store, directory: Path, worker: Worker) -> None:
    """While one thread appends and the worker indexes, counts never fall, and pages are sorted and without doubles."""
    worker.start()
    stop, failures = threading.Event(), []
    index = Index.open(directory)

    def append() -> None:
        for _ in range(150):
            store.append_many([{"category": "api", "action": "read", "username": "load", "message": "m"}] * 3)
        stop.set()

    def ask() -> None:
        last, pages = 0, 0
        try:
            while not stop.is_set() or not pages:
                counts = [index.count("username:load"), index.stats("m").events, index.count("username:load")]
                if [last, *counts] != sorted([last, *counts]):
                    failures.append(f"{last} then {counts}")
                page = index.search("username:load", limit=30)
                seqs = [event.seq for event in page.events]
                if seqs != sorted(set(seqs), reverse=True):
                    failures.append(f"page {seqs}")
                if len(seqs) < min(30, counts[-1]):
                    failures.append(f"{len(seqs)} of {counts[-1]}")
                if seqs and seqs != list(range(seqs[0], seqs[-1] - 1, -1)):
                    failures.append(f"gap {seqs}")
                last, pages = counts[-1], pages + 1
        except BaseException as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(8)] + [threading.Thread(target=append)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert index.count("username:load") == 450
    index.close()
