"""The jobs and when they run."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from freezegun import freeze_time

from stonelog.filestore import Store, StoreReadOnly
from stonelog.indexer import Index, make_scheduler, roll_day


def test_the_day_is_closed_at_midnight_utc(directory: Path) -> None:
    """The job's next time is the coming midnight in UTC, whatever the machine's zone; late is better than never."""
    with Store.open(directory, durability="none") as store:
        (job,) = make_scheduler(store).get_jobs()
        assert job.id == "roll_day"
        following = job.trigger.get_next_fire_time(None, datetime(2026, 12, 31, 13, 0, tzinfo=UTC))
        assert following == datetime(2027, 1, 1, tzinfo=UTC)
        assert job.misfire_grace_time is None
        assert job.coalesce


def test_a_started_scheduler_stops(directory: Path) -> None:
    """The caller starts it and stops it."""
    with Store.open(directory, durability="none") as store:
        scheduler = make_scheduler(store)
        scheduler.start()
        assert scheduler.running
        scheduler.shutdown()
        assert not scheduler.running


def test_rolling_begins_the_new_day(directory: Path) -> None:
    """F49: after midnight the new day's segment is there, and the index answers across it."""
    with (
        freeze_time("2026-12-31T23:59:59Z", tick=True) as clock,
        Index.open(directory) as index,
        Store.open(directory, durability="none") as store,
    ):
        store.append(category="api", action="read", message="old year")
        index.catch_up()
        roll_day(store)
        assert [file.name for file in (directory / "events").iterdir()] == ["2026-12-31.jsonl"]
        clock.tick(2)
        roll_day(store)
        assert sorted(file.name for file in (directory / "events").iterdir()) == [
            "2026-12-31.jsonl",
            "2027-01-01.jsonl",
        ]
        assert index.status().state == "ok"
        store.append(category="api", action="read", message="new year")
        assert index.count("year") == 2
        assert index.catch_up() == 2
        assert [event.seq for event in index.search("year").events] == [2, 1]


def test_a_failure_is_logged(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A store that cannot roll does not stop the scheduler."""
    store = Store.open(directory, durability="none")
    store.close()
    with pytest.raises(StoreReadOnly):
        store.roll()
    roll_day(store)
    assert "the day could not be closed" in caplog.text
