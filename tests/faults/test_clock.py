"""Clocks that step, under running processes and between them, and hours that local clocks show twice or not at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from freezegun import freeze_time

from clock import FakeClock
from programs import ENVIRONMENT, check, nursery, whole_lines
from stonelog.filestore import Reader, Store
from stonelog.filestore.layout import SegmentName

START = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)

STEPS = {
    "back 1 s": [timedelta(seconds=-1)],
    "back 1 h": [timedelta(hours=-1)],
    "back 3 days": [timedelta(days=-3)],
    "forward 10 years and back": [timedelta(days=3653), timedelta(0)],
    "to and fro over midnight": [timedelta(hours=h) for h in (13, 11, 13, 11)],
}

# Appends for each line it gets, and says which `seq` in which file.
APPENDS = """
import os, sys
from stonelog.filestore import Store
store = Store.open(sys.argv[1])
for line in sys.stdin:
    receipt = store.append(category="api", action="read")
    os.write(1, f"{receipt.seq} {receipt.id} {os.path.basename(receipt.file)}\\n".encode())
store.close()
"""


class Told:
    """A process that appends when it is told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def append(self) -> tuple[int, str, str]:
        """The `seq`, id and file name of one more event."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        seq, identity, name = self._process.stdout.readline().split()
        return int(seq), identity, name


@contextmanager
def appending(directory: Path, environment: dict[str, str]) -> Iterator[Told]:
    """Such a process; it closes its store when the block ends."""
    with subprocess.Popen(
        [sys.executable, "-c", APPENDS, str(directory)],
        env={**ENVIRONMENT, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Told(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0


def days_never_go_back(directory: Path) -> bool:
    """Whether the days of the segments, in the order of their `seq`s, stand in order too; all `seq`s are dense."""
    assert [seq for seq, _ in whole_lines(directory)] == list(range(1, 1 + sum(1 for _ in whole_lines(directory))))
    segments = sorted(Reader(directory).segments(), key=lambda each: each.first_seq or 0)
    return [each.day for each in segments] == sorted(each.day for each in segments)


def told(steps: list[timedelta]) -> list[timedelta]:
    """The jumps, from one place of the clock to the next, that are to be told: any back, forward only large ones."""
    moves = [there - here for here, there in pairwise([timedelta(0), *steps])]
    return [move for move in moves if move < timedelta(0) or move >= timedelta(hours=36)]


def jumps(directory: Path) -> list[int]:
    """The whole seconds of the jumps that events tell of."""
    events = [event for event in Reader(directory).read() if event.action == "store_clock_jumped"]
    return [round((event.metadata or {})["seconds"]) for event in events]


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS.keys())
def test_F48_a_clock_that_steps_under_a_running_process(
    directory: Path, tmp_path: Path, steps: list[timedelta]
) -> None:
    """`seq` stays dense and in the order of the lines, days never go back, and opening again changes nothing."""
    clock = FakeClock(tmp_path, START)
    acks = [(0, "", "")]
    with appending(directory, clock.environment) as process:
        for step in [timedelta(0), *steps]:
            clock.set(START + step)
            acks += [process.append() for _ in range(2)]
        names = [SegmentName.parse(name) for _, _, name in acks[1:]]
        assert names == sorted(filter(None, names))
    seqs = [seq for seq, _, _ in acks]
    assert seqs == sorted(set(seqs))
    assert days_never_go_back(directory)
    # The fake clock stands still meanwhile, which looks like small steps back.
    found, expected = jumps(directory), [step.total_seconds() for step in told(steps)]
    assert [each for each in found if abs(each) > 60] == [
        pytest.approx(each, abs=60) for each in expected if abs(each) > 60
    ]
    assert bool(found) >= bool(expected)
    with freeze_time(START + steps[-1]):
        check(directory, {seq: identity for seq, identity, _ in acks[1:]})
    assert days_never_go_back(directory)


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS.keys())
def test_F48_a_clock_that_steps_between_two_openings(directory: Path, steps: list[timedelta]) -> None:
    """The same for a store that is closed meanwhile."""
    acks = {}
    for step in [timedelta(0), *steps]:
        with freeze_time(START + step), Store.open(directory) as store:
            receipts = [store.append(category="api", action="read") for _ in range(2)]
            acks |= {receipt.seq: receipt.id for receipt in receipts}
    assert list(acks) == sorted(acks)
    assert days_never_go_back(directory)
    assert jumps(directory) == [round(step.total_seconds()) for step in told(steps) if step < timedelta(0)]
    with freeze_time(START + steps[-1]):
        check(directory, acks)


def test_F48_two_processes_whose_clocks_differ_by_days_share_one_order(directory: Path, tmp_path: Path) -> None:
    """One lives three days ahead of the other: their events come in one order, all in days that never go back."""
    (tmp_path / "ahead").mkdir()
    behind, ahead = FakeClock(tmp_path, START), FakeClock(tmp_path / "ahead", START + timedelta(days=3))
    with appending(directory, behind.environment) as one, appending(directory, ahead.environment) as two:
        acks = [process.append() for _ in range(4) for process in (one, two)]
    assert [seq for seq, _, _ in acks] == sorted({seq for seq, _, _ in acks})
    assert days_never_go_back(directory)
    with freeze_time(START):
        check(directory, {seq: identity for seq, identity, _ in acks})


def test_F25_midnight_while_processes_and_threads_append(directory: Path, tmp_path: Path) -> None:
    """Midnight comes, goes and comes again under four processes: acknowledged = lines, one order, two days."""
    clock = FakeClock(tmp_path, datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC))
    small = {"STONELOG_STORE_SEGMENT_BYTES": "30000"}
    with nursery(tmp_path / "pipes", clock.environment | small) as start:
        writers = [start.start(directory, threads=3, events=40) for _ in range(4)]
        for seconds in (1, 0, 2):
            writers[0].wait_for(20 * (seconds + 1))
            clock.set(datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC) + timedelta(seconds=seconds))
        acks = {ack.seq: ack.id for writer in writers for ack in writer.finish()}
        assert [error for writer in writers for error in writer.errors] == []
    assert len(acks) == 4 * 3 * (30 + 10 * 5)
    assert days_never_go_back(directory)
    assert {str(segment.day) for segment in Reader(directory).segments()} == {"2026-11-23", "2026-11-24"}
    with freeze_time("2026-11-24 00:00:01"):
        check(directory, acks)


MOMENTS = [
    "2011-12-30T09:59:59",  # Samoa had no 30 December 2011
    "2011-12-30T10:00:00",
    "2026-03-08T05:29:59",  # Newfoundland goes to summer time
    "2026-03-08T05:30:00",
    "2026-03-29T00:59:59",  # Germany does
    "2026-03-29T01:00:00",
    "2026-10-25T00:30:00",  # 02:30 in Germany, for the first time
    "2026-10-25T01:30:00",  # and for the second
    "2026-11-01T04:29:59",  # Newfoundland goes back
    "2026-11-01T04:30:00",
    "2026-12-31T23:59:59",
    "2027-01-01T00:00:00",
    "2028-02-28T23:59:59",
    "2028-02-29T00:00:00",
    "2028-02-29T23:59:59",
    "2028-03-01T00:00:00",
    "2100-02-28T23:59:59",  # no leap year
    "2100-03-01T00:00:00",
]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Pacific/Apia"])
def test_F49_day_and_time_are_those_of_utc_at_every_turn_of_the_calendar(
    directory: Path, tmp_path: Path, zone: str
) -> None:
    """In a process that lives in this zone: each event lies in the file of its UTC day, with its UTC time."""
    moments = [datetime.fromisoformat(f"{text}+00:00") for text in MOMENTS]
    clock = FakeClock(tmp_path, moments[0])
    with appending(directory, {**clock.environment, "TZ": zone}) as process:
        for moment in moments:
            clock.set(moment)
            name = process.append()[2]
            assert name[:10] == f"{moment:%Y-%m-%d}"
    times = [event.time for event in Reader(directory).read() if not event.action.startswith("store_")]
    assert times == moments
    assert days_never_go_back(directory)
