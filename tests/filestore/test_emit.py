"""emit: events are taken without waiting for the disk, in a bounded queue."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from stonelog.filestore import InvalidEvent, Store, StoreReadOnly, files

EVENT = {"category": "api", "action": "read"}


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """No write gets through before it is set; `.reached` is set when one has come there."""
    opened = threading.Event()
    opened.reached = threading.Event()  # type: ignore[attr-defined]
    real = files.write_all

    def write(fd: int, data: bytes) -> None:
        opened.reached.set()  # type: ignore[attr-defined]
        assert opened.wait(30)
        real(fd, data)

    monkeypatch.setattr(files, "write_all", write)
    return opened


def test_emitted_events_are_there_after_close(directory: Path) -> None:
    """All that was taken is written, in order, before close returns."""
    with Store.open(directory) as store:
        assert all(store.emit(EVENT, message=str(number)) for number in range(500))
    with Store.open(directory) as store:
        assert [event.message for event in store.read()] == [str(number) for number in range(500)]


def test_emit_does_not_wait_for_the_disk(store: Store, gate: threading.Event) -> None:
    """It returns while the disk stands still."""
    assert store.emit(EVENT)
    gate.reached.wait(30)  # type: ignore[attr-defined]
    assert store.emit(EVENT)
    assert list(store.read()) == []
    gate.set()


def test_without_room_events_are_dropped_counted_and_told(
    directory: Path, monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    """A full queue drops, `dropped` counts, and an event of the store's own says how many."""
    monkeypatch.setenv("STONELOG_STORE_EMIT_EVENTS", "3")
    with Store.open(directory) as store:
        taken = [store.emit(EVENT, message=str(number)) for number in range(8)]
        assert taken == [True] * 3 + [False] * 5
        assert store.dropped == 5
        gate.set()
    with Store.open(directory) as store:
        events = list(store.read())
        assert [event.message for event in events if event.action == "read"] == ["0", "1", "2"]
        assert sum(int((e.metadata or {})["dropped"]) for e in events if e.action == "events_dropped") == 5


def test_the_queue_is_bounded_in_bytes_too(
    directory: Path, monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    """However few they are, events do not take more memory than was allowed; one alone always passes."""
    monkeypatch.setenv("STONELOG_STORE_EMIT_BYTES", "1000")
    with Store.open(directory) as store:
        assert [store.emit(EVENT, message="m" * 2000) for _ in range(3)] == [True, False, False]
        gate.set()


def test_with_block_nothing_is_dropped(directory: Path, monkeypatch: pytest.MonkeyPatch, gate: threading.Event) -> None:
    """With the setting `block` the caller waits for room instead."""
    monkeypatch.setenv("STONELOG_STORE_EMIT_EVENTS", "2")
    monkeypatch.setenv("STONELOG_STORE_EMIT_OVERFLOW", "block")
    with Store.open(directory) as store:
        caller = threading.Thread(target=lambda: [store.emit(EVENT) for _ in range(20)])
        caller.start()
        gate.reached.wait(30)  # type: ignore[attr-defined]
        gate.set()
        caller.join()
        assert store.dropped == 0
    with Store.open(directory) as store:
        assert len(list(store.read())) == 20


def test_what_the_disk_refuses_is_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """An emitted event that cannot be written is dropped, counted and told, for nobody waits for its error."""
    with monkeypatch.context() as patched:

        def full(fd: int, data: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patched.setattr(files, "write_all", full)
        store.emit(EVENT)
        store.roll()  # answered after it
    assert store.dropped == 1
    store.append(EVENT)
    assert [event.action for event in store.read()] == ["read", "events_dropped"]


def test_a_wrong_event_is_refused_at_once(store: Store) -> None:
    """What is wrong with an event is told to whoever gave it, not later and not to nobody."""
    with pytest.raises(InvalidEvent, match="category"):
        store.emit(category="No!", action="x")


def test_a_closed_store_takes_nothing(store: Store) -> None:
    """After close emit raises."""
    store.close()
    with pytest.raises(StoreReadOnly, match="closed"):
        store.emit(EVENT)
