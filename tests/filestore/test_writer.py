"""Group commit: what one thread writes and syncs for all, and tells its callers."""

from __future__ import annotations

import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from committing import EVENT, Gate, append, queue_up, result, seqs
from stonelog.filestore import DiskFull, Store, StoreReadOnly, batch, files


def test_callers_that_wait_share_one_write_and_one_sync(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What queued up while a sync was going on is one batch: one write, one sync, dense `seq`s."""
    gate = Gate("sync_data", monkeypatch)
    writes: list[bytes] = []
    real = files.write_all
    monkeypatch.setattr(files, "write_all", lambda fd, data: (writes.append(data), real(fd, data))[1])
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(append, store)
        gate.reached.wait()
        rest = queue_up(store, pool, 8)
        gate.open.set()
        assert first.result() == 1
        assert sorted(int(str(result(each))) for each in rest) == list(range(2, 10))
    assert gate.calls == 2
    assert [data.count(b"\n") for data in writes] == [1, 8]


def test_nobody_is_told_before_the_sync_has_returned(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the sync is going on the call waits, and `durable_seq` does not count the event."""
    append(store)
    gate = Gate("sync_data", monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(append, store)
        gate.reached.wait()
        assert not future.done()
        assert (store.last_seq, store.durable_seq) == (2, 1)
        gate.open.set()
        assert future.result() == 2
        assert store.durable_seq == 2


@pytest.mark.parametrize("durability", ["os", "none"])
def test_less_than_fsync_does_not_sync_and_says_so(
    directory: Path, monkeypatch: pytest.MonkeyPatch, durability: str
) -> None:
    """With `os` and `none` an append does not wait for the disk; the receipt and `synced` do not promise it."""
    synced: list[int] = []
    with Store.open(directory, durability=durability) as store:  # type: ignore[arg-type]
        real = files.sync_data
        monkeypatch.setattr(files, "sync_data", lambda fd: (synced.append(fd), real(fd))[1])
        receipts = [store.append(EVENT) for _ in range(3)]
        assert {receipt.durability for receipt in receipts} == {durability}
        assert (store.last_seq, store.durable_seq, synced) == (3, 0, [])
    assert len(synced) == (1 if durability == "os" else 0)
    assert Path(receipts[0].file).read_bytes().count(b'"synced":0,') == 3


def test_the_lock_is_free_while_it_syncs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process can write while this one waits for the disk."""
    gate = Gate("sync_data", monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(append, store)
        gate.reached.wait()
        fd = files.open_lock(store.directory / "lock")
        assert files.lock(fd)
        files.unlock(fd)
        files.close(fd)
        gate.open.set()
        assert future.result() == 1


def test_the_committer_starts_when_it_is_needed_and_ends_with_close(directory: Path) -> None:
    """Opening and reading start no thread; writers that meet have one, however many; closing leaves none."""
    before = set(threading.enumerate())
    store = Store.open(directory)
    list(store.read())
    assert set(threading.enumerate()) == before
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(lambda _: append(store), range(40))) == list(range(1, 41))
    append(store)
    new = [thread.name for thread in set(threading.enumerate()) - before]
    assert new == ["stonelog-committer"]
    store.close()
    assert set(threading.enumerate()) == before


def test_what_was_submitted_before_close_is_answered(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing waits until everyone who was in the queue has a receipt; whoever comes after is refused."""
    gate = Gate("sync_data", monkeypatch)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(append, store)
        gate.reached.wait()
        rest = queue_up(store, pool, 4)
        closing = pool.submit(store.close)
        gate.open.set()
        closing.result()
        assert sorted([first.result(), *(int(str(result(each))) for each in rest)]) == [1, 2, 3, 4, 5]
    for attempt in (lambda: append(store), store.roll):
        with pytest.raises(StoreReadOnly, match="the store is closed"):
            attempt()


def test_a_roll_waits_its_turn_in_the_queue(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A roll among appends is answered, as are all of them, and closing at the same time does not leave it hanging."""
    gate = Gate("sync_data", monkeypatch)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(append, store)
        gate.reached.wait()
        before = queue_up(store, pool, 2)
        roll = pool.submit(store.roll)
        closing = pool.submit(store.close)
        gate.open.set()
        assert isinstance(result(roll), StoreReadOnly | None)
        closing.result()
        assert sorted([first.result(), *(int(str(result(each))) for each in before)]) == [1, 2, 3]


def test_a_batch_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """W6: what queued up is written in pieces of a bounded number of events."""
    monkeypatch.setattr(batch, "_MOST_EVENTS", 3)
    gate = Gate("sync_data", monkeypatch)
    writes: list[int] = []
    real = files.write_all
    monkeypatch.setattr(files, "write_all", lambda fd, data: (writes.append(data.count(b"\n")), real(fd, data))[1])
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(append, store)
        gate.reached.wait()
        rest = queue_up(store, pool, 8)
        gate.open.set()
        assert sorted([first.result(), *(int(str(result(each))) for each in rest)]) == list(range(1, 10))
    assert writes == [1, 3, 3, 2]


def test_a_lone_writer_needs_no_other_thread(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that nobody competes with writes and syncs by itself."""
    syncing: list[str] = []
    real = files.sync_data
    monkeypatch.setattr(files, "sync_data", lambda fd: (syncing.append(threading.current_thread().name), real(fd))[1])
    lone = threading.Thread(target=append, args=(store,), name="lone")
    lone.start()
    lone.join()
    assert syncing == ["lone"]
    assert seqs(store) == [1]


@pytest.mark.parametrize("fails", [False, True])
def test_what_queues_up_while_the_lock_is_waited_for_is_in_the_batch(
    store: Store, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """Who comes while another process has the lock is written by the thread that waits, and hears of its errors."""
    gate = Gate("lock", monkeypatch)
    gated, had = files.lock, []
    monkeypatch.setattr(files, "lock", lambda fd: gated(fd) if had else bool(had.append(gated(fd))))  # type: ignore[func-returns-value]
    writes: list[int] = []
    real = files.write_all

    def write(fd: int, data: bytes) -> None:
        writes.append(data.count(b"\n"))
        if fails:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(fd, data)

    with monkeypatch.context() as patched, ThreadPoolExecutor(9) as pool:
        patched.setattr(files, "write_all", write)
        first = pool.submit(append, store)
        gate.reached.wait()
        rest = queue_up(store, pool, 8)
        gate.open.set()
        answers = [result(each) for each in (first, *rest)]
    assert writes == [9]
    if fails:
        assert all(isinstance(answer, DiskFull) for answer in answers)
        assert len({id(answer) for answer in answers}) == 9
    else:
        assert answers[0] == 1
        assert sorted(int(str(answer)) for answer in answers) == list(range(1, 10))
    assert append(store) == (1 if fails else 10)


def test_what_one_thread_emits_and_appends_keeps_its_order(store: Store) -> None:
    """An append does not overtake what the same thread gave to emit before, though it could write by itself."""

    def both() -> None:
        for number in range(40):
            store.emit(EVENT, message=str(2 * number))
            store.append(EVENT, message=str(2 * number + 1))

    thread = threading.Thread(target=both)
    thread.start()
    thread.join()
    assert [event.message for event in store.read()] == [str(number) for number in range(80)]
