"""Filling the index: what is covered, who may, and what is done about shards that do not fit the files."""

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

from shards import SMALL, assert_covered, catalog, days, path_of, ranges
from stonelog.filestore import Reader, Store, StoreLock
from stonelog.indexer import Builder, Index, IndexUnavailable
from stonelog.indexer import active as active_module
from stonelog.indexer.catalog import catalog_file, remove_shard
from stonelog.indexer.planning import Sizes
from stonelog.indexer.shard import ShardWriter
from stonelog.indexer.trust import index_directory


def built(directory: Path, sizes: Sizes = SMALL) -> Builder:
    builder = Builder(directory, sizes=sizes)
    builder.catch_up()
    return builder


def cut(path: Path, lines: int) -> None:
    kept = path.read_bytes().splitlines(keepends=True)[:-lines]
    os.truncate(path, sum(map(len, kept)))


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


def test_a_deleted_catalog_is_made_again_from_the_shards(directory: Path) -> None:
    """Each shard tells its own range: nothing is indexed again."""
    days(directory, 150)
    built(directory).close()
    before = {path.name: path.stat().st_ino for path in index_directory(directory).glob("*.sqlite")}
    catalog_file(index_directory(directory)).unlink()
    assert built(directory).catch_up() == 150
    assert {path.name: path.stat().st_ino for path in index_directory(directory).glob("*.sqlite")} == before
    assert_covered(directory)


