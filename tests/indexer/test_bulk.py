"""Shards made by several processes: what they make, and what happens when one of them or all are killed."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from answers import wait_until
from shards import SMALL, assert_covered, catalog, days, path_of, ranges
from stonelog.filestore import Reader
from stonelog.indexer import Builder, IndexUnavailable, crew
from stonelog.indexer.bulk import Stopped, make_shard
from stonelog.indexer.crew import Crew
from stonelog.indexer.planning import Gap
from stonelog.indexer.trust import index_directory


def children() -> list[int]:
    """The processes that this one started and that have not ended."""
    return [int(each) for each in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_make_what_one_process_makes(directory: Path) -> None:
    """The same lines are covered, and no process is left."""
    days(directory, 70, 80, 90, 100)
    builder = Builder(directory, sizes=SMALL)
    before = children()
    assert builder.rebuild(workers=3) == 340
    assert set(children()) <= set(before)
    assert_covered(directory)
    assert sum(events for _, _, events in ranges(directory)) == 340
    assert not catalog(directory).rebuilding
    builder.close()


def test_progress_of_workers(directory: Path) -> None:
    """Their bytes add up to all bytes."""
    days(directory, 300)
    told: list[tuple[int, int]] = []
    builder = Builder(directory, sizes=SMALL)
    builder.rebuild(lambda done, total: told.append((done, total)), workers=2)
    size = (directory / "events" / "2026-11-01.jsonl").stat().st_size
    assert told == sorted(told)
    assert told[-1] == (size, size)
    assert len({done for done, _ in told}) > 3
    builder.close()


def test_catching_up_starts_no_process(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within somebody's program the index is brought up to date by that program alone."""
    monkeypatch.setattr(subprocess, "Popen", None)
    days(directory, 300)
    builder = Builder(directory, sizes=SMALL)
    assert builder.catch_up() == 300
    assert_covered(directory)
    builder.close()


def test_without_processes_it_is_done_in_this_one(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none can be started the rebuild takes longer, and that is all."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(11, "no more processes")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    days(directory, 300)
    builder = Builder(directory, sizes=SMALL)
    assert builder.rebuild(workers=4) == 300
    assert_covered(directory)
    builder.close()


def test_what_cannot_be_imported_there_is_done_here(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that end at once leave their work to this process."""
    monkeypatch.setattr(crew, "_COMMAND", "print('hello'); raise SystemExit(3)")
    days(directory, 300)
    builder = Builder(directory, sizes=SMALL)
    assert builder.rebuild(workers=2) == 300
    assert_covered(directory)
    builder.close()


def test_F55_a_killed_worker_costs_only_what_it_was_at(directory: Path) -> None:
    """F55: SIGKILL of one worker: its shard is made by this process, the others go on."""
    days(directory, 600)
    before = set(children())
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        for pid in (set(children()) - before) if not killed else ():
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
            return

    builder = Builder(directory, sizes=SMALL)
    assert builder.rebuild(kill, workers=2) == 600
    assert killed
    assert_covered(directory)
    builder.close()


PARENT = """
import os, sys, time
import threading
from pathlib import Path
from stonelog.indexer import Builder
from stonelog.indexer.planning import Sizes

told = []
def progress(done, total):
    told.append(done)
    if len(told) == 5:
        print(*Path(f"/proc/self/task/{os.getpid()}/children").read_text().split(), sep="\\n")
        print("reached", flush=True)
        time.sleep(600)

Builder(Path(sys.argv[1]), sizes=Sizes(16, 64)).rebuild(progress, workers=2)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_F55_workers_end_with_who_started_them(directory: Path, number: signal.Signals) -> None:
    """F55: whatever ends the parent, its workers end too, what was done stays, and rebuilding goes on."""
    days(directory, 1500)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", PARENT, directory]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        workers = [int(line) for line in iter(process.stdout.readline, "reached\n")]
        process.send_signal(number)
    assert len(workers) == 2
    wait_until(lambda: not any(map(running, workers)))
    kept = catalog(directory).sealed
    assert kept
    assert catalog(directory).rebuilding
    builder = Builder(directory, sizes=SMALL)
    assert builder.rebuild(workers=2) == 1500
    assert set(kept) < set(catalog(directory).shards)
    assert_covered(directory)
    builder.close()


def test_a_worker_that_lost_its_parent_finishes_nothing(directory: Path) -> None:
    """The end of its input ends it in the middle of a shard."""
    days(directory, 1500)
    hand = crew._Hand(directory, SMALL)
    hand.give(1, Gap(1, 1500))
    hand.answers()
    assert hand.process.stdin is not None
    hand.process.stdin.close()
    assert hand.process.wait(timeout=30) == 1
    assert not path_of(directory, 1).exists()
    hand.end()


def test_an_error_of_a_worker_is_told(directory: Path) -> None:
    """What it could not do is IndexUnavailable here, with its reason."""
    before = set(children())
    days(directory, 300)
    index_directory(directory).mkdir()
    for number in range(1, 20):
        path_of(directory, number).with_name(f"{number:06d}.sqlite.part").mkdir()
    numbers = iter(range(1, 20))
    working = Crew(Reader(directory), SMALL, 2, lambda: next(numbers))
    with pytest.raises(IndexUnavailable):
        working.make([Gap(1, 64), Gap(65, 128)], lambda gap, shard: None)
    assert set(children()) <= before


def test_no_lines_no_shard(directory: Path) -> None:
    """Of a gap without lines there is no file."""
    days(directory, 10)
    days(directory, 10, first=101, day=2)
    reader = Reader(directory)
    assert make_shard(reader, 1, Gap(20, 90), SMALL) is None
    assert list(index_directory(directory).glob("*")) == []


def test_a_stopped_shard_is_not_there(directory: Path) -> None:
    """Stopped in the middle it leaves no file."""
    days(directory, 64)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        make_shard(Reader(directory), 1, Gap(1, 64), SMALL, stop=stop)
    assert list(index_directory(directory).iterdir()) == []
