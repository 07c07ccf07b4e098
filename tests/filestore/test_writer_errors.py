"""What goes wrong while a batch is written, and who calls at a bad moment: everybody is told, nothing is stuck."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from committing import EVENT, Gate, append, queue_up, raising, result, seqs
from stonelog.filestore import DiskFull, StonelogError, Store, StoreReadOnly, batch, files, writer


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
