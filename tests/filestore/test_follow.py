"""Following a store: every event, in order, once, and only when it is durable."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time

from stonelog.filestore import Store, files

EVENT: dict[str, Any] = {"category": "api", "action": "read"}


def test_follow_gives_what_other_threads_append(store: Store) -> None:
    """Every event, once, in order, while several threads append; it ends with `stop`."""
    stop = threading.Event()
    got: list[int | None] = []
    with ThreadPoolExecutor(4) as pool:
        pending = [pool.submit(store.append, EVENT) for _ in range(50)]
        for event in store.follow(stop=stop):
            got.append(event.seq)
            if len(got) == 50:
                stop.set()
        assert all(each.result() for each in pending)
    assert got == list(range(1, 51))


def test_follow_ends_with_the_store_and_does_not_touch_the_callers_event(store: Store) -> None:
    """Closing ends it after what was written; a `stop` that others share stays as it was."""
    stop = threading.Event()
    store.append(EVENT)
    events = store.follow(stop=stop)
    assert next(events).seq == 1
    store.append(EVENT)
    store.close()
    assert [event.seq for event in events] == [2]
    assert not stop.is_set()


def test_follow_across_midnight(directory: Path) -> None:
    """The new day's segment is followed without a gap."""
    with freeze_time("2026-12-31 23:59:59") as clock, Store.open(directory) as store:
        stop, got = threading.Event(), []
        store.append(EVENT)
        for event in store.follow(stop=stop):
            got.append((event.seq, event.time and event.time.year))
            match len(got):
                case 1:
                    clock.move_to("2027-01-01")
                    store.append(EVENT)
                case 2:
                    store.append(EVENT)
                case 3:
                    stop.set()
    assert got == [(1, 2026), (2, 2027), (3, 2027)]


def test_follow_never_gives_an_event_before_it_is_durable(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the write of an event and its being given there is always a sync of its file that has returned."""
    steps: list[str] = []
    write, sync = files.write_all, files.sync_data

    def written(fd: int, data: bytes) -> None:
        steps.append("write")
        write(fd, data)

    def synced(fd: int) -> None:
        length = files.size(fd)
        sync(fd)
        steps.append(f"synced {files.read_at(fd, 0, length).count(10)}")

    monkeypatch.setattr(files, "write_all", written)
    monkeypatch.setattr(files, "sync_data", synced)
    stop = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        pending = [pool.submit(store.append, EVENT) for _ in range(20)]
        for event in store.follow(stop=stop):
            durable = max([int(step.split()[1]) for step in steps if step.startswith("synced")], default=0)
            assert (event.seq or 0) <= durable
            if event.seq == 20:
                stop.set()
        assert len([each.result() for each in pending]) == 20
