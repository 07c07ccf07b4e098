"""What is to be done, as pure functions: gaps between shards, cutting a gap into shards, which blocks become one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from stonelog.filestore import Segment

from .inversion import MAX_BYTES
from .schema import MAX_BLOCK, BlockInfo

__all__ = ["Gap", "Sizes", "compacting", "gaps", "merging", "pieces", "plain_bytes"]

_FACTOR: Final = 8
_LARGEST: Final = 64
"""Blocks of the largest class have from one such part to all of the events of a full one."""
_NEAR: Final = 4
"""A shard may end early, by one part in so many, if it then ends where a segment does."""


class Sizes(NamedTuple):
    """How many `seq`s a block spans at most, and how many events a shard has, about."""

    block: int = MAX_BLOCK
    shard: int = 16 * MAX_BLOCK


class Gap(NamedTuple):
    """Every `seq` from `first` to `last`, both within."""

    first: int
    last: int

    @property
    def width(self) -> int:
        """How many `seq`s it has."""
        return self.last - self.first + 1


def gaps(covered: Iterable[tuple[int, int]], last_seq: int) -> list[Gap]:
    """What lies from 1 to `last_seq` between the ranges, which are ascending and apart, both ends within."""
    found, following = [], 1
    for first, last in covered:
        if first > following:
            found.append(Gap(following, min(first - 1, last_seq)))
        following = max(following, last + 1)
    if following <= last_seq:
        found.append(Gap(following, last_seq))
    return [gap for gap in found if gap.width > 0]


def pieces(gap: Gap, ends: Sequence[int], sizes: Sizes, workers: int = 1) -> list[Gap]:
    """The gap in pieces of at most a shard's `seq`s, ascending, one shard each; several `workers` get equal shares.

    A piece ends where a segment does (`ends`: the last `seq` of each, ascending) if that costs it little.
    """
    most = sizes.shard
    count = -(-gap.width // most)
    if workers > 1 and gap.width > workers * sizes.block:
        count = -(-count // workers) * workers  # the last round keeps all of them busy too
    share = min(-(-gap.width // count), most)
    found, first = [], gap.first
    while first <= gap.last:
        last = min(first + share - 1, gap.last)
        place = bisect_right(ends, min(first + most - 1, gap.last)) - 1
        if last < gap.last and place >= 0 and ends[place] > last - share // _NEAR:
            last = ends[place]
        found.append(Gap(first, last))
        first = last + 1
    return found


def merging(blocks: Sequence[BlockInfo], sizes: Sizes) -> slice | None:
    """Which of the last blocks, given oldest first, shall become one, so that few small ones are left; None: none.

    Eight of a class, with smaller ones among them, are made one; those of the largest class when no more would fit. So
    each event is in a new block a few times at most: to make one takes as long as the first time.
    """
    classes = [_class(block.events, sizes) for block in blocks]
    first = len(blocks)
    for class_ in range(_class(1, sizes), 0, -1):
        while first and classes[first - 1] >= class_:
            first -= 1
        if class_ == 1 or classes[first:].count(class_) >= _FACTOR:
            chosen = _together(blocks, first, sizes, whole=class_ > 1)
            if chosen is not None:
                return chosen
    return None


def _together(blocks: Sequence[BlockInfo], first: int, sizes: Sizes, *, whole: bool) -> slice | None:
    """The first of the blocks from there on that fit into one to which no more would fit; if `whole`, all that do."""
    for place in range(first, len(blocks) - 1):
        stop = _fitting(blocks, place, sizes)
        if stop - place > 1 and (whole or stop < len(blocks)):
            return slice(place, stop)
    return None


def compacting(blocks: Sequence[BlockInfo], sizes: Sizes) -> slice | None:
    """The first neighbouring blocks that fit into one; None if there are none."""
    for first in range(len(blocks) - 1):
        stop = _fitting(blocks, first, sizes)
        if stop - first > 1:
            return slice(first, stop)
    return None


def _fitting(blocks: Sequence[BlockInfo], first: int, sizes: Sizes) -> int:
    stop, size = first + 1, blocks[first].size
    while stop < len(blocks) and blocks[stop].last_seq - blocks[first].first_seq < sizes.block:
        size += blocks[stop].size
        if size > MAX_BYTES:
            break
        stop += 1
    return stop


def _class(events: int, sizes: Sizes) -> int:
    """How small a block is: 0 for a full one, 1 down to a 64th part, and then one more for each eighth."""
    found = 0
    least = sizes.block
    while events < least:
        least = least // (_FACTOR if found else _LARGEST)
        found += 1
    return found


def plain_bytes(segments: Iterable[Segment], first: int, last: int) -> int:
    """About how many bytes the lines from `first` to `last` have."""
    total = 0
    for segment in segments:
        if segment.first_seq is None or segment.last_seq is None or segment.last_seq < segment.first_seq:
            continue
        within = min(last, segment.last_seq) - max(first, segment.first_seq) + 1
        if within > 0:
            total += segment.size * within // (segment.last_seq - segment.first_seq + 1)
    return total
