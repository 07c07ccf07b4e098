"""Figures of what a question finds: exact for few events, within a stated error for many."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from pyroaring import BitMap

from stonelog.filestore import loads

from .block import Block
from .fields import fits
from .kept import stored_sum
from .keys import cut_all
from .patience import Patience
from .rollup import error_count
from .sketch import Distinct, Quantiles
from .span import microseconds, moment
from .tail import Found
from .tally import covers, far_fewer, value_rows
from .view import Question, View

__all__ = ["EXACT", "Stats", "stats"]

EXACT: Final = 20_000
"""Of so many events all figures are exact; of more the response times, and numbers of 2,048 or more, may be near."""
_TOGETHER: Final = 4096
"""Texts that are gathered before they are hashed."""
_PERCENTS: Final = (50, 95, 99)
_TIME_LENGTH: Final = len("2026-01-01T00:00:00.000000Z")
_READ: Final = ("user_id", "username", "session_id", "ip_address", "response_time_ms")
"""The fields that may have many values."""


@dataclass(frozen=True, slots=True)
class Stats:
    """The figures of the events that answer a question. Times are those of the events; None where there is nothing."""

    events: int = 0
    errors: int = 0
    """Events of level error or critical."""
    by_level: dict[str, int] = field(default_factory=dict)
    by_category: dict[str, int] = field(default_factory=dict)
    users: int = 0
    """Distinct user_id, or username where there is no user_id."""
    sessions: int = 0
    addresses: int = 0
    response_time_ms: dict[str, float] | None = None
    """p50, p95 and p99 by the nearest-rank method, in milliseconds."""
    risk_score: dict[str, float] | None = None
    """mean and max of the events that have one."""
    first_time: datetime | None = None
    last_time: datetime | None = None
    within: dict[str, float] = field(default_factory=dict)
    """The figures that are near and not exact, by name, with how far they may be from the exact one, as a share of it.

    `users`, `sessions` and `addresses` are that near in more than 99 of 100 cases, `response_time_ms` always (but for
    times of a microsecond and less, which are 0). Empty: all are exact.
    """


class _Figures:
    """Figures of some events, to be added up."""

    def __init__(self) -> None:
        self.events = 0
        self.first: int | None = None
        self.last: int | None = None
        self.levels: Counter[str] = Counter()
        self.categories: Counter[str] = Counter()
        self.risk = [0, 0, 0]
        """How many there are, their sum, and the greatest."""
        self.response = Quantiles()
        self.distinct = {name: Distinct() for name in ("users", "sessions", "addresses")}

    def __len__(self) -> int:
        """Nearly nothing: what is in it is bounded."""
        return 1

    def see(self, first: int, last: int) -> None:
        """Times (microseconds) between these have been seen."""
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)

    def add_risk(self, count: int, total: int, greatest: int) -> None:
        """So many risk scores with this sum have been seen."""
        self.risk = [self.risk[0] + count, self.risk[1] + total, max(self.risk[2], greatest)]

    def update(self, other: _Figures) -> None:
        """All that the other has seen has been seen."""
        self.events += other.events
        if other.first is not None and other.last is not None:
            self.see(other.first, other.last)
        self.levels.update(other.levels)
        self.categories.update(other.categories)
        self.add_risk(*other.risk)
        self.response.merge(other.response)
        for name, sketch in self.distinct.items():
            sketch.merge(other.distinct[name])

    def add_stored(self, stored: Mapping[str, Any]) -> None:
        """What rollup.block_figures tells of a block has been seen."""
        self.events += stored["events"]
        self.see(stored["first"], stored["last"])
        self.levels.update(stored["level"])
        self.categories.update(stored["category"])
        if stored["risk"]:
            self.add_risk(*stored["risk"])
        self.response.merge(Quantiles.unpack(stored["response"]))
        for name, sketch in self.distinct.items():
            sketch.merge_packed(stored[name])


class _Gathered(_Figures):
    """Figures of events that are looked at one by one. What is exact is kept until `blur` says that it need not be."""

    def __init__(self) -> None:
        super().__init__()
        self.exact = True
        self.durations: Counter[float] = Counter()
        self.texts: dict[str, set[str]] = {name: set() for name in self.distinct}

    def blur(self) -> None:
        """From now on figures may be near: what was gathered goes into the sketches."""
        self.exact = False
        self._flush()

    def gather(self, other: _Gathered) -> None:
        """All that the other has seen has been seen, as exactly."""
        self.update(other)
        self.add_durations(other.durations)
        for name, texts in other.texts.items():
            self.add_texts(name, texts)

    def add_texts(self, name: str, texts: Collection[str]) -> None:
        """The texts (as keys) are of users, sessions or addresses."""
        self.texts[name].update(texts)
        if not self.exact and len(self.texts[name]) > _TOGETHER:
            self._flush()

    def add_durations(self, durations: Mapping[float, int]) -> None:
        """So many response times of each value (milliseconds) have been seen."""
        self.durations.update(durations)
        if not self.exact and len(self.durations) > _TOGETHER:
            self._flush()

    def add_events(self, events: Collection[Mapping[str, Any]]) -> None:
        """The events of these fields have been seen."""
        if not events:
            return
        self.events += len(events)
        for name, counts in (("level", self.levels), ("category", self.categories)):
            counts.update(_all_texts(events, name))
        times = {event["time"] for event in events}
        if set(map(len, times)) == {_TIME_LENGTH}:  # such texts have the order of their times
            self.see(microseconds(min(times)), microseconds(max(times)))
        else:
            self.see(min(map(microseconds, times)), max(map(microseconds, times)))
        users = {_text(event, "user_id") or _text(event, "username") or "" for event in events} - {""}
        self.add_texts("users", cut_all(list(users)))
        for name, field_name in (("sessions", "session_id"), ("addresses", "ip_address")):
            self.add_texts(name, cut_all(list(set(_all_texts(events, field_name)))))
        durations = [event["response_time_ms"] for event in events if "response_time_ms" in event]
        self.add_durations(Counter(value for value in durations if fits("float", value)))
        risks = [event["risk_score"] for event in events if fits("int", event.get("risk_score"))]
        self.add_risk(len(risks), sum(risks), max(risks, default=0))

    def add_rows(self, block: Block, rows: BitMap, patience: Patience) -> None:
        """The events of these rows have been seen."""
        if far_fewer(rows, block, _READ):
            self.add_events([loads(block.line(row)) for row in patience.over(rows)])
            return
        self.events += len(rows)
        self._see_times(block, rows)
        for name, counts in (("level", self.levels), ("category", self.categories)):
            counts.update({str(value): len(having) for value, having in value_rows(block, name, rows, patience)})
        for value, having in value_rows(block, "risk_score", rows, patience):
            self.add_risk(len(having), int(value) * len(having), int(value))
        found: Counter[float] = Counter()
        for value, having in value_rows(block, "response_time_ms", rows, patience):
            found[float(value)] += len(having)
        self.add_durations(found)
        self.add_texts("users", _users(block, rows, patience))
        self.add_texts("sessions", _texts(block, "session_id", rows, patience))
        self.add_texts("addresses", _texts(block, "ip_address", rows, patience))

    def _see_times(self, block: Block, rows: BitMap) -> None:
        if block.whole and rows == block.rows:
            self.see(block.first_time, block.last_time)
            return
        for span in block.spans():
            number = rows.range_cardinality(span.row, span.row + span.events)
            if number == span.events:
                self.see(span.first_time, span.last_time)
            elif number and not self._seen(span.first_time, span.last_time):
                times = block.times(span)
                here = [times[row - span.row] for row in rows & BitMap(range(span.row, span.row + span.events))]
                self.see(min(here), max(here))

    def _seen(self, first: int, last: int) -> bool:
        return self.first is not None and self.last is not None and self.first <= first and self.last >= last

    def _flush(self) -> None:
        for value, count in self.durations.items():
            self.response.add(value, count)
        self.durations.clear()
        for name, texts in self.texts.items():
            self.distinct[name].update(texts)
            texts.clear()

    def percentiles(self) -> dict[str, float] | None:
        """The percentiles of the response times."""
        if not self.exact:
            find: Callable[[int], float] = self.response.quantile
            return {f"p{percent}": find(percent) for percent in _PERCENTS} if self.response.count else None
        return {f"p{percent}": percentile(self.durations, percent) for percent in _PERCENTS} if self.durations else None


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    """The text of a field; None if there is none, or, by another hand, something else."""
    value = fields.get(name)
    return value if type(value) is str else None


def _all_texts(events: Iterable[Mapping[str, Any]], name: str) -> list[str]:
    """The texts that the events have in a field."""
    return [value for event in events if type(value := event.get(name)) is str]


def _texts(block: Block, name: str, rows: BitMap, patience: Patience) -> Collection[str]:
    return cut_all([str(value) for value, _ in value_rows(block, name, rows, patience)])


def _users(block: Block, rows: BitMap, patience: Patience) -> Collection[str]:
    """The user_id of the events, or the username of those that have none (or an empty one)."""
    named = BitMap()
    users: set[str] = set()
    for value, having in value_rows(block, "user_id", rows, patience):
        if value:
            users.add(str(value))
            named |= having
    users.update(str(value) for value, _ in value_rows(block, "username", rows - named, patience))
    users.discard("")
    return cut_all(list(users))


def percentile(counts: Mapping[float, int], percent: int) -> float:
    """The least value that at least so many percent of all do not exceed; `counts` has that of each value."""
    need = math.ceil(sum(counts.values()) * percent / 100)
    for value in sorted(counts):
        need -= counts[value]
        if need <= 0:
            return value
    raise ValueError("there are no values")


def stats(view: View, question: Question) -> Stats:
    """The figures of everything that the question finds."""
    figures = _Gathered()
    rows = _few_rows(view, question)
    indexed = EXACT + 1 if rows is None else sum(map(len, rows.values()))
    if rows is None:
        figures.blur()
    for some in view.scanned_sums(question, ("stats", figures.exact), partial(_gathered, figures.exact), _joined):
        figures.gather(some)
        if figures.exact and figures.events + indexed > EXACT:
            figures.blur()
    done: frozenset[object] = frozenset()
    if not figures.exact:
        stored, done = stored_sum(view, question, "stats", _Figures, _add_stored)
        figures.update(stored)
    for block in view.patience.over(view.blocks(question)):
        if block.identity in done:
            continue
        if not figures.exact and covers(question, block):
            _add_stored(figures, block)
        else:
            here = view.rows(question, block) if rows is None else rows[block.first_seq]
            figures.add_rows(block, here, view.patience)
    return _told(figures)


def _gathered(exact: bool, events: Iterable[Found]) -> _Gathered:
    figures = _Gathered()
    figures.add_events([found.fields for found in events])
    if not exact:
        figures.blur()
    return figures


def _joined(some: Sequence[_Gathered]) -> _Gathered:
    figures = _Gathered()
    for each in some:
        figures.gather(each)
    return figures


def _few_rows(view: View, question: Question) -> dict[int, BitMap] | None:
    """The rows that answer, by the first `seq` of their block; None if there are more than EXACT of them."""
    found: dict[int, BitMap] = {}
    number = 0
    for block in view.patience.over(view.blocks(question)):
        if number + (block.events if covers(question, block) else 0) > EXACT:
            return None
        found[block.first_seq] = view.rows(question, block)
        number += len(found[block.first_seq])
        if number > EXACT:
            return None
    return found


def _add_stored(figures: _Figures, block: Block) -> bool:
    figures.add_stored(block.figures())
    return True


def _told(figures: _Gathered) -> Stats:
    within: dict[str, float] = {}
    if not figures.exact:
        figures.blur()
    response = figures.percentiles()
    if figures.exact:
        distinct = {name: len(texts) for name, texts in figures.texts.items()}
    else:
        distinct = {name: sketch.count() for name, sketch in figures.distinct.items()}
        within = {name: Distinct.ERROR for name, sketch in figures.distinct.items() if not sketch.exact}
        if response:
            within["response_time_ms"] = Quantiles.ERROR
    number, total, greatest = figures.risk
    return Stats(
        events=figures.events,
        errors=error_count(figures.levels),
        by_level=dict(figures.levels.most_common()),
        by_category=dict(figures.categories.most_common()),
        **distinct,
        response_time_ms=response,
        risk_score={"mean": round(total / number, 3), "max": greatest} if number else None,
        first_time=None if figures.first is None else moment(figures.first),
        last_time=None if figures.last is None else moment(figures.last),
        within=within,
    )
