"""Group commit: what one thread writes and syncs for all, and tells its callers."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from stonelog.filestore import DiskFull, StonelogError, Store, StoreReadOnly, batch, files, writer

EVENT = {"category": "api", "action": "read"}


class Gate:
    """Holds a file operation until it is opened, so that requests queue up behind it."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()
        self.calls = 0
        real = getattr(files, name)

        def call(*given: object) -> object:
            self.calls += 1
            self.reached.set()
            self.open.wait()
            return real(*given)

        monkeypatch.setattr(files, name, call)


def append(store: Store) -> int:
    """The `seq` of one more event."""
    return store.append(EVENT).seq


def seqs(store: Store) -> list[int | None]:
    """The `seq`s of all events."""
    return [event.seq for event in store.read()]


def raising(code: int) -> Callable[..., None]:
    """An operation that fails with this error."""

    def fail(*given: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def queue_up(store: Store, pool: ThreadPoolExecutor, count: int) -> list[object]:
    """So many appends from threads, all of them waiting in the committer's queue when this returns."""
    queued = threading.Semaphore(0)
    committer = store._committer
    real = committer._put

    def put(request: batch.Request) -> None:
        real(request)
        queued.release()

    committer._put = put  # type: ignore[assignment, method-assign]
    futures: list[object] = [pool.submit(append, store) for _ in range(count)]
    for _ in range(count):
        queued.acquire()
    committer._put = real  # type: ignore[method-assign]
    return futures


def result(future: object) -> object:
    """What a call gave, or the error it raised."""
    try:
        return future.result()  # type: ignore[attr-defined]
    except StonelogError as error:
        return error


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


# Errors through the seam


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("kept", [0, 1, 100, 300, -1])
def test_F28_F29_a_write_without_space_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int, kept: int
) -> None:
    """However much of the batch was written: DiskFull, none of it stays, reading goes on, the next append works."""
    path = Path(store.append(EVENT).file)
    before = path.read_bytes()
    real = files.write_all

    def short(fd: int, data: bytes) -> None:
        real(fd, data[:kept])
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_all", short)
        with pytest.raises(DiskFull, match="nothing of the event is on disk; make space"):
            store.append_many([EVENT] * 3)
        assert path.read_bytes() == before
        assert seqs(store) == [1]
    assert append(store) == 2
    assert seqs(store) == [1, 2]
    assert not store.recovered


