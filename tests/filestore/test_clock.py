"""Clocks that jump: how it is noticed, what is told, and where the events go."""

from __future__ import annotations

import errno
import os
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from freezegun import freeze_time

from stonelog.filestore import DiskFull, Reader, Store, StoreLocked, clock, files
from stonelog.filestore.clock import Clock
from stonelog.filestore.codec import encode, seal_line

EVENT = {"category": "api", "action": "read"}


@pytest.mark.parametrize(
    ("passed", "wall", "jump"),
    [
        (0, 0, 0),
        (10, 10, 0),
        (10, 9.6, 0),
        (10, 9.5, -0.5),
        (0, -3600, -3600),
        (3600, 0, -3600),
        (0, 36 * 3600 - 1, 0),
        (0, 36 * 3600, 36 * 3600),
        (10 * 86400, 10 * 86400, 0),
        (7200, 7200 - 50 * 365 * 86400, -50 * 365 * 86400),
    ],
)
def test_T02_a_jump_is_what_the_two_clocks_differ_by(
    monkeypatch: pytest.MonkeyPatch, passed: float, wall: float, jump: float
) -> None:
    """Back half a second or more, forward 36 hours or more; after it the clocks are compared anew."""
    steady = 1000.0
    monkeypatch.setattr(clock, "elapsed", lambda: steady)
    with freeze_time("2026-11-23 12:00") as frozen:
        watched = Clock()
        steady += passed
        frozen.move_to(datetime(2026, 11, 23, 12, tzinfo=UTC) + timedelta(seconds=wall))
        now, found = watched.look()
        assert found == pytest.approx(jump)
        assert now == datetime(2026, 11, 23, 12, tzinfo=UTC) + timedelta(seconds=wall)
        assert watched.look()[1] == 0


def test_T02_the_steady_clock_counts_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop that slept for a weekend has not jumped: the clock with the time asleep is asked, where there is one."""
    monkeypatch.undo()  # the stand-in of conftest.py
    if hasattr(time, "CLOCK_BOOTTIME"):
        before = time.clock_gettime(time.CLOCK_BOOTTIME)
        assert before <= clock.elapsed() <= time.clock_gettime(time.CLOCK_BOOTTIME)
        monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    before = time.monotonic()
    assert before <= clock.elapsed() <= time.monotonic()


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock that counts seconds stands still, so that every move of the frozen time is a jump."""
    monkeypatch.setattr(clock, "elapsed", lambda: 1000.0)


def names(directory: Path) -> list[str]:
    """The segments, in their order."""
    return Reader(directory).names()


def jumps(directory: Path) -> list[dict[str, Any]]:
    """What the events about jumps say."""
    return [event.metadata or {} for event in Reader(directory).read() if event.action == "store_clock_jumped"]


@pytest.mark.usefixtures("steady")
def test_T01_a_step_back_is_told_and_the_newest_day_goes_on(directory: Path) -> None:
    """The event says how far, from when and to when; it follows the one that was written first after the step."""
    with freeze_time("2026-11-23 00:00:01") as frozen, Store.open(directory) as store:
        store.append(EVENT)
        frozen.move_to("2026-11-22 23:59:59")
        assert store.append(EVENT).file.endswith("2026-11-23.jsonl")
        store.append(EVENT)
    assert jumps(directory) == [
        {"seconds": -2.0, "before": "2026-11-23T00:00:01.000000Z", "now": "2026-11-22T23:59:59.000000Z"}
    ]
    assert [event.action for event in Reader(directory).read()] == ["read", "read", "store_clock_jumped", "read"]


@pytest.mark.usefixtures("steady")
def test_T02_the_return_from_a_far_day_begins_a_further_segment(directory: Path) -> None:
    """Both jumps are told, and what was written in the wrong year is a segment of its own."""
    with freeze_time("2026-11-23 12:00") as frozen, Store.open(directory) as store:
        store.append(EVENT)
        frozen.move_to("2036-11-23 12:00")
        store.append(EVENT)
        frozen.move_to("2026-11-23 12:00")
        store.append(EVENT)
        store.append(EVENT)
    assert names(directory) == ["2026-11-23.jsonl", "2036-11-23.jsonl", "2036-11-23.001.jsonl"]
    assert [jump["seconds"] for jump in jumps(directory)] == [315619200.0, -315619200.0]
    assert [line.seq for line in Reader(directory).lines()] == list(range(1, 7))


