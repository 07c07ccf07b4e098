"""One column of a block: the values of a field with the rows that have them, and how it is sorted by value.

Values are numbered as they are first seen. A Roaring bitmap then does the sorting: of numbers whose upper 16 bits are
that of the value and whose lower 16 bits are the row, each container is what one value has (the portable form of the
RoaringFormatSpec, github.com/RoaringBitmap/RoaringFormatSpec, keeps them apart). It costs a tenth of a list for each.
"""

from __future__ import annotations

import sys
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, pairwise
from struct import Struct
from typing import Any, Final, NamedTuple, cast

from pyroaring import BitMap, BitMap64

from .keys import Key

__all__ = ["Column", "Container", "Postings", "bitmap_of"]

_BIG_ENDIAN: Final = sys.byteorder == "big"
_HEADER: Final = Struct("<II")
_NO_RUNS: Final = 12_346
"""With this number a serialised bitmap begins that has no run containers."""
_ALONE: Final = Struct("<IIHHI")
"""What stands before the container of a bitmap that has one: that number, 1, its upper bits, its rows less 1, and where
it begins."""
_MOST: Final = 1 << 16
_EVERY_ROW: Final = array("I", range(_MOST))
_ARRAY: Final = 4_096
"""A container of so many rows at most has them as numbers."""

Container = bytes | BitMap
"""The rows of a value: up to 4,096 as 16-bit numbers, more as 8 KiB of bits or as a bitmap."""


class Postings(NamedTuple):
    """Keys in order, how many rows each has, and those."""

    keys: list[Key]
    counts: list[int]
    rows: list[Container]

    def part(self, begin: int, end: int) -> Postings:
        """Those of the keys from `begin` on and before `end`."""
        return Postings(self.keys[begin:end], self.counts[begin:end], self.rows[begin:end])


def bitmap_of(rows: Container, number: int) -> BitMap:
    """The rows of a container of so many, as a bitmap."""
    if isinstance(rows, BitMap):
        return rows
    return BitMap.deserialize(_ALONE.pack(_NO_RUNS, 1, 0, number - 1, _ALONE.size) + rows)


class Column:
    """The values of one field and kind, with the rows of the events that have them."""

    def __init__(self) -> None:
        self._numbers: defaultdict[Key, int] = defaultdict(count().__next__)
        self.codes = array("I")
        """The number of each value that came."""
        self.rows = array("I")
        """The row of each, ascending but for what several shapes of events do."""
        self._whole: dict[int, BitMap] = {}

    def extend(self, values: Iterable[Key], rows: Iterable[int]) -> None:
        """`values[n]` is one of those of the event at `rows[n]`."""
        self.codes.extend(map(self._numbers.__getitem__, values))
        self.rows.extend(rows)

    def add(self, value: Key, rows: BitMap) -> None:
        """All these events have the value."""
        number = self._numbers[value]
        if number in self._whole:
            self._whole[number] |= rows
        else:
            self._whole[number] = rows.copy()

    @property
    def repeats(self) -> float:
        """How often a value came on average."""
        return len(self.codes) / len(self._numbers)

    def values(self) -> list[Key]:
        """The different values, by their numbers."""
        return list(self._numbers)

    def texts(self) -> list[str]:
        """The values of a column that has texts only."""
        return cast("list[str]", self.values())

    def by_row(self, values: Sequence[Any], found: list[Any]) -> list[Any]:
        """`found`, which may be changed, with what `values` has for the number of a row's value in its place.

        Of several values a row has the last.
        """
        if len(self.rows) == len(found) and not self._whole and self.rows == _EVERY_ROW[: len(found)]:
            return list(map(values.__getitem__, self.codes))
        for row, value in zip(self.rows, map(values.__getitem__, self.codes), strict=True):
            found[row] = value
        for number, rows in self._whole.items():
            value = values[number]
            for row in rows:
                found[row] = value
        return found

    def bitmaps(self) -> list[BitMap]:
        """The rows of each value, by their numbers."""
        counts, containers = _containers(self.codes, self.rows, len(self._numbers))
        return list(map(bitmap_of, containers, counts))

    def postings(self, keys: Sequence[Key] | None = None) -> Postings:
        """Its keys: the values, or what `keys` has for their numbers; those that have the same are together."""
        names = self.values() if keys is None else keys
        column = self if keys is None or len(set(keys)) == len(keys) else self._renamed(keys)
        if column is not self:
            names = column.values()
        order = sorted(range(len(names)), key=names.__getitem__)
        sorted_names = list(map(names.__getitem__, order))
        if len(column.codes) == len(names) and not column._whole:  # each once: number n is that of the row at n
            packed = _packed(column.rows)
            return Postings(sorted_names, [1] * len(names), [packed[2 * at : 2 * at + 2] for at in order])
        counts, containers = _containers(column.codes, column.rows, len(names))
        for number, rows in column._whole.items():
            every = rows | bitmap_of(containers[number], counts[number]) if counts[number] else rows
            counts[number] = len(every)
            containers[number] = every if len(every) > _ARRAY else _packed(array("I", every))
        return Postings(sorted_names, list(map(counts.__getitem__, order)), list(map(containers.__getitem__, order)))

    def _renamed(self, names: Sequence[Key]) -> Column:
        """The same column of other values, of which several may be one."""
        found = Column()
        found.extend(map(names.__getitem__, self.codes), self.rows)
        for number, rows in self._whole.items():
            found.add(names[number], rows)
        return found


