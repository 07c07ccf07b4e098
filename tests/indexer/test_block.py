"""Stored blocks say of their events what plain Python says of them."""

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from answers import write_lines
from fakeblock import FakeBlock, leaves_of
from shards import EVENT, days
from stonelog.filestore import Reader
from stonelog.indexer.block import Block
from stonelog.indexer.bounds import bounds
from stonelog.indexer.errors import IndexUnavailable
from stonelog.indexer.match import compile_filter
from stonelog.indexer.query import parse
from stored import events_of, opened_shard, stored_blocks, write_shard
from strategies import stored_fields


def short(event: dict[str, Any]) -> bool:
    """Whether all paths of its metadata are held."""
    return all(len(path) <= 300 for path, _ in leaves_of("metadata", event.get("metadata")))


def keys_of(block: Block, field: str, kind: str) -> dict[Any, list[int]]:
    found: dict[Any, set[int]] = {}
    for key, rows in block.postings(field, kind):
        found.setdefault(key, set()).update(rows)
    return {key: sorted(rows) for key, rows in found.items() if rows}


def compare(block: Block, fake: FakeBlock) -> None:
    """All that a query can see is the same."""
    assert (block.first_seq, block.last_seq, block.events) == (fake.first_seq, fake.last_seq, fake.events)
    assert (block.rows, block.loose, block.whole) == (fake.rows, fake.loose & fake.rows, fake.whole)
    assert (block.first_time, block.last_time) == (fake.first_time, fake.last_time)
    columns = {(field, kind) for field, kinds in block.fields().items() for kind in kinds}
    assert {column for column in columns if keys_of(block, *column)} == {
        column for column in fake.held if keys_of(fake, *column)
    }
    for field, kind in fake.held:
        expected = keys_of(fake, field, kind)
        assert keys_of(block, field, kind) == expected
        for key in expected:
            assert list(block.get(field, kind, key)) == expected[key]
            assert block.count(field, kind, key) == len(expected[key])
        if kind != "word" or field:
            assert [key for key, _ in block.postings(field, kind)] == sorted(fake.held[field, kind])
        counts = {
            key: count for keys, counts in block.counts(field, kind) for key, count in zip(keys, counts, strict=True)
        }
        if (field, kind) != ("", "word"):
            assert counts == {key: len(rows) for key, rows in fake.held[field, kind].items()}
    assert not block.get("username", "text", "nobody at all")
    assert not block.get("no such field", "text", "a")
    assert block.count("metadata.none", "int", 5) == 0
    if block.whole:
        assert block.figures() == fake.figures()
        for width in block.widths | fake.widths:
            assert list(block.rollups(width, None, None)) == list(fake.rollups(width, None, None))


def compare_times(block: Block, fake: FakeBlock, bounds_: list[int | None]) -> None:
    assert {row: time for span in block.spans() for row, time in enumerate(block.times(span), span.row)} == {
        row: time for span in fake.spans() for row, time in enumerate(fake.times(span), span.row)
    }
    for span in block.spans():
        assert (span.first_time, span.last_time) == (min(block.times(span)), max(block.times(span)))
        assert span.events <= 1024
    for since in bounds_:
        for until in bounds_:
            assert block.period(since, until) == fake.period(since, until)