def test_F33_if_the_new_segment_fails_too_every_waiter_hears_and_writing_ends(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO from every sync: nobody who waits is acknowledged, then or later, whatever the next sync would say."""
    store = Store.open(directory)
    append(store)
    with monkeypatch.context() as patched, ThreadPoolExecutor(5) as pool:
        patched.setattr(files, "sync_data", raising(errno.EIO))
        patched.setattr(files, "fsync", raising(errno.EIO))
        gate = Gate("write_all", patched)
        first = pool.submit(append, store)
        gate.reached.wait()
        rest = queue_up(store, pool, 4)
        gate.open.set()
        answers = [result(each) for each in (first, *rest)]
    assert all(
        isinstance(answer, StoreReadOnly) and "sync failed: Input/output error" in str(answer) for answer in answers
    )
    assert len({id(answer) for answer in answers}) == 5
    for attempt in (lambda: append(store), lambda: store.append_many([EVENT]), store.roll):
        with pytest.raises(StoreReadOnly, match="open the store again"):
            attempt()
    assert store.durable_seq == 1
    store.close()
    with Store.open(directory) as again:
        following = append(again)
        assert seqs(again) == list(range(1, following + 1))


def test_a_sync_that_fails_at_close_is_told_and_everything_is_let_go(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With durability `os` the last sync is that of close: its failure is StoreReadOnly, and no descriptor stays."""
    before = len(os.listdir("/proc/self/fd"))
    store = Store.open(directory, durability="os")
    append(store)
    with monkeypatch.context() as patched:
        patched.setattr(files, "sync_data", raising(errno.EIO))
        patched.setattr(files, "fsync", raising(errno.EIO))
        with pytest.raises(StoreReadOnly, match="sync failed"):
            store.close()
    assert len(os.listdir("/proc/self/fd")) == before
    store.close()


@pytest.mark.parametrize("name", ["lock", "look", "identity", "read_at", "write_at", "create", "open_append"])
def test_F36_F40_any_operation_that_fails_once_is_an_error_and_then_works(
    directory: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """OSError or MemoryError anywhere before the sync: the caller hears of it, the lock is free, the next one works."""
    monkeypatch.setenv("STONELOG_STORE_LOCK_SECONDS", "0.5")
    for error in (OSError(errno.EIO, "Input/output error"), MemoryError()):
        shutil.rmtree(directory, ignore_errors=True)
        with Store.open(directory) as store, Store.open(directory) as other:
            append(store)
            if name in {"create", "open_append", "write_at", "identity"}:  # the operations of taking up a new segment
                monkeypatch.setattr(writer, "today", lambda: date(2099, 1, 1))
            if name in {"open_append", "identity"}:
                append(other)
            real, failed = getattr(files, name), []

            def once(
                *given: object, _error: BaseException = error, _real: object = real, _failed: list[int] = failed
            ) -> object:
                if not _failed:
                    _failed.append(1)
                    raise _error
                assert callable(_real)
                return _real(*given)

            with monkeypatch.context() as patched:
                patched.setattr(files, name, once)
                try:
                    append(store)
                except StonelogError:
                    pass
                else:
                    raise AssertionError(f"{name} was not called")
            last = append(other)
            assert append(store) == last + 1
            monkeypatch.undo()
            monkeypatch.setenv("STONELOG_STORE_LOCK_SECONDS", "0.5")
            assert seqs(store) == list(range(1, store.last_seq + 1))
            assert not store.recovered.faults


def test_F40_no_memory_while_lines_are_made(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A MemoryError at any line of a batch: nothing of it is written, nobody is acknowledged, the next append works."""
    real = batch.seal_line
    for nth in range(3):
        calls = iter(range(10))

        def seal(body: bytes, seq: int, synced: int, _nth: int = nth, _calls: object = calls) -> bytes:
            if next(_calls) == _nth:  # type: ignore[call-overload]
                raise MemoryError
            return real(body, seq, synced)

        with monkeypatch.context() as patched:
            patched.setattr(batch, "seal_line", seal)
            with pytest.raises(StonelogError, match="MemoryError"):
                store.append_many([EVENT] * 3)
        assert append(store) == nth + 1
    assert seqs(store) == [1, 2, 3]


def test_F23_an_exception_between_write_and_sync_is_not_acknowledged(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is there but nobody was told; the next append's sync covers both, and order stays dense."""
    with monkeypatch.context() as patched:

        def interrupt(fd: int) -> None:
            raise KeyboardInterrupt

        patched.setattr(files, "sync_data", interrupt)
        with pytest.raises(StonelogError, match="KeyboardInterrupt"):
            append(store)
    assert append(store) == 2
    assert (seqs(store), store.durable_seq) == ([1, 2], 2)


# Threads


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
    """Whoever comes before the lock is ours is written by the thread that waits for it, and hears of its errors."""
    gate = Gate("lock", monkeypatch)
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


def test_F22_a_signal_handler_may_append_while_the_main_thread_does(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler runs in the middle of an append of the main thread: both have their receipts."""
    in_handler: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: in_handler.append(append(store)))
    real, main = files.sync_data, threading.main_thread().ident

    def sync(fd: int) -> None:
        if store.last_seq == 1:
            signal.pthread_kill(main or 0, signal.SIGUSR1)
        real(fd)

    try:
        monkeypatch.setattr(files, "sync_data", sync)
        assert append(store) == 1
        assert in_handler == [2]
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seqs(store) == [1, 2]


@pytest.mark.parametrize("in_main", [False, True])
def test_a_finalizer_that_calls_the_store_while_it_writes_is_refused_not_stuck(
    store: Store, monkeypatch: pytest.MonkeyPatch, in_main: bool
) -> None:
    """Waiting for itself would take for ever: append, roll and close raise there, emit takes the event."""
    real, refused = batch.seal_line, []

    def seal(body: bytes, seq: int, synced: int) -> bytes:
        if not refused:
            for call in (lambda: append(store), store.roll, store._committer.close):
                with pytest.raises(StonelogError, match="by a finalizer that ran there; emit can be called there"):
                    call()
                refused.append(1)
            assert store.emit(EVENT, message="emitted")
        return real(body, seq, synced)

    monkeypatch.setattr(batch, "seal_line", seal)
    if in_main:
        assert append(store) == 1
    else:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(append, store).result() == 1
    assert len(refused) == 3
    assert append(store) == 3
    assert [event.message for event in store.read()] == [None, "emitted", None]


def test_what_comes_too_late_is_refused(store: Store) -> None:
    """A request that reaches the queue when the store has just been closed is answered, not left waiting."""
    append(store)
    store.close()
    told: list[object] = []
    request = batch.Request([b""], lambda: told.append(request.error))
    store._committer.submit(request)
    assert request.error is not None
    assert "the store is closed" in str(request.error())
    assert isinstance(store._committer.submit_roll(early=False).get(timeout=30), StoreReadOnly)
    with pytest.raises(StoreReadOnly, match="the store is closed"):
        store._committer.commit(batch.Request([b""]))
    assert len(told) == 1
    assert not store._committer.offer(b"") or store.dropped == 1
