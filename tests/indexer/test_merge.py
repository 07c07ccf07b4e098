"""Blocks that are made one out of what is stored of them: the same as one that is made of their lines."""

import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from answers import write_lines
from shards import EVENT, days, path_of
from stonelog.filestore import Reader
from stonelog.indexer import Builder, Index
from stonelog.indexer.block import Block
from stonelog.indexer.bulk import Stopped
from stonelog.indexer.draft import Feed
from stonelog.indexer.opened import Shard
from stonelog.indexer.planning import Sizes
from stonelog.indexer.shard import ShardWriter
from strategies import stored_fields


@contextmanager
def written(directory: Path, sizes: Sequence[int]) -> Iterator[ShardWriter]:
    """A shard of all lines, in blocks of so many `seq`s, the last size again and again."""
    with tempfile.TemporaryDirectory() as parent, closing(ShardWriter.active(Path(parent) / "a.sqlite")) as writer:
        feed = Feed(Reader(directory).runs())
        left = list(sizes)
        while writer.add(feed, left.pop(0) if len(left) > 1 else left[0]) is not None:
            pass
        yield writer


def told(block: Block) -> dict[str, Any]:
    """Whatever can be asked of a block."""
    postings: dict[tuple[str, str, object], BitMap] = {}
    for field, kinds in block.fields().items():
        for kind in kinds:
            for key, rows in block.postings(field, kind):
                assert rows == postings.setdefault((field, kind, key), rows) or (field, kind) == ("", "word")
                postings[field, kind, key] = postings[field, kind, key] | rows
                assert len(rows & block.get(field, kind, key)) == len(rows)
    return {
        "seqs": (block.first_seq, block.last_seq, block.events, block.first_time, block.last_time),
        "rows": (block.rows, block.loose),
        "postings": {(*place, type(place[2])): rows for place, rows in postings.items()},
        "figures": block.figures(),
        "rollups": {width: list(block.rollups(width, None, None)) for width in block.widths},
        "lines": [block.line(row) for row in block.rows],
        "times": [time for span in block.spans() for time in block.times(span)],
    }


def blocks_of(directory: Path, writer: ShardWriter) -> list[dict[str, Any]]:
    with Reader(directory).fetcher() as fetch, closing(Shard(writer.path, fetch, still=False)) as shard:
        return [told(block) for block in shard.blocks()]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(stored_fields(), min_size=2, max_size=24),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.integers(0, 3),
    st.data(),
)
def test_made_of_what_is_stored_a_block_is_as_made_of_its_lines(
    events: list[dict[str, Any]], sizes: list[int], hole: int, data: st.DataObject
) -> None:
    """Whatever the events are, across days and holes in their `seq`s; and made one once more, too."""
    with tempfile.TemporaryDirectory() as parent:
        directory = Path(parent)
        half = len(events) // 2
        write_lines(directory, events[:half], day="2026-11-01")
        write_lines(directory, events[half:], first=half + 1 + hole, day="2026-11-02")
        with written(directory, sizes) as parts, written(directory, [32_768]) as whole:
            while len(parts.blocks) > 1:
                numbers = [block.number for block in parts.blocks]
                at = data.draw(st.integers(0, len(numbers) - 2))
                parts.merge(numbers[at : data.draw(st.integers(at + 2, len(numbers)))])
            assert parts.position == whole.position
            assert [block[1:] for block in parts.blocks] == [block[1:] for block in whole.blocks]
            assert blocks_of(directory, parts) == blocks_of(directory, whole)


def test_values_that_are_held_once_are_found_as_words(tmp_path: Path) -> None:
    """Also where another block has so few of them, or they come again, that words are held instead."""
    requests = [f"req{seq}" for seq in range(300)] + [f"req{seq}" for seq in range(290, 310)] + ["Req1-2"] * 20
    write_lines(tmp_path, [{**EVENT, "metadata": {"req": name, "n": n}} for n, name in enumerate(requests)])
    with written(tmp_path, [300, 20, 20]) as parts, written(tmp_path, [32_768]) as whole:
        parts.merge([block.number for block in parts.blocks])
        for writer in (parts, whole):
            with Reader(tmp_path).fetcher() as fetch, closing(Shard(writer.path, fetch, still=False)) as shard:
                (block,) = shard.blocks()
                assert list(block.get("", "word", "req295")) == [295, 305]
                assert list(block.get("", "word", "req5")) == [5]
                assert list(block.get("", "word", "req1")) == [1, *range(320, 340)]
                assert list(block.get("", "word", "330")) == [330]
                found: dict[str, BitMap] = {}
                for key, rows in block.postings("", "word", "req29", "req29\x7f"):
                    found[str(key)] = found.get(str(key), BitMap()) | rows
                assert {key: list(rows) for key, rows in found.items()} == {
                    "req29": [29],
                    **{f"req{seq}": [seq, seq + 10] for seq in range(290, 300)},
                }


