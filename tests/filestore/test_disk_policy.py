"""A store on a disk that gets full: early retention, shedding, and going on when there is space again."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from freezegun import freeze_time

from answers import wait_until
from stonelog.filestore import DiskFull, Reader, Store, files

EVENT = {"category": "api", "action": "read"}
PLENTY, LITTLE = 1 << 30, 1 << 20


class Figures:
    """What the file system says of itself, as a test sets it."""

    def __init__(self) -> None:
        self.free = PLENTY


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> Figures:
    """The file system has as much space as this says."""
    found = Figures()
    monkeypatch.setattr(files, "space", lambda path: (found.free, 1 << 40))
    return found


@pytest.fixture
def sealed(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of three sealed days and an active one, of which retention wants those before yesterday gone."""
    monkeypatch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "1")
    with freeze_time("2026-11-20 12:00") as clock, Store.open(directory) as store:
        for day in (20, 21, 22, 23):
            clock.move_to(f"2026-11-{day} 12:00")
            store.append_many([EVENT] * 3)
        store.upkeep.seal()
    return directory


def actions(directory: Path) -> list[str]:
    """What the store's own events tell, but for sealing."""
    found = [event.action for event in Reader(directory).read() if event.category == "system_management"]
    return [action for action in found if action and action != "store_sealed"]


def full(monkeypatch: pytest.MonkeyPatch, *, for_lines_longer_than: int = 0) -> Callable[[], None]:
    """No line is written, or no batch that is longer, until what this gives is called."""
    real, is_full = files.write_all, [True]

    def write(fd: int, data: bytes) -> None:
        if is_full and len(data) > for_lines_longer_than:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(fd, data)

    monkeypatch.setattr(files, "write_all", write)
    return is_full.clear


@freeze_time("2026-11-23 13:00")
def test_retention_runs_when_space_becomes_low(sealed: Path, figures: Figures) -> None:
    """Nobody has to ask for it, and the append that noticed does not wait for it."""
    with Store.open(sealed) as store:
        store.append(EVENT)
        assert len(Reader(sealed).names()) == 4
        figures.free = LITTLE
        store.append(EVENT)
        wait_until(lambda: len(Reader(sealed).names()) == 2)
        wait_until(lambda: "stonelog-retention" not in {thread.name for thread in threading.enumerate()})
    assert actions(sealed)[:2] == ["store_space_low", "store_pruned"]


@freeze_time("2026-11-23 13:00")
def test_retention_runs_for_a_store_that_is_opened_on_a_full_disk(sealed: Path, figures: Figures) -> None:
    """Space need not become low while the store is open: its first event brings retention about."""
    figures.free = LITTLE
    with Store.open(sealed) as store:
        assert actions(sealed) == []
        store.append(EVENT)
        wait_until(lambda: len(Reader(sealed).names()) == 2)
        wait_until(lambda: "stonelog-retention" not in {thread.name for thread in threading.enumerate()})
    assert set(actions(sealed)) == {"store_space_low", "store_pruned"}


def test_without_a_thread_for_retention_the_append_goes_on(
    sealed: Path, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that may start no more threads still writes its events."""

    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with freeze_time("2026-11-23 13:00"), Store.open(sealed) as store:
        store.append(EVENT)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", fail)
            figures.free = LITTLE
            store.append(EVENT)
            assert len(Reader(sealed).names()) == 4


def test_low_space_is_noticed_also_by_an_append_that_fails(
    sealed: Path, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told when something can be written again, in the order of what happened."""
    with freeze_time("2026-11-23 13:00"), Store.open(sealed) as store:
        monkeypatch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "0")
        figures.free = LITTLE
        release = full(monkeypatch)
        for _ in range(3):
            with pytest.raises(DiskFull):
                store.append(EVENT)
        release()
        figures.free = PLENTY
        store.append(EVENT)
    assert actions(sealed) == ["store_space_low", "store_space_back"]


def test_what_was_dropped_is_told_though_its_own_event_found_no_space(
    directory: Path, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event that counts dropped ones, and cannot be written either, is not forgotten."""
    with Store.open(directory) as store:
        store.append(EVENT)
        figures.free = LITTLE
        store.append(EVENT)
        assert [store.emit(EVENT, level="debug") for _ in range(5)] == [False] * 5
        with monkeypatch.context() as patched:
            real, calls = files.write_all, []

            def second_fails(fd: int, data: bytes) -> None:
                calls.append(data)
                if len(calls) == 2:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                real(fd, data)

            patched.setattr(files, "write_all", second_fails)
            store.append(EVENT)
            assert len(calls) == 2
        store.append(EVENT)
        assert store.dropped == 5
    told = [event.metadata for event in Reader(directory).read() if event.action == "events_dropped"]
    assert told == [{"dropped": 5}]


def test_a_store_whose_jump_of_the_clock_finds_no_space_can_be_opened(
    directory: Path, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What opening would tell waits for space: retention, which makes some, needs an open store."""
    with freeze_time("2026-11-23 12:00"), Store.open(directory) as store:
        store.append(EVENT)
    release = full(monkeypatch)
    with freeze_time("2026-11-23 11:00"), Store.open(directory) as store:
        assert actions(directory) == []
        release()
        store.append(EVENT)
    assert actions(directory) == ["store_clock_jumped"]


@freeze_time("2026-11-23 13:00")
def test_the_reserve_is_there_again_when_space_is(sealed: Path, figures: Figures) -> None:
    """What retention used up while the disk was full is set aside again, without opening the store anew."""
    with Store.open(sealed) as store:
        reserve = sealed / "reserve"
        figures.free = LITTLE
        store.append(EVENT)
        wait_until(lambda: len(Reader(sealed).names()) == 2)
        wait_until(lambda: "stonelog-retention" not in {thread.name for thread in threading.enumerate()})
        assert not reserve.exists()
        figures.free = PLENTY
        store.append(EVENT)
        assert reserve.stat().st_size == 4 << 20
    assert actions(sealed) == ["store_space_low", "store_pruned", "store_space_back"]


def test_append_is_never_shed(directory: Path, figures: Figures) -> None:
    """Whatever its level: who waits for the disk hears from the disk."""
    with Store.open(directory) as store:
        figures.free = 1
        store.append(EVENT)
        assert [store.append(EVENT, level=level).seq for level in ("debug", "error")] == [3, 4]
        assert [store.emit(EVENT, level=level) for level in ("debug", "error", "critical")] == [False, False, True]
