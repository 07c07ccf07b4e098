"""The jobs and when they run."""

import dataclasses
import fcntl
import logging
import queue
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from apscheduler.schedulers.background import BackgroundScheduler
from freezegun import freeze_time

from stonelog.filestore import InvalidSetting, Reader, Store, StoreReadOnly, Upkeep
from stonelog.indexer import Index, make_scheduler, retain_days, roll_day, seal_days

DEADLINE = 60


@pytest.fixture
def days(directory: Path) -> Path:
    """A store with three events on each of four days that are over."""
    for day in (1, 2, 3, 4):
        with freeze_time(f"2020-06-0{day}T12:00:00Z"), Store.open(directory) as store:
            store.append_many([{"category": "api", "action": "read"}] * 3)
    return directory


def names(directory: Path) -> list[str]:
    return sorted(file.name for file in (directory / "events").iterdir())


@pytest.fixture
def other_upkeep(days: Path) -> Iterator[None]:
    """Another process is sealing: it holds the upkeep lock."""
    with open(days / "upkeep.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize(
    ("job", "now", "following"),
    [
        ("roll_day", "2026-12-31T13:00:00Z", "2027-01-01T00:00:00Z"),
        ("roll_day", "2028-02-28T23:59:59Z", "2028-02-29T00:00:00Z"),
        ("seal_days", "2026-12-31T00:05:01Z", "2027-01-01T00:05:00Z"),
        ("retain_days", "2026-12-31T23:50:00Z", "2027-01-01T00:05:00Z"),
    ],
)
def test_F49_the_times_are_utc(directory: Path, monkeypatch, job: str, now: str, following: str) -> None:
    """The next time of each job is one in UTC, whatever the machine's zone; late is better than never."""
    monkeypatch.setenv("TZ", "America/St_Johns")
    with freeze_time(now), Store.open(directory, durability="none") as store:
        (added,) = [each for each in make_scheduler(store).get_jobs() if each.id == job]
        begin = datetime.fromisoformat(now)
        assert added.trigger.get_next_fire_time(begin, begin) == datetime.fromisoformat(following)
        assert added.misfire_grace_time is None
        assert added.coalesce


def test_settings_move_the_jobs(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """[jobs] says at what time days are sealed and how often retention looks; either can be turned off."""
    directory.mkdir()
    (directory / "stonelog.toml").write_text('[jobs]\nseal = "04:30"\nretain_minutes = 0\n')
    with Store.open(directory, durability="none") as store:
        roll, seal = make_scheduler(store).get_jobs()
        assert (roll.id, seal.id) == ("roll_day", "seal_days")
        noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
        assert seal.trigger.get_next_fire_time(None, noon) == datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
        monkeypatch.setenv("STONELOG_JOBS_SEAL", "off")
        assert [job.id for job in make_scheduler(store).get_jobs()] == ["roll_day"]


@pytest.mark.parametrize("value", ["24:00", "0:05", "now", "00:05:00", ""])
def test_a_time_that_is_none_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A time of day is HH:MM; anything else is an error that names the variable."""
    monkeypatch.setenv("STONELOG_JOBS_SEAL", value)
    with (
        Store.open(directory, durability="none") as store,
        pytest.raises(InvalidSetting, match=r"^STONELOG_JOBS_SEAL = "),
    ):
        make_scheduler(store)


def runs(scheduler: BackgroundScheduler) -> "queue.Queue[str]":
    """Gets the id of each job that has run."""
    done: queue.Queue[str] = queue.Queue()
    scheduler.add_listener(lambda event: done.put(event.job_id), EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    return done


def test_F50_missed_jobs_run_once_at_the_start(days: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a machine was off for years each job runs once, in order: the day closed, days sealed, old ones gone."""
    monkeypatch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "30")
    monkeypatch.setenv("STONELOG_JOBS_SEAL", f"{(datetime.now(UTC).hour + 12) % 24:02}:00")
    with Store.open(days) as store:
        scheduler = make_scheduler(store)
        done = runs(scheduler)
        scheduler.start()
        assert [done.get(timeout=DEADLINE) for _ in range(3)] == ["roll_day", "seal_days", "retain_days"]
        scheduler.shutdown()
        assert done.empty()
        told = [(event.action, event.metadata) for event in store.read(after=12)]
    assert [action for action, _ in told] == ["store_sealed", "store_pruned"]
    assert len(told[0][1]["files"]) == len(told[1][1]["segments"]) == 4
    assert [segment.first_seq for segment in Reader(days).segments()] == [13]


def test_F50_a_clock_that_jumped_runs_each_job_once(days: Path) -> None:
    """A scheduler that slept over ten midnights has one run of each job due, not ten."""
    with Store.open(days) as store, freeze_time("2020-06-05T12:00:00Z") as clock:
        scheduler = make_scheduler(store)
        scheduler.start(paused=True)
        for job in scheduler.get_jobs():
            clock.move_to("2020-06-15T12:00:00Z")
            due = job._get_run_times(datetime.now(UTC))
            assert len(due) > 9
            assert job.coalesce  # APScheduler then hands over the last of them alone
        scheduler.shutdown()


