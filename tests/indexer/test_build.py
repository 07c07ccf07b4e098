"""Filling the index: what is covered, who may, and what a full disk or a kill leaves."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shards import SMALL, assert_covered, built, catalog, days, path_of, ranges
from stonelog.filestore import Store, StoreLock
from stonelog.indexer import Builder, Index, IndexUnavailable
from stonelog.indexer import active as active_module
from stonelog.indexer.catalog import catalog_file
from stonelog.indexer.shard import ShardWriter
from stonelog.indexer.trust import index_directory


def test_catching_up_covers_every_line(store: Store, directory: Path) -> None:
    """Afterwards each event is in one shard, and what it gives is the last line's `seq`."""
    builder = Builder(directory)
    assert builder.catch_up() == 10
    store.append(category="api", action="read")
    assert builder.catch_up() == 11
    assert builder.catch_up() == 11
    builder.close()
    assert ranges(directory) == [(1, 11, 11)]


def test_a_backlog_is_cut_into_shards_and_the_end_is_active(directory: Path) -> None:
    """Whole shards are sealed; what is less than one stands in the active shard."""
    days(directory, 150)
    assert built(directory).catch_up() == 150
    assert ranges(directory) == [(1, 64, 64), (65, 128, 64), (129, 150, 22)]
    assert [shard.active for shard in catalog(directory).shards] == [False, False, True]
    assert_covered(directory)


def test_shards_end_with_a_day_where_that_costs_little(directory: Path) -> None:
    """So a shard goes as a whole when retention removes its days."""
    days(directory, 60, 60, 60)
    built(directory)
    assert ranges(directory)[:2] == [(1, 60, 60), (61, 120, 60)]
    assert catalog(directory).shards[0].segments == ("2026-11-01.jsonl",)
    assert_covered(directory)


def test_the_active_shard_is_sealed_when_it_is_full(directory: Path) -> None:
    """Events that come one by one are in few blocks, and each 64 of them in a sealed shard."""
    days(directory, 1)
    builder = built(directory)
    for seq in range(2, 141):
        days(directory, 1, first=seq)
        assert builder.catch_up() == seq
    builder.close()
    assert ranges(directory) == [(1, 64, 64), (65, 128, 64), (129, 140, 12)]
    sealed = path_of(directory, catalog(directory).shards[0].number)
    assert sealed.read_bytes()[18:20] == b"\1\1"  # no WAL mode: it is read without a lock or a file beside it
    with sqlite3.connect(sealed) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert_covered(directory)


def test_a_backlog_behind_an_active_shard_is_made_in_bulk(directory: Path) -> None:
    """The active shard is filled and sealed, the rest is cut as any backlog is."""
    days(directory, 20)
    builder = built(directory)
    days(directory, 300, first=21, day=2)
    assert builder.catch_up() == 320
    assert [last - first + 1 for first, last, _ in ranges(directory)][:4] == [64, 64, 64, 64]
    assert_covered(directory)


def test_progress(directory: Path) -> None:
    """It is told in bytes done of all bytes, never falls, and ends at all of them; what was done counts at once."""
    days(directory, 100)
    told: list[tuple[int, int]] = []
    builder = Builder(directory, sizes=SMALL)
    builder.catch_up(lambda done, total: told.append((done, total)))
    size = (directory / "events" / "2026-11-01.jsonl").stat().st_size
    assert {total for _, total in told} == {size}
    assert told == sorted(told)
    assert told[-1] == (size, size)
    days(directory, 10, first=101)
    told.clear()
    builder.catch_up(lambda done, total: told.append((done, total)))
    assert min(told)[0] >= size * 0.9


def test_a_stopped_pass_is_gone_on_with(directory: Path) -> None:
    """What was finished before the stop stays, and the next pass does the rest."""
    days(directory, 200)
    stop = threading.Event()

    def after_two(done: int, total: int) -> None:
        if len(catalog(directory).shards) == 3:
            stop.set()

    builder = Builder(directory, sizes=SMALL)
    assert builder.catch_up(after_two, stop=stop) == 0  # the newest are made first
    kept = catalog(directory).sealed
    assert [shard.last_seq for shard in kept] == [128, 192][-len(kept) :]
    assert builder.catch_up() == 200
    assert set(kept) < set(catalog(directory).shards)
    builder.close()
    assert_covered(directory)


