"""One moment of a store as a query sees it: the blocks of its shards, and the lines that no shard covers (the gaps)."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Final, Literal, NamedTuple, TypeVar

from pyroaring import BitMap

from stonelog.filestore import Line, Reader, StoreState, loads

from .block import Block
from .bounds import bounds
from .errors import IndexUnavailable
from .foreign import event_of
from .kept import Kept
from .match import EventFilter, compile_filter, in_period
from .opened import Shard
from .patience import Patience
from .query import parse
from .required import required
from .span import instant
from .summary import Summary, may_match
from .tail import Found, Known, Memo
from .texts import Bounds
from .tree import Everything, Node

__all__ = ["DAMAGE", "Order", "Part", "Question", "View", "ask"]

Order = Literal["desc", "asc"]

Total = TypeVar("Total")

_LONG: Final = 512
"""What a longer query finds among the newest lines is not kept: its tree would take more room than they do."""
_TOGETHER: Final = 1024
"""Lines that are added up in one go."""

DAMAGE: Final = (IndexUnavailable, sqlite3.Error, OSError, ValueError, TypeError, LookupError, OverflowError)
"""What comes of reading a shard that was damaged: anything may stand in it."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query with its bounds in time, ready for both evaluators: `tree` for blocks, `matches` for a line's fields.

    `since` and `until` are microseconds since the epoch: the first is within, the second without. `needs` are texts of
    which the bytes of an answer hold at least one; none if nothing is known.
    """

    text: str
    tree: Node
    matches: EventFilter
    needs: tuple[bytes, ...]
    since: int | None
    until: int | None

    @property
    def plain(self) -> bool:
        """Whether nothing but the time says which events are meant."""
        return isinstance(self.tree, Everything)

    @property
    def everything(self) -> bool:
        """Whether every event is meant."""
        return self.plain and self.since is None and self.until is None


def ask(q: str, since: str | datetime | None, until: str | datetime | None) -> Question:
    """The question that the texts mean. Raises QueryError."""
    tree, matches, needs = _read(q) if "time" in q else _known(q)
    now = datetime.now(UTC)
    return Question(
        q,
        tree,
        matches,
        needs,
        None if since is None else instant(since, now),
        None if until is None else instant(until, now),
    )


def _read(q: str) -> tuple[Node, EventFilter, tuple[bytes, ...]]:
    tree = parse(q)
    return tree, compile_filter(tree), required(tree)


_known = lru_cache(maxsize=256)(_read)
"""Not for a query with a time in it: that may be a span back from now."""


class Part(NamedTuple):
    """A piece of the store, by `seq`: what a shard covers, or (`key` None) a gap up to the `seq` before `below`.

    A gap begins after `after`, at the place `start` if that is known. `below` None: it goes to the end.
    """

    key: str | None
    after: int
    below: int | None
    start: tuple[str, int] | None = None
    first_time: int | None = None
    last_time: int | None = None
    summary: Summary | None = None


@dataclass(slots=True)
class View:
    """A consistent view: `parts` cover all `seq`s, oldest first; `opened` gives the shard of a key, in a transaction.

    Whatever reads lines raises QueryStopped when `patience` ends; inside SQLite that is up to who made the view. What
    does not fit the files or cannot be read raises one of DAMAGE; `touched` is then the shard that was being read.
    """

    reader: Reader
    parts: Sequence[Part]
    opened: Callable[[str], Shard]
    dead: frozenset[str]
    """The segments that shards tell of and that are not there any more."""
    patience: Patience
    cache: Kept
    state: StoreState | None = None
    """How far the store went when the question was asked, if that is known: nobody needs to look behind it."""
    tail: Callable[[Part], Known] = lambda part: Known.nothing(part.after, part.start)
    """What is known of the lines behind the last shard."""
    touched: str | None = None
    scanned_lines: Callable[[Iterable[Line]], Iterable[Line]] = iter
    """All lines that are scanned pass through this."""

    @property
    def indexed_seq(self) -> int:
        """Every event up to this one stands in a shard."""
        return next((part.after for part in self.parts if part.key is None), 0)

    def found(
        self,
        question: Question,
        *,
        order: Order = "asc",
        above: int = 0,
        below: int | None = None,
        limit: int | None = None,
    ) -> Iterator[Found]:
        """The answers with a `seq` between `above` and `below`, both outside, by `seq`; about `limit` are wanted."""
        for part in self.parts if order == "asc" else reversed(self.parts):
            if (below is not None and part.after + 1 >= below) or (part.below is not None and part.below <= above + 1):
                continue
            if part.key is not None:
                yield from self._from_shard(part.key, part, question, order, above, below)
            elif order == "asc":
                yield from self._scan(part, question, above, below)
            else:
                yield from self._scan_back(part, question, above, below, limit)

    def count(self, question: Question) -> int:
        """How many events answer; exact."""
        number = sum(self.scanned_sums(question, "count", _number, _total))
        key = "count", question.tree, question.since, question.until
        long = len(question.text) > _LONG
        known: dict[Hashable, int] = (not long and self.cache.get(key)) or {}
        found: dict[Hashable, int] = {}
        for shard, blocks in self.shards(question):
            identity = tuple([block.identity for block in blocks])
            still = shard.sealed and all(block.whole for block in blocks)
            count = known.get(identity) if still else None
            if count is None:
                count = sum(self._count_within(question, block) for block in blocks)
            if still:
                found[identity] = count
            number += count
        if found != known and not long:
            self.cache.put(key, found)
        return number

    def _count_within(self, question: Question, block: Block) -> int:
        return block.events if question.plain and _covers(question, block) else len(self.rows(question, block))

    def scanned(self, question: Question) -> Iterator[Found]:
        """The answers among the lines that no shard covers."""
        for part in self.parts:
            if part.key is None:
                yield from self._scan(part, question, 0, None)

    def scanned_sums(
        self,
        question: Question,
        what: Hashable,
        sum_of: Callable[[Iterable[Found]], Total],
        join: Callable[[Sequence[Total]], Total],
    ) -> Iterator[Total]:
        """Sums that together are that of the answers among those lines; `join` makes one of several.

        They may be kept for `what`, and so are not to be changed.
        """
        key = what, question.tree, question.since, question.until
        for part in self.parts:
            if part.key is None:
                known = self._known(part, question)
                answers = self._answers(known, question)
                yield from known.sums(
                    answers, key, lambda some: sum_of(self._wanted(some, question, 0, None)), join, self.patience
                )
                rest = self._read(part, known, question, 0, None)
                while some := list(islice(rest, _TOGETHER)):
                    yield sum_of(some)

    def blocks(self, question: Question) -> Iterator[Block]:
        """The blocks that may hold answers, oldest first."""
        for part in self.parts:
            if part.key is not None and _may_answer(part, question):
                yield from self._blocks(part.key, question)

    def shards(self, question: Question) -> Iterator[tuple[Shard, list[Block]]]:
        """The shards that may hold answers, oldest first, with those of their blocks that may."""
        for part in self.parts:
            if part.key is not None and _may_answer(part, question):
                blocks = self._blocks(part.key, question)
                if blocks:
                    yield blocks[0].shard, blocks

    def rows(self, question: Question, block: Block) -> BitMap:
        """The rows of a block that answer, exactly: what its keys leave open is looked up in the lines."""
        self.patience.check()
        sure, maybe = self._bounds(question, block)
        unsure = maybe - sure
        if not unsure:
            return sure
        return sure | BitMap(
            [row for row in self.patience.over(iter(unsure)) if question.matches(loads(block.line(row)))]
        )

    def _blocks(self, key: str, question: Question) -> list[Block]:
        self.touched = key
        return [block for block in self.opened(key).blocks(self.dead) if block.events and _overlaps(question, block)]

    def _bounds(self, question: Question, block: Block) -> Bounds:
        found = bounds(question.tree, block, self.patience)
        if question.since is None and question.until is None:
            return found
        within = block.period(question.since, question.until)
        return Bounds(found.sure & within, found.maybe & within)

    def _from_shard(
        self, key: str, part: Part, question: Question, order: Order, above: int, below: int | None
    ) -> Iterator[Found]:
        if not _may_answer(part, question):
            return
        blocks = self._blocks(key, question)
        for block in blocks if order == "asc" else reversed(blocks):
            if block.last_seq > above and (below is None or block.first_seq < below):
                yield from self._from_block(block, question, order, above, below)

    def _from_block(
        self, block: Block, question: Question, order: Order, above: int, below: int | None
    ) -> Iterator[Found]:
        sure, maybe = self._bounds(question, block)
        first = max(above + 1 - block.first_seq, 0)
        end = block.last_seq - block.first_seq + 1 if below is None else below - block.first_seq
        rows = iter(maybe) if order == "asc" else reversed(maybe)
        for row in self.patience.over(rows):
            if not first <= row < end:
                continue
            found = Found(block.first_seq + row, block.line(row))
            if row in sure or question.matches(found.fields):
                yield found

    def _scan(self, part: Part, question: Question, above: int, below: int | None) -> Iterator[Found]:
        known = self._known(part, question)
        yield from self._wanted(self._answers(known, question), question, above, below)
        yield from self._read(part, known, question, above, below)

    def _scan_back(
        self, part: Part, question: Question, above: int, below: int | None, limit: int | None
    ) -> Iterator[Found]:
        known = self._known(part, question)
        # From the newest back, but the files are read forward: only the last ones that are wanted are kept.
        yield from reversed(deque(self._read(part, known, question, above, below), maxlen=limit))
        yield from self._wanted(reversed(self._answers(known, question)), question, above, below)

    def _answers(self, known: Known, question: Question) -> list[Found]:
        return known.answers(question.tree, question.matches, self.patience)

    def _known(self, part: Part, question: Question) -> Known:
        """What need not be read of the lines that no shard covers."""
        if part.below is not None or self._is_end(part.start):
            return Known.nothing(part.after, part.start)
        known = self.tail(part)
        return known if len(question.text) <= _LONG else known._replace(memo=Memo(0))

    def _is_end(self, place: tuple[str, int] | None) -> bool:
        if place is None or self.state is None:
            return False
        segment, size = self.state.end
        return place[0] == segment and place[1] >= size

    def _read(self, part: Part, known: Known, question: Question, above: int, below: int | None) -> Iterator[Found]:
        """The answers among the lines of the part that follow those that are known."""
        below = part.below if below is None else min(below, part.below or below)
        if part.below is None and self._is_end(known.place):
            return
        start = known.place if known.last >= above else None
        lines = self.scanned_lines(self.reader.lines(max(known.last, above), start=start))
        events = self._wanted(self._events(lines, question.needs, below), question, above, None)
        yield from (each for each in events if question.matches(each.fields))

    def _events(self, lines: Iterable[Line], needs: Sequence[bytes], below: int | None) -> Iterator[Found]:
        """Those of the lines that are events before `below`; only what may be an answer is parsed."""
        for line in self.patience.over(lines):
            if below is not None and line.seq >= below:
                return
            if needs and not any(text in line.raw for text in needs):
                continue
            fields = event_of(line.raw)
            if fields is not None:
                yield Found(line.seq, line.raw, fields)

    def _wanted(self, answers: Iterable[Found], question: Question, above: int, below: int | None) -> Iterator[Found]:
        """Those of the answers that are within the time of the question and these `seq`s, both outside."""
        in_time = in_period(question.since, question.until)
        for found in answers:
            if found.seq > above and (below is None or found.seq < below) and in_time(found.fields):
                yield found


def _number(events: Iterable[Found]) -> int:
    return sum(1 for _ in events)


def _total(numbers: Sequence[int]) -> int:
    return sum(numbers)


def _may_answer(part: Part, question: Question) -> bool:
    if question.since is not None and part.last_time is not None and part.last_time < question.since:
        return False
    if question.until is not None and part.first_time is not None and part.first_time >= question.until:
        return False
    return part.summary is None or may_match(question.tree, part.summary)


def _overlaps(question: Question, block: Block) -> bool:
    return (question.since is None or block.last_time >= question.since) and (
        question.until is None or block.first_time < question.until
    )


def _covers(question: Question, block: Block) -> bool:
    return (question.since is None or block.first_time >= question.since) and (
        question.until is None or block.last_time < question.until
    )
