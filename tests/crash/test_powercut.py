"""Power cuts: every state that a cut may leave is opened, and must keep every promise."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time

from crashlab import Scenario, add, broken, finds, killed, on, record, reopen, sample
from powercut import Disk, State
from stonelog.filestore import StonelogError, Store


def append(disk: Disk, directory: Path) -> Iterator[None]:
    """A new store, some appends and groups, closed and opened again."""
    yield
    with Store.open(directory) as store:
        add(disk, store, "a")
        add(disk, store, "b", "c", "d" * 400)
        add(disk, store, "e")
    with Store.open(directory) as store:
        add(disk, store, "f", "g")


def roll(disk: Disk, directory: Path) -> Iterator[None]:
    """Midnight passes, and segments grow full."""
    (directory / "stonelog.toml").write_text("[store]\nsegment_bytes = 600\n")
    yield
    with freeze_time("2026-11-23T23:59:59Z") as clock, Store.open(directory) as store:
        add(disk, store, "a", "b")
        clock.tick(timedelta(seconds=2))
        add(disk, store, "c", "d", "e", "f")
        add(disk, store, "g")
        clock.tick(timedelta(days=1))
        store.roll()
        add(disk, store, "h")


def append_across_midnight(disk: Disk, directory: Path) -> Iterator[None]:
    """One event before midnight, handed to the system only, and one after by another writer."""
    yield
    with freeze_time("2026-11-23T23:59:59Z") as clock, Store.open(directory, durability="os") as lax:
        disk.submitted.append("a")
        lax.append(category="api", action="x", message="a")
        clock.tick(timedelta(seconds=2))
        with Store.open(directory) as store:
            add(disk, store, "b")


def failed_sync(disk: Disk, directory: Path) -> Iterator[None]:
    """A sync fails in the middle; what it was to make durable is lost from the file though it can still be read."""
    yield
    with Store.open(directory) as store:
        add(disk, store, "a")
        disk.fail_at = ("fdatasync", 1)
        add(disk, store, "b", "c")
        add(disk, store, "d")
    with Store.open(directory) as store:
        add(disk, store, "e")


def failed_sync_at_roll(disk: Disk, directory: Path) -> Iterator[None]:
    """The sync of the old day fails at midnight, with events in it that another writer had not synced."""
    yield
    with freeze_time("2026-11-23T23:59:59Z") as clock, Store.open(directory) as store:
        add(disk, store, "a")
        with Store.open(directory, durability="none") as lax:
            disk.submitted.append("b")
            lax.append(category="api", action="x", message="b")
        clock.tick(timedelta(seconds=2))
        disk.fail_at = ("fsync", 1)
        add(disk, store, "c")


SCENARIOS = [append, roll, failed_sync, failed_sync_at_roll]


def segments(tree: dict[str, bytes | None]) -> dict[str, bytes | None]:
    """The plain segments of a tree, by their names."""
    return {name.rpartition("/")[2]: content for name, content in tree.items() if name.endswith(".jsonl")}


def check(state: State, root: Path) -> None:
    """The promises: what was acknowledged is there once, nothing is invented, `seq` is dense, the next append works."""
    state.write_to(root)
    with Store.open(root / "store") as store:
        assert not store.recovered.faults, f"false alarm: {store.recovered.faults}"
        found = [(event.seq, event.message) for event in store.read() if not (event.action or "").startswith("store_")]
        seqs = [event.seq for event in store.read()]
        assert seqs == list(range(1, len(seqs) + 1)), f"not dense: {seqs}"
        assert set(state.acknowledged) <= set(found), f"lost: {set(state.acknowledged) - set(found)}"
        assert len({message for _, message in found}) == len(found), f"doubled: {found}"
        assert {message for _, message in found} <= set(state.submitted), f"invented: {found}"
        receipt = store.append(category="api", action="next")
        assert [event.seq for event in store.read(receipt.seq - 1)] == [receipt.seq]
    with Store.open(root / "store") as store:
        assert not store.recovered, "the second opening found something to do again"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_F01_F08_every_state_after_a_cut_keeps_the_promises(place: Path, scenario: Scenario) -> None:
    """After a power cut at any operation, in any state it may leave, the store opens and keeps every promise."""
    disk = record(place, scenario)
    wrong = broken(sample(disk.states.values(), 300), place, check)
    print(f"{scenario.__name__}: {disk.operations} operations, {disk.tried} states, {len(disk.states)} different")
    assert not wrong, f"{len(wrong)} of {len(disk.states)} states: " + "\n".join(wrong[:5])
    assert len(disk.states) > 100


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        ("F04", lambda tree: any(content and content.endswith(b"\0") for content in segments(tree).values())),
        ("F06", lambda tree: "store/events" in tree and not segments(tree)),
        ("F14", lambda tree: (note := tree.get("store/lock")) and note.strip(b"\0 ").decode() not in segments(tree)),
    ],
)
def test_F04_F06_F14_the_states_of_these_faults_are_among_those_tried(
    place: Path, fault: str, shown: Callable[[dict[str, bytes | None]], object]
) -> None:
    """Data that is all zeros, a new file's name that is lost, one file's change kept and another's lost: all judged."""
    found = [state for state in record(place, roll).states.values() if shown(dict(state.tree))]
    assert found, fault
    wrong = broken(sample(found, 60), place, check)
    assert not wrong, f"{fault}: {len(wrong)} of {len(found)} states: " + "\n".join(wrong[:5])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_F12_a_cut_during_recovery_is_recovered_too(place: Path, scenario: Scenario) -> None:
    """If the power fails again while a store is being opened, the next opening keeps every promise."""
    first = record(place, scenario)
    torn = [state for state in first.states.values() if state.acknowledged]
    torn = torn[:: max(25, len(torn) // 12)]
    tried, wrong = 0, []
    for state in torn:
        again = sample(reopen(state, place).states.values(), 40)
        tried += len(again)
        wrong += broken(again, place, check)
    print(f"{scenario.__name__}: {tried} states after {len(torn)} first cuts")
    assert not wrong, f"{len(wrong)} of {tried} states: " + "\n".join(wrong[:5])
    assert tried > 100


@pytest.mark.parametrize("scenario", [append, roll, failed_sync])
def test_F13_kill_restart_append_then_cut(place: Path, scenario: Scenario) -> None:
    """What a killed process left in the page cache is made durable before anything new is acknowledged."""
    operations = record(place, scenario).operations
    tried, wrong = 0, []
    for at in range(2, operations, max(2, operations // 8)):
        states = sample(killed(place, scenario, at).states.values(), 60)
        tried += len(states)
        wrong += broken(states, place, check)
    print(f"{scenario.__name__}: {tried} states after kills at some of {operations} operations")
    assert not wrong, f"{len(wrong)} of {tried} states: " + "\n".join(wrong[:5])
    assert tried > 100


def interrupted(place: Path, midnight: bool, after: int) -> tuple[Disk, bool]:
    """The disk when one of two writers had a failed sync, and was killed so many operations later while it wrote its
    events again; the other goes on, then the power fails. And whether the kill came in time."""
    work = place / "work"
    directory = work / "store"
    directory.mkdir(parents=True, mode=0o700)
    disk = Disk(work, watch=False)
    with on(disk), freeze_time("2026-11-23T23:59:59Z") as clock:
        one, other = Store.open(directory), Store.open(directory)
        add(disk, one, "a")
        add(disk, other, "b")
        if midnight:
            disk.fail_at = ("fsync", 1)
            clock.tick(timedelta(seconds=2))
        else:
            disk.fail_at = ("fdatasync", 1)
        disk.kill_at = disk.operations + after
        with contextlib.suppress(StonelogError):
            add(disk, one, "c")
        in_time = disk.operations > disk.kill_at
        disk.revive()
        disk.watch = True
        add(disk, other, "d")
        add(disk, other, "e", "f")
        disk.finish()
        disk.watch = False
        other.close()
        with contextlib.suppress(StonelogError):
            one.close()
    shutil.rmtree(work)
    return disk, in_time


@pytest.mark.parametrize("midnight", [False, True])
def test_F34_a_kill_while_events_are_written_again_harms_no_other_process(place: Path, midnight: bool) -> None:
    """After a failed sync, killed at any operation: another process sees that it must look, and what it acknowledges is
    there after a cut, with what was acknowledged before."""
    after, in_time, tried, wrong = 0, True, 0, []
    while in_time:
        disk, in_time = interrupted(place, midnight, after)
        tried += len(disk.states)
        wrong += [f"killed after {after}: {each}" for each in broken(sample(disk.states.values(), 24), place, check)]
        after += 1
    print(f"midnight {midnight}: some of {tried} states after kills at {after - 1} operations")
    assert not wrong, f"{len(wrong)} states: " + "\n".join(wrong[:5])
    assert after > 8


PLANTED: dict[str, Callable[[str, str], bool]] = {
    "the directory is not synced": lambda call, name: call == "fsync_directory" and name.endswith("events"),
    "the event is acknowledged before the sync": lambda call, name: call == "fdatasync",
    "the old segment is not synced before the next begins": lambda call, name: (
        call == "fsync" and name.endswith("23.jsonl")
    ),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_F17_a_planted_bug_is_found(place: Path, bug: str) -> None:
    """The laboratory is worth something: a store with a known bug does not pass it."""

    def faulty(disk: Disk, directory: Path) -> Iterator[None]:
        disk.skip = PLANTED[bug]
        yield from append_across_midnight(disk, directory)

    assert finds(record(place, faulty).states.values(), place, check), bug


def test_F17_recovery_that_does_not_sync_is_found(place: Path) -> None:
    """A store that takes what it read at opening for durable, though it stood in the page cache only, does not pass."""

    def careless(disk: Disk, directory: Path) -> None:
        # Only the second segment is synced from here on: the first was read from the cache alone.
        disk.skip = lambda call, name: call == "fsync" and name.endswith(".jsonl")
        with Store.open(directory) as store, freeze_time("2036-01-01"):
            add(disk, store, "after")

    operations = record(place, append).operations
    kills = (killed(place, append, at, careless) for at in range(operations - 1, 1, -1))
    assert any(finds(sample(disk.states.values(), 80), place, check) for disk in kills)
