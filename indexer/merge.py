"""Neighbouring blocks made one out of what is stored of them: twice as fast as to read their lines again."""

from __future__ import annotations

import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, Final, cast
from zlib import crc32

from pyroaring import BitMap

from stonelog.filestore import loads

from .column import Column, Postings
from .draft import STRETCH, Stretch
from .keys import Key, Kind
from .postings import key_of_each, rows_of
from .schema import BLOCK_COLUMNS, BlockInfo, check, keys_check

__all__ = ["Merged"]

_ANY: Final = "any"


class Merged:
    """What the blocks of these numbers, given oldest first, hold together: one block in the place of a Draft."""

    def __init__(
        self, connection: sqlite3.Connection, numbers: Sequence[int], between: Callable[[], object] = lambda: None
    ) -> None:
        """`between` is called after each block. Raises sqlite3.Error, and ValueError if something is damaged."""
        self.first_seq = self.last_seq = self.events = self.size = 0
        self.inversion = Stored()
        self.stretches: list[Stretch] = []
        self._hashes = blake2b(digest_size=8)
        names: dict[int, str] = dict(_checked(connection, 'SELECT id, name, "check" FROM segments'))
        fields = {
            n: (name, kind) for n, name, kind in _checked(connection, 'SELECT id, name, kind, "check" FROM fields')
        }
        for number in numbers:
            self._add_block(connection, number, names, fields)
            between()

    def digest(self) -> str:
        """Tells these lines from all others."""
        return self._hashes.hexdigest()

    def _add_block(
        self,
        connection: sqlite3.Connection,
        number: int,
        names: dict[int, str],
        fields: dict[int, tuple[str, Kind]],
    ) -> None:
        ((*values, data),) = _checked(
            connection,
            f'SELECT {", ".join(BLOCK_COLUMNS)}, facts, "check" FROM blocks WHERE number = ?',  # noqa: S608 (own names)
            number,
        )
        info, facts = BlockInfo(*values), loads(data)
        self.first_seq = self.first_seq or info.first_seq
        shift = info.first_seq - self.first_seq
        self.last_seq = info.last_seq
        self.events += info.events
        self.size += info.size
        self._hashes.update(facts["lines"].encode())
        self.inversion.plain.update(fields[column] for column in facts["plain"])
        if facts["loose"]:
            self.inversion.loose.update(BitMap.deserialize(bytes.fromhex(facts["loose"])).shift(shift))
        self._add_places(connection, number, shift, names)
        for field, first, keys, counts, rows, checked, rows_checked in connection.execute(
            "SELECT field, first, keys, counts, rows, keys_check, rows_check FROM terms WHERE block = ?", (number,)
        ):
            if keys_check(number, field, first, keys, counts) != checked or crc32(rows) != rows_checked:
                raise ValueError(f"the keys of block {number} are damaged")
            self.inversion.add(*fields[field], shift, first, keys, counts, rows)

    def _add_places(self, connection: sqlite3.Connection, number: int, shift: int, names: dict[int, str]) -> None:
        for row, events, segment, offset, first, last, ends, times, *checked in connection.execute(
            'SELECT row, events, segment, "offset", first_time, last_time, ends, times, "check", ends_check,'
            " times_check FROM places WHERE block = ? ORDER BY row",
            (number,),
        ):
            if checked != [check(row, events, segment, offset, first, last), crc32(ends), crc32(times)]:
                raise ValueError(f"the places of block {number} are damaged")
            self.inversion.rows.extend(range(row + shift, row + shift + events))
            self.inversion.times.extend(rows_of("q", times))
            self._place(row + shift, names[segment], offset, rows_of("I", ends))

    def _place(self, row: int, segment: str, offset: int, ends: array[int]) -> None:
        before = self.stretches[-1] if self.stretches else None
        if (
            before is not None
            and before.segment == segment
            and before.row + len(before.ends) == row
            and before.offset + before.ends[-1] + 1 == offset
            and len(before.ends) + len(ends) <= STRETCH
        ):
            before.ends.extend(end + offset - before.offset for end in ends)
        else:
            self.stretches.append(Stretch(row, segment, offset, ends))


class Stored:
    """The keys of several blocks together, as an Inversion gives those of one."""

    def __init__(self) -> None:
        self._columns: defaultdict[tuple[str, Kind], Column] = defaultdict(Column)
        self._any: defaultdict[str, BitMap] = defaultdict(BitMap)
        self.plain: set[tuple[str, Kind]] = set()
        self.loose: set[int] = set()
        self.rows = array("H")
        self.times = array("q")

    def add(self, field: str, kind: str, shift: int, first: Key, keys: bytes | None, counts: Any, rows: bytes) -> None:
        """A piece (postings.py) of a block whose first row is this one's row `shift`."""
        if kind == _ANY:
            self._any[field] |= BitMap.deserialize(rows).shift(shift)
            return
        column = self._columns[field, cast(Kind, kind)]
        if keys is None:
            column.add(bool(first) if kind == "bool" else first, BitMap.deserialize(rows).shift(shift))
        else:
            column.extend(key_of_each(keys, counts), [row + shift for row in rows_of("H", rows)])

    def column(self, field: str, kind: str) -> Column | None:
        """The column, before `take` has given it; None if there is none."""
        return self._columns.get((field, cast(Kind, kind)))

    def presence(self) -> Iterator[tuple[str, BitMap]]:
        """Each field and path with the rows of the events that have it."""
        yield from self._any.items()

    def take(self) -> Iterator[tuple[str, Kind, Postings]]:
        """Each field and kind with its keys. What is given is gone from here."""
        while self._columns:
            (field, kind), column = self._columns.popitem()
            yield field, kind, column.postings()


def _checked(connection: sqlite3.Connection, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """The rows without the check that each ends with. Raises ValueError if one is not as it was written."""
    found = []
    for *row, checked in connection.execute(statement, values):
        if check(*row) != checked:
            raise ValueError("a name or a block is damaged")
        found.append(tuple(row))
    return found