def _halves(numbers: array[int]) -> memoryview:
    """The lower halves of 32-bit numbers."""
    return memoryview(numbers).cast("B").cast("H")[_BIG_ENDIAN::2]


def _packed(rows: array[int]) -> bytes:
    """The rows as 16-bit numbers, the least byte first."""
    halves = array("H", bytes(2 * len(rows)))
    memoryview(halves)[:] = _halves(rows)
    if _BIG_ENDIAN:
        halves.byteswap()
    return halves.tobytes()


def _containers(codes: array[int], rows: array[int], number: int) -> tuple[list[int], list[Container]]:
    """For each of so many values how many rows it has, and those."""
    counts, containers = [0] * number, [b""] * number
    for base, data in _sorted(codes, rows, number):
        _, size = _HEADER.unpack_from(data)
        head, places = array("H"), array("I")
        head.frombytes(data[8 : 8 + 4 * size])
        places.frombytes(data[8 + 4 * size : 8 + 8 * size])
        if _BIG_ENDIAN:
            head.byteswap()
            places.byteswap()
        found = [data[begin:end] for begin, end in pairwise([*places, len(data)])]
        sizes = [less + 1 for less in head[1::2]]
        if size == number:
            return sizes, list(found)
        for code, many, container in zip(head[::2], sizes, found, strict=True):
            counts[base + code], containers[base + code] = many, container
    return counts, list(containers)


def _sorted(codes: array[int], rows: array[int], number: int) -> Iterator[tuple[int, bytes]]:
    """Serialised bitmaps of 65,536 values each, with the number of the first."""
    if number <= _MOST:
        pairs = array("I", bytes(4 * len(codes)))
        halves = memoryview(pairs).cast("B").cast("H")
        halves[_BIG_ENDIAN::2] = _halves(rows)
        halves[not _BIG_ENDIAN :: 2] = _halves(codes)
        yield 0, BitMap(pairs, optimize=False).serialize()
        return
    wide = array("Q", (code << 16 | row for code, row in zip(codes, rows, strict=True)))
    data = BitMap64(wide, optimize=False).serialize()
    # A 64-bit bitmap: how many 32-bit ones there are, and each behind its upper 32 bits.
    at = 8
    for _ in range(int.from_bytes(data[:8], "little")):
        base = int.from_bytes(data[at : at + 4], "little") << 16
        length = _length(data, at + 4)
        yield base, data[at + 4 : at + 4 + length]
        at += 4 + length


def _length(data: bytes, at: int) -> int:
    """The bytes of the bitmap, one without runs, that begins there."""
    _, size = _HEADER.unpack_from(data, at)
    head = at + 8 + 4 * (size - 1)
    less = int.from_bytes(data[head + 2 : head + 4], "little")
    begin = int.from_bytes(data[at + 8 + 8 * size - 4 : at + 8 + 8 * size], "little")
    return begin + (2 * (less + 1) if less < _ARRAY else 8192)
