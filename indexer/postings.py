"""Which rows have a key, as bytes: 16-bit numbers, or a Roaring bitmap where there are many.

Bitmaps are in the portable form of the RoaringFormatSpec (github.com/RoaringBitmap/RoaringFormatSpec).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Final, NamedTuple

import orjson
from pyroaring import BitMap

from .column import Postings, bitmap_of
from .keys import Key

__all__ = ["Piece", "bitmap", "key_of_each", "numbers", "pieces", "presence", "rows_of"]

MANY: Final = 64
"""A key that so many rows have stands alone, with a bitmap."""
_TOGETHER: Final = 128
"""So many keys at most stand together, so that to find one takes little reading."""
_BIG_ENDIAN: Final = sys.byteorder == "big"


class Piece(NamedTuple):
    """A row of the table `terms`: some neighbouring keys, or one that many rows have.

    `keys` is a JSON array, or None if there is only `first`. `counts` are 16-bit numbers, how many rows each has, None
    if each has one; of a single key the number itself. `rows` are 16-bit numbers, those of the first key first, or the
    bitmap of the single key. SQLite has no booleans: a single one is 0 or 1.
    """

    first: Key
    keys: bytes | None
    counts: bytes | int | None
    rows: bytes


def numbers(values: array[int]) -> bytes:
    """The numbers, the least byte first, whatever the machine."""
    if _BIG_ENDIAN:
        values = values[:]
        values.byteswap()
    return values.tobytes()


def rows_of(code: str, data: bytes) -> array[int]:
    """What `numbers` was given. Raises ValueError for bytes that are none."""
    values = array(code)
    values.frombytes(data)
    if _BIG_ENDIAN:
        values.byteswap()
    return values


def key_of_each(keys: bytes, counts: bytes | None) -> Sequence[Key]:
    """For each row of a piece of several keys the one that it has."""
    values: list[Key] = orjson.loads(keys)
    return values if counts is None else list(chain.from_iterable(map(repeat, values, rows_of("H", counts))))


def bitmap(rows: Sequence[int] | BitMap) -> bytes:
    """The rows, in any order, each once or several times, as a serialised bitmap."""
    found = rows.copy() if isinstance(rows, BitMap) else BitMap(array("I", rows))  # of 16-bit numbers it takes no array
    found.run_optimize()
    return found.serialize()


def presence(rows: BitMap) -> Piece:
    """The piece that says which events have a field."""
    return Piece(0, None, len(rows), bitmap(rows))


def pieces(found: Postings) -> Iterator[Piece]:
    """The pieces of a column, by key."""
    for at in range(0, len(found.keys), _TOGETHER):
        together = found.part(at, at + _TOGETHER)
        if max(together.counts) < MANY:
            yield _joined(together)
        else:
            yield from _parted(together)


def _parted(found: Postings) -> Iterator[Piece]:
    """The pieces of some neighbouring keys: those that many rows have stand alone."""
    begin = 0
    for at, (key, number, container) in enumerate(zip(*found, strict=True)):
        if number >= MANY:
            if begin < at:
                yield _joined(found.part(begin, at))
            rows = bitmap_of(container, number)
            rows.run_optimize()
            yield Piece(int(key) if isinstance(key, bool) else key, None, number, rows.serialize())
            begin = at + 1
    if begin < len(found.keys):
        yield _joined(found.part(begin, len(found.keys)))


def _joined(found: Postings) -> Piece:
    counts = None if max(found.counts) == 1 else numbers(array("H", found.counts))
    return Piece(found.keys[0], orjson.dumps(found.keys), counts, b"".join(found.rows))  # type: ignore[arg-type]
