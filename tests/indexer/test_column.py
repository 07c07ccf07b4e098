"""Columns: whatever way values come, each has its rows; and what is kept apart comes together."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from stonelog.indexer import column as column_module
from stonelog.indexer.column import Column, Postings, bitmap_of

PAIRS = st.lists(st.tuples(st.text(max_size=2) | st.sampled_from(["a", "b"]), st.integers(0, 99)), max_size=60)
WHOLE = st.lists(
    st.tuples(st.sampled_from(["a", "b", "other"]), st.sets(st.integers(0, 9_999), min_size=1)), max_size=4
)


def found(postings: Postings) -> dict[Any, list[int]]:
    """Each key with its rows; they come in order, and as many as is said."""
    assert list(postings.keys) == sorted(postings.keys)
    rows = {key: list(bitmap_of(container, number)) for key, number, container in zip(*postings, strict=True)}
    assert [len(each) for each in rows.values()] == postings.counts
    return rows


@pytest.mark.parametrize("most", [1 << 16, 0], ids=["32 bits", "64 bits"])
@settings(deadline=None)
@given(PAIRS, WHOLE)
def test_each_value_has_its_rows(most: int, pairs: list[tuple[str, int]], whole: list[tuple[str, set[int]]]) -> None:
    """Those that came one by one and those that came together; of a column of many values too."""
    column, expected = Column(), dict[str, set[int]]()
    for value, row in pairs:
        column.extend([value], array("I", [row]))
        expected.setdefault(value, set()).add(row)
    for value, rows in whole:
        column.add(value, BitMap(rows))
        expected.setdefault(value, set()).update(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(column_module, "_MOST", most)
        assert found(column.postings()) == {value: sorted(rows) for value, rows in sorted(expected.items())}
        assert found(column.postings(["same"] * len(expected))) == (
            {"same": sorted(set().union(*expected.values()))} if expected else {}
        )


def test_more_than_65536_values() -> None:
    """Their numbers have more than 16 bits."""
    column = Column()
    column.extend(range(70_000), [value % 300 for value in range(70_000)])
    column.extend([5, 69_999], [299, 299])
    rows = found(column.postings())
    assert len(rows) == 70_000
    assert (rows[5], rows[69_999], rows[65_536]) == ([5, 299], [99, 299], [65_536 % 300])


def test_a_value_that_many_rows_have() -> None:
    """More than 4,096 rows are kept as bits."""
    column = Column()
    column.extend(["a", "b"] * 5000, range(10_000))
    assert found(column.postings()) == {"a": list(range(0, 10_000, 2)), "b": list(range(1, 10_000, 2))}
    assert column.bitmaps() == [BitMap(range(0, 10_000, 2)), BitMap(range(1, 10_000, 2))]


@given(st.permutations(range(6)), st.booleans())
def test_values_by_row(order: list[int], complete: bool) -> None:
    """Rows without a value keep what was there."""
    rows = order if complete else order[:4]
    column = Column()
    column.extend([f"v{row % 2}" for row in rows], rows)
    shown = column.by_row([name.upper() for name in column.texts()], ["none"] * 6)
    assert shown == [f"V{row % 2}" if row in rows else "none" for row in range(6)]


def test_what_is_added_is_not_changed() -> None:
    """The bitmap that was given stays the giver's."""
    given_, column = BitMap([1]), Column()
    column.add("a", given_)
    column.add("a", BitMap([2]))
    assert list(given_) == [1]
    assert column.by_row(["x"], [None] * 3) == [None, "x", "x"]