@pytest.mark.parametrize(("hours", "segments"), [(35, 1), (36, 2)])
def test_T02_a_clock_that_was_put_right_while_the_store_was_closed_begins_a_segment(
    directory: Path, hours: int, segments: int
) -> None:
    """Opened with a newest event of the far future: what was written there is a segment of its own; once."""
    with freeze_time("2036-11-23 12:00") as frozen:
        with Store.open(directory) as store:
            store.append(EVENT)
        frozen.tick(timedelta(hours=-hours))
        for _ in range(3):
            with Store.open(directory) as store:
                store.append(EVENT)
    assert names(directory) == ["2036-11-23.jsonl", "2036-11-23.001.jsonl"][:segments]
    assert [jump["seconds"] for jump in jumps(directory)] == [-3600.0 * hours]
    assert [line.seq for line in Reader(directory).lines()] == list(range(1, 6))


def test_T02_the_segment_after_a_far_day_is_begun_though_the_lock_was_not_to_be_had_at_first(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The return of the clock is not forgotten when the first commit after it fails."""
    monkeypatch.setenv("STONELOG_STORE_LOCK_SECONDS", "0.05")
    monkeypatch.setattr(clock, "elapsed", lambda: 1000.0)
    with freeze_time("2036-11-23 12:00") as frozen, Store.open(directory) as store:
        store.append(EVENT)
        frozen.move_to("2026-11-23 12:00")
        with monkeypatch.context() as patched:
            patched.setattr(files, "lock", lambda fd: False)
            seconds = SimpleNamespace(monotonic=count(1000).__next__, sleep=lambda seconds: None)
            patched.setattr("stonelog.filestore.lock.time", seconds)
            with pytest.raises(StoreLocked):
                store.append(EVENT)
        store.append(EVENT)
    assert names(directory) == ["2036-11-23.jsonl", "2036-11-23.001.jsonl"]


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize(("hours", "count"), [(35, 1), (36, 2)])
def test_T02_only_a_jump_back_of_36_hours_begins_a_segment(directory: Path, hours: int, count: int) -> None:
    """Less is a correction; and a segment without an event is not followed by another."""
    with freeze_time("2026-11-23 12:00") as frozen, Store.open(directory) as store:
        for back in (0, hours):
            frozen.tick(timedelta(hours=-back))
            store.append(EVENT)
        assert len(names(directory)) == count
        frozen.tick(timedelta(days=20))
        store.roll()
        frozen.tick(timedelta(days=-20))
        store.append(EVENT)
        assert len(names(directory)) == count + 1


@pytest.mark.usefixtures("steady")
def test_F31_a_jump_on_a_disk_without_room_for_a_new_file(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event goes into the open segment."""

    def full(path: Path) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with freeze_time("2026-11-23 12:00") as frozen, Store.open(directory) as store:
        store.append(EVENT)
        frozen.move_to("2026-11-20 12:00")
        monkeypatch.setattr(files, "create", full)
        assert store.append(EVENT).seq == 2
    assert names(directory) == ["2026-11-23.jsonl"]
    assert len(jumps(directory)) == 1


@pytest.mark.usefixtures("steady")
def test_T02_a_jump_is_told_even_if_the_first_write_after_it_fails(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not forgotten until there is an event of it."""

    def full(fd: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with freeze_time("2026-11-23 12:00") as frozen, Store.open(directory) as store:
        store.append(EVENT)
        frozen.move_to("2026-11-23 11:00")
        with monkeypatch.context() as patched:
            patched.setattr(files, "write_all", full)
            with pytest.raises(DiskFull):
                store.append(EVENT)
        store.append(EVENT)
    assert [jump["seconds"] for jump in jumps(directory)] == [-3600.0]


def test_T01_a_clock_set_back_while_the_store_was_closed_is_told_once(directory: Path) -> None:
    """At opening, by the newest event, and not again at the next one."""
    with freeze_time("2026-11-23 12:00"), Store.open(directory) as store:
        store.append(EVENT, time="2020-01-01T00:00:00Z")
    for _ in range(2):
        with freeze_time("2026-11-23 11:00"), Store.open(directory):
            pass
    assert [jump["seconds"] for jump in jumps(directory)] == [-3600.0]


def test_T01_an_event_of_a_year_that_no_clock_shows_is_no_obstacle(directory: Path) -> None:
    """An id can hold times beyond the year 9999; a store that ends with such a line opens, and nothing is told."""
    (directory / "events").mkdir(parents=True, mode=0o700)
    fields = {"time": "2026-11-23T12:00:00.000000Z", **EVENT}
    body = encode(fields, before='"id":"ffffffff-ffff-7000-8000-000000000000",')
    (directory / "events" / "2026-11-23.jsonl").write_bytes(seal_line(body, 1, 0) + b"\n")
    with freeze_time("2026-11-23 12:00"), Store.open(directory) as store:
        assert store.append(EVENT).seq == 2
    assert jumps(directory) == []
