"""One moment of a store as a query sees it: what the index covers, and the lines after it (the tail)."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from stonelog.filestore import MAX_LINE, Fetcher, Line, Reader, loads, stamp

from .build import Position
from .errors import IndexUnavailable
from .match import EventFilter, compile_filter, in_period
from .patience import Patience
from .plan import Plan, plan
from .query import parse
from .span import instant

__all__ = ["Found", "Order", "Question", "View", "ask"]

Order = Literal["desc", "asc"]

_POINTERS: Final = "events.seq, segments.name, events.offset, events.length"
_LONGEST_STEP: Final = 2**62
"""Microseconds: longer than all time there is, and still a number to SQLite."""


class Found(NamedTuple):
    """A line that answers a question, and its fields."""

    seq: int
    raw: bytes
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A query with its bounds in time, ready for both evaluators: `plan` for the index, `matches` for a line's fields.

    `since` and `until` are microseconds since the epoch: the first is within, the second without.
    """

    text: str
    plan: Plan
    matches: EventFilter
    since: int | None
    until: int | None

    @property
    def everything(self) -> bool:
        """Whether every event is meant."""
        return self.plan.kind == "all" and self.plan.exact and self.since is None and self.until is None


def ask(q: str, since: str | datetime | None, until: str | datetime | None) -> Question:
    """The question that the texts mean. Raises QueryError."""
    node = parse(q)
    now = datetime.now(UTC)
    return Question(
        q,
        plan(node),
        compile_filter(node),
        None if since is None else instant(since, now),
        None if until is None else instant(until, now),
    )


@dataclass(frozen=True, slots=True)
class View:
    """A consistent view: `connection` (None: there is no index to use) reads one transaction, which `position` ends.

    Whatever reads lines raises QueryStopped when `patience` ends; inside SQLite that is up to who made the view.
    """

    reader: Reader
    fetch: Fetcher
    connection: sqlite3.Connection | None
    position: Position
    patience: Patience

    def found(
        self,
        question: Question,
        *,
        order: Order = "asc",
        above: int = 0,
        below: int | None = None,
        limit: int | None = None,
    ) -> Iterator[Found]:
        """The answers with a `seq` between `above` and `below`, both outside, by `seq`; about `limit` are wanted.

        Raises IndexUnavailable, sqlite3.Error, OSError, ValueError or TypeError when the index does not fit the files.
        """
        if order == "asc":
            yield from self._indexed(question, order, above, below)
            yield from self._tail(question, above, below)
            return
        if below is None or below > self.position.seq + 1:
            # From the newest back, but the files are read forward: only the last ones that are wanted are kept.
            yield from reversed(deque(self._tail(question, above, below), maxlen=limit))
        yield from self._indexed(question, order, above, below)

    def count(self, question: Question) -> int:
        """How many events answer; exact."""
        tail = sum(1 for _ in self._tail(question, 0, None))
        if self.connection is None:
            return tail
        if not question.plan.exact:
            return tail + sum(1 for _ in self._indexed(question, "asc", 0, None))
        values: list[str | int]
        if question.plan.kind == "match" and question.since is None and question.until is None:
            sql, values = "SELECT count(*) FROM terms WHERE terms MATCH ?", [question.plan.expression]
        else:
            sql, values = self._select("count(*)", question, 0, None)
        return tail + int(self.connection.execute(sql, values).fetchone()[0])

    def by_step(self, question: Question, step: int, origin: int) -> dict[int, int] | None:
        """How many indexed events fall into each step from `origin` on; None if only the lines can tell."""
        if self.connection is None or not question.plan.exact:
            return None
        sql, values = self._select("(events.time - ?) / ?, count(*)", question, 0, None)
        width = min(step, _LONGEST_STEP)
        return dict(self.connection.execute(f"{sql} GROUP BY 1", [origin, width, *values]))

    def tail(self, question: Question) -> Iterator[Found]:
        """The answers among the lines that the index does not cover."""
        return self._tail(question, 0, None)

    def _tail(self, question: Question, above: int, below: int | None) -> Iterator[Found]:
        matches, in_time = question.matches, in_period(question.since, question.until)
        for line in self.patience.over(self._lines(above)):
            if below is not None and line.seq >= below:
                return
            fields = loads(line.raw)
            if in_time(fields) and matches(fields):
                yield Found(line.seq, line.raw, fields)

    def _lines(self, above: int) -> Iterator[Line]:
        if self.position.seq > above:
            start = (self.position.segment, self.position.next_offset)
            return self.reader.lines(self.position.seq, start=start)
        return self.reader.lines(above)

    def _indexed(self, question: Question, order: Order, above: int, below: int | None) -> Iterator[Found]:
        if self.connection is None or question.plan.kind == "none":
            return
        sql, values = self._select(_POINTERS, question, above, below)
        key = "terms.rowid" if question.plan.kind == "match" else "events.seq"
        matches = None if question.plan.exact else question.matches
        rows = self.connection.execute(f"{sql} ORDER BY {key} {order}", values)
        for seq, segment, offset, length in self.patience.over(rows):
            if not 0 < length <= MAX_LINE:
                raise IndexUnavailable(f"{segment}: {length} bytes at {offset} are no line, as the index says")
            raw = self.fetch(segment, offset, length)
            mark = stamp(raw)
            if mark is None or mark.seq != seq:
                raise IndexUnavailable(f"{segment}: the line at {offset} is not event {seq}, as the index says")
            fields = loads(raw)
            if matches is None or matches(fields):
                yield Found(seq, raw, fields)

    def _select(self, columns: str, question: Question, above: int, below: int | None) -> tuple[str, list[str | int]]:
        """SELECT of the candidates. `columns` is one of this module's own texts; all values are bound."""
        chosen = question.plan
        values: list[str | int] = []
        where: list[str] = []
        tables = "events"
        key = "events.seq"
        if chosen.kind == "match":
            # CROSS JOIN fixes the order: the terms name the events, not the other way round.
            tables = "terms CROSS JOIN events ON events.seq = terms.rowid"
            key = "terms.rowid"
            where.append("terms MATCH ?")
            values.append(chosen.expression)
        elif chosen.kind == "except":
            where.append("events.seq NOT IN (SELECT rowid FROM terms WHERE terms MATCH ?)")
            values.append(chosen.expression)
        elif chosen.kind == "none":
            where.append("0")
        if columns is _POINTERS:
            tables += " CROSS JOIN segments ON segments.id = events.segment"
        for condition, value in (
            (f"{key} > ?", above or None),
            (f"{key} < ?", below),
            ("events.time >= ?", question.since),
            ("events.time < ?", question.until),
        ):
            if value is not None:
                where.append(condition)
                values.append(value)
        return f"SELECT {columns} FROM {tables}{' WHERE ' if where else ''}{' AND '.join(where)}", values  # noqa: S608
