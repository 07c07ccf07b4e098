"""No state that a power cut may leave is told as a fault by `verify`, before it is opened or after."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time

from crashlab import on, sample
from powercut import Disk
from stonelog.filestore import Store, verify

files = importlib.import_module("stonelog.filestore.files")
EVENT = {"category": "api", "action": "x"}


def append(disk: Disk, directory: Path) -> None:
    """Single events and groups, and a restart."""
    with Store.open(directory) as store:
        store.append(EVENT)
        store.append_many([EVENT] * 3)
    with Store.open(directory) as store:
        store.append_many([EVENT] * 2)


def roll(disk: Disk, directory: Path) -> None:
    """Midnight passes, and segments grow full."""
    (directory / "stonelog.toml").write_text("[store]\nsegment_bytes = 600\n")
    with freeze_time("2026-11-23T23:59:59Z") as clock, Store.open(directory) as store:
        store.append_many([EVENT] * 3)
        clock.tick(timedelta(seconds=2))
        store.append_many([EVENT] * 3)
        store.append(EVENT)


def failed_sync(disk: Disk, directory: Path) -> None:
    """A sync fails: what it was to make durable is written again in the next segment."""
    with Store.open(directory) as store:
        store.append(EVENT)
        disk.fail_at = ("fdatasync", 1)
        store.append_many([EVENT] * 2)
        store.append(EVENT)


def upkeep(disk: Disk, directory: Path) -> None:
    """Days are sealed, held, and removed."""
    (directory / "stonelog.toml").write_text("[retention]\nmax_age_days = 1\n")
    with freeze_time("2026-11-20T12:00:00Z") as clock, Store.open(directory) as store:
        for _ in range(3):
            store.append_many([EVENT] * 2)
            clock.tick(timedelta(days=1))
        store.append(EVENT)
        store.upkeep.seal()
        store.upkeep.hold(date(2026, 11, 21), date(2026, 11, 21), "case")
        store.upkeep.retain()


@pytest.mark.parametrize("scenario", [append, roll, failed_sync, upkeep])
def test_F01_no_state_after_a_power_cut_is_a_fault(
    place: Path, scenario: Callable[[Disk, Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torn writes, lost names, interrupted seals and removals are notes at most, and nothing after recovery."""
    work = place / "work"
    work.mkdir()
    disk = Disk(work)
    disk.dull = frozenset({"lock"})
    directory = work / "store"
    with on(disk):
        directory.mkdir(mode=0o700)
        disk._top = disk._read(work)
        scenario(disk, directory)
    disk.finish()
    for name in ("fsync", "sync_data", "fsync_directory"):
        monkeypatch.setattr(files, name, lambda place: None)
    assert len(disk.states) > 50
    for state in sample(disk.states.values(), 300):
        shutil.rmtree(work)
        state.write_to(work)
        told = [fault for fault in verify(directory) if not fault.note]
        assert told == [], state.where
        with Store.open(directory) as store:
            store.upkeep.resume()
        assert list(verify(directory)) == [], state.where