@given(st.lists(stored_fields().filter(short), min_size=1, max_size=12), st.sampled_from([1, 2, 5, 32_768]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_stored_block_is_that_of_plain_python(events: list[dict[str, Any]], most: int) -> None:
    """Keys, counts, fields, times, lines and figures."""
    with stored_blocks(events, most) as blocks:
        assert [block.first_seq for block in blocks] == list(range(1, len(events) + 1, most))
        for block in blocks:
            stored = events_of(block)
            assert [event["seq"] for event in stored.values()] == list(range(block.first_seq, block.last_seq + 1))
            fake = FakeBlock(stored, first_seq=block.first_seq)
            compare(block, fake)
            times = sorted({fake.first_time, fake.last_time, (fake.first_time + fake.last_time) // 2})
            compare_times(block, fake, [None, *(time + more for time in times for more in (0, 1))])


@given(st.lists(stored_fields().filter(short), min_size=3, max_size=9), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_keys_between_bounds(events: list[dict[str, Any]], data: st.DataObject) -> None:
    """Both ends are within, and none is no bound."""
    with stored_blocks(events) as blocks:
        fake = FakeBlock(events_of(blocks[0]))
        for field, kind in data.draw(st.lists(st.sampled_from(sorted(fake.held)), min_size=1, max_size=5)):
            if (field, kind) == ("", "word"):
                continue
            keys = st.none() | st.sampled_from(sorted(fake.held[field, kind]))
            low, high = data.draw(keys), data.draw(keys)
            found = [(key, list(rows)) for key, rows in blocks[0].postings(field, kind, low, high)]
            assert found == [(key, list(rows)) for key, rows in fake.postings(field, kind, low, high)]


WIDE = 700


def wide(number: int) -> dict[str, Any]:
    """An event most of whose values are its own, some of them words and some not."""
    return {
        **EVENT,
        "time": f"2026-11-23T{number // 60 % 24:02}:{number % 60:02}:00.000000Z",
        "username": f"user{number}" if number % 3 else f"User {number}",
        "entity_id": f"{number * 7919:x}",
        "path": f"/p/{number}" if number % 2 else "/same",
        "session_id": f"s{number}",
        "ip_address": f"10.0.{number // 250}.{number % 250}" if number % 2 else f"2001:db8::{number + 1:x}",
        "asn": number,
        "response_time_ms": number / 8,
        "tags": [f"t{number}", f"t{number - 1}", "t"],
        "metadata": {
            "order": number * 31,
            "twice": number // 2,
            "sku": f"sku{number}",
            "minus": -number,
            "f": number / 4,
        },
    }


@pytest.fixture(scope="module")
def blocks_of_wide(tmp_path_factory: pytest.TempPathFactory):
    with stored_blocks([wide(number) for number in range(WIDE)], 500) as blocks:
        yield blocks


def test_columns_of_many_values(blocks_of_wide: list[Block]) -> None:
    """Of the same keys, whether they stand together, alone, or for words too."""
    assert [block.events for block in blocks_of_wide] == [500, 200]
    for block in blocks_of_wide:
        compare(block, FakeBlock(events_of(block), first_seq=block.first_seq))


@pytest.mark.parametrize(
    "q",
    [
        *("user7", "user70", "user7*", "usEr1*", "user", "700", "31", "31*", "3*", "0", "0*", "00", "1", "21669", "9*"),
        *("sku5", "sku5*", "sku*", "SKU12", "t5", "t5*", "t", "same", "p", "f7b*", "1eef", "1e*", "2*", "m*", "-31"),
        *("minus", "12.25", "12", '"user 9"', "metadata.order:31*", "metadata.sku:sku1*", "٣", "３１", "99999999999*"),
    ],
)
def test_words_in_values_that_mostly_differ(blocks_of_wide: list[Block], q: str) -> None:
    """A word that is a whole value is found, by itself and by its beginning, as the line has it."""
    for text in (q, f"NOT {q}"):
        tree = parse(text)
        matches = compile_filter(tree)
        for block in blocks_of_wide:
            meant = [row for row, event in events_of(block).items() if matches(event)]
            sure, maybe = bounds(tree, block)
            assert set(sure) <= set(meant) <= set(maybe)
            if '"' not in q and "metadata" not in q and "." not in q:
                assert list(sure) == meant


def test_missing_seqs_are_holes(tmp_path: Path) -> None:
    """Rows without a line are in nothing."""
    for first, count in ((1, 3), (7, 1), (9, 4), (5000, 2)):
        write_lines(tmp_path, [{**EVENT, "message": f"m{first + n}"} for n in range(count)], first=first)
    write_shard(tmp_path, tmp_path / "1.sqlite")
    with opened_shard(tmp_path, tmp_path / "1.sqlite") as shard:
        (block,) = shard.blocks()
        assert [block.first_seq + row for row in block.rows] == [1, 2, 3, 7, 9, 10, 11, 12, 5000, 5001]
        assert (block.events, block.last_seq, block.whole) == (10, 5001, True)
        compare(block, FakeBlock(events_of(block)))
        compare_times(block, FakeBlock(events_of(block)), [None])
        assert [(span.row, span.events) for span in block.spans()] == [(0, 3), (6, 1), (8, 4), (4999, 2)]
        for row in (3, 5, 7, 12, 4998):
            with pytest.raises((IndexUnavailable, LookupError, ValueError)):
                block.line(row)


def test_rows_of_dead_segments_are_gone(tmp_path: Path) -> None:
    """Whatever the keys hold; what is stored of the whole block does not hold any more."""
    days(tmp_path, 3, 4, 5)
    write_shard(tmp_path, tmp_path / "1.sqlite")
    with opened_shard(tmp_path, tmp_path / "1.sqlite") as shard:
        (block,) = shard.blocks()
        every = events_of(block)
        for dead, gone in (
            ({"2026-11-01.jsonl"}, range(3)),
            ({"2026-11-01.jsonl", "2026-11-03.jsonl"}, [0, 1, 2, 7, 8, 9, 10, 11]),
        ):
            (block,) = shard.blocks(dead)
            compare(block, FakeBlock(every, gone=frozenset(gone)))
            compare_times(block, FakeBlock(every, gone=frozenset(gone)), [None, 0, 2**60])
        (block,) = shard.blocks({"2027-01-01.jsonl"})
        assert block.whole
        compare(block, FakeBlock(every))


def test_many_rows_are_read_where_they_stand(tmp_path: Path) -> None:
    """Over the limits of stretches and of keys that stand together."""
    days(tmp_path, 1500, 1100)
    write_shard(tmp_path, tmp_path / "1.sqlite", 2000)
    with opened_shard(tmp_path, tmp_path / "1.sqlite") as shard:
        lines = {line.seq: line.raw for line in Reader(tmp_path).lines()}
        for block in shard.blocks():
            assert [span.events for span in block.spans()] in ([1024, 476, 500], [600])
            for row in random.Random(1).sample(list(block.rows), 200):
                assert block.line(row) == lines[block.first_seq + row]
            assert list(block.get("level", "text", "info")) == list(block.rows)
            assert block.count("level", "text", "info") == block.events


@pytest.mark.parametrize("cut", [1, 100, 10_000])
def test_a_line_that_is_not_there_is_told(tmp_path: Path, cut: int) -> None:
    """The files are looked at, never trusted: a place that holds no such line is the index's error."""
    days(tmp_path, 50)
    write_shard(tmp_path, tmp_path / "1.sqlite")
    segment = tmp_path / "events" / "2026-11-01.jsonl"
    whole = segment.read_bytes()
    segment.write_bytes(b"x" * cut + whole[:-cut])
    with opened_shard(tmp_path, tmp_path / "1.sqlite") as shard:
        (block,) = shard.blocks()
        for row in (0, 25, 49):
            with pytest.raises(IndexUnavailable):
                block.line(row)
