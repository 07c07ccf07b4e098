"""The record of what retention removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealed import by_ten, events, seal, seqs, told
from stonelog.filestore import CorruptLine, Store
from stonelog.filestore.layout import Layout
from stonelog.filestore.pruned import Pruned, read_pruned

RANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)).map(lambda pair: (pair[0], sum(pair))), max_size=8)


def members(ranges: list[tuple[int, int]]) -> set[int]:
    return {seq for first, last in ranges for seq in range(first, last + 1)}


@settings(deadline=None)
@given(RANGES, RANGES, st.integers(0, 80), st.integers(0, 80))
def test_ranges_merge(one: list[tuple[int, int]], other: list[tuple[int, int]], low: int, high: int) -> None:
    """Whatever is added, the ranges stay ascending and apart, and say of each `seq` whether it was removed."""
    pruned = Pruned().adding(one, []).adding(other, ["x"])
    gone = members(one) | members(other)
    assert members(pruned.ranges) == gone
    assert all(before[1] + 1 < after[0] for before, after in zip(pruned.ranges, pruned.ranges[1:], strict=False))
    assert pruned.last_seq == max(gone, default=0)
    assert pruned.removing == ["x"]
    last = low
    while last + 1 in gone:
        last += 1
    assert pruned.after(low) == last
    left = [seq for seq in range(low + 1, high + 1) if seq not in gone]
    assert pruned.without(low + 1, high) == ((left[0], left[-1]) if left else None)


def test_it_is_read_as_it_was_written(directory: Path) -> None:
    """None is an empty one; a damaged one is empty too, or CorruptLine where something is to be removed."""
    directory.mkdir()
    layout = Layout(directory)
    assert read_pruned(layout, strict=True) == Pruned()
    pruned = Pruned([(1, 5), (9, 9)], ["2026-11-20.jsonl.gz"])
    pruned.write(layout)
    assert read_pruned(layout) == pruned
    layout.pruned.write_bytes(layout.pruned.read_bytes().replace(b"5", b"6"))
    assert read_pruned(layout) == Pruned()
    with pytest.raises(CorruptLine, match=r"pruned\.json"):
        read_pruned(layout, strict=True)


def test_only_what_was_not_pruned_is_told_as_missing(directory: Path) -> None:
    """Beside a pruned range, a day that another hand removed is told with its own `seq`s."""
    by_ten(directory, 5)
    seal(directory, 20, 21, 22, 23)
    layout = Layout(directory)
    names = [f"2026-11-{day}{suffix}" for day in (20, 22) for suffix in (".jsonl.gz", ".manifest.json")]
    Pruned([(1, 10), (21, 30)], names).write(layout)
    with Store.open(directory) as store:
        assert not store.recovered.faults
    assert told(directory) == []
    assert seqs(directory) == [*range(11, 21), *range(31, 51)]
    for suffix in (".jsonl.gz", ".manifest.json"):
        events(directory, 21, suffix).unlink()
    assert [error.missing for error in told(directory)] == [(11, 20)]


def test_seqs_are_not_given_again_when_all_was_pruned(directory: Path) -> None:
    """The record alone knows how far the store had come."""
    by_ten(directory, 2)
    seal(directory, 20, 21)
    names = [f"2026-11-{day}{suffix}" for day in (20, 21) for suffix in (".jsonl.gz", ".manifest.json")]
    Pruned([(1, 20)], names).write(Layout(directory))
    with Store.open(directory) as store:
        assert store.append(category="api", action="read").seq == 21
    with Store.open(directory) as store:
        assert not store.recovered.faults
        assert [event.seq for event in store.read()] == [21]
