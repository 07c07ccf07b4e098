"""A view of blocks that are made in plain Python: what counting is tested on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pyroaring import BitMap

from fakeblock import FakeBlock
from stonelog.indexer.kept import Kept
from stonelog.indexer.match import in_period
from stonelog.indexer.patience import Patience


class Asked(NamedTuple):
    """A question: `matches` stands for its conditions, None for none."""

    matches: Any = None
    since: int | None = None
    until: int | None = None

    @property
    def plain(self) -> bool:
        return self.matches is None

    def answers(self, event: dict[str, Any]) -> bool:
        return in_period(self.since, self.until)(event) and (self.matches is None or self.matches(event))


def answering(block: FakeBlock, asked: Asked) -> list[dict[str, Any]]:
    """The events that are there and answer."""
    return [block.by_row[row] for row in block.rows if asked.answers(block.by_row[row])]


class PlainShard(NamedTuple):
    identity: int
    sealed: bool
    blocks: list[FakeBlock]


class _Scanned(NamedTuple):
    fields: dict[str, Any]


class PlainView:
    """A view of shards, and of events that stand in none."""

    def __init__(self, shards: Sequence[PlainShard], tail: Sequence[dict[str, Any]] = ()) -> None:
        self._shards = shards
        self._tail = tail
        self.patience = Patience()
        self.cache = Kept()

    def shards(self, asked: Asked) -> Iterator[tuple[PlainShard, list[FakeBlock]]]:
        for shard in self._shards:
            if blocks := [block for block in shard.blocks if block.events]:
                yield shard, blocks

    def blocks(self, asked: Asked) -> Iterator[FakeBlock]:
        for _, blocks in self.shards(asked):
            yield from blocks

    def rows(self, asked: Asked, block: FakeBlock) -> BitMap:
        return BitMap([event["seq"] - block.first_seq for event in answering(block, asked)])

    def scanned(self, asked: Asked) -> Iterator[_Scanned]:
        return (_Scanned(event) for event in self._tail if asked.answers(event))

    def scanned_sums(self, asked: Asked, what: object, sum_of: Any, join: Any) -> Iterator[Any]:
        some = list(self.scanned(asked))
        yield join([sum_of(some[:2]), sum_of(some[2:])])

    def answers(self, asked: Asked) -> list[dict[str, Any]]:
        """The events that answer, found by looking at all."""
        there = [event for shard in self._shards for block in shard.blocks for event in answering(block, asked)]
        return there + [found.fields for found in self.scanned(asked)]
