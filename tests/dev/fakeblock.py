"""A block of events held in plain Python: what the index has to say of them, made without any of it but figures."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import blake2b
from ipaddress import ip_address
from math import copysign
from typing import Any, NamedTuple

from pyroaring import BitMap

from stonelog.filestore import dumps
from stonelog.indexer.column import Column
from stonelog.indexer.fields import json_text
from stonelog.indexer.rollup import Columns, Rollup, block_figures, block_rollups
from stonelog.indexer.words import words_of

TEXTS = ("message", "user_agent", "error_message", "stack_trace")
WORDED = ("username", "entity_type", "entity_id", "entity_name", "path", "error_type")
NUMBERS = ("asn", "status_code", "response_time_ms", "risk_score")
LISTS = ("tags", "risk_reasons", "redacted")
ALONE = ("seq", "id", "time", "synced", "hash")


class Span(NamedTuple):
    row: int
    events: int
    first_time: int
    last_time: int


def finder(
    keys: Mapping[tuple[str, str], Mapping[Any, Iterable[int]]],
) -> Callable[[str, str], Column | None]:
    """What gives the columns of these keys and rows."""
    columns: dict[tuple[str, str], Column] = {}
    for place, found in keys.items():
        pairs = sorted((row, key) for key, rows in found.items() for row in rows)
        if pairs:
            columns[place] = Column()
            columns[place].extend([key for _, key in pairs], [row for row, _ in pairs])
    return lambda field, kind: columns.get((field, kind))


def cut(text: str) -> str:
    if len(text) <= 120 and "\ue081" not in text:
        return text
    return text[:100] + "\ue081" + blake2b(text.encode(), digest_size=8).hexdigest()


def leaf_key(value: Any) -> tuple[str, Any] | None:
    """Kind and key, uncut, of a value of JSON; None if there is none that is exact."""
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, int):
        return ("int", value) if -(2**63) <= value < 2**63 else None
    if isinstance(value, float):
        return None if value == 0 and copysign(1, value) < 0 else ("float", value)
    return "text", value


def address_key(text: str) -> tuple[str, Any]:
    try:
        address = ip_address(text)
    except ValueError:
        return "text", text
    if address.version == 4:
        return "v4", int(address)
    return (
        ("text", text)
        if address.scope_id or address.ipv4_mapped or str(address) != text
        else ("v6", f"{int(address):032x}")
    )


def leaves_of(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The values within a JSON value that are neither objects nor lists, each with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves_of(f"{path}.{key}", item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves_of(path, item)
    elif value is not None:
        yield path, value


def microseconds(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


class FakeBlock:
    """The events of a block, by row. Of the `forgotten` rows neither metadata nor words of it are held: they are loose.
    `gone` rows were indexed, and their segment is not there any more. Spans have up to `span` rows."""

    def __init__(
        self,
        events: Mapping[int, dict[str, Any]],
        *,
        first_seq: int = 1,
        forgotten: frozenset[int] = frozenset(),
        gone: frozenset[int] = frozenset(),
        span: int = 7,
        identity: object = None,
    ) -> None:
        self.held: defaultdict[tuple[str, str], dict[Any, set[int]]] = defaultdict(dict)
        self.whole_keys: defaultdict[tuple[str, str], dict[Any, list[int]]] = defaultdict(dict)
        self.by_row = events
        self._all_times = {row: microseconds(event["time"]) for row, event in events.items()}
        self._times = {row: time for row, time in self._all_times.items() if row not in gone}
        self.rows = BitMap(self._times)
        self.loose = BitMap(forgotten)
        self.whole = not gone & set(events)
        self.first_seq, self.last_seq = first_seq, first_seq + max(events, default=0)
        self.identity = identity or (id(self), self.first_seq)
        self.events = len(self.rows)
        times = self._all_times.values()
        self.first_time, self.last_time = min(times, default=0), max(times, default=0)
        self._span = span
        self.lines_read = 0
        for row, event in events.items():
            for field, value in event.items():
                if field not in ALONE:
                    self._add(field, "any", 0, row)
                    self._take(field, value, row, row in forgotten)
        self._sorted = {place: sorted(keys) for place, keys in self.held.items()}

    def _add(self, field: str, kind: str, key: Any, row: int) -> None:
        self.held[field, kind].setdefault(cut(key) if isinstance(key, str) else key, set()).add(row)
        rows = self.whole_keys[field, kind].setdefault(key, [])
        if row not in rows:
            rows.append(row)

    def _add_words(self, scope: str, text: str, row: int) -> None:
        for word in words_of([text]):
            self._add(scope, "word", word, row)

    def _take(self, field: str, value: Any, row: int, forgotten: bool) -> None:
        if field in TEXTS:
            self._add_words(field, value, row)
        elif field == "metadata":
            for path, leaf in () if forgotten else leaves_of("metadata", value):
                if self._add_leaf(path, leaf, row):
                    self._add(path, "any", 0, row)
                    self._add_words("", json_text(leaf), row)
        elif field in NUMBERS:
            if not self._add_leaf(field, value, row) and value == 0:
                self._add(field, "float", 0.0, row)
        elif field == "ip_address":
            self._add(field, *address_key(value), row)
        else:
            for text in value if field in LISTS else [value]:
                self._add(field, "text", text, row)
                if field == "tags" or field in WORDED:
                    self._add_words("", text, row)

    def _add_leaf(self, field: str, leaf: Any, row: int) -> bool:
        found = leaf_key(leaf)
        if found is None:
            self.loose.add(row)
            return False
        self._add(field, *found, row)
        return True

    def get(self, field: str, kind: str, key: Any) -> BitMap:
        assert kind != "int" or -(2**63) <= key < 2**63, "SQLite takes no other integers"
        return BitMap(self.held.get((field, kind), {}).get(key, ())) & self.rows

    def count(self, field: str, kind: str, key: Any) -> int:
        return len(self.get(field, kind, key))

    def postings(self, field: str, kind: str, low: Any = None, high: Any = None) -> Iterator[tuple[Any, BitMap]]:
        keys = self._sorted.get((field, kind), [])
        start = 0 if low is None else bisect_left(keys, low)
        end = len(keys) if high is None else bisect_right(keys, high)
        for key in keys[start:end]:
            yield key, self.get(field, kind, key)

    def counts(self, field: str, kind: str) -> Iterator[tuple[Sequence[Any], Sequence[int]]]:
        for key in self._sorted.get((field, kind), []):
            yield [key], [len(self.held[field, kind][key])]

    def fields(self) -> Mapping[str, frozenset[str]]:
        names = {name for name, _ in self.held}
        return {name: frozenset(kind for held, kind in self.held if held == name) for name in names}

    def period(self, since: int | None, until: int | None) -> BitMap:
        return BitMap(
            row
            for row, time in self._times.items()
            if (since is None or since <= time) and (until is None or time < until)
        )

    def spans(self) -> Sequence[Span]:
        found = []
        for start in range(0, self.last_seq - self.first_seq + 1, self._span):
            rows = [row for row in range(start, start + self._span) if row in self._times]
            for row in (row for row in rows if row - 1 not in rows):
                end = next(at for at in range(row, row + self._span + 1) if at not in rows)
                times = [self._times[at] for at in range(row, end)]
                found.append(Span(row, end - row, min(times), max(times)))
        return found

    def times(self, span: Span) -> Sequence[int]:
        return [self._times[row] for row in range(span.row, span.row + span.events)]

    def line(self, row: int) -> bytes:
        assert row in self.rows
        self.lines_read += 1
        return dumps(self.by_row[row])

    @cached_property
    def _columns(self) -> Columns:
        times = array("q", [self._all_times.get(row, 0) for row in range(max(self._all_times) + 1)])
        return Columns(finder(self.whole_keys), times, sorted(self._all_times))

    @cached_property
    def _rollups(self) -> list[Rollup]:
        return block_rollups(self._columns)

    @cached_property
    def widths(self) -> frozenset[int]:
        return frozenset(rollup.width for rollup in self._rollups)

    def figures(self) -> dict[str, Any]:
        assert self.whole
        return block_figures(self._columns)

    def rollups(self, width: int, since: int | None, until: int | None) -> Iterator[tuple[int, int, bytes]]:
        assert self.whole
        yield from ((start, events, figures) for at, start, events, figures in self._rollups if at == width)


def block_of(events: Sequence[dict[str, Any]], gone: Sequence[int] = (), span: int = 7) -> FakeBlock:
    """The block of events with ascending `seq`s."""
    first = events[0]["seq"]
    by_row = {event["seq"] - first: event for event in events}
    return FakeBlock(by_row, first_seq=first, gone=frozenset(gone), span=span)
