"""A block as a query reads it: the rows of its keys, its times and its lines.

Whatever was damaged shows as IndexUnavailable, sqlite3.Error or ValueError; the shard is not believed then.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zlib import crc32

import orjson
from pyroaring import BitMap

from stonelog.filestore import MAX_LINE, good_lines

from .errors import IndexUnavailable
from .inversion import is_word
from .keys import Key
from .postings import rows_of
from .schema import check, keys_check

if TYPE_CHECKING:
    from .opened import Shard

__all__ = ["Block", "Span"]

_ONE: Final = Struct("<I")
_TWO: Final = Struct("<2I")
_NO_ROWS: Final = BitMap()
_KEPT: Final = 256
"""Keys of a shard whose rows are kept for the next question: two megabytes at most, mostly a few kilobytes."""
_DIGITS: Final = 19
"""As many as the greatest integer that is a key has."""
_KEPT_ENDS: Final = 512
"""Spans: two megabytes at most."""


class Span(NamedTuple):
    """Rows in a row that all hold an event, at most 1,024, and the least and greatest of their times (microseconds)."""

    row: int
    events: int
    first_time: int
    last_time: int
    segment: int
    offset: int
    id: int


class Block:
    """The events of up to 32,768 `seq`s in a row; the row of one is its `seq` less `first_seq`.

    What is given out is not to be changed. `whole` says that `rows` are all that were indexed, so that counts hold as
    they are stored; of `loose` rows not everything is held.
    """

    def __init__(self, shard: Shard, row: tuple[Any, ...], dead: frozenset[str]) -> None:
        *info, facts, checked = row
        if check(*info, facts) != checked:
            raise IndexUnavailable(f"{shard.path}: block {info[0]} is damaged")
        self.number, self.first_seq, self.last_seq, self.events, self.first_time, self.last_time, _ = info
        self.indexed = self.events
        """The events that there were when it was made."""
        self.shard = shard
        self.row = row
        """What it was made of."""
        self._facts = orjson.loads(facts)
        self.identity = (*shard.identity, self.number, self._facts["lines"])
        """Tells what is stored of it from all else there is or was."""
        self.widths = frozenset(self._facts["widths"])
        self._plain = frozenset(self._facts["plain"])
        self._dead = dead
        self.whole = True
        if dead:
            self.rows  # noqa: B018 (sets `whole` and `events`)

    @cached_property
    def rows(self) -> BitMap:
        """The rows that hold an event whose segment is still there."""
        if self._facts["rows"]:
            found = BitMap.deserialize(bytes.fromhex(self._facts["rows"]))
        else:
            found = BitMap(range(self.events))
        if self._dead:
            for span in self.spans(everything=True):
                if self.shard.segments[span.segment] in self._dead:
                    found.remove_range(span.row, span.row + span.events)
                    self.whole = False
            self.events = len(found)
        return found

    @cached_property
    def loose(self) -> BitMap:
        """The rows of which not everything is held."""
        held = self._facts["loose"]
        return BitMap.deserialize(bytes.fromhex(held)) & self.rows if held else _NO_ROWS

    @cached_property
    def _held(self) -> frozenset[int]:
        held = frozenset(self._facts["fields"])
        self._require(held.issubset(self.shard.columns.values()))
        return held

    def fields(self) -> Mapping[str, frozenset[str]]:
        """The fields and scopes that have keys, with the kinds of them."""
        return self._kinds

    @cached_property
    def _kinds(self) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for (name, kind), number in self.shard.columns.items():
            if number in self._held:
                found.setdefault(name, set()).add(kind)
        return {name: frozenset(kinds) for name, kinds in found.items()}

    def get(self, field: str, kind: str, key: Key) -> BitMap:
        """The rows that have the key."""
        place = self.identity, field, kind, key
        found = self.shard.kept.get(place)
        if found is None:
            found = self._find(field, kind, key)
            if kind == "word" and not field and self._plain:
                found = self._with_plain(found, str(key))
            self._keep(place, found)
        return found if self.whole else found & self.rows

    def _keep(self, place: tuple[object, str, str, Key], rows: BitMap) -> None:
        kept = self.shard.kept
        if len(kept) >= _KEPT:
            kept.pop(next(iter(kept)))
        kept[place] = rows

    def count(self, field: str, kind: str, key: Key) -> int:
        """How many rows have the key."""
        if self.whole and not (kind == "word" and not field and self._plain):
            piece = self._piece(field, kind, key)
            if piece is not None and piece[1] is None:
                return int(piece[2]) if piece[0] == key else 0
        return len(self.get(field, kind, key))

    def postings(
        self, field: str, kind: str, low: Key | None = None, high: Key | None = None
    ) -> Iterator[tuple[Key, BitMap]]:
        """The keys from `low` to `high`, both within (None: no bound), with the rows that have them.

        They come in order, but for words in the scope "", some of which come again.
        """
        yield from self._postings(field, kind, low, high)
        if kind == "word" and not field:
            for name, of in self._plain_columns():
                if of == "text":
                    yield from ((key, rows) for key, rows in self._postings(name, of, low, high) if is_word(key))
                    continue
                for least, most in _integers(low and str(low), high and str(high)):
                    yield from ((str(key), rows) for key, rows in self._postings(name, of, least, most))

    def counts(self, field: str, kind: str) -> Iterator[tuple[Sequence[Key], Sequence[int]]]:
        """All keys, in order and some at a time, with how many rows of the whole block have each."""
        column = self.shard.columns.get((field, kind))
        if column is None:
            return
        for first, keys, counts, checked in self.shard.connection.execute(
            "SELECT first, keys, counts, keys_check FROM terms WHERE block = ? AND field = ? ORDER BY first",
            (self.number, column),
        ):
            self._require(keys_check(self.number, column, first, keys, counts) == checked)
            if keys is None:
                yield (first,), (counts,)
            else:
                names = orjson.loads(keys)
                yield names, [1] * len(names) if counts is None else rows_of("H", counts)

    def period(self, since: int | None, until: int | None) -> BitMap:
        """The rows whose time is at or after `since` and before `until`, in microseconds since the epoch."""
        low = self.first_time if since is None else since
        high = self.last_time + 1 if until is None else until
        if low <= self.first_time and high > self.last_time:
            return self.rows
        if low > self.last_time or high <= self.first_time:
            return _NO_ROWS
        place = self.identity, "", "time", f"{low}/{high}"
        found = self.shard.kept.get(place)
        if found is None:
            found = self._within(low, high)
            self._keep(place, found)
        return found if self.whole else found & self.rows

    def _within(self, low: int, high: int) -> BitMap:
        """The rows whose time, in microseconds, is at or after `low` and before `high`; also those that are gone."""
        found = BitMap()
        for span in self.spans(everything=True):
            if low <= span.first_time and high > span.last_time:
                found.add_range(span.row, span.row + span.events)
            elif low <= span.last_time and high > span.first_time:
                times = self.times(span)
                found.update([row for row, time in enumerate(times, span.row) if low <= time < high])
        return found

    def spans(self, *, everything: bool = False) -> Sequence[Span]:
        """Where the rows stand, in order; with `everything` those that are not there any more, too."""
        if everything or not self._dead:
            return self._spans
        return [span for span in self._spans if self.shard.segments[span.segment] not in self._dead]

    @cached_property
    def _spans(self) -> list[Span]:
        rows = self.shard.connection.execute(
            'SELECT row, events, first_time, last_time, segment, "offset", id, "check" FROM places'
            " WHERE block = ? ORDER BY row",
            (self.number,),
        )
        found = []
        for *row, checked in rows:
            span = Span(*row)
            seen = span.row, span.events, span.segment, span.offset, span.first_time, span.last_time
            self._require(check(*seen) == checked)
            found.append(span)
        self._require(sum(span.events for span in found) == self.indexed)
        return found

    @cached_property
    def _first_rows(self) -> list[int]:
        return [span.row for span in self._spans]

    def times(self, span: Span) -> Sequence[int]:
        """The microseconds since the epoch of the rows of a span."""
        row = self.shard.connection.execute("SELECT times, times_check FROM places WHERE id = ?", (span.id,)).fetchone()
        self._require(row is not None and crc32(row[0]) == row[1])
        return rows_of("q", row[0])

    def line(self, row: int) -> bytes:
        """The line of a row, as it stands in its segment. Raises IndexUnavailable if it does not stand there."""
        span = self._spans[bisect_right(self._first_rows, row) - 1]
        at = row - span.row
        if not 0 <= at < span.events:
            raise IndexUnavailable(f"{self.shard.path}: event {self.first_seq + row} is not indexed")
        ends = self._ends(span)
        before, end = _TWO.unpack_from(ends, 4 * at - 4) if at else (-1, *_ONE.unpack_from(ends))
        start = before + 1
        segment = self.shard.segments.get(span.segment, "")
        if not 0 < end - start <= MAX_LINE:
            raise IndexUnavailable(f"{segment}: {end - start} bytes are no line, as the index says")
        raw = self.shard.fetch(segment, span.offset + start, end - start)
        if not good_lines((raw,), 0, self.first_seq + row):
            raise IndexUnavailable(
                f"{segment}: the line at {span.offset + start} is not event {self.first_seq + row}, as the index says"
            )
        return raw

    def figures(self) -> dict[str, Any]:
        """What rollup.block_figures told of the block."""
        row = self.shard.connection.execute(
            "SELECT figures, figures_check FROM blocks WHERE number = ?", (self.number,)
        ).fetchone()
        self._require(row is not None and crc32(row[0]) == row[1])
        found: dict[str, Any] = orjson.loads(row[0])
        return found

    def rollups(self, width: int, since: int | None, until: int | None) -> Iterator[tuple[int, int, bytes]]:
        """Start (microseconds), events and JSON of each step of `width` that starts within."""
        total = 0
        for start, events, figures, checked in self.shard.connection.execute(
            'SELECT start, events, figures, "check" FROM rollups'
            " WHERE block = ? AND width = ? AND start >= ? AND start < ? ORDER BY start",
            (self.number, width, -(2**62) if since is None else since, 2**62 if until is None else until),
        ):
            self._require(check(width, start, events, figures) == checked)
            yield start, events, figures
            total += events
        self._require(total == self.indexed or since is not None or until is not None)

    def _ends(self, span: Span) -> bytes:
        """Where the lines of a span end."""
        kept = self.shard.ends
        found = kept.get((self.identity, span.row))
        if found is None:
            row = self.shard.connection.execute(
                "SELECT ends, ends_check FROM places WHERE id = ?", (span.id,)
            ).fetchone()
            self._require(row is not None and crc32(row[0]) == row[1])
            if len(kept) >= _KEPT_ENDS:
                kept.pop(next(iter(kept)))
            found = kept[self.identity, span.row] = row[0]
        return found

    def _piece(self, field: str, kind: str, key: Key) -> tuple[Any, ...] | None:
        """The piece that holds the key if any does."""
        column = self.shard.columns.get((field, kind))
        if column is None or column not in self._held:
            return None
        found: tuple[Any, ...] | None = self.shard.connection.execute(
            "SELECT first, keys, counts, rows, keys_check, rows_check FROM terms"
            " WHERE block = ? AND field = ? AND first <= ? ORDER BY first DESC LIMIT 1",
            (self.number, column, key),
        ).fetchone()
        if found is not None:
            self._require(keys_check(self.number, column, *found[:3]) == found[4] and crc32(found[3]) == found[5])
        return found

    def _require(self, good: bool) -> None:
        if not good:
            raise IndexUnavailable(f"{self.shard.path}: block {self.number} is damaged")

    def _find(self, field: str, kind: str, key: Key) -> BitMap:
        piece = self._piece(field, kind, key)
        if piece is None:
            return _NO_ROWS
        first, keys, counts, rows, *_ = piece
        if keys is None:
            return BitMap.deserialize(rows) if first == key else _NO_ROWS
        names = orjson.loads(keys)
        at = bisect_left(names, key)
        if at == len(names) or names[at] != key:
            return _NO_ROWS
        if counts is None:
            return BitMap(rows_of("H", rows[2 * at : 2 * at + 2]).tolist())
        numbers = rows_of("H", counts)
        start = sum(numbers[:at])
        return BitMap(rows_of("H", rows[2 * start : 2 * (start + numbers[at])]).tolist())

    def _postings(self, field: str, kind: str, low: Key | None, high: Key | None) -> Iterator[tuple[Key, BitMap]]:
        column = self.shard.columns.get((field, kind))
        if column is None or column not in self._held:
            return
        for first, keys, counts, rows, checked, rows_checked in self._pieces(column, low, high):
            self._require(
                keys_check(self.number, column, first, keys, counts) == checked and crc32(rows) == rows_checked
            )
            if keys is None:
                if (low is None or first >= low) and (high is None or first <= high):
                    found = BitMap.deserialize(rows)
                    yield first, found if self.whole else found & self.rows
                continue
            names = orjson.loads(keys)
            begin = 0 if low is None else bisect_left(names, low)
            end = len(names) if high is None else bisect_right(names, high)
            numbers = rows_of("H", rows)
            bounds = range(len(names) + 1) if counts is None else [0, *accumulate(rows_of("H", counts))]
            for at in range(begin, end):
                found = BitMap(numbers[bounds[at] : bounds[at + 1]].tolist())
                yield names[at], found if self.whole else found & self.rows

    def _pieces(self, column: int, low: Key | None, high: Key | None) -> Iterator[tuple[Any, ...]]:
        """The pieces that hold the keys from `low` to `high`."""
        where, values = "block = ? AND field = ?", [self.number, column]
        if low is not None:
            least = self.shard.connection.execute(
                f"SELECT max(first) FROM terms WHERE {where} AND first <= ?",  # noqa: S608 (own text)
                (*values, low),
            ).fetchone()[0]
            where, values = where + " AND first >= ?", [*values, low if least is None else least]
        if high is not None:
            where, values = where + " AND first <= ?", [*values, high]
        return self.shard.connection.execute(
            f"SELECT first, keys, counts, rows, keys_check, rows_check FROM terms WHERE {where} ORDER BY first",  # noqa: S608
            values,
        )

    def _plain_columns(self) -> list[tuple[str, str]]:
        return [column for column, number in self.shard.columns.items() if number in self._plain]

    def _with_plain(self, found: BitMap, word: str) -> BitMap:
        """The rows, and those that have the word as their whole value in a column where such are not held as words."""
        if not is_word(word):
            return found
        number = int(word) if word.isdecimal() and len(word) <= _DIGITS else 2**63
        whole = number if number < 2**63 and str(number) == word else None
        for name, kind in self._plain_columns():
            if kind == "text":
                found = found | self._find(name, kind, word)
            elif whole is not None:
                found = found | self._find(name, kind, whole)
        return found


@lru_cache(maxsize=256)
def _integers(low: str | None, high: str | None) -> list[tuple[int, int]]:
    """The integers from 0 whose text is between the bounds, as ranges: those of one length sort as their texts do."""
    found = []
    for digits in range(1, 20):
        every = range(10 ** (digits - 1) if digits > 1 else 0, min(10**digits, 2**63))
        begin = 0 if low is None else bisect_left(every, low, key=str)
        end = len(every) if high is None else bisect_right(every, high, key=str)
        if begin < end:
            found.append((every[begin], every[end - 1]))
    return found