@pytest.mark.parametrize("damage", ["zeros", "garbage", "empty", "half", "other version", "one digit"])
def test_a_damaged_catalog_is_made_anew(directory: Path, damage: str) -> None:
    """F52: whatever stands in it, the next pass ends with a right one."""
    days(directory, 150)
    built(directory).close()
    path = catalog_file(index_directory(directory))
    data = path.read_bytes()
    path.write_bytes(
        {
            "zeros": bytes(len(data)),
            "garbage": os.urandom(len(data)),
            "empty": b"",
            "half": data[: len(data) // 2],
            "other version": data.replace(b'"version":2', b'"version":9'),
            "one digit": data.replace(b'"last_seq":64', b'"last_seq":65'),
        }[damage]
    )
    assert built(directory).catch_up() == 150
    assert_covered(directory)


@pytest.mark.parametrize("open_", [True, False])
@pytest.mark.parametrize("lost", [["", "-wal", "-shm"], [""], ["-wal"], ["-shm"], ["-wal", "-shm"]])
def test_an_active_shard_that_lost_files_is_made_anew(directory: Path, lost: list[str], open_: bool) -> None:
    """F52: whichever of its files is removed while a builder has it open, the next pass covers every line."""
    days(directory, 70)
    builder = built(directory)
    days(directory, 1, first=71)
    builder.catch_up()
    if not open_:
        builder.close()
    path = path_of(directory, catalog(directory).shards[-1].number)
    for suffix in lost:
        path.with_name(path.name + suffix).unlink(missing_ok=not open_)
    days(directory, 1, first=72)
    assert builder.catch_up() == 72
    builder.close()
    assert_covered(directory)


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("damage", ["zeros", "garbage", "empty", "half", "foreign", "link to nowhere"])
def test_a_damaged_shard_is_made_anew(directory: Path, damage: str, place: int) -> None:
    """F52: the others stay. Of a sealed one whose size is right a reader has to tell."""
    days(directory, 150)
    built(directory).close()
    shards = catalog(directory).shards
    path = path_of(directory, shards[place].number)
    size = path.stat().st_size
    if damage == "link to nowhere":
        path.unlink()
        path.symlink_to(path.parent / "nowhere")
    elif damage == "foreign":
        path.unlink()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE block (a)")
    elif damage in ("zeros", "garbage"):
        path.write_bytes(bytes(size) if damage == "zeros" else os.urandom(size))
    else:
        os.truncate(path, 0 if damage == "empty" else size // 2)
    if place == 0 and damage in ("zeros", "garbage"):
        path.with_suffix(".bad").touch()
    assert built(directory).catch_up() == 150
    assert_covered(directory)
    assert set(shards[1:-1]) <= set(catalog(directory).shards)
    assert not list(path.parent.glob("*.bad"))


def test_strays_are_removed(directory: Path) -> None:
    """Files that the catalog does not name, and those of an earlier form, are gone; what is none of ours stays."""
    days(directory, 10)
    built(directory).close()
    folder = index_directory(directory)
    strays = ["000077.sqlite", "000077.sqlite.part", "000078.keys", "events.sqlite", "events.sqlite-wal"]
    for name in [*strays, "notes.txt", "000001x.sqlite"]:
        (folder / name).write_bytes(b"x")
    built(directory).close()
    assert not [name for name in strays if (folder / name).exists()]
    assert (folder / "notes.txt").exists()
    assert (folder / "000001x.sqlite").exists()


def test_events_cut_from_the_files_leave_an_open_index(store: Store, directory: Path) -> None:
    """F53: lines that the index covers and the files lost are gone from it, and their numbers are the next events'."""
    builder = Builder(directory)
    builder.catch_up()
    store.close()
    cut(max((directory / "events").iterdir()), 3)
    with Store.open(directory, durability="none") as again:
        assert again.append(category="api", action="read", message="another eighth").seq == 8
        assert builder.catch_up() == 8
    assert ranges(directory) == [(1, 8, 8)]
    builder.close()
    with Index.open(directory) as index:
        assert [event.seq for event in index.search("eighth").events] == [8]


@pytest.mark.parametrize("left", [145, 129, 128, 100, 64, 1, 0])
@pytest.mark.parametrize("more", [0, 200])
@pytest.mark.parametrize("open_", [True, False])
def test_F53_whatever_was_cut_off_leaves_the_index(directory: Path, left: int, more: int, open_: bool) -> None:
    """F53: blocks and shards that tell of lost lines are dropped, from the newest back, and other lines indexed."""
    days(directory, 150)
    builder = built(directory)
    if not open_:
        builder.close()
        builder = Builder(directory, sizes=SMALL)
    segment = directory / "events" / "2026-11-01.jsonl"
    cut(segment, 150 - left)
    days(directory, more, first=left + 1, day=1 if left else 2)
    assert builder.catch_up() == left + more
    assert_covered(directory)
    builder.close()


def test_a_lost_segment_keeps_the_shard_and_all_of_them_do_not(directory: Path) -> None:
    """A shard of which some segments are gone stays; when the last is gone it is dropped as a whole."""
    days(directory, 30, 30, 30, 30)
    builder = built(directory)
    first = catalog(directory).shards[0]
    assert len(first.segments) == 3
    for name in first.segments[:2]:
        (directory / "events" / name).unlink()
    assert builder.catch_up() == 120
    assert first in catalog(directory).shards
    (directory / "events" / first.segments[2]).unlink()
    assert builder.catch_up() == 120
    assert first.number not in [shard.number for shard in catalog(directory).shards]
    assert catalog(directory).shards[0].first_seq == 1  # nobody looks for the lost lines again
    builder.close()


def test_a_segment_that_comes_back_is_indexed(directory: Path) -> None:
    """Put back by another hand, its events are in the index after the next pass."""
    days(directory, 30, 30, 30, 30)
    away = directory / "events" / "2026-11-01.jsonl"
    kept = away.read_bytes()
    away.unlink()
    builder = built(directory)
    assert sum(events for _, _, events in ranges(directory)) == 90
    away.write_bytes(kept)
    assert builder.catch_up() == 120
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
        ("writer.replace", 1),
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


def test_missing_seqs_are_covered(directory: Path) -> None:
    """Lines that are lost leave no gap behind that would be looked at again and again."""
    days(directory, 40, 40, 200, 40)
    (directory / "events" / "2026-11-02.jsonl").unlink()
    builder = built(directory)
    assert_covered(directory)
    before = catalog(directory)
    assert builder.catch_up() == 320
    assert catalog(directory) == before
    builder.close()


def test_a_gap_without_lines_is_covered_by_its_neighbour(directory: Path) -> None:
    """A whole shard's worth of lost lines is looked for once."""
    days(directory, 64, 200, 100)
    (directory / "events" / "2026-11-02.jsonl").unlink()
    builder = built(directory)
    assert builder.catch_up() == 364
    lines = list(Reader(directory).lines(on_corrupt=lambda error: None))
    assert sum(events for _, _, events in ranges(directory)) == len(lines) == 164
    before = catalog(directory)
    builder.catch_up()
    assert catalog(directory) == before
    builder.close()


def test_removing_one_shard_removes_only_its_files(directory: Path) -> None:
    """Numbers are compared whole."""
    days(directory, 150)
    built(directory).close()
    folder = index_directory(directory)
    (folder / "1000002.sqlite").touch()
    remove_shard(folder, 2)
    left = {path.name for path in folder.iterdir()}
    assert "1000002.sqlite" in left
    assert not [name for name in left if name.startswith("000002")]
