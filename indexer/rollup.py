"""Figures kept with a block of the index: of all its events, and of each minute, hour and day of them.

They are made once, when the block is written. Whoever reads them adds them up.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby, islice, pairwise, repeat
from operator import le
from typing import Any, Final, NamedTuple, TypeAlias

from stonelog.filestore import dumps

from .keys import LONGEST, MARK, Key, Kind, cut, shown_address
from .sketch import Distinct, Quantiles, buckets_of
from .span import DAY, HOUR, MINUTE

__all__ = [
    "DIMENSIONS",
    "Columns",
    "Rollup",
    "Rows",
    "block_figures",
    "block_rollups",
    "cut_all",
    "error_count",
    "status_class",
]

Rows: TypeAlias = Callable[[str, Kind], Iterable[tuple[Key, Sequence[int]]]]
"""Of a field and a kind of key, each key with its rows, ascending."""
_Cut: TypeAlias = Callable[[Collection[str]], Collection[str]]
_Column: TypeAlias = "list[Any]"
"""The value of each row; None where there is none."""

DIMENSIONS: Final = ("level", "category", "action", "outcome", "status")
"""What the events of a step are counted by: fields, and the class of the status code, such as `2xx`."""
_NUMBERS: Final[tuple[Kind, ...]] = ("int", "float")
_ADDRESSES: Final[tuple[Kind, ...]] = ("v4", "v6")
_FEWEST: Final = 64
"""Events that a step has on average, at least: for fewer, it is as quick to count their rows."""


class Rollup(NamedTuple):
    """The figures of one step of time: `width` and `start` in microseconds, the latter since the epoch.

    `figures` is JSON: for each of DIMENSIONS the count of each value that the events have; `risk` is the number, the
    sum and the greatest of the risk scores; `response` (not of minutes) is a packed Quantiles of the milliseconds;
    `users`, `sessions` and `addresses` (of days) are packed Distincts. What would be empty is left out.
    """

    width: int
    start: int
    events: int
    figures: bytes


def error_count(levels: dict[str, int]) -> int:
    """How many of the events counted by level are errors."""
    return levels.get("error", 0) + levels.get("critical", 0)


def status_class(status: int) -> str:
    """The class of an HTTP status, such as `2xx`."""
    return f"{status // 100}xx"


def _as_they_are(texts: Collection[str]) -> Collection[str]:
    return texts


def cut_all(texts: Collection[str]) -> Collection[str]:
    """The texts as keys; quick if none has to be cut."""
    if texts and (max(map(len, texts)) > LONGEST or MARK in "".join(texts)):
        return set(map(cut, texts))
    return texts


class Columns:
    """What is counted of a block, by row: read once from its keys, whatever is made of it then.

    `times` are the microseconds since the epoch by row, `present` the rows that hold an event. `are_keys`: what
    the lists give was cut already.
    """

    def __init__(self, lists: Rows, times: array[int], present: Sequence[int], *, are_keys: bool = False) -> None:
        cut = _as_they_are if are_keys else cut_all
        size = len(times)
        self.counted: dict[str, _Column] = {name: _column(size, lists(name, "text")) for name in DIMENSIONS[:-1]}
        statuses = ((status_class(int(key)), rows) for key, rows in lists("status_code", "int"))
        self.counted["status"] = _column(size, statuses)
        self.risk = _column(size, lists("risk_score", "int"))
        self.response = _column(size, _buckets(lists))
        self.times: Sequence[int] = times
        order = None
        if len(present) != size or not all(map(le, times, islice(times, 1, None))):
            order = sorted(present, key=times.__getitem__)
        first, last = (times[order[0]], times[order[-1]]) if order else (times[0], times[-1])
        one_day = first // DAY == last // DAY and not any(True for _ in lists("user_id", "text"))
        self.distinct_by_day = [_all_distinct(lists, cut)] if one_day else _distinct_by_day(lists, times, order, cut)
        """A packed Distinct of the values of each day: the texts are hashed once for all that is made of them."""
        if order is not None:
            self._put_in_order(order)

    def _put_in_order(self, order: list[int]) -> None:
        """The rows stand in the order of their times, those without an event are gone."""

        def ordered(column: Sequence[Any]) -> list[Any]:
            return list(map(column.__getitem__, order))

        self.times = ordered(self.times)
        self.risk, self.response = ordered(self.risk), ordered(self.response)
        self.counted = {name: ordered(column) for name, column in self.counted.items()}


def _column(size: int, values: Iterable[tuple[Any, Sequence[int]]], column: _Column | None = None) -> _Column:
    """The column of the values and their rows; what is in `column` stays where they have none."""
    column = [None] * size if column is None else column
    for value, rows in values:
        if len(rows) == 1:
            column[rows[0]] = value
        else:
            for row in rows:
                column[row] = value
    return column


def _names(lists: Rows, field: str) -> Iterable[tuple[Any, Sequence[int]]]:
    """The texts of a field; an empty one names nobody."""
    return ((key, rows) for key, rows in lists(field, "text") if key)


def _addresses(lists: Rows) -> Iterable[tuple[Any, Sequence[int]]]:
    yield from lists("ip_address", "text")
    for kind in _ADDRESSES:
        yield from ((shown_address(kind, key), rows) for key, rows in lists("ip_address", kind))


def _buckets(lists: Rows) -> Iterator[tuple[int, Sequence[int]]]:
    for kind in _NUMBERS:
        found = list(lists("response_time_ms", kind))
        yield from zip(buckets_of([float(key) for key, _ in found]), (rows for _, rows in found), strict=True)


def _all_distinct(lists: Rows, cut: _Cut) -> dict[str, str]:
    """Packed Distincts of all values there are, where no event has a user_id."""
    texts: dict[str, Iterable[tuple[Any, Sequence[int]]]] = {
        "users": _names(lists, "username"),
        "sessions": lists("session_id", "text"),
        "addresses": _addresses(lists),
    }
    return {name: Distinct(cut({key for key, _ in pairs})).pack() for name, pairs in texts.items()}


def _distinct_by_day(lists: Rows, times: Sequence[int], order: list[int] | None, cut: _Cut) -> list[dict[str, str]]:
    """Packed Distincts of the values of each day; `order` has the rows by time, None if they stand so."""
    size = len(times)
    users = _column(size, _names(lists, "username"))
    columns: dict[str, _Column] = {
        "users": _column(size, _names(lists, "user_id"), users),
        "sessions": _column(size, lists("session_id", "text")),
        "addresses": _column(size, _addresses(lists)),
    }
    if order is not None:
        times = [times[row] for row in order]
        columns = {name: [column[row] for row in order] for name, column in columns.items()}
    return [
        {name: _distinct(column[begin:end], cut) for name, column in columns.items()}
        for begin, end in pairwise(_bounds(times, DAY))
    ]


def block_figures(columns: Columns) -> dict[str, Any]:
    """The figures of all events of a block, for JSON.

    As those of a Rollup, except that there is no action, outcome and status, and that everything else is there even if
    empty; and besides `events`, their number, `first` and `last`, the least and greatest time in microseconds.
    """
    return {
        "events": len(columns.times),
        "first": columns.times[0],
        "last": columns.times[-1],
        **{name: _counts(columns.counted[name]) for name in ("level", "category")},
        "risk": _risk(columns.risk),
        "response": _quantiles(columns.response),
        **{name: _merged(day[name] for day in columns.distinct_by_day) for name in columns.distinct_by_day[0]},
    }


def _counts(values: _Column) -> dict[str, int]:
    counts = Counter(values)
    del counts[None]
    return counts


def _risk(values: _Column) -> list[int]:
    there = [value for value in values if value is not None]
    return [len(there), sum(there), max(there)] if there else []


def _quantiles(buckets: _Column) -> list[int]:
    counts = Counter(buckets)
    del counts[None]
    return Quantiles(counts).pack()


def _distinct(values: _Column, cut: _Cut) -> str:
    texts = set(values)
    texts.discard(None)
    return Distinct(cut(texts)).pack()


def _merged(packed: Iterable[str]) -> str:
    whole = Distinct()
    for part in packed:
        whole.merge_packed(part)
    return whole.pack()


class _Step(NamedTuple):
    """A step of time: where its events begin and end in the columns, and what is counted of them."""

    start: int
    begin: int
    end: int
    counts: list[dict[str, int]]
    risk: list[int]


def block_rollups(columns: Columns) -> list[Rollup]:
    """The figures of each minute, hour and day of a block in which there are events.

    A width is left out where its steps have too few events for it to be of use; days are always there.
    """
    rollups: list[Rollup] = []
    finer: list[_Step] = []
    for width in (MINUTE, HOUR, DAY):
        bounds = _bounds(columns.times, width)
        if width != DAY and (len(bounds) - 1) * _FEWEST > len(columns.times):
            continue
        finer = list(_summed(finer, width) if finer else _counted(columns, bounds, width))
        distinct = columns.distinct_by_day if width == DAY else repeat({})
        rollups += map(_rollup, repeat(columns), finer, repeat(width), distinct)
    return rollups


def _bounds(times: Sequence[int], width: int) -> list[int]:
    """Where each step begins among the times, and where the last ends."""
    bounds = [0]
    while bounds[-1] < len(times):
        next_start = (times[bounds[-1]] // width + 1) * width
        bounds.append(bisect_left(times, next_start, bounds[-1]))
    return bounds


def _counted(columns: Columns, bounds: list[int], width: int) -> Iterator[_Step]:
    for begin, end in pairwise(bounds):
        start = columns.times[begin] // width * width
        counts = [_counts(column[begin:end]) for column in columns.counted.values()]
        yield _Step(start, begin, end, counts, _risk(columns.risk[begin:end]))


def _summed(finer: list[_Step], width: int) -> Iterator[_Step]:
    """The steps of a greater width, each from those that lie in it."""
    for start, steps in groupby(finer, lambda step: step.start // width * width):
        parts = list(steps)
        counts: list[Counter[str]] = [Counter() for _ in DIMENSIONS]
        for part in parts:
            for total, more in zip(counts, part.counts, strict=True):
                total.update(more)
        risks = [part.risk for part in parts if part.risk]
        risk = [sum(r[0] for r in risks), sum(r[1] for r in risks), max(r[2] for r in risks)] if risks else []
        yield _Step(start, parts[0].begin, parts[-1].end, list(counts), risk)


def _rollup(columns: Columns, step: _Step, width: int, distinct: dict[str, str]) -> Rollup:
    figures: dict[str, Any] = dict(zip(DIMENSIONS, step.counts, strict=True))
    figures["risk"] = step.risk
    if width >= HOUR:
        figures["response"] = _quantiles(columns.response[step.begin : step.end])
    figures |= distinct
    packed = dumps({name: value for name, value in figures.items() if value})
    return Rollup(width, step.start, step.end - step.begin, packed)
