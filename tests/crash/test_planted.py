"""Bugs planted on purpose (FAULTS row 17): the laboratory is worth something only if it finds each of them.

Four more stand in test_powercut.py, where only lines are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time

from crashlab import add, finds, killed, record, restart
from daylife import PRUNABLE, check_life
from powercut import Disk, State
from stonelog.filestore import Store, files
from stonelog.filestore.layout import Layout
from stonelog.filestore.pruned import Pruned
from stonelog.filestore.retention import Removal

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two days are kept."""
    monkeypatch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "2")


def seal(disk: Disk, directory: Path) -> Iterator[None]:
    """A day is sealed."""
    with freeze_time("2026-11-20T12:00Z") as clock, Store.open(directory) as store:
        add(disk, store, "a", "b", "c")
        clock.tick(DAY)
        add(disk, store, "d")
        yield
        store.upkeep.seal()
        add(disk, store, "e")


def retain(disk: Disk, directory: Path) -> Iterator[None]:
    """The older of two sealed days is removed."""
    with freeze_time("2026-11-18T12:00Z") as clock, Store.open(directory) as store:
        add(disk, store, "a")
        clock.tick(DAY)
        add(disk, store, "b")
        clock.tick(2 * DAY)
        add(disk, store, "c")
        store.upkeep.seal()
        disk.claims |= {(PRUNABLE, 1), (PRUNABLE, 2)}
        yield
        store.upkeep.retain()
        add(disk, store, "d")


def found(states: list[State], place: Path) -> bool:
    """Whether the laboratory finds a broken promise in one of the states."""
    with freeze_time("2026-11-22T12:00Z"):
        return finds(states, place, check_life)


def without(skip: Callable[[str, str], bool], scenario: Callable[[Disk, Path], Iterator[None]]) -> Callable[..., Disk]:
    """The scenario, from where it is cut on, without these calls."""

    def faulty(disk: Disk, directory: Path) -> Iterator[None]:
        running = scenario(disk, directory)
        next(running)
        yield
        disk.skip = skip
        yield from running

    return lambda place: record(place, faulty, dull=["lock"])


def unsynced_directory(call: str, name: str) -> bool:
    return call == "fsync_directory" and name.endswith("events")


def while_plain_stands(call: str, name: str) -> bool:
    """The syncs of the directory that come before the plain file goes."""
    return unsynced_directory(call, name) and (Path(name) / "2026-11-20.jsonl").exists()


def unsynced_temporary(of: str) -> Callable[[str, str], bool]:
    return lambda call, name: call == "fsync" and name.endswith(".tmp") and of in name


@pytest.mark.parametrize(
    ("scenario", "skip"),
    [
        pytest.param(seal, unsynced_directory, id="no directory fsync while sealing"),
        pytest.param(retain, unsynced_directory, id="no directory fsync while pruning"),
        pytest.param(seal, unsynced_temporary(".jsonl.gz"), id="archive renamed before fsync"),
        pytest.param(seal, unsynced_temporary(".manifest.json"), id="manifest renamed before fsync"),
        pytest.param(retain, unsynced_temporary("pruned.json"), id="record of removal renamed before fsync"),
        pytest.param(seal, while_plain_stands, id="plain unlinked before directory fsync"),
    ],
)
def test_F17_a_sealing_or_pruning_with_a_planted_bug_is_found(
    place: Path,
    scenario: Callable[[Disk, Path], Iterator[None]],
    skip: Callable[[str, str], bool],
) -> None:
    """With the sync left out, some cut breaks a promise and the laboratory sees it; with it in place none does."""
    assert found(list(without(skip, scenario)(place).states.values()), place)


@pytest.mark.parametrize("scenario", [seal, retain])
def test_F17_the_same_without_a_planted_bug_passes(
    place: Path, scenario: Callable[[Disk, Path], Iterator[None]]
) -> None:
    """It is the planted bug that is found, and not the laboratory that cries wolf."""
    assert not found(list(record(place, scenario, dull=["lock"]).states.values())[::3], place)


@pytest.mark.parametrize("planted", [True, False])
def test_F17_L2_an_unlink_before_the_directory_is_synced_is_found_when_sealing_is_finished(
    place: Path, planted: bool
) -> None:
    """Finishing what a killed sealing left, the plain file may go only when the other names are durable."""

    def careless(disk: Disk, directory: Path) -> None:
        if planted:
            disk.skip = while_plain_stands
        restart(disk, directory)

    disk = record(place, seal, dull=["lock"])
    seen = False
    for at in range(disk.begun, disk.operations):
        states = list(killed(place, seal, at, careless, dull=["lock"]).states.values())
        seen = seen or found(states if planted else states[::5], place)
    assert seen is planted


def test_F17_a_removal_before_its_record_is_found(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention that unlinks first and records afterwards leaves events that are missing with no word why."""

    def hasty(layout: Layout, pruned: Pruned, removals: list[Removal]) -> None:
        for removal in removals:
            for name in removal.files:
                files.remove(layout.events / name)
        files.fsync_directory(layout.events)
        pruned.adding([(each.first_seq, each.last_seq) for each in removals], []).write(layout)

    with monkeypatch.context() as patch:
        patch.setattr("stonelog.filestore.upkeep.remove", hasty)
        disk = record(place, retain, dull=["lock"])
    assert found(list(disk.states.values()), place)


def test_F17_a_tail_that_is_not_cut_is_found(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recovery that leaves the torn tail where it is and writes behind it does not pass."""
    disk = record(place, seal, dull=["lock"])
    monkeypatch.setattr(files, "truncate", lambda fd, length: None)
    assert found(list(disk.states.values()), place)