def test_a_started_scheduler_stops(directory: Path) -> None:
    """The caller starts it and stops it."""
    with Store.open(directory, durability="none") as store:
        scheduler = make_scheduler(store)
        scheduler.start()
        assert scheduler.running
        scheduler.shutdown()
        assert not scheduler.running


def test_stopping_does_not_wait_for_the_sealing_of_everything(days: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shutdown while a segment is being sealed leaves it plain, and the rest for another time."""
    sealing, stopping = threading.Event(), threading.Event()

    def held(upkeep: Upkeep, *, stop) -> object:
        def ask() -> bool:
            sealing.set()
            assert stopping.wait(DEADLINE)
            while not stop():  # the scheduler is told to stop by now, and says so in a moment
                pass
            return True

        return seal(upkeep, stop=ask)

    seal = Upkeep.seal
    monkeypatch.setattr(Upkeep, "seal", held)
    with Store.open(days) as store:
        scheduler = make_scheduler(store)
        scheduler.start()
        assert sealing.wait(DEADLINE)
        ending = threading.Thread(target=scheduler.shutdown)
        ending.start()
        stopping.set()
        ending.join(DEADLINE)
        assert not ending.is_alive()
    assert not [name for name in names(days) if not name.endswith(".jsonl")]


def test_jobs_run_in_a_thread_of_their_own(days: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No job runs in the thread that started the scheduler, where an event loop may be."""
    ran: queue.Queue[threading.Thread] = queue.Queue()
    monkeypatch.setattr(Upkeep, "retain", lambda upkeep: ran.put(threading.current_thread()))
    with Store.open(days) as store:
        scheduler = make_scheduler(store)
        scheduler.start()
        assert ran.get(timeout=DEADLINE) is not threading.current_thread()
        scheduler.shutdown()


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
        assert names(directory) == ["2026-12-31.jsonl"]
        clock.tick(2)
        roll_day(store)
        assert names(directory) == ["2026-12-31.jsonl", "2027-01-01.jsonl"]
        assert index.status().state == "ok"
        store.append(category="api", action="read", message="new year")
        assert index.count("year") == 2
        assert index.catch_up() == 2
        assert [event.seq for event in index.search("year").events] == [2, 1]


def test_sealing_and_retention_by_their_jobs(days: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Called without a scheduler, `seal_days` leaves only the newest plain, `retain_days` removes what is too old."""
    with freeze_time("2020-06-04T13:00:00Z"), Store.open(days) as store:
        seal_days(store)
        assert [name for name in names(days) if name.endswith(".jsonl")] == ["2020-06-04.jsonl"]
        before = names(days)
        seal_days(store)  # with nothing to do, nothing is done and nothing told
        retain_days(store)
        assert (names(days), store.last_seq) == (before, 13)
        monkeypatch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "1")
        retain_days(store)
        assert [segment.name for segment in Reader(days).segments()] == ["2020-06-03.jsonl", "2020-06-04.jsonl"]


def test_an_idle_store_does_not_write_about_itself_for_ever(directory: Path) -> None:
    """Without appends, the day that holds nothing but the event of the last sealing is sealed without one."""
    with freeze_time("2020-06-01T12:00:00Z") as clock, Store.open(directory) as store:
        store.append(category="api", action="read")
        for day in range(2, 8):
            clock.move_to(f"2020-06-0{day}T00:01:00Z")
            roll_day(store)
            seal_days(store)
        assert store.last_seq == 2
        assert [segment.name for segment in Reader(directory).segments()] == [
            "2020-06-01.jsonl",
            "2020-06-02.jsonl",
            "2020-06-07.jsonl",
        ]


def test_F26_upkeep_of_another_process_is_left_to_it(
    days: Path, other_upkeep: None, caplog: pytest.LogCaptureFixture
) -> None:
    """While another process seals, the jobs skip without a warning and change nothing."""
    before = names(days)
    with Store.open(days) as store:
        seal_days(store)
        retain_days(store)
    assert names(days) == before
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_a_failure_is_logged(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A store that cannot be looked after does not stop the scheduler."""
    store = Store.open(directory, durability="none")
    store.close()
    with pytest.raises(StoreReadOnly):
        store.roll()
    roll_day(store)
    assert "the day could not be closed" in caplog.text


def test_a_failure_is_tried_again(days: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    """A sealing that fails is logged, and the next one does what it could not."""
    monkeypatch.setenv("STONELOG_SEAL_LEVEL", "99")
    with Store.open(days) as store:
        seal_days(store)
        assert "not everything could be sealed: [seal] level = 99" in caplog.text
        monkeypatch.setenv("STONELOG_SEAL_LEVEL", "1")
        seal_days(store)
    assert "2020-06-01.jsonl.gz" in names(days)


def test_very_many_segments_are_told_in_several_events(days: Path) -> None:
    """However many segments one run seals, no event that names them is too large, and each is named once."""
    name = "2020-06-01.{:03}.jsonl.gz"
    with freeze_time("2020-06-04T13:00:00Z"), Store.open(days) as store:
        (one, *_) = store.upkeep.seal()
        many = [dataclasses.replace(one, file=name.format(number % 1000)) for number in range(3000)]
        store.upkeep._tell_sealed(many)
        told = [file for event in store.read(after=13) for file in event.metadata["files"]]
    assert told == [each.file for each in many]
