"""Gaps, the cutting of a gap into shards, and which blocks become one."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stonelog.indexer.inversion import MAX_BYTES
from stonelog.indexer.planning import Gap, Sizes, compacting, gaps, merging, pieces
from stonelog.indexer.schema import BlockInfo

SIZES = Sizes(block=64, shard=512)


@settings(deadline=None)
@given(st.lists(st.integers(1, 60), unique=True, max_size=10), st.integers(0, 70))
def test_gaps_and_shards_make_the_whole(bounds: list[int], last: int) -> None:
    """Each `seq` up to the last is in one range or one gap."""
    ordered = sorted(bounds)
    covered = list(zip(ordered[0::2], ordered[1::2], strict=False))
    inside = {seq for first, end in covered for seq in range(first, end + 1)}
    missing = [seq for gap in gaps(covered, last) for seq in range(gap.first, gap.last + 1)]
    assert missing == [seq for seq in range(1, last + 1) if seq not in inside]


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 9000), st.sets(st.integers(1, 14_000)), st.integers(1, 8))
def test_pieces_make_the_gap(first: int, width: int, ends: set[int], workers: int) -> None:
    """They follow each other without a gap, none is larger than a shard, and there are few more than it needs."""
    gap = Gap(first, first + width - 1)
    found = pieces(gap, sorted(ends), SIZES, workers)
    assert found[0].first == gap.first
    assert found[-1].last == gap.last
    assert all(one.last + 1 == other.first for one, other in pairwise(found))
    assert all(0 < piece.width <= SIZES.shard for piece in found)
    assert len(found) <= 2 * -(-width // SIZES.shard) + 2 * workers


def test_pieces_end_with_segments() -> None:
    """If one ends near; a longer piece is as good as a shorter one, as long as it is no larger than a shard."""
    assert pieces(Gap(1, 1000), [450, 900], SIZES) == [Gap(1, 450), Gap(451, 900), Gap(901, 1000)]
    assert pieces(Gap(1, 1000), [100, 200], SIZES) == [Gap(1, 500), Gap(501, 1000)]
    assert pieces(Gap(1, 512), [511], SIZES) == [Gap(1, 512)]


def test_workers_get_equal_shares() -> None:
    """No worker waits while another makes the last large shard."""
    assert [piece.width for piece in pieces(Gap(1, 600), [], SIZES, workers=4)] == [150] * 4
    assert [piece.width for piece in pieces(Gap(1, 1100), [], SIZES, workers=2)] == [275] * 4
    assert [piece.width for piece in pieces(Gap(1, 60), [], SIZES, workers=4)] == [60]


def block(number: int, first: int, events: int, size: int = 0) -> BlockInfo:
    return BlockInfo(number, first, first + events - 1, events, 0, 0, size)


def live(sizes: list[int], sizes_of: Sizes) -> tuple[list[BlockInfo], int]:
    """The blocks after so many events came at a time, and how many lines were read again."""
    blocks: list[BlockInfo] = []
    read, following = 0, 1
    for number, size in enumerate(sizes):
        blocks.append(block(number, following, size))
        following += size
        while (some := merging(blocks, sizes_of)) is not None:
            merged = blocks[some]
            assert len(merged) > 1
            assert merged[-1].last_seq - merged[0].first_seq < sizes_of.block
            whole = sum(each.events for each in merged)
            read += whole
            blocks[some] = [block(number, merged[0].first_seq, whole)]
    return blocks, read


@settings(deadline=None)
@given(st.lists(st.integers(1, 64), max_size=300))
def test_small_blocks_stay_few(sizes: list[int]) -> None:
    """However events come, no run of blocks of one class is longer than it may be, and all events are still there."""
    blocks, read = live(sizes, SIZES)
    assert [each.first_seq for each in blocks[:1]] == [1] * bool(sizes)
    assert all(one.last_seq + 1 == other.first_seq for one, other in pairwise(blocks))
    assert sum(each.events for each in blocks) == sum(sizes)
    assert read <= 3 * sum(sizes)
    full = sum(sizes) // (SIZES.block // 2) + 1
    assert len(blocks) <= full + 2 * 64


def test_events_one_by_one_are_read_again_a_few_times() -> None:
    """65,536 events that come one by one, or in hundreds or thousands: those that come fast are not read often."""
    for size, times, most in ((1, 5, 8 * 3 + 66), (100, 3, 8 + 66), (1_500, 2, 66)):
        blocks, read = live([size] * (65_536 // size), Sizes())
        assert read <= times * 65_536
        assert len(blocks) <= most


def test_a_gap_in_the_seqs_keeps_blocks_apart() -> None:
    """What does not fit into one block is not made one."""
    blocks = [block(number, 1 + 1000 * number, 1) for number in range(20)]
    assert merging(blocks, SIZES) is None
    assert compacting(blocks, SIZES) is None


@pytest.mark.parametrize("plan", [merging, compacting])
def test_large_lines_are_not_all_in_one_block(plan: Callable[..., slice | None]) -> None:
    """What a block has of its lines is in memory when it is made: sixty megabytes are made two."""
    blocks = [block(number, 1 + number, 1, MAX_BYTES // 48) for number in range(60)]
    while (some := plan(blocks, SIZES)) is not None:
        merged = blocks[some]
        blocks[some] = [block(0, merged[0].first_seq, len(merged), sum(each.size for each in merged))]
        assert blocks[some.start].size <= MAX_BYTES
    assert len(blocks) == 2 or plan is merging


@settings(deadline=None)
@given(st.lists(st.integers(1, 64), max_size=40))
def test_compacting_comes_to_an_end(sizes: list[int]) -> None:
    """Afterwards no two neighbours fit into one block."""
    blocks, following = [], 1
    for number, size in enumerate(sizes):
        blocks.append(block(number, following, size))
        following += size
    rounds = 0
    while (some := compacting(blocks, SIZES)) is not None:
        merged = blocks[some]
        blocks[some] = [block(0, merged[0].first_seq, sum(each.events for each in merged))]
        rounds += 1
    assert rounds <= len(sizes)
    assert all(other.last_seq - one.first_seq >= SIZES.block for one, other in pairwise(blocks))
