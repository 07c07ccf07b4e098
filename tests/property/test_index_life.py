"""A store and its index through appends, restarts, new days, and everything that can befall the index: no answer
ever differs from a plain look at the lines, and nothing but a StonelogError is ever raised."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from unittest import mock

from freezegun import freeze_time
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from answers import Expected, walk
from shards import TINY, shard_by_shard
from stonelog.filestore import Reader, Store, files
from stonelog.indexer import Index, Worker
from stonelog.indexer.planning import Sizes

QUERIES = ["", "login", "NOT level:>=warning", '"a b" OR metadata.n:>2']
FILES = st.sampled_from(["*.sqlite", "*.keys", "catalog.json"])
PLACES = st.integers(0, 9)
EVENTS = st.fixed_dictionaries(
    {"category": st.sampled_from(["api", "authentication"]), "action": st.sampled_from(["login", "read"])},
    optional={
        "level": st.sampled_from(["info", "warning", "error"]),
        "message": st.sampled_from(["login failed", "a b", "b a", "LOGIN"]),
        "username": st.sampled_from(["ada", "grace"]),
        "status_code": st.sampled_from([200, 404]),
        "metadata": st.fixed_dictionaries({"n": st.integers(0, 5)}),
    },
)


class Life(RuleBasedStateMachine):
    """One store, two indexes that stay open, sometimes an indexer's thread, and a hand that damages."""

    def __init__(self) -> None:
        super().__init__()
        self.parent = Path(tempfile.mkdtemp())
        self.directory = self.parent / "store"
        self.index = self.directory / "index"
        # Nothing here loses power, so that nothing need wait for the disk.
        self.nothing_synced = mock.patch.multiple(files, sync_data=id, fsync=id, fsync_directory=id)
        self.nothing_synced.start()
        # Whoever asks how long ago a file changed asks the clock that its times are of.
        real = ["stonelog.filestore.state", "stonelog.indexer.trust"]
        self.clock = freeze_time("2026-11-23T22:00:00Z", tick=True, ignore=real)
        self.time = self.clock.start()
        self.store = Store.open(self.directory, durability="none")
        self.one, self.two = Index.open(self.directory), Index.open(self.directory)
        self.worker: Worker | None = None

    def teardown(self) -> None:
        if self.worker is not None:
            self.worker.stop()
        for opened in (self.one, self.two, self.store):
            opened.close()
        self.clock.stop()
        self.nothing_synced.stop()
        shutil.rmtree(self.parent)

    @initialize(events=st.lists(EVENTS, max_size=30))
    def begin(self, events: list[dict[str, object]]) -> None:
        self.store.append_many(events)

    @rule(events=st.lists(EVENTS, min_size=1, max_size=10))
    def append(self, events: list[dict[str, object]]) -> None:
        self.store.append_many(events)

    @rule(hours=st.integers(1, 30), roll=st.booleans())
    def later(self, hours: int, roll: bool) -> None:
        self.time.tick(timedelta(hours=hours))
        if roll:
            self.store.roll()

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = Store.open(self.directory, durability="none")

    @rule(first=st.booleans())
    def catch_up(self, first: bool) -> None:
        assert (self.one if first else self.two).catch_up() == Reader(self.directory).last_seq

    @rule(sizes=st.sampled_from([TINY, Sizes(block=4, shard=16)]))
    def catch_up_in_small_shards(self, sizes: Sizes) -> None:
        assert shard_by_shard(self.directory, sizes) == Reader(self.directory).last_seq

    @rule(first=st.booleans())
    def rebuild(self, first: bool) -> None:
        assert (self.one if first else self.two).rebuild() == Reader(self.directory).last_seq

    @rule()
    def reopen_index(self) -> None:
        self.one.close()
        self.one = Index.open(self.directory)

    @rule()
    @precondition(lambda self: self.worker is None)
    def start_worker(self) -> None:
        self.worker = Worker(self.directory, poll_seconds=0.01)
        self.worker.start()

    @rule()
    @precondition(lambda self: self.worker is not None)
    def stop_worker(self) -> None:
        assert self.worker is not None and self.worker.status().alive
        self.worker.stop()
        self.worker = None

    @rule()
    def delete_folder(self) -> None:
        shutil.rmtree(self.index, ignore_errors=True)

    def one_of(self, pattern: str, place: int) -> Path:
        """One of the files of the index, or a path that is none."""
        found = sorted(self.index.glob(pattern)) if self.index.exists() else []
        return found[place % len(found)] if found else self.index / "none"

    @rule(pattern=st.sampled_from(["*.sqlite", "*-wal", "*-shm", "*.keys", "catalog.json"]), place=PLACES)
    def delete_one_file(self, pattern: str, place: int) -> None:
        self.one_of(pattern, place).unlink(missing_ok=True)

    @rule(pattern=FILES, place=PLACES, keep=st.sampled_from([0.0, 0.3, 0.9]))
    def truncate(self, pattern: str, place: int, keep: float) -> None:
        path = self.one_of(pattern, place)
        if path.exists():
            path.chmod(0o600)
            os.truncate(path, int(path.stat().st_size * keep))

    @rule(pattern=FILES, place=PLACES, seed=st.integers(0, 9), zeros=st.booleans())
    def overwrite(self, pattern: str, place: int, seed: int, zeros: bool) -> None:
        path = self.one_of(pattern, place)
        if path.exists():
            path.chmod(0o600)
            size = path.stat().st_size
            with path.open("r+b") as file:
                file.write(bytes(size) if zeros else random.Random(seed).randbytes(size))

    @rule(place=PLACES)
    @precondition(lambda self: self.worker is None)
    def foreign_version(self, place: int) -> None:
        path = self.one_of("*.sqlite", place)
        if path.exists():
            path.chmod(0o600)
            with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:  # it may be damaged
                connection.execute("PRAGMA user_version = 7")

    @rule(lines=st.integers(1, 5))
    def cut_files(self, lines: int) -> None:
        """What a power cut can do to events that only the index saw: the last lines are gone, their numbers free."""
        self.store.close()
        newest = max((self.directory / "events").iterdir(), default=None)
        if newest is not None:
            kept = newest.read_bytes().splitlines(keepends=True)[:-lines]
            os.truncate(newest, sum(map(len, kept)))
        self.store = Store.open(self.directory, durability="none")

    @rule()
    @precondition(lambda self: self.worker is None)
    def copy_in_another_index(self) -> None:
        other = self.parent / "other"
        if not other.exists():
            with Store.open(other, durability="none") as store:
                store.append_many([{"category": "api", "action": "login", "username": "ada"}] * 5)
            with Index.open(other) as index:
                index.catch_up()
        shutil.rmtree(self.index, ignore_errors=True)
        shutil.copytree(other / "index", self.index)

    @rule()
    @precondition(lambda self: len(list((self.directory / "events").iterdir())) > 1)
    def lose_oldest_day(self) -> None:
        self.store.close()
        min((self.directory / "events").iterdir()).unlink()
        self.store = Store.open(self.directory, durability="none")

    @invariant()
    def answers_are_those_of_the_lines(self) -> None:
        expected = {q: Expected(self.directory, q) for q in QUERIES}
        # Counts come first: they trust the index most, while a page looks at the lines and so finds out.
        for index in (self.one, self.two):
            assert {q: index.count(q) for q in QUERIES} == {q: len(expected[q].events) for q in QUERIES}
            assert index.facets("", ["username"])["username"] == expected[""].facet("username", 10)
            assert index.histogram("") == expected[""].histogram(timedelta(hours=1))
            assert {q: walk(index, q, limit=20) for q in QUERIES} == {q: expected[q].seqs[::-1] for q in QUERIES}
            assert index.status().last_seq == Reader(self.directory).last_seq


Life.TestCase.settings = settings(
    max_examples=6, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLife = Life.TestCase
