"""What the shards of a store hold, told by their files; and stores of many small days, with sizes to match."""

from __future__ import annotations

from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

from answers import write_lines
from stonelog.filestore import Reader
from stonelog.indexer import Builder
from stonelog.indexer.catalog import Catalog, read_catalog, shard_file
from stonelog.indexer.planning import Sizes
from stonelog.indexer.schema import ShardReader
from stonelog.indexer.trust import index_directory

SMALL = Sizes(block=16, shard=64)
TINY = Sizes(block=2, shard=4)
EVENT: dict[str, Any] = {
    "time": "2026-11-23T00:00:00.000000Z",
    "level": "info",
    "category": "api",
    "action": "read",
    "message": "m",
}


def days(directory: Path, *counts: int, first: int = 1, day: int = 1) -> None:
    """Segments of consecutive days in November 2026, from the `day` on, with so many events each."""
    for number, count in enumerate(counts, day):
        events = [{**EVENT, "message": f"m{seq}"} for seq in range(first, first + count)]
        write_lines(directory, events, first=first, day=f"2026-11-{number:02}")
        first += count


def built(directory: Path, sizes: Sizes = SMALL) -> Builder:
    """Whoever brought the index up to date, and still has it open."""
    builder = Builder(directory, sizes=sizes)
    builder.catch_up()
    return builder


def shard_by_shard(directory: Path, sizes: Sizes = TINY) -> int:
    """The index covers what is in the files, in many small shards; gives its last `seq`."""
    with closing(Builder(directory, sizes=sizes)) as builder:
        return builder.catch_up()


def lose(directory: Path, place: int = 0) -> None:
    """The file of a sealed shard is gone: there is a gap. Nothing happens where there is no such shard."""
    for shard in catalog(directory).sealed[place:][:1]:
        path_of(directory, shard.number).unlink(missing_ok=True)


def catalog(directory: Path) -> Catalog:
    """The catalog of the store's index."""
    return read_catalog(index_directory(directory))


def path_of(directory: Path, number: int) -> Path:
    """The file of a shard of the store's index."""
    return shard_file(index_directory(directory), number)


def ranges(directory: Path) -> list[tuple[int, int, int]]:
    """First and last `seq` that each shard covers, and how many events it holds; oldest first.

    What its file tells is what the catalog tells, or this fails.
    """
    found = []
    for shard in catalog(directory).shards:
        with ShardReader(path_of(directory, shard.number)) as opened:
            blocks, position = sorted(opened.blocks, key=lambda block: block.first_seq), opened.position
        events = sum(block.events for block in blocks)
        last = position.seq if shard.active else shard.last_seq
        if shard.active and not blocks:
            continue  # it was begun, and nothing came of it yet
        assert all(one.last_seq < other.first_seq for one, other in pairwise(blocks))
        assert shard.first_seq <= blocks[0].first_seq
        assert blocks[-1].last_seq == position.seq <= last
        if not shard.active:
            assert (shard.events, shard.end) == (events, position)
        found.append((shard.first_seq, last, events))
    return found


def assert_covered(directory: Path) -> None:
    """Shards cover every `seq` from 1 to the last line, once, and hold as many events as there are lines."""
    lines = [line.seq for line in Reader(directory).lines(on_corrupt=lambda error: None)]
    following = 1
    for first, last, events in ranges(directory):
        assert first == following
        assert events == sum(first <= seq <= last for seq in lines)
        following = last + 1
    assert following == max(lines, default=0) + 1
    assert not [path for path in index_directory(directory).iterdir() if path.name.endswith(".part")]
