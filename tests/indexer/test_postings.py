"""The bytes of postings: what goes in comes out, and each row of the table can be read by itself."""

from array import array

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from stonelog.indexer import postings
from stonelog.indexer.column import Column
from stonelog.indexer.postings import MANY, Piece, bitmap, numbers, pieces, presence, rows_of

ROWS = st.sets(st.integers(0, 32_767), min_size=1, max_size=8).map(sorted)
MANY_ROWS = st.builds(
    lambda first, step: list(range(first, first + 100 * step, step)), st.integers(0, 999), st.integers(1, 9)
)
KEYS = {
    "text": st.text(max_size=6),
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0),
    "bool": st.booleans(),
}


def column_of(keys: dict) -> Column:
    """The keys with their rows, those of different keys mixed."""
    column = Column()
    for place in range(max(map(len, keys.values()), default=0)):
        for key, rows in keys.items():
            if place < len(rows):
                column.extend([key], [rows[place]])
    return column


def read(piece: Piece) -> dict[object, list[int]]:
    """The keys of a piece with their rows, as its documentation has it."""
    if piece.keys is None:
        rows = BitMap.deserialize(piece.rows)
        assert piece.counts == len(rows)
        return {piece.first: list(rows)}
    keys = orjson.loads(piece.keys)
    assert keys[0] == piece.first
    counts = [1] * len(keys) if piece.counts is None else list(rows_of("H", piece.counts))
    rows = list(rows_of("H", piece.rows))
    assert sum(counts) == len(rows)
    return {key: [rows.pop(0) for _ in range(count)] for key, count in zip(keys, counts, strict=True)}


@given(st.sampled_from(sorted(KEYS)).flatmap(lambda kind: st.dictionaries(KEYS[kind], ROWS | MANY_ROWS, max_size=30)))
@settings(max_examples=200, deadline=None)
def test_pieces_hold_all_keys_in_order(given_: dict) -> None:
    """Each key once, with its rows; those that many rows have alone."""
    column = column_of(given_)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postings, "_TOGETHER", 5)
        found = list(pieces(column.postings()))
    assert [key for piece in found for key in read(piece)] == sorted(given_)
    assert {key: rows for piece in found for key, rows in read(piece).items()} == given_
    for piece in found:
        assert len(read(piece)) <= 5
        assert (piece.keys is None) == any(len(rows) >= MANY for rows in read(piece).values())
    assert [piece.first for piece in found] == sorted(piece.first for piece in found)


@given(st.dictionaries(st.text(max_size=3), st.lists(st.integers(0, 200), min_size=1, max_size=300), max_size=8))
@settings(max_examples=100, deadline=None)
def test_repeated_rows_count_once(given_: dict[str, list[int]]) -> None:
    """And come ascending."""
    found = {key: rows for piece in pieces(column_of(given_).postings()) for key, rows in read(piece).items()}
    assert found == {key: sorted(set(rows)) for key, rows in given_.items()}


@given(st.lists(st.integers(0, 65_535)))
def test_a_bitmap_is_that_of_the_rows(rows: list[int]) -> None:
    """From lists, arrays and bitmaps, of any order."""
    for given_ in (rows, array("H", rows), BitMap(rows)):
        assert BitMap.deserialize(bitmap(given_)) == BitMap(rows)
    assert presence(BitMap(rows)) == Piece(0, None, len(set(rows)), bitmap(rows))


@pytest.mark.parametrize(("code", "size"), [("H", 2), ("I", 4), ("q", 8)])
def test_numbers_are_little_endian(code: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine: on another one the bytes are turned round, and what was given stays as it was."""
    values = array(code, [1, 258, 3])
    assert numbers(values) == b"".join(value.to_bytes(size, "little") for value in values)
    assert rows_of(code, numbers(values)) == values
    monkeypatch.setattr(postings, "_BIG_ENDIAN", True)
    assert numbers(values) == b"".join(value.to_bytes(size, "big") for value in values)
    assert rows_of(code, numbers(values)) == values == array(code, [1, 258, 3])


def test_bytes_that_are_no_numbers() -> None:
    """Half a number is an error of the value."""
    with pytest.raises(ValueError, match="multiple"):
        rows_of("I", b"12345")
