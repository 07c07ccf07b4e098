"""Writing shards: blocks in transactions, replaced and dropped, and files that are whole or not there."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from answers import write_lines
from fakeblock import FakeBlock
from shards import EVENT, days
from stonelog.filestore import Reader
from stonelog.indexer.draft import Feed
from stonelog.indexer.opened import Shard
from stonelog.indexer.schema import NOWHERE, SCHEMA_VERSION, Position, ShardReader
from stonelog.indexer.shard import ShardWriter
from stored import events_of, write_shard


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[ShardWriter]:
    """An active shard of thirty events of three days, in blocks of seven."""
    days(tmp_path, 10, 10, 10)
    with closing(ShardWriter.active(tmp_path / "a.sqlite")) as writer:
        fill(writer, tmp_path, 7)
        yield writer


def fill(writer: ShardWriter, directory: Path, most: int) -> None:
    feed = Feed(Reader(directory).runs(writer.position.seq))
    while writer.add(feed, most) is not None:
        pass


def ranges(writer: ShardWriter) -> list[tuple[int, int]]:
    return [(block.first_seq, block.last_seq) for block in writer.blocks]


def test_blocks_and_position(writer: ShardWriter, tmp_path: Path) -> None:
    """Blocks follow each other, whatever segments the lines stand in; the position is the last line."""
    assert ranges(writer) == [(1, 7), (8, 14), (15, 21), (22, 28), (29, 30)]
    last = list(Reader(tmp_path).lines())[-1]
    assert writer.position[:4] == (last.segment, last.offset, len(last.raw), 30)
    assert writer.position.hash.encode() in last.raw
    assert sorted(writer.segments()) == [f"2026-11-0{day}.jsonl" for day in (1, 2, 3)]
    with ShardReader(writer.path) as reader:
        assert (reader.blocks, reader.position) == (writer.blocks, writer.position)
        assert reader.segments == sorted(writer.segments())


def test_an_open_shard_is_gone_on_with(writer: ShardWriter, tmp_path: Path) -> None:
    """Closed and opened again it knows what it holds, and new fields and segments get numbers of their own."""
    writer.close()
    write_lines(tmp_path, [{**EVENT, "username": "ada"}] * 3, first=31, day="2026-11-04")
    with closing(ShardWriter.active(writer.path)) as again:
        fill(again, tmp_path, 7)
        assert ranges(again)[-1] == (31, 33)
    with Reader(tmp_path).fetcher() as fetch, closing(Shard(writer.path, fetch, still=False)) as shard:
        assert sum(block.count("username", "text", "ada") for block in shard.blocks()) == 3
        assert sum(block.count("level", "text", "info") for block in shard.blocks()) == 33


def test_the_last_place_of_each_block(writer: ShardWriter, tmp_path: Path) -> None:
    """Where the last line stands: from here on the shard goes on when later blocks are dropped."""
    lines = {line.seq: line for line in Reader(tmp_path).lines()}
    for block in writer.blocks:
        line = lines[block.last_seq]
        assert writer.last_place(block.number) == (line.segment, line.offset, len(line.raw))


def test_blocks_become_one(writer: ShardWriter, tmp_path: Path) -> None:
    """In one transaction, in their place; what is asked for is the same."""
    runs = (run.within(8, 21) for run in Reader(tmp_path).runs(7))
    info = writer.replace([2, 3], (run for run in runs if run.lines))
    assert info is not None
    assert (info.number, info.first_seq, info.last_seq, info.events) == (2, 8, 21, 14)
    assert ranges(writer) == [(1, 7), (8, 21), (22, 28), (29, 30)]
    assert writer.position.seq == 30
    with Reader(tmp_path).fetcher() as fetch, closing(Shard(writer.path, fetch, still=False)) as shard:
        for block in shard.blocks():
            fake = FakeBlock(events_of(block), first_seq=block.first_seq)
            for field, kind in fake.held:
                assert dict(block.postings(field, kind)) == dict(fake.postings(field, kind))


def test_nothing_is_replaced_by_nothing(writer: ShardWriter) -> None:
    """If the files no longer hold the lines, the blocks stay for who knows what to do."""
    assert writer.replace([2, 3], []) is None
    assert len(writer.blocks) == 5


@pytest.mark.parametrize(("seq", "left"), [(30, 5), (29, 4), (28, 4), (27, 3), (1, 0), (0, 0)])
def test_blocks_are_dropped(writer: ShardWriter, seq: int, left: int) -> None:
    """All that hold a later `seq`, with everything that belongs to them."""
    end = Position("2026-11-01.jsonl", 5, 6, seq, "00") if left else NOWHERE
    writer.drop_after(seq, end)
    assert (len(writer.blocks), writer.position) == (left, end)
    with closing(sqlite3.connect(writer.path)) as connection:
        for table in ("places", "terms", "rollups"):
            numbers = {number for (number,) in connection.execute(f"SELECT DISTINCT block FROM {table}")}
            assert numbers == {block.number for block in writer.blocks}


def test_an_error_undoes_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next try makes it."""
    days(tmp_path, 20)
    with closing(ShardWriter.active(tmp_path / "a.sqlite")) as writer:
        feed = Feed(Reader(tmp_path).runs())
        assert writer.add(feed, 7) is not None
        before = writer.position, writer.blocks, writer.segments()
        with monkeypatch.context() as patch:
            patch.setattr(ShardWriter, "_move_to", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                writer.add(feed, 7)
        assert (writer.position, writer.blocks, writer.segments()) == before
        fill(writer, tmp_path, 7)
        assert ranges(writer) == [(1, 7), (8, 14), (15, 20)]


def test_a_bulk_shard_is_there_when_it_is_whole(tmp_path: Path) -> None:
    """Before, it lies beside; it is for its owner, who cannot write it either."""
    days(tmp_path, 5)
    path = tmp_path / "000001.sqlite"
    with closing(ShardWriter.bulk(path)) as writer:
        fill(writer, tmp_path, 7)
        assert not path.exists()
        writer.finish()
    assert path.stat().st_mode & 0o777 == 0o400
    assert [each.name for each in tmp_path.glob("000001*")] == ["000001.sqlite"]
    with ShardReader(path) as reader:
        assert [block.events for block in reader.blocks] == [5]


def test_an_interrupted_bulk_shard_is_begun_anew(tmp_path: Path) -> None:
    """What lies there from before is no part of it."""
    days(tmp_path, 5)
    path = tmp_path / "000001.sqlite"
    with closing(ShardWriter.bulk(path)) as writer:
        fill(writer, tmp_path, 2)
    write_shard(tmp_path, path)
    with ShardReader(path) as reader:
        assert [block.events for block in reader.blocks] == [5]


@pytest.mark.parametrize("version", [0, 7, SCHEMA_VERSION ^ 1])
def test_a_file_of_another_version_is_not_read(tmp_path: Path, version: int) -> None:
    """Whoever asks is told."""
    days(tmp_path, 5)
    path = tmp_path / "1.sqlite"
    write_shard(tmp_path, path)
    path.chmod(0o600)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(sqlite3.DatabaseError, match="expected"):
        ShardReader(path)
    with Reader(tmp_path).fetcher() as fetch, pytest.raises(sqlite3.DatabaseError, match="expected"):
        Shard(path, fetch, still=True).blocks()
    if version:
        with pytest.raises(sqlite3.DatabaseError, match="expected"):
            ShardWriter.active(path)


def test_keys_of_a_shard_are_told(tmp_path: Path) -> None:
    """All columns are given, with their keys or as open ones."""
    write_lines(tmp_path, [{**EVENT, "username": f"u{n}", "asn": n, "message": f"m{n % 3} x"} for n in range(600)])
    write_shard(tmp_path, tmp_path / "1.sqlite", 400)
    found: dict[tuple[str, str], set[object]] = {}
    with ShardReader(tmp_path / "1.sqlite") as reader:
        for field, kind, keys in reader.keys():  # noqa: SIM118 (no mapping)
            found.setdefault((field, kind), set()).update(keys)
        opened = set(reader.open_columns())
    assert not opened & set(found)
    assert found["asn", "int"] == set(range(600))
    assert found["message", "word"] == {"m0", "m1", "m2", "x"}
    assert ("", "word") in opened
    assert {("username", "text"), ("level", "text")} <= opened | set(found)
