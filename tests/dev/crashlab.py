"""The crash laboratory: runs a scenario on a disk that loses power, and judges every state that a cut may leave.

A scenario is a generator: up to its one `yield` it prepares a store, after it comes what is cut. By default a sample of
the states is judged, spread over all of them; many more with STONELOG_CRASH_LAB=long in the environment.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from powercut import Disk, Killed, State
from stonelog.filestore import StonelogError, Store

__all__ = [
    "LONG",
    "Check",
    "Scenario",
    "add",
    "broken",
    "finds",
    "killed",
    "on",
    "record",
    "reopen",
    "restart",
    "sample",
    "verdict",
]

files = importlib.import_module("stonelog.filestore.files")

LONG = os.environ.get("STONELOG_CRASH_LAB") == "long"

Scenario = Callable[[Disk, Path], Iterator[None]]
Check = Callable[[State, Path], None]


def sample(found: Iterable[State], most: int) -> list[State]:
    """At most so many of the states, evenly spread; in a long run a dozen times as many."""
    states = list(found)
    return states[:: -(-len(states) // (12 * most if LONG else most)) or 1]


@contextlib.contextmanager
def on(disk: Disk) -> Iterator[None]:
    """filestore works on the disk."""
    real = files.os
    files.os = disk
    try:
        yield
    finally:
        files.os = real


def add(disk: Disk, store: Store, *messages: str) -> None:
    """The messages are appended in one piece and acknowledged."""
    disk.submitted.extend(messages)
    receipts = store.append_many([{"category": "api", "action": "x", "message": message} for message in messages])
    disk.acknowledged.extend((receipt.seq, message) for receipt, message in zip(receipts, messages, strict=True))


def restart(disk: Disk, directory: Path) -> None:
    """A new process opens the store and appends."""
    with Store.open(directory) as store:
        add(disk, store, "after")


def record(place: Path, scenario: Scenario, *, dull: Iterable[str] = ()) -> Disk:
    """The disk after the scenario, with every state that a cut may have left; of the files in `dull` fewer."""
    work = place / "work"
    work.mkdir()
    disk = Disk(work, watch=False)
    disk.dull = frozenset(dull)
    directory = work / "store"
    with on(disk):
        directory.mkdir(mode=0o700)
        disk.load()
        running = scenario(disk, directory)
        next(running)
        disk.begin()
        with contextlib.suppress(StopIteration):
            next(running)
    disk.finish()
    shutil.rmtree(work)
    return disk


def reopen(state: State, place: Path, then: Callable[[Disk, Path], None] = restart) -> Disk:
    """The disk while a store is opened on the state, and one event appended."""
    work = place / "work"
    state.write_to(work)
    disk = Disk(work)
    disk.acknowledged, disk.submitted = list(state.acknowledged), list(state.submitted)
    disk.claims = set(state.claims)
    with on(disk):
        then(disk, work / "store")
    disk.finish()
    shutil.rmtree(work)
    return disk


def killed(
    place: Path,
    scenario: Scenario,
    at: int,
    then: Callable[[Disk, Path], None] = restart,
    *,
    dull: Iterable[str] = (),
) -> Disk:
    """The disk after a kill at an operation of the scenario, a restart and a cut: the page cache survives the first,
    not the second."""
    work = place / "work"
    directory = work / "store"
    directory.mkdir(parents=True, mode=0o700)
    disk = Disk(work, watch=False)
    disk.dull = frozenset(dull)
    with on(disk):
        disk.kill_at = at
        with contextlib.suppress(StonelogError, Killed, OSError):
            for _ in scenario(disk, directory):
                pass
        disk.revive()
        disk.watch = True
        then(disk, directory)
    disk.finish()
    shutil.rmtree(work)
    return disk


def finds(states: Iterable[State], place: Path, check: Check) -> bool:
    """Whether a promise is broken in one of the states; those that show a bug often come in a row, so in any order."""
    states = list(states)
    return any(broken([state], place, check) for state in random.Random(0).sample(states, len(states)))


def broken(states: Iterable[State], place: Path, check: Check) -> list[str]:
    """What goes wrong in which of the states."""
    wrong = []
    for state in states:
        try:
            check(state, place / "cut")
        except (AssertionError, StonelogError, OSError) as error:
            wrong.append(f"{state.where}: {error!r}"[:600])
    return wrong


def verdict(what: str, tried: int, wrong: list[str]) -> None:
    """Tells how many states were tried; fails if any was broken."""
    print(f"{what}: {tried} states")
    assert not wrong, f"{len(wrong)} of {tried} states: " + "\n".join(wrong[:5])