def test_an_error_within_a_block_leaves_rows_and_position_together(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block is in the index as a whole or not at all."""
    days(directory, 40)
    builder = Builder(directory, sizes=SMALL)
    real, calls = ShardWriter._move_to, []

    def failing(self, draft):
        calls.append(draft)
        if len(calls) == 2:
            raise MemoryError
        real(self, draft)

    monkeypatch.setattr(ShardWriter, "_move_to", failing)
    with pytest.raises(MemoryError):
        builder.catch_up()
    assert ranges(directory) == [(1, 16, 16)]
    assert builder.catch_up() == 40
    assert_covered(directory)
    builder.close()


DELETED = st.tuples(st.lists(st.integers(1, 90), min_size=1, max_size=5), st.sets(st.integers(0, 12)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DELETED, st.booleans(), st.booleans())
def test_any_shards_that_are_deleted_come_back(tmp_path_factory, deleted, catalog_too: bool, reopened: bool) -> None:
    """F52: whichever files of the index are deleted, the next pass covers every line again, once."""
    directory = tmp_path_factory.mktemp("gaps") / "store"
    counts, places = deleted
    days(directory, *counts)
    builder = built(directory)
    before = ranges(directory)
    shards = catalog(directory).shards
    for place in places:
        if place < len(shards):
            path_of(directory, shards[place].number).unlink()
    if catalog_too:
        catalog_file(index_directory(directory)).unlink()
    if reopened:
        builder.close()
        builder = Builder(directory, sizes=SMALL)
    assert builder.catch_up() == sum(counts)
    assert_covered(directory)
    if not places and not catalog_too:
        assert ranges(directory) == before
    days(directory, 3, first=sum(counts) + 1, day=len(counts))
    assert builder.catch_up() == sum(counts) + 3
    assert_covered(directory)
    builder.close()


def test_another_builders_shards_are_kept(directory: Path) -> None:
    """Two builders whose index was deleted build one, not each its own over and over, and go on in turn."""
    days(directory, 100)
    one, two = built(directory), built(directory)
    shutil.rmtree(index_directory(directory))
    one.catch_up()
    numbers = [shard.number for shard in catalog(directory).shards]
    for seq in range(101, 111):
        days(directory, 1, first=seq)
        assert (one if seq % 2 else two).catch_up() == seq
    assert [shard.number for shard in catalog(directory).shards] == numbers
    assert_covered(directory)
    one.close()
    two.close()


def test_rebuilding_makes_all_shards_anew(directory: Path) -> None:
    """No shard from before is left, and who has the index open goes over to what is there."""
    days(directory, 150)
    one, two = built(directory), Builder(directory, sizes=SMALL)
    before = {shard.number for shard in catalog(directory).shards}
    assert two.rebuild(workers=1) == 150
    assert before.isdisjoint(shard.number for shard in catalog(directory).shards)
    assert not catalog(directory).rebuilding
    days(directory, 1, first=151)
    assert one.catch_up() == 151
    assert_covered(directory)
    one.close()
    two.close()


def test_an_interrupted_rebuild_goes_on(directory: Path) -> None:
    """Ctrl-C leaves the shards that were done; to rebuild again makes the others."""
    days(directory, 200)
    builder = built(directory)

    def interrupt(done: int, total: int) -> None:
        if len(catalog(directory).sealed) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        builder.rebuild(interrupt, workers=1)
    kept = catalog(directory).sealed
    assert catalog(directory).rebuilding
    assert len(kept) == 1
    assert builder.rebuild(workers=1) == 200
    assert kept[0] in catalog(directory).shards
    assert not catalog(directory).rebuilding
    assert_covered(directory)
    assert builder.rebuild(workers=1) == 200
    assert kept[0] not in catalog(directory).shards
    builder.close()


def test_a_file_in_place_of_the_folder_is_named(store: Store, directory: Path) -> None:
    """What cannot be written is IndexUnavailable, never a bare OSError."""
    (directory / "index").write_text("not a folder")
    with pytest.raises(IndexUnavailable, match="index"):
        Builder(directory).catch_up()


def test_no_store_no_index(directory: Path) -> None:
    """Indexing what is not there makes nothing."""
    with pytest.raises(IndexUnavailable, match=r"index\.lock"):
        Builder(directory).catch_up()
    assert not directory.exists()


def test_an_empty_store_has_no_shards(directory: Path) -> None:
    """Where there are no lines, none are covered."""
    (directory / "events").mkdir(parents=True)
    assert Builder(directory).catch_up() == 0
    assert catalog(directory).shards == ()


def test_a_held_lock_is_told(store: Store, directory: Path) -> None:
    """While another indexes, nothing is touched."""
    lock = StoreLock(directory / "index.lock", 1.0)
    with lock.held(), pytest.raises(IndexUnavailable, match="another process is indexing"):
        Builder(directory, lock_seconds=0).catch_up()
    lock.close()
    assert not (directory / "index").exists()


def test_files_are_private_whatever_the_umask(directory: Path) -> None:
    """S11: the directory is 0700 and each file 0600, also those that SQLite makes."""
    days(directory, 150)
    before = os.umask(0)
    try:
        builder = built(directory)
        modes = {file.name: file.stat().st_mode & 0o777 for file in index_directory(directory).iterdir()}
    finally:
        os.umask(before)
    builder.close()
    assert len(modes) > 5
    assert set(modes.values()) == {0o600, 0o400}  # sealed shards are only read
    assert index_directory(directory).stat().st_mode & 0o777 == 0o700


def full(*_: object) -> None:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise error


def test_F54_a_full_disk_costs_nothing(store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F54: with no space left the index stays as it was, and grows when there is space again."""
    builder = Builder(directory)
    builder.catch_up()
    before = catalog(directory).shards
    store.append(category="api", action="read")
    with monkeypatch.context() as patched:
        patched.setattr(ShardWriter, "add", full)
        with pytest.raises(IndexUnavailable, match="disk is full"):
            builder.catch_up()
    assert ranges(directory) == [(1, 10, 10)]
    assert builder.catch_up() == 11
    assert catalog(directory).shards == before
    builder.close()


def test_F54_no_room_to_begin(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F54: below the room that events need nothing is indexed; queries scan, and appends go on."""
    with Store.open(directory) as store:
        store.append_many([{"category": "api", "action": "x", "message": f"word{number}"} for number in range(50)])
        builder = Builder(directory)
        with monkeypatch.context() as patched:
            usage = shutil.disk_usage(directory)
            patched.setattr(shutil, "disk_usage", lambda path: usage._replace(free=900_000))
            with pytest.raises(IndexUnavailable, match="bytes free"):
                builder.catch_up()
        with Index.open(directory) as index:
            assert index.count("word7") == 1
        assert builder.catch_up() == 50
        builder.close()


@pytest.mark.parametrize("count", [20, 200])
def test_F54_what_was_begun_gives_the_space_back(directory: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """F54: when SQLite finds no space for the first block nothing of it stays: events come first."""
    days(directory, count)
    builder = Builder(directory, sizes=SMALL)
    with monkeypatch.context() as patched:
        patched.setattr(ShardWriter, "add", full)
        with pytest.raises(IndexUnavailable, match="full"):
            builder.catch_up()
    assert [path.name for path in (directory / "index").iterdir()] == ["catalog.json"]
    assert builder.catch_up() == count
    assert_covered(directory)
    builder.close()


def test_F54_a_full_active_shard_waits_for_room_to_be_sealed(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F54: it stays as it is, and is sealed when there is room."""
    days(directory, 60)
    builder = built(directory)
    days(directory, 40, first=61, day=2)
    with monkeypatch.context() as patched:
        usage = shutil.disk_usage(directory)
        patched.setattr(active_module.shutil, "disk_usage", lambda path: usage._replace(free=1024 * 1024 + 90_000))
        patched.setattr(Builder, "_require_space", lambda self, raw: None)
        builder.catch_up()
    assert ranges(directory) == [(1, 60, 60)]
    assert builder.catch_up() == 100
    assert_covered(directory)
    builder.close()


def test_trouble_that_stays_is_an_error_of_ours(store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of SQLite that comes again in a shard made anew is IndexUnavailable too."""

    def failing(self, feed, most):
        raise sqlite3.DatabaseError("malformed")

    monkeypatch.setattr(ShardWriter, "add", failing)
    with pytest.raises(IndexUnavailable, match="malformed"):
        Builder(directory).catch_up()


KILLED = """
import sys, time
from pathlib import Path
from stonelog.indexer import Builder, catalog, active, bulk
from stonelog.indexer.planning import Sizes
place, count = sys.argv[2], int(sys.argv[3])

def stall(module, name):
    real, calls = getattr(module, name), []
    def call(*arguments, **named):
        calls.append(1)
        if len(calls) == count:
            print("reached", flush=True)
            time.sleep(600)
        return real(*arguments, **named)
    setattr(module, name, call)

module, name = place.rsplit(".", 1)
target = {"active": active, "bulk": bulk, "catalog": catalog, "writer": active.ShardWriter}[module]
stall(target, name)
Builder(Path(sys.argv[1]), sizes=Sizes(16, 64)).catch_up()
"""


@pytest.mark.parametrize(
    ("place", "count"),
    [
        ("writer.add", 1),
        ("writer.add", 3),
        ("writer.merge", 1),
        ("writer.finish", 1),
        ("active.info_of", 1),
        ("active.sync", 1),
        ("bulk.info_of", 2),
        ("catalog.crc32", 2),
        ("catalog.crc32", 5),
    ],
)
def test_F55_a_killed_indexer_leaves_what_it_finished(directory: Path, place: str, count: int) -> None:
    """F55: SIGKILL anywhere: rows and position belong together, and the next pass covers all."""
    days(directory, 50)
    builder = built(directory)
    for seq in range(51, 58):
        days(directory, 1, first=seq)
        builder.catch_up()
    builder.close()
    days(directory, 230, first=58)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", KILLED, directory, place, str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reached\n"
        process.kill()
    for first, last, events in ranges(directory):
        assert events == last - first + 1
    assert built(directory).catch_up() == 287
    assert_covered(directory)
