"""Counting what a question finds: facets, histogram and statistics. Each is exact."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from .build import microseconds
from .errors import QueryError
from .fields import json_text, kind_of, leaves_at, nearest_field
from .span import moment
from .terms import decode_field, field_bounds
from .view import Found, Question, View

__all__ = ["Bucket", "FacetValue", "Stats", "facets", "histogram", "stats"]

FacetValue = str | int | float
Bucket = tuple[datetime, int] | tuple[datetime, dict[FacetValue, int]]

_ORIGIN: Final = -719_162 * 86_400_000_000
"""0001-01-01, a Monday, before every event: buckets are counted from it, so that weeks start on Mondays."""
_MOST_BUCKETS: Final = 100_000


def _getter(name: str) -> Callable[[dict[str, Any]], Iterable[FacetValue]]:
    """Reads the distinct values of a field from a line's fields. Raises QueryError for an unknown field."""
    kind = kind_of(name)
    if kind is None or name == "metadata":
        raise QueryError(f"{name}: there is no such field to count by", suggestion=nearest_field(name))
    if kind == "metadata":
        path = name.removeprefix("metadata.")
        return lambda fields: set(map(json_text, leaves_at(fields.get("metadata"), path)))
    if kind == "list":
        return lambda fields: set(fields.get(name, ()))
    return lambda fields: (fields[name],) if name in fields else ()


def _ranked(counts: Counter[FacetValue], limit: int) -> list[tuple[FacetValue, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:limit]


def facets(view: View, question: Question, names: Sequence[str], limit: int) -> dict[str, list[tuple[FacetValue, int]]]:
    """The `limit` most frequent values of each field with their counts, highest first, then by value."""
    if limit < 1:
        raise QueryError(f"limit {limit}: at least one value of each field is given", suggestion="10")
    getters = {name: _getter(name) for name in names}
    counts: dict[str, Counter[FacetValue]] = {name: Counter() for name in names}
    from_vocabulary = {}
    if question.everything and view.connection is not None:
        for name in names:
            known = _vocabulary(view, name)
            if known is not None:
                from_vocabulary[name] = known
    wanted = [name for name in names if name not in from_vocabulary]
    for found in view.found(question) if wanted else ():
        for name in wanted:
            counts[name].update(getters[name](found.fields))
    if from_vocabulary:
        for name, known in from_vocabulary.items():
            counts[name].update(known)
        for found in view.tail(question):
            for name in from_vocabulary:
                counts[name].update(getters[name](found.fields))
    return {name: _ranked(counts[name], limit) for name in names}


def _vocabulary(view: View, name: str) -> dict[FacetValue, int] | None:
    """How many indexed events have each value of the field, by the index's list of terms; None if it can't tell."""
    kind = kind_of(name)
    if view.connection is None or kind in ("text", "time") or name in ("seq", "id", "synced", "hash"):
        return None
    counts: dict[FacetValue, int] = {}
    for term, number in view.connection.execute(
        "SELECT term, doc FROM vocabulary WHERE term >= ? AND term < ?", field_bounds(name)
    ):
        value = decode_field(name, term)
        if value is None:
            return None
        counts[value] = counts.get(value, 0) + number  # a text and a number that it writes have a term each
    return counts


def histogram(view: View, question: Question, step: int, by: str | None) -> list[Bucket]:
    """The number of events in each step (microseconds) of time, or of each value of `by`; empty steps between included.

    Steps start at multiples of `step` from a Monday at 00:00 UTC. Raises QueryError if there would be too many.
    """
    if by is None:
        indexed = view.by_step(question, step, _ORIGIN)
        totals = Counter(indexed or {})
        for found in view.found(question) if indexed is None else view.tail(question):
            totals[_bucket(found, step)] += 1
        return [(_start(bucket, step), totals[bucket]) for bucket in _all_buckets(totals, step)]
    getter = _getter(by)
    split: dict[int, Counter[FacetValue]] = {}
    for found in view.found(question):
        split.setdefault(_bucket(found, step), Counter()).update(getter(found.fields))
    return [(_start(bucket, step), dict(split.get(bucket, {}))) for bucket in _all_buckets(split, step)]


def _bucket(found: Found, step: int) -> int:
    return (microseconds(found.fields["time"]) - _ORIGIN) // step


def _start(bucket: int, step: int) -> datetime:
    return moment(_ORIGIN + bucket * step)


def _all_buckets(found: Iterable[int], step: int) -> range:
    present = sorted(found)
    if not present:
        return range(0)
    if present[-1] - present[0] >= _MOST_BUCKETS:
        raise QueryError(
            f"a histogram of {present[-1] - present[0] + 1:,} steps; at most {_MOST_BUCKETS:,} are made",
            suggestion="a longer step, or narrow the time with since and until",
        )
    return range(present[0], present[-1] + 1)


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


def stats(view: View, question: Question) -> Stats:
    """The figures of everything that the question finds."""
    levels: Counter[str] = Counter()
    categories: Counter[str] = Counter()
    users: set[str] = set()
    sessions: set[str] = set()
    addresses: set[str] = set()
    durations: list[float] = []
    risks: list[int] = []
    first, last = "", ""
    for _, _, fields in view.found(question):
        levels[fields["level"]] += 1
        categories[fields["category"]] += 1
        time = fields["time"]
        first = time if not first or time < first else first
        last = max(last, time)
        user = fields.get("user_id") or fields.get("username")
        if user:
            users.add(user)
        if "session_id" in fields:
            sessions.add(fields["session_id"])
        if "ip_address" in fields:
            addresses.add(fields["ip_address"])
        if "response_time_ms" in fields:
            durations.append(fields["response_time_ms"])
        if "risk_score" in fields:
            risks.append(fields["risk_score"])
    durations.sort()
    return Stats(
        events=levels.total(),
        errors=levels["error"] + levels["critical"],
        by_level=dict(levels.most_common()),
        by_category=dict(categories.most_common()),
        users=len(users),
        sessions=len(sessions),
        addresses=len(addresses),
        response_time_ms={f"p{p}": _percentile(durations, p) for p in (50, 95, 99)} if durations else None,
        risk_score={"mean": round(sum(risks) / len(risks), 3), "max": max(risks)} if risks else None,
        first_time=datetime.fromisoformat(first) if first else None,
        last_time=datetime.fromisoformat(last) if last else None,
    )


def _percentile(ordered: list[float], percent: int) -> float:
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]
