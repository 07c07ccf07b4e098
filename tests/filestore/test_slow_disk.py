"""A disk whose sync takes seconds keeps nobody from what does not need that sync.

The seconds are those of a clock that the test moves: nobody sleeps.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stonelog.filestore import Receipt, Store, clock, files, lock, settled

EVENT: dict[str, Any] = {"category": "api", "action": "read"}


class SlowDisk:
    """The first sync stands still until `finish`; the clock goes on while somebody pauses, or is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.syncing = threading.Event()
        self._over = threading.Event()
        self._first = True
        real = files.sync_data

        def sync(fd: int) -> None:
            first, self._first = self._first, False
            if first:
                self.syncing.set()
                assert self._over.wait(60)
            real(fd)

        monkeypatch.setattr(files, "sync_data", sync)
        stand_in = SimpleNamespace(monotonic=lambda: self.now, sleep=self.move)
        for module in (lock, settled):
            monkeypatch.setattr(module, "time", stand_in)
        monkeypatch.setattr(clock, "elapsed", lambda: time.monotonic())

    def move(self, seconds: float) -> None:
        """So much time has passed."""
        self.now += seconds

    def finish(self, seconds: float) -> None:
        """The sync ends, having taken so long."""
        self.move(seconds)
        self._over.set()


@pytest.fixture
def stores(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Store, Store]]:
    """Two stores on one directory, as two processes have them; each waits for the lock 0.05 s at most."""
    monkeypatch.setenv("STONELOG_STORE_LOCK_SECONDS", "0.05")
    monkeypatch.setenv("STONELOG_STORE_EMIT_EVENTS", "50")
    with Store.open(directory) as slow, Store.open(directory) as other:
        yield slow, other


@pytest.mark.parametrize("seconds", [0.1, 10.0])
def test_F38_a_slow_sync_breaks_nobody_elses_deadline(
    stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """While one process syncs for 10 s another appends and reads without waiting; both are acknowledged in order."""
    slow, other = stores
    disk = SlowDisk(monkeypatch)
    given: list[int] = []
    thread = threading.Thread(target=lambda: given.append(slow.append(EVENT).seq))
    thread.start()
    assert disk.syncing.wait(60)
    began = disk.now
    try:
        for turn in range(10):
            disk.move(seconds / 20)
            assert other.append(EVENT).seq == turn + 2
        assert [event.seq for event in other.read()] == list(range(1, 12))
        assert disk.now - began == pytest.approx(seconds / 2)  # nobody paused: that would have moved the clock
        assert given == []
        assert slow.durable_seq == 0
    finally:
        disk.finish(seconds / 2)
        thread.join(60)
    assert given == [1]
    assert slow.append(EVENT).seq == 12


@pytest.mark.parametrize("seconds", [0.1, 10.0])
def test_F38_a_slow_sync_leaves_the_event_loop_free_and_what_waits_bounded(
    stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """The loop runs while 100 of its appends wait; `emit` takes what its bound allows, drops the rest and counts it."""
    slow, _ = stores
    disk = SlowDisk(monkeypatch)

    async def main() -> list[Receipt]:
        tasks = [asyncio.create_task(slow.append_async(EVENT)) for _ in range(100)]
        while not disk.syncing.is_set():
            await asyncio.sleep(0)
        taken = [slow.emit(EVENT) for _ in range(200)]
        assert (taken.count(True), slow.dropped) == (50, 150)
        assert not any(task.done() for task in tasks)
        disk.finish(seconds)
        return await asyncio.gather(*tasks)

    assert sorted(receipt.seq for receipt in asyncio.run(main())) == list(range(1, 101))
    slow.append(EVENT)  # answered after what was emitted
    events = list(slow.read())
    assert [event.action for event in events].count("read") == 151
    assert sum((event.metadata or {})["dropped"] for event in events if event.action == "events_dropped") == 150
