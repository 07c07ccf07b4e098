"""What is done about shards that do not fit the files: lost, damaged, cut, of another hand."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from shards import SMALL, assert_covered, built, catalog, days, path_of, ranges
from stonelog.filestore import Reader, Store
from stonelog.indexer import Builder, Index
from stonelog.indexer.active import Active
from stonelog.indexer.catalog import catalog_file, remove_shard
from stonelog.indexer.trust import index_directory


def cut(path: Path, lines: int) -> None:
    kept = path.read_bytes().splitlines(keepends=True)[:-lines]
    os.truncate(path, sum(map(len, kept)))


def test_a_deleted_catalog_is_made_again_from_the_shards(directory: Path) -> None:
    """Each shard tells its own range: nothing is indexed again."""
    days(directory, 150)
    built(directory).close()
    before = {path.name: path.stat().st_ino for path in index_directory(directory).glob("*.sqlite")}
    catalog_file(index_directory(directory)).unlink()
    assert built(directory).catch_up() == 150
    assert {path.name: path.stat().st_ino for path in index_directory(directory).glob("*.sqlite")} == before
    assert_covered(directory)


@pytest.mark.parametrize("damage", ["zeros", "garbage", "empty", "half", "one digit"])
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
            "one digit": data.replace(b'"last_seq":64', b'"last_seq":65'),
        }[damage]
    )
    assert built(directory).catch_up() == 150
    assert_covered(directory)


def test_an_index_of_another_version_is_made_anew(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Questions are answered from the files until the next pass; nothing is called damaged."""
    days(directory, 150)
    with monkeypatch.context() as earlier:
        for module in ("schema", "catalog"):
            earlier.setattr(f"stonelog.indexer.{module}.SCHEMA_VERSION", 9)
        built(directory).close()
        before = {shard.number for shard in catalog(directory).shards}
    with Index.open(directory) as index:
        assert index.count("level:info") == 150
        assert "of version 9" in index.status().state
        assert built(directory).catch_up() == 150
        assert index.count("level:info") == 150
        assert index.status().state == "ok"
    assert before.isdisjoint(shard.number for shard in catalog(directory).shards)
    assert_covered(directory)
    assert "damaged" not in caplog.text


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


@pytest.mark.parametrize("left", [0, 50, 8192])
def test_a_damaged_active_shard_that_is_being_read_is_made_anew(store: Store, directory: Path, left: int) -> None:
    """Whoever has it open to read holds locks that SQLite would wait for."""
    built(directory).close()
    with closing(sqlite3.connect(path_of(directory, 1))) as reading:
        assert reading.execute("SELECT count(*) FROM blocks").fetchone() == (1,)
        os.truncate(path_of(directory, 1), left)
        with Index.open(directory) as index:
            assert index.catch_up() == 10
            assert index.count() == 10
    assert_covered(directory)


def test_nobody_answers_from_files_that_are_gone(directory: Path) -> None:
    """An index that was open when another hand removed the only day, whose numbers were given again."""
    with Store.open(directory, durability="none") as store:
        store.append_many([{"category": "api", "action": "old"}] * 3)
    with Index.open(directory) as index:
        index.catch_up()
        assert index.count("action:old") == 3
        next((directory / "events").iterdir()).unlink()
        assert index.status().last_seq == index.count() == 0
        with Store.open(directory, durability="none") as store:
            store.append_many([{"category": "api", "action": "new"}] * 5)
        assert (index.count("action:old"), index.count("action:new"), index.count()) == (0, 5, 5)


@pytest.mark.parametrize("first", [40, 49, 60, 64, 65, 200])
def test_a_store_whose_beginning_was_removed_is_indexed(directory: Path, first: int) -> None:
    """However much of what would be the first shard is not there any more."""
    days(directory, 3, first=first)
    assert built(directory, SMALL).catch_up() == first + 2
    days(directory, 100, first=first + 3, day=2)
    assert built(directory, SMALL).catch_up() == first + 102
    assert_covered(directory)


def test_lines_that_go_while_others_come_leave_no_shard_without_a_block(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that the active shard was to cover is removed, and what came meanwhile is beyond it."""
    days(directory, 10)
    extend = Active.extend

    def extending(self: Active, *arguments: object) -> None:
        monkeypatch.setattr(Active, "extend", extend)
        days(directory, 5, first=100, day=2)
        (directory / "events" / "2026-11-01.jsonl").unlink()
        extend(self, *arguments)

    monkeypatch.setattr(Active, "extend", extending)
    assert built(directory, SMALL).catch_up() == 104
    assert_covered(directory)