def test_lines_side_by_side_stand_in_few_places(tmp_path: Path) -> None:
    """However many blocks they came in: a place is some hundred bytes."""
    days(tmp_path, 40, 20)
    with written(tmp_path, [1]) as writer:
        writer.merge([block.number for block in writer.blocks])
        with closing(sqlite3.connect(writer.path)) as connection:
            places = connection.execute("SELECT row, events FROM places ORDER BY row").fetchall()
    assert places == [(0, 40), (40, 20)]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE terms SET rows = x'0100' WHERE block = 2",
        "UPDATE terms SET keys = '[\"x\"]' WHERE block = 2 AND keys IS NOT NULL",
        "UPDATE places SET times = zeroblob(length(times)) WHERE block = 2",
        'UPDATE places SET "offset" = "offset" + 1 WHERE block = 2',
        "UPDATE blocks SET facts = replace(facts, '[', ' [') WHERE number = 2",
        "UPDATE fields SET name = 'x' WHERE name = 'level'",
    ],
)
def test_what_is_damaged_is_not_merged_but_made_of_the_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    """A flipped bit does not get into a new block, where its check would be right."""
    sizes = Sizes(block=64, shard=512)
    with closing(Builder(tmp_path, sizes=sizes)) as builder:
        for seq in range(1, 66):
            days(tmp_path, 1, first=seq)
            if seq == 64:
                with closing(sqlite3.connect(path_of(tmp_path, 1))) as connection, connection:
                    assert connection.execute(damage).rowcount
            builder.catch_up()
    with Index.open(tmp_path) as index:
        assert index.count("level:info") == index.count("m") + 65 == 65
        assert index.count("m40") == 1
    if "fields" not in damage:  # a name that nobody knows is damage to the whole shard
        assert "made anew from the lines" in caplog.text


def test_damaged_blocks_whose_lines_are_gone_are_left_behind_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The shard is made anew of the lines that are there; not every pass tries again what cannot be done."""
    with closing(Builder(tmp_path)) as builder:
        for seq in range(1, 4):
            days(tmp_path, 1, first=seq, day=1 if seq < 3 else 2)
            builder.catch_up()
        with closing(sqlite3.connect(path_of(tmp_path, 1))) as connection, connection:
            connection.execute("UPDATE terms SET rows_check = rows_check + 1 WHERE block = 1")
        (tmp_path / "events" / "2026-11-01.jsonl").unlink()
        days(tmp_path, 1, first=4, day=2)
        chosen = [slice(0, 2)]
        monkeypatch.setattr("stonelog.indexer.active.merging", lambda blocks, sizes: chosen.pop() if chosen else None)
        assert builder.catch_up() == 4
    assert not chosen
    assert not path_of(tmp_path, 1).exists()
    assert [record.message.endswith("are damaged") for record in caplog.records].count(True) == 1
    with Index.open(tmp_path) as index:
        assert (index.count("level:info"), index.status().gaps) == (2, 0)


def test_lines_that_come_while_blocks_are_made_one_are_indexed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would wait for a second otherwise, and everybody who asks would have to read them."""
    monkeypatch.setattr("stonelog.indexer.active._OTHERS_WAIT_SECONDS", -1.0)
    seen: list[int] = []
    real = ShardWriter.merge

    def merge(writer: ShardWriter, numbers: Sequence[int], between: Callable[[], object] = lambda: None) -> Any:
        def grow() -> None:
            if len(seen) < 3:
                days(tmp_path, 1, first=4 + len(seen))
                between()
                seen.append(writer.position.seq)

        return real(writer, numbers, grow)

    with closing(Builder(tmp_path)) as builder:
        for seq in range(1, 3):
            days(tmp_path, 1, first=seq)
            builder.catch_up()
        chosen = [slice(0, 2)]
        monkeypatch.setattr(ShardWriter, "merge", merge)
        monkeypatch.setattr("stonelog.indexer.active.merging", lambda blocks, sizes: chosen.pop() if chosen else None)
        days(tmp_path, 1, first=3)
        builder.catch_up()
    assert seen == [4, 5, 6]
    with Index.open(tmp_path) as index, closing(sqlite3.connect(path_of(tmp_path, 1))) as connection:
        assert connection.execute("SELECT first_seq, last_seq FROM blocks ORDER BY first_seq").fetchall() == [
            (1, 2),
            *((seq, seq) for seq in range(3, 7)),
        ]
        assert (index.count("m5"), index.count("level:info"), index.status().indexed_seq) == (1, 6, 6)


def test_a_merge_that_is_stopped_has_done_nothing(tmp_path: Path) -> None:
    """Whoever stops the store does not wait for it; what was there can go on to be read and written."""
    stop = threading.Event()
    days(tmp_path, 6)
    with written(tmp_path, [2]) as writer, closing(sqlite3.connect(writer.path)) as connection:
        before = list(connection.iterdump())

        def between() -> None:
            if stop.is_set():
                raise Stopped
            stop.set()

        with pytest.raises(Stopped):
            writer.merge([1, 2, 3], between)
        assert list(connection.iterdump()) == before
        writer.merge([1, 2, 3])
        assert [(block.first_seq, block.last_seq) for block in writer.blocks] == [(1, 6)]
