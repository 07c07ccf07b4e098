"""Power cuts while segments are sealed: the plain file or a verified archive exists always."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time

from crashlab import LONG, Scenario, add, broken, killed, record, reopen, sample, verdict
from daylife import check_life
from powercut import Disk, State
from sealed import frames_of
from stonelog.filestore import Store

DAY = timedelta(days=1)
NOTES = ("lock",)  # a hint among living processes: what a cut leaves of it is tried in test_powercut.py


@pytest.fixture(autouse=True, params=["gzip", "zstd"])
def codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything is tried with both; frames are small, so that a small segment has several."""
    monkeypatch.setenv("STONELOG_SEAL_CODEC", request.param)
    frames_of(monkeypatch, 600)
    return str(request.param)


def seal_one(disk: Disk, directory: Path) -> Iterator[None]:
    """Yesterday is sealed while today goes on."""
    with freeze_time("2026-11-20T12:00Z") as clock, Store.open(directory) as store:
        add(disk, store, "a", "b", "c", "d" * 300)
        clock.tick(DAY)
        add(disk, store, "e")
        yield
        store.upkeep.seal()
        add(disk, store, "f")


def seal_several(disk: Disk, directory: Path) -> Iterator[None]:
    """Three segments, one of them empty, are sealed in one go, a fourth after a roll, with appends between."""
    with freeze_time("2026-11-20T12:00Z") as clock, Store.open(directory) as store:
        add(disk, store, "a", "b")
        clock.tick(DAY)
        add(disk, store, "c")
        clock.tick(DAY)
        store.roll()
        clock.tick(DAY)
        add(disk, store, "d")
        yield
        add(disk, store, "e")
        store.upkeep.seal()
        add(disk, store, "f")
        store.roll(early=True)
        store.upkeep.seal()
        add(disk, store, "g")


def seal_unsynced(disk: Disk, directory: Path) -> Iterator[None]:
    """What was written with no sync at all is durable once it is sealed."""
    with freeze_time("2026-11-20T12:00Z") as clock:
        with Store.open(directory, durability="none") as store:
            disk.submitted += ["a", "b"]
            store.append_many([{"category": "api", "action": "x", "message": text} for text in ("a", "b")])
            clock.tick(DAY)
        with Store.open(directory) as store:
            add(disk, store, "c")
            yield
            store.upkeep.seal()
            disk.acknowledged += [(1, "a"), (2, "b")]
            add(disk, store, "d")


SCENARIOS = [seal_one, seal_several, seal_unsynced]


def seal_again(disk: Disk, directory: Path) -> None:
    """A new process opens the store, appends and seals."""
    with freeze_time("2026-11-25T12:00Z"), Store.open(directory) as store:
        add(disk, store, "after")
        store.upkeep.seal()


def judged(states: list[State], place: Path) -> list[str]:
    """What goes wrong in which of the states, on a later day."""
    with freeze_time("2026-11-26T12:00Z"):
        return broken(states, place, check_life)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_F09_every_state_after_a_cut_while_sealing_keeps_the_promises(place: Path, scenario: Scenario) -> None:
    """After a power cut at any step of sealing the store opens with every event, and can be sealed to the end."""
    disk = record(place, scenario, dull=NOTES)
    states = sample(disk.states.values(), 130)
    wrong = judged(states, place)
    verdict(f"{scenario.__name__}, {disk.operations - disk.begun} operations, {disk.tried} cuts", len(states), wrong)
    assert len(disk.states) > 50


def half_sealed(disk: Disk) -> list[State]:
    """The states in which an upkeep was cut off: something stands beside a plain file."""
    found = []
    for state in disk.states.values():
        names = [name.rpartition("/")[2] for name, _ in state.tree]
        stems = [name.partition(".jsonl")[0] for name in names if ".jsonl" in name and not name.startswith(".")]
        if len(set(stems)) < len(stems) or any(name.endswith(".tmp") for name in names):
            found.append(state)
    return found


@pytest.mark.parametrize("scenario", [seal_one, seal_several])
def test_F10_F12_a_cut_while_sealing_is_finished_is_finished_too(place: Path, scenario: Scenario) -> None:
    """If the power fails again while an interrupted sealing is finished or undone, the next opening keeps every
    promise."""
    states = half_sealed(record(place, scenario, dull=NOTES))
    tried, wrong = 0, []
    for state in states[:: max(1, len(states) // (40 if LONG else 5))]:
        again = sample(reopen(state, place).states.values(), 30)
        tried += len(again)
        wrong += judged(again, place)
    verdict(f"{scenario.__name__}, cut twice", tried, wrong)
    assert tried >= 100


@pytest.mark.parametrize("scenario", [seal_one, seal_several])
def test_F13_kill_while_sealing_then_seal_then_cut(place: Path, scenario: Scenario) -> None:
    """What a killed sealing left in the page cache alone is not taken for durable by the one that finishes it."""
    disk = record(place, scenario, dull=NOTES)
    tried, wrong = 0, []
    step = 1 if LONG else max(1, (disk.operations - disk.begun) // 8)
    for at in range(disk.begun, disk.operations, step):
        states = sample(killed(place, scenario, at, seal_again, dull=NOTES).states.values(), 30)
        tried += len(states)
        wrong += judged(states, place)
    verdict(f"{scenario.__name__}, killed, then cut", tried, wrong)
    assert tried >= 100
