"""Power cuts while retention removes segments and holds are placed and released: finished or undone, never untold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time

from crashlab import LONG, Scenario, add, broken, killed, record, reopen, sample, verdict
from daylife import HELD, IN_FORCE, PRUNABLE, RELEASED, check_life
from powercut import Disk, State
from stonelog.filestore import Hold, Store

DAY = timedelta(days=1)
NOTES = ("lock",)  # a hint among living processes: what a cut leaves of it is tried in test_powercut.py
HELD_DAY = date(2026, 11, 21)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two days are kept."""
    monkeypatch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "2")


def write_days(disk: Disk, directory: Path) -> None:
    """Four sealed days of two events and one of the store's own, and the fifth, which goes on."""
    with freeze_time("2026-11-20T12:00Z") as clock, Store.open(directory) as store:
        for day in range(4):
            add(disk, store, f"{day} a", f"{day} b")
            clock.tick(DAY)
        add(disk, store, "4 a")
        store.upkeep.seal()


def may_go(disk: Disk, *days: int) -> None:
    """Retention is asked for these days, counted from the first: `seq` 1 and 2 are of day 0, and so on."""
    disk.claims |= {(PRUNABLE, seq) for day in days for seq in (2 * day + 1, 2 * day + 2)}


def place_hold(disk: Disk, store: Store) -> Hold:
    """The second day is on hold, which is promised from here on."""
    hold = store.upkeep.hold(HELD_DAY, HELD_DAY, "a case")
    disk.claims |= {(IN_FORCE, hold.id), (HELD, 3), (HELD, 4)}
    return hold


def retain(disk: Disk, directory: Path) -> Iterator[None]:
    """The first day goes by its age, and then the third, the second being on hold."""
    write_days(disk, directory)
    with freeze_time("2026-11-24T12:00Z") as clock, Store.open(directory) as store:
        place_hold(disk, store)
        may_go(disk, 0, 2)  # the third is old enough when the states are judged
        yield
        store.upkeep.retain()
        add(disk, store, "between")
        clock.tick(DAY)
        store.upkeep.retain()
        add(disk, store, "then")


def hold(disk: Disk, directory: Path) -> Iterator[None]:
    """A day is held, retention runs, the hold is released, retention runs again."""
    write_days(disk, directory)
    with freeze_time("2026-11-25T12:00Z"), Store.open(directory) as store:
        may_go(disk, 0, 1, 2)
        yield
        placed = place_hold(disk, store)
        store.upkeep.retain()
        add(disk, store, "between")
        disk.claims -= {(IN_FORCE, placed.id), (HELD, 3), (HELD, 4)}
        store.upkeep.release(placed.id)
        disk.claims.add((RELEASED, placed.id))
        store.upkeep.retain()
        add(disk, store, "then")


def all_go(disk: Disk, directory: Path) -> Iterator[None]:
    """A store that was silent for long: every day but the newest, which is empty, goes in one sweep."""
    write_days(disk, directory)
    with freeze_time("2027-11-25T12:00Z"), Store.open(directory) as store:
        store.roll()
        store.upkeep.seal()
        may_go(disk, 0, 1, 2, 3)
        disk.claims |= {(PRUNABLE, seq) for seq in range(9, store.last_seq + 1)}
        yield
        store.upkeep.retain()
        add(disk, store, "then")


SCENARIOS = [retain, hold, all_go]


def retain_again(disk: Disk, directory: Path) -> None:
    """A new process opens the store, appends, prunes and seals."""
    may_go(disk, 0, 2)
    with freeze_time("2026-11-25T12:00Z"), Store.open(directory) as store:
        add(disk, store, "after")
        store.upkeep.retain()
        store.upkeep.seal()


def judged(states: list[State], place: Path) -> list[str]:
    """What goes wrong in which of the states, when the third day is old enough too."""
    with freeze_time("2026-11-25T12:00Z"):
        return broken(states, place, check_life)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_F11_every_state_after_a_cut_while_pruning_keeps_the_promises(place: Path, scenario: Scenario) -> None:
    """After a power cut at any step of retention, of placing or releasing a hold, what is gone is recorded, what was
    held is there, and retention can be run to the end."""
    disk = record(place, scenario, dull=NOTES)
    states = sample(disk.states.values(), 120)
    wrong = judged(states, place)
    verdict(f"{scenario.__name__}, {disk.operations - disk.begun} operations, {disk.tried} cuts", len(states), wrong)
    assert len(disk.states) > 50


def half_removed(disk: Disk) -> list[State]:
    """The states in which retention was cut off after its record was made."""
    found = []
    for state in disk.states.values():
        data = dict(state.tree).get("store/pruned.json") or b""
        if b'"removing":["' in data:
            found.append(state)
    return found


def test_F11_F12_a_cut_while_pruning_is_finished_is_finished_too(place: Path) -> None:
    """If the power fails again while an interrupted removal is finished, the next opening keeps every promise."""
    states = half_removed(record(place, retain, dull=NOTES))
    tried, wrong = 0, []
    for state in states[:: max(1, len(states) // (40 if LONG else 6))]:
        again = sample(reopen(state, place).states.values(), 30)
        tried += len(again)
        wrong += judged(again, place)
    verdict("retain, cut twice", tried, wrong)
    assert tried >= 100


@pytest.mark.parametrize("scenario", [retain, hold])
def test_F13_kill_while_pruning_then_prune_then_cut(place: Path, scenario: Scenario) -> None:
    """What a killed retention left in the page cache alone is not taken for durable by the one that finishes it."""
    disk = record(place, scenario, dull=NOTES)
    tried, wrong = 0, []
    step = 1 if LONG else max(1, (disk.operations - disk.begun) // 8)
    for at in range(disk.begun, disk.operations, step):
        states = sample(killed(place, scenario, at, retain_again, dull=NOTES).states.values(), 30)
        tried += len(states)
        wrong += judged(states, place)
    verdict(f"{scenario.__name__}, killed, then cut", tried, wrong)
    assert tried >= 100
