"""What the store did by itself, as events of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time

from segments import lay, line
from stonelog.filestore import Store, StoreSettings, files
from stonelog.filestore.codec import seal_line
from stonelog.filestore.layout import Layout
from stonelog.filestore.recovery import Recovery
from stonelog.filestore.room import Room
from stonelog.filestore.segment import ActiveSegment
from stonelog.filestore.space import Space
from stonelog.filestore.told import Told

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Teller:
    """What `Told` tells, and the things it looks at."""

    def __init__(self, directory: Path) -> None:
        layout, settings = Layout(directory), StoreSettings()
        self.space = Space(layout, settings.reserve_bytes)
        self.room = Room(settings, self.space)
        self.recovered = Recovery()
        self.segment = ActiveSegment(layout, settings)
        self.told = Told(self.recovered, self.segment)

    def pending(self, *, ended: bool = True) -> list[tuple[str, Any]]:
        """Action and metadata of what is told now."""
        with self.told.pending(self.room, ended=ended) as bodies:
            events = [json.loads(seal_line(body, 1, 0)) for body in bodies]
        return [(event["action"], event["metadata"]) for event in events]

    def drop(self, count: int) -> None:
        """So many emitted events could not be written."""
        for _ in range(count):
            assert self.room.enter(b'"level":"info"', may_wait=False)
            self.room.leave(1, 14, written=False)


@pytest.fixture
def teller(directory: Path) -> Any:
    made = Teller(directory)
    yield made
    made.segment.close()


def test_nothing_happened_nothing_is_told(teller: Teller) -> None:
    """A store that only wrote has nothing to say."""
    assert teller.pending() == []


def test_what_could_not_be_recorded_is_told_the_next_time(teller: Teller) -> None:
    """Each thing is told once, but not before it was written: on a full disk it waits, in its order."""
    teller.drop(2)
    teller.told.jumped(-5.0, NOW)
    with pytest.raises(OSError, match="full"), teller.told.pending(teller.room, ended=True) as bodies:
        assert len(bodies) == 2
        raise OSError("full")
    teller.drop(1)
    assert [action for action, _ in teller.pending()] == ["store_clock_jumped", "events_dropped", "events_dropped"]
    assert teller.pending() == []


def test_dropped_events_are_told_when_it_is_over(teller: Teller) -> None:
    """While others wait to be written the count grows; each dropped event is in one count only."""
    teller.drop(3)
    assert teller.pending(ended=False) == []
    teller.drop(1)
    assert teller.pending() == [("events_dropped", {"dropped": 4})]
    teller.drop(2)
    assert teller.pending() == [("events_dropped", {"dropped": 2})]


def test_each_recovery_is_told_with_its_own_bytes(teller: Teller) -> None:
    """A second one in the same process does not count the first one's bytes again."""
    teller.recovered.quarantined.append("a")
    teller.recovered.quarantined_bytes += 10
    assert teller.pending() == [("store_recovered", {"quarantined": ["a"], "bytes": 10})]
    teller.recovered.quarantined += ["b", "c"]
    teller.recovered.quarantined_bytes += 5
    assert teller.pending() == [("store_recovered", {"quarantined": ["b", "c"], "bytes": 5})]


@pytest.mark.parametrize(
    ("again", "text"),
    [
        ([], "Bytes that were never acknowledged were moved to quarantine"),
        (["b"], "Bytes that were never acknowledged, and lines that stand in the next segment again, were moved to"),
        (["a", "b"], "Lines that stand in the next segment again were moved to quarantine"),
    ],
)
def test_R05_a_recovery_says_what_it_moved(teller: Teller, again: list[str], text: str) -> None:
    """Lines that were written again after a failed sync may have been acknowledged where they stand now."""
    teller.recovered.quarantined += ["a", "b"]
    teller.recovered.again += again
    with teller.told.pending(teller.room, ended=True) as bodies:
        (event,) = (json.loads(seal_line(body, 1, 0)) for body in bodies)
    assert event["message"].startswith(text)


def test_R05_opening_tells_of_lines_that_were_written_again(directory: Path) -> None:
    """Not that they were never acknowledged: they are there."""
    lay(directory, d23=line(1, 0) + line(2, 1) + line(3, 1), d24=line(2, 1) + line(3, 1) + line(4, 1))
    with Store.open(directory) as store:
        event = list(store.read())[-1]
        assert event.message == "Lines that stand in the next segment again were moved to quarantine"
        assert store.recovered.again == store.recovered.quarantined
        assert event.metadata == {"quarantined": store.recovered.again, "bytes": len(line(2, 1) + line(3, 1))}


def test_abandoned_segments_are_told_once(teller: Teller) -> None:
    """Which segments' syncs failed."""
    teller.segment.abandoned.append("2026-11-23.jsonl")
    assert teller.pending() == [("store_sync_failed", {"segments": ["2026-11-23.jsonl"]})]
    assert teller.pending() == []


@pytest.mark.parametrize(
    ("ahead", "told"),
    [(timedelta(seconds=-1), False), (timedelta(seconds=0.4), False), (timedelta(seconds=0.5), True)],
    ids=["behind", "a little ahead", "ahead"],
)
def test_T01_a_clock_behind_the_newest_event_is_told(teller: Teller, ahead: timedelta, told: bool) -> None:
    """A process that was not there when the clock was set back sees it by the newest event."""
    with freeze_time(NOW):
        assert teller.told.written_before(None) == 0.0
        assert teller.told.written_before(NOW + ahead) == (-0.5 if told else 0.0)
    metadata = {
        "seconds": -0.5,
        "before": "2026-11-23T12:00:00.500000Z",
        "now": "2026-11-23T12:00:00.000000Z",
    }
    assert teller.pending() == ([("store_clock_jumped", metadata)] if told else [])


def test_space_that_gets_low_and_is_back_is_told(
    directory: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each turn once, with what is free and the mark."""
    free = {"now": 1 << 30}
    monkeypatch.setattr(files, "space", lambda path: (free["now"], 1 << 40))
    for now in (1 << 30, 1 << 20, 1 << 20, 1 << 30, 1 << 30):
        free["now"] = now
        store.append(category="api", action="read")
    events = [event for event in store.read() if event.action != "read"]
    assert [(event.action, event.level, event.metadata) for event in events] == [
        ("store_space_low", "error", {"free": 1 << 20, "reserve_bytes": 4 << 20}),
        ("store_space_back", "notice", {"free": 1 << 30, "reserve_bytes": 4 << 20}),
    ]
