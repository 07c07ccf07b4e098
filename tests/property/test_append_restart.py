"""For any appends, restarts, rolls, days and torn tails, `read` gives exactly what was acknowledged, in order."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stonelog.filestore import Reader, Receipt, Store, files

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
TAILS = st.one_of(
    st.binary(min_size=1, max_size=300),
    st.sampled_from([b"\n", b"\0" * 600, b'{"seq":', b"{}\n", b'{"seq":1,"synced":0,"hash":"0123456789abcdef"}\n']),
)


def own(event: Any) -> bool:
    """Whether the store itself wrote the event, to say what it did."""
    return event.category == "system_management" and event.action.startswith("store_")


class AppendRestart(RuleBasedStateMachine):
    """A store, and beside it the list of what it acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="stonelog-"))
        self.directory = self.place / "data"
        self.acknowledged: dict[int, tuple[str, str | None]] = {}
        self.recoveries = 0
        self.newest_day = ""
        self.clock = freeze_time("2026-12-30 22:00:00", ignore=["hypothesis"])
        self.now = datetime(2026, 12, 30, 22, tzinfo=UTC)
        self.frozen = self.clock.start()
        self.stores: list[Store] = []

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.clock.stop()
        shutil.rmtree(self.place)

    @initialize(size=st.sampled_from([1, 700, 3_000, 1 << 20]))
    def begin(self, size: int) -> None:
        self.directory.mkdir(mode=0o700)
        (self.directory / "stonelog.toml").write_text(f"[store]\nsegment_bytes = {size}\n")
        self.stores = [Store.open(self.directory)]

    def took(self, receipt: Receipt, message: str | None) -> None:
        """The receipt is new, and names a day that is today or the newest there was."""
        assert receipt.seq not in self.acknowledged
        self.acknowledged[receipt.seq] = (receipt.id, message)
        day = Path(receipt.file).name[:10]
        assert day == max(self.newest_day, self.now.date().isoformat())
        self.newest_day = day

    @rule(message=texts, which=st.integers(0, 1))
    def append(self, message: str, which: int) -> None:
        store = self.stores[which % len(self.stores)]
        self.took(store.append(category="api", action="read", message=message), message)

    @rule(messages=st.lists(texts, max_size=6), which=st.integers(0, 1))
    def append_many(self, messages: list[str], which: int) -> None:
        events = [{"category": "api", "action": "read", "message": message} for message in messages]
        receipts = self.stores[which % len(self.stores)].append_many(events)
        assert [receipt.seq - receipts[0].seq for receipt in receipts] == list(range(len(messages)))
        for receipt, message in zip(receipts, messages, strict=True):
            self.took(receipt, message)

    @rule(messages=st.lists(texts, min_size=2, max_size=8))
    def append_from_threads(self, messages: list[str]) -> None:
        def one(place: int) -> Receipt:
            store = self.stores[place % len(self.stores)]
            return store.append(category="api", action="read", message=messages[place])

        with ThreadPoolExecutor(4) as pool:
            for receipt, message in zip(pool.map(one, range(len(messages))), messages, strict=True):
                self.took(receipt, message)

    @rule(hours=st.sampled_from([-30, -1, 1, 3, 26, 24 * 40]))
    def time_goes_on(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        self.frozen.move_to(self.now)

    @rule()
    def roll(self) -> None:
        day = self.now.date().isoformat()
        name = self.stores[0].roll()
        assert (name is not None) == bool(self.newest_day and self.newest_day < day)
        if name is not None:
            assert name == f"{day}.jsonl"
            self.newest_day = day

    @precondition(lambda self: len(self.stores) < 2)
    @rule()
    def open_another(self) -> None:
        self.stores.append(Store.open(self.directory))
        assert not self.stores[-1].recovered

    @rule(tail=st.none() | TAILS)
    def restart(self, tail: bytes | None) -> None:
        for store in self.stores:
            store.close()
        segments = Reader(self.directory).segments()
        if tail is not None and segments:
            with segments[-1].path.open("ab") as file:
                file.write(tail)
        self.stores = [Store.open(self.directory)]
        report = self.stores[0].recovered
        assert report.faults == []
        if tail is not None and segments:
            assert [(self.directory / "quarantine" / name).read_bytes() for name in report.quarantined] == [tail]
            self.recoveries += 1
            self.newest_day = max(self.newest_day, self.now.date().isoformat())
        else:
            assert not report

    @precondition(lambda self: self.acknowledged)
    @rule(tail=TAILS, which=st.integers(0, 1))
    def another_hand_adds(self, tail: bytes, which: int) -> None:
        segment = Reader(self.directory).segments()[-1]
        with segment.path.open("ab") as file:
            file.write(tail)
        self.append("after another hand", which)
        self.recoveries += 1
        assert any(tail == path.read_bytes() for path in (self.directory / "quarantine").iterdir())

    @invariant()
    def read_gives_what_was_acknowledged(self) -> None:
        if not self.stores:
            return
        events = list(self.stores[-1].read())
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert {event.seq: (event.id, event.message) for event in events if not own(event)} == self.acknowledged
        assert [event.action for event in events].count("store_recovered") == self.recoveries
        reader = Reader(self.directory)
        assert (reader.last_seq, reader.durable_seq()) == (len(events), len(events))

    @invariant()
    def every_line_is_as_the_format_says(self) -> None:
        place = 0
        for segment in Reader(self.directory).segments():
            for line in segment.path.read_bytes().splitlines(keepends=True) if self.clean(segment.path) else []:
                head, _, end = line.rpartition(b',"hash":"')
                assert end == hashlib.sha256(head).hexdigest()[:16].encode() + b'"}\n'
                fields = json.loads(line)
                place += 1
                assert fields["seq"] == place
                assert fields["synced"] < place

    def clean(self, path: Path) -> bool:
        """Only LF ends a line; bytes.splitlines also ends one at CR, which never stands raw in a line."""
        return b"\r" not in path.read_bytes()


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Syncs do nothing: what is looked at here is what is decided and written, and thousands of stores are opened."""
    for name in ("fsync", "sync_data", "fsync_directory"):
        monkeypatch.setattr(files, name, lambda place: None)
    for name in [name for name in os.environ if name.startswith("STONELOG_")]:
        monkeypatch.delenv(name)


def test_for_any_sequence_read_gives_what_was_acknowledged() -> None:
    """Appends of every kind, restarts, other processes, clock steps, rolls by size and day, torn tails."""
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        AppendRestart,
        settings=settings(
            max_examples=80, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
