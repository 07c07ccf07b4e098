"""Figures kept with a block of the index: of all its events, and of each minute, hour and day of them.

They are made once, when the block is written. Whoever reads them adds them up.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby, islice, pairwise, repeat
from operator import le
from typing import Any, Final, NamedTuple, TypeAlias

from stonelog.filestore import dumps

from .column import Column
from .keys import Key, Kind, cut_all, shown_address
from .sketch import Distinct, Quantiles, buckets_of
from .span import DAY, HOUR, MINUTE

__all__ = [
    "DIMENSIONS",
    "Columns",
    "Rollup",
    "block_figures",
    "block_rollups",
    "error_count",
    "status_class",
]

Find: TypeAlias = Callable[[str, Kind], Column | None]
"""The column of a field and a kind of key, if there is one."""
_Cut: TypeAlias = Callable[[list[str]], list[str]]
_Values: TypeAlias = "list[Any]"
"""The value of each row; None where there is none."""

DIMENSIONS: Final = ("level", "category", "action", "outcome", "status")
"""What the events of a step are counted by: fields, and the class of the status code, such as `2xx`."""
_ADDRESSES: Final[tuple[Kind, ...]] = ("text", "v4", "v6")
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


def _as_they_are(texts: list[str]) -> list[str]:
    return texts


class Columns:
    """What is counted of a block, by row: read once from its keys, whatever is made of it then.

    `times` are the microseconds since the epoch by row, `present` the rows that hold an event. `are_keys`: what
    the lists give was cut already.
    """

    def __init__(self, find: Find, times: array[int], present: Sequence[int], *, are_keys: bool = False) -> None:
        cut = _as_they_are if are_keys else cut_all
        size = len(times)
        self.counted: dict[str, _Values] = {name: _by_row(size, find(name, "text")) for name in DIMENSIONS[:-1]}
        self.counted["status"] = _by_row(size, find("status_code", "int"), _status_classes)
        self.risk = _by_row(size, find("risk_score", "int"))
        whole_numbers = _by_row(size, find("response_time_ms", "int"), _buckets)
        self.response = _by_row(size, find("response_time_ms", "float"), _buckets, whole_numbers)
        self.times: Sequence[int] = times
        order = None
        if len(present) != size or not all(map(le, times, islice(times, 1, None))):
            order = sorted(present, key=times.__getitem__)
        first, last = (times[order[0]], times[order[-1]]) if order else (times[0], times[-1])
        one_day = first // DAY == last // DAY and find("user_id", "text") is None
        self.distinct_by_day = [_all_distinct(find, cut)] if one_day else _distinct_by_day(find, times, order, cut)
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


def _same(values: list[Key]) -> list[Any]:
    return values


def _by_row(
    size: int,
    column: Column | None,
    shown: Callable[[list[Key]], list[Any]] = _same,
    found: _Values | None = None,
) -> _Values:
    """What is shown of the column's value of each row; what is in `found` stays where there is none."""
    found = [None] * size if found is None else found
    return found if column is None else column.by_row(shown(column.values()), found)


def _status_classes(values: list[Key]) -> list[str]:
    return [status_class(int(value)) for value in values]


def _buckets(values: list[Key]) -> list[int]:
    return buckets_of(map(float, values))


def _names(values: list[Key]) -> list[Key | None]:
    """An empty text names nobody."""
    return [value or None for value in values]


def _shown_addresses(kind: Kind, values: list[Key]) -> list[str]:
    return [str(value) if kind == "text" else shown_address(kind, value) for value in values]


def _all_distinct(find: Find, cut: _Cut) -> dict[str, str]:
    """Packed Distincts of all values there are, where no event has a user_id."""
    texts: dict[str, list[str]] = {
        "users": list(filter(None, _texts(find("username", "text")))),
        "sessions": _texts(find("session_id", "text")),
        "addresses": [],
    }
    for kind in _ADDRESSES:
        if (column := find("ip_address", kind)) is not None:
            texts["addresses"] += _shown_addresses(kind, column.values())
    return {name: Distinct(set(cut(values))).pack() for name, values in texts.items()}


def _texts(column: Column | None) -> list[str]:
    return [] if column is None else column.texts()


def _distinct_by_day(find: Find, times: Sequence[int], order: list[int] | None, cut: _Cut) -> list[dict[str, str]]:
    """Packed Distincts of the values of each day; `order` has the rows by time, None if they stand so."""
    size = len(times)
    addresses: _Values = [None] * size
    for kind in _ADDRESSES:
        addresses = _by_row(size, find("ip_address", kind), partial(_shown_addresses, kind), addresses)
    columns: dict[str, _Values] = {
        "users": _by_row(size, find("username", "text"), _names),
        "sessions": _by_row(size, find("session_id", "text")),
        "addresses": addresses,
    }
    for row, name in enumerate(_by_row(size, find("user_id", "text"), _names)):
        if name is not None:
            columns["users"][row] = name
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


def _counts(values: _Values) -> dict[str, int]:
    counts = Counter(values)
    del counts[None]
    return counts


def _risk(values: _Values) -> list[int]:
    there = [value for value in values if value is not None]
    return [len(there), sum(there), max(there)] if there else []


def _quantiles(buckets: _Values) -> list[int]:
    counts = Counter(buckets)
    del counts[None]
    return Quantiles(counts).pack()


def _distinct(values: _Values, cut: _Cut) -> str:
    texts = set(values)
    texts.discard(None)
    return Distinct(set(cut(list(texts)))).pack()


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
