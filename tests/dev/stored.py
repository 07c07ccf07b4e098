"""Events in a shard's file, made and read as the index does it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from answers import write_lines
from stonelog.filestore import Reader, loads
from stonelog.indexer.block import Block
from stonelog.indexer.draft import Feed
from stonelog.indexer.opened import Shard
from stonelog.indexer.shard import ShardWriter


def write_shard(directory: Path, path: Path, most: int = 32_768) -> None:
    """A sealed shard of all lines of the store, in blocks of so many `seq`s."""
    with closing(ShardWriter.bulk(path)) as writer:
        feed = Feed(Reader(directory).runs())
        while writer.add(feed, most) is not None:
            pass
        writer.finish()


@contextmanager
def opened_shard(directory: Path, path: Path) -> Iterator[Shard]:
    """The shard, open for queries."""
    with Reader(directory).fetcher() as fetch, closing(Shard(path, fetch, still=True)) as shard:
        yield shard


@contextmanager
def stored_blocks(events: Sequence[dict[str, Any]], most: int = 32_768) -> Iterator[list[Block]]:
    """The blocks of a shard of the events, which are numbered from 1."""
    with tempfile.TemporaryDirectory() as parent:
        directory, path = Path(parent) / "store", Path(parent) / "000001.sqlite"
        write_lines(directory, events)
        write_shard(directory, path, most)
        with opened_shard(directory, path) as shard:
            yield shard.blocks()


def events_of(block: Block) -> dict[int, dict[str, Any]]:
    """The fields of each row's line."""
    return {row: loads(block.line(row)) for row in block.rows}
