"""Several processes on one disk, all at random and all from one seed: each may be interrupted wherever it uses the
disk, and the others then work; a process is killed, a sync fails, days end, segments are sealed and removed.

They are simulated in one thread: where the process at work reaches for the disk, another may do something first, and
within that again another. None is let in while the lock is held, which it would only wait for. Trees that a power cut
may leave are drawn on the way; what must hold of them is for others to say. What must hold while the processes live is
looked at here, by those that read. The same seed gives the same course.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from unittest import mock

from freezegun.api import FrozenDateTimeFactory

from crashlab import add, files, on
from daylife import PRUNABLE, pruned_seqs
from failing import in_time
from powercut import Killed, State
from shareddisk import SharedDisk
from stonelog.filestore import Reader, StonelogError, Store
from stonelog.filestore.ids import _tails

__all__ = ["Course", "Odds", "run"]

ALL_MAY_GO = {"STONELOG_RETENTION_MAX_BYTES": "1"}
"""The settings of a process while it prunes; at other times, and when a tree is judged, nothing may go."""

DEEPEST = 4
"""How many processes may be at work, each interrupted by the next."""
MOST_CUTS = 24
LAST_CUTS = 2
"""How many trees are drawn on the way, and how many when all is done."""
CLOSELY = 5
"""How many times likelier a cut is where a process was just killed, or a sync failed."""
SOON = 8
"""A process that is to be killed is killed at one of so many operations of the disk."""


@dataclass(frozen=True)
class Odds:
    """How many processes there are at most, and how likely a thing is."""

    processes: int
    cut: float
    """That a tree is drawn at an operation of the disk."""
    nested: float
    """That another process does something before an operation."""
    failed_sync: float
    """That a sync fails which has something to write."""
    fatal: float
    """That a process is killed soon after a sync of its own failed."""
    killed: float
    """That a process is killed during what it does next."""
    lax: float
    """That a process asks for the durability `os`, so that what others are promised rests on what nobody synced."""

    @classmethod
    def drawn(cls, randomly: random.Random) -> Odds:
        """Those of one course: most may also be 0, lest one kind of trouble hides what another would show."""
        return cls(
            processes=randomly.choice([2, 2, 3, 4]),
            cut=randomly.choice([0.01, 0.03, 0.06]),
            nested=randomly.choice([0, 0.03, 0.08, 0.15]),
            failed_sync=randomly.choice([0, 0, 0.1, 0.3]),
            fatal=randomly.choice([0, 0.3, 0.8]),
            killed=randomly.choice([0, 0.1, 0.4]),
            lax=randomly.choice([0, 0, 0.25]),
        )


class Course:
    """What the processes do, one thing after the other or one in the middle of the other; `trace` tells it."""

    def __init__(self, disk: SharedDisk, clock: FrozenDateTimeFactory, randomly: random.Random, odds: Odds) -> None:
        self.trace: list[str] = []
        self.wrong: list[str] = []
        """Promises that were broken while the processes lived."""
        self._disk = disk
        self._directory = disk.root / "store"
        self._clock = clock
        self._randomly = randomly
        self._odds = odds
        self._stores: dict[int, Store] = {}
        self._started = 0
        self._messages = 0
        self._pruning = 0
        disk.between = self._between

    @property
    def states(self) -> list[State]:
        """The trees that were drawn, with what was promised then."""
        return list(self._disk.states.values())

    def __str__(self) -> str:
        return "\n".join(self.trace)

    def play(self) -> None:
        """Some things are done; then the power fails."""
        for _ in range(self._randomly.randint(10, 30)):
            self._step()
        for _ in range(LAST_CUTS):
            self._cut("at the end")
        for process in list(self._stores):
            self._disk.dead.add(process)
            self._bury(process)

    def _between(self, where: str) -> None:
        cut = self._odds.cut * (CLOSELY if self._disk.troubled else 1)
        if self._randomly.random() < cut and len(self._disk.states) < MOST_CUTS:
            self._cut(where)
        nested = self._randomly.random() < self._odds.nested
        if nested and 0 < len(self._disk.working) < DEEPEST and self._lock_is_free():
            self._step()

    def _cut(self, where: str) -> None:
        self._tell(f"the power may fail {where}")
        self._disk.draw(f"{where}, line {len(self.trace)} of the trace")

    def _tell(self, what: object) -> None:
        working = self._disk.working
        self.trace.append("    " * max(0, len(working) - 1) + f"{f'P{working[-1]}' if working else ''} {what}")

    def _lock_is_free(self) -> bool:
        with contextlib.suppress(FileNotFoundError), (self._directory / "lock").open() as lock:
            return files.lock(lock.fileno())  # closing lets it go
        return True

    def _step(self) -> None:
        """A process that nobody interrupted does something, or a new one is started."""
        chosen, idle = self._randomly.random(), [each for each in self._stores if each not in self._disk.working]
        if not idle or (chosen < 0.12 and len(self._stores) < self._odds.processes):
            self._started += 1
            self._do(self._started, self._open)
            return
        process = self._randomly.choice(idle)
        store = self._stores[process]
        for most, work in (
            (0.58, self._append),
            (0.75, self._roll),
            (0.82, self._seal),
            (0.86, self._retain),
            (0.94, self._read),
            (0.97, self._pass_midnight),
            (1.0, self._close),
        ):
            if chosen < most:
                self._do(process, partial(work, store))
                return

    def _do(self, process: int, work: Callable[[], None]) -> None:
        disk = self._disk
        if self._randomly.random() < self._odds.killed:
            disk.left[process] = self._randomly.randint(1, SOON)
        disk.working.append(process)
        try:
            work()
        except (StonelogError, Killed) as error:
            self._tell(f"fails: {error!r}"[:160])
        except Exception as error:
            self.wrong.append(f"line {len(self.trace)} of the trace: {error!r}")
        finally:
            disk.working.pop()
            disk.left.pop(process, None)
        if process in disk.dead:
            self._bury(process)
        if self._pruning:
            self._allow_removal()

    def _bury(self, process: int) -> None:
        """The descriptors of a killed process are closed, as the system does; nothing else of it happens."""
        store = self._stores.pop(process, None)
        self._disk.working.append(process)
        self._tell("is killed")
        if store is not None:
            with contextlib.suppress(Killed, StonelogError):
                store.close()
        self._disk.working.pop()

    def _open(self) -> None:
        durability = "os" if self._randomly.random() < self._odds.lax else "fsync"
        self._tell(f"opens, durability {durability}")
        process = self._disk.working[-1]
        self._stores[process] = Store.open(self._directory, durability=durability)

    def _append(self, store: Store) -> None:
        count = self._randomly.choice([1, 1, 1, 3])
        messages = [f"{self._messages + each} {'x' * self._randomly.randint(0, 300)}" for each in range(count)]
        self._messages += count
        self._tell(f"appends {count}")
        if store.settings.durability == "fsync":
            add(self._disk, store, *messages)
            self._tell(f"acknowledged: {[seq for seq, _ in self._disk.acknowledged[-count:]]}")
        else:
            self._disk.submitted.extend(messages)
            store.append_many([{"category": "api", "action": "x", "message": message} for message in messages])

    def _roll(self, store: Store) -> None:
        self._tell("rolls")
        self._tell(f"rolled: {store.roll(early=True)}")

    def _seal(self, store: Store) -> None:
        self._tell("seals")
        self._tell(f"sealed: {[each.file for each in store.upkeep.seal()]}")

    def _retain(self, store: Store) -> None:
        self._tell("prunes")
        self._pruning += 1
        try:
            self._allow_removal()
            with mock.patch.dict(os.environ, ALL_MAY_GO):
                self._tell(f"pruned: {[each.segment for each in store.upkeep.retain().removed]}")
        finally:
            self._pruning -= 1

    def _allow_removal(self) -> None:
        """Whatever is written by now, retention may remove."""
        self._disk.between, between = lambda where: None, self._disk.between
        last = Reader(self._directory).last_seq
        self._disk.claims |= {(PRUNABLE, seq) for seq in range(1, last + 1)}
        self._disk.between = between

    def _read(self, store: Store) -> None:
        """What was acknowledged before is given, if it was not pruned; what is given counts as acknowledged.

        Not so where a sync failed and who heard of it may have been killed before it could say so.
        """
        self._tell("reads")
        before, given, told = dict(self._disk.acknowledged), dict[int, str](), list[object]()
        for line in Reader(self._directory).lines(durable=True, on_corrupt=told.append):
            event = json.loads(line.raw)
            assert line.seq > max(given, default=0), f"a reader is given {line.seq} after {max(given)}"
            given[line.seq] = event.get("message", "")
            if event["action"] == "x" and not (self._disk.sync_failed and self._disk.dead):
                self._disk.acknowledged.append((line.seq, event["message"]))
        lost = before.keys() - given.keys() - pruned_seqs(self._directory)
        assert not lost, f"a reader is not given {sorted(lost)}"
        other = [seq for seq, message in before.items() if given.get(seq, message) != message]
        assert not other, f"a reader is given other events as {other}"
        assert not told, f"a reader's false alarm: {told}"

    def _pass_midnight(self, store: Store) -> None:
        self._tell("midnight passes")
        self._clock.tick(timedelta(days=1))

    def _close(self, store: Store) -> None:
        self._tell("closes")
        del self._stores[self._disk.working[-1]]
        store.close()


def run(seed: int, place: Path, clock: FrozenDateTimeFactory, **odds: float) -> Course:
    """The course of this seed, in a folder of `place` that is there while it lasts; `odds` replace some of those drawn.

    Time is to be frozen, by `clock`, and the same at the beginning of each course.
    """
    randomly = random.Random(seed)
    drawn = replace(Odds.drawn(randomly), **odds)
    root = place / "work"
    root.mkdir(mode=0o700)
    disk = SharedDisk(root, randomly, failed_syncs=drawn.failed_sync, fatal=drawn.fatal)
    course = Course(disk, clock, randomly, drawn)
    _tails.clear()  # ids too are those of the seed, on which the sizes of archives depend
    with mock.patch.object(os, "urandom", random.Random(seed).randbytes), on(disk):
        in_time(course.play, seconds=120)  # in a thread of its own, in which a caller writes by itself
    shutil.rmtree(root)
    return course
