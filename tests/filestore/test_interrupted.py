"""The thread that writes and the end of a store survive what may come at any point: no memory, Ctrl-C."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from stonelog.filestore import Store, StoreReadOnly, files
from stonelog.filestore.batch import Request

EVENT = {"category": "api", "action": "read"}
BODY = b'"id":"x","time":"2026-11-23T12:00:00.000000Z","level":"info","category":"api","action":"read"'


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, SystemExit])
def test_F40_the_thread_that_writes_survives_whatever_a_caller_does_when_it_is_told(
    store: Store, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """Even if telling a caller fails, the log says so and those behind it are answered."""

    def fail() -> None:
        raise error

    store._committer.submit(Request([BODY], fail))
    assert store.append(EVENT).seq == 2
    assert store.append(EVENT).seq == 3  # by now all of the batch before were told
    assert "could not be told" in caplog.text


def test_F22_a_close_that_was_interrupted_can_be_repeated(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while `close` waits: nothing more is taken; closing again writes what was taken, and lets go."""
    before = (len(os.listdir("/proc/self/fd")), threading.active_count())
    store = Store.open(directory)
    store.append(EVENT)
    gate, real = threading.Event(), files.write_all

    def write(fd: int, data: bytes) -> None:
        assert gate.wait(30)
        real(fd, data)

    def interrupt(timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "write_all", write)
    assert store.emit(EVENT)
    with monkeypatch.context() as patched:
        patched.setattr(store._committer._ended, "wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.close()
    with pytest.raises(StoreReadOnly, match="closed"):
        store.append(EVENT)
    gate.set()
    store.close()
    store.close()
    for thread in threading.enumerate():
        if thread.name == "stonelog-committer":
            thread.join(20)
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before
    assert [event.seq for event in store.read()] == [1, 2]
