"""The newest lines, which no shard covers yet, as one process knows them: read, checked and parsed once."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Collection, Hashable, Sequence
from functools import partial
from itertools import pairwise
from operator import attrgetter
from typing import Any, Final, NamedTuple, Self, TypeVar

from stonelog.filestore import Fetcher, Reader, Run, loads

from .foreign import has_time
from .kept import Kept
from .match import EventFilter
from .patience import Patience
from .tree import Everything, Node

__all__ = ["Found", "Known", "Memo", "Tail"]

_MOST: Final = 8_192
"""Lines that are kept: some 25 MB. What follows them is read each time; an indexer that runs leaves far fewer."""
_MOST_BYTES: Final = 4 << 20
_TOGETHER: Final = 128
"""`seq`s of which figures are kept together."""
_ENTRIES: Final = 64
"""Trees of which the answers are kept."""
_SUMS: Final = 8
"""So many times as many sums are kept."""
_WAIT_SECONDS: Final = 0.05
"""Between two looks at whether there is patience left while another thread reads."""

Total = TypeVar("Total")


class Found:
    """A line that answers a question; its fields are read when they are asked for."""

    __slots__ = ("_fields", "raw", "seq")

    def __init__(self, seq: int, raw: bytes, fields: dict[str, Any] | None = None) -> None:
        self.seq = seq
        self.raw = raw
        self._fields = fields

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the line, which are not to be changed: others may be given the same."""
        if self._fields is None:
            self._fields = loads(self.raw)
        return self._fields


class Memo:
    """What was found and added up among the newest lines, for who asks the same again."""

    def __init__(self, most: int = _ENTRIES) -> None:
        self.answers = Kept(most)
        """By tree: the first `seq` from which on, the last up to which the lines were looked at, and the answers."""
        self.sums = Kept(most * _SUMS)
        """By what is added up, the first `seq`, and the one after the last."""

    def leave(self, after: int) -> None:
        """Nothing is kept that is of lines up to that `seq`."""
        self.answers.sift(lambda tree, entry: (after + 1, entry[1], entry[2][_place(entry[2], after) :]))
        self.sums.sift(lambda key, total: total if key[1] > after else None)


class Known(NamedTuple):
    """Events that follow each other, after the `seq` `after` and up to `last`; the next line begins at `place`, if that
    is known."""

    found: list[Found]
    after: int
    last: int
    place: tuple[str, int] | None
    memo: Memo

    @classmethod
    def nothing(cls, after: int, place: tuple[str, int] | None, most: int = 0) -> Self:
        """No event after that `seq`; so many answers can be kept."""
        return cls([], after, after, place, Memo(most))

    def answers(self, tree: Node, matches: EventFilter, patience: Patience) -> list[Found]:
        """The events that the filter, which is that of the tree, lets through: each is looked at once for a tree.

        Raises QueryStopped.
        """
        if isinstance(tree, Everything) or not self.found:
            return self.found
        first = self.found[0].seq
        begin, seen, some = self.memo.answers.get(tree) or (first, 0, [])
        if begin > first:  # somebody asked who needs fewer of them
            begin, seen, some = first, 0, []
        new = self.found[_place(self.found, seen) :]
        answers = some[_place(some, first - 1) :] + [each for each in patience.over(new) if matches(each.fields)]
        if seen < self.last:
            self.memo.answers.put(tree, (first, self.last, answers))
        return answers[: _place(answers, self.last)]

    def sums(
        self,
        answers: Sequence[Found],
        what: Hashable,
        sum_of: Callable[[Sequence[Found]], Total],
        join: Callable[[Sequence[Total]], Total],
        patience: Patience,
    ) -> list[Total]:
        """Sums that together are that of the answers, and not to be changed: what will be asked again is kept.

        `join` makes one sum of several. Raises QueryStopped.
        """
        if not answers:
            return []
        first = self.found[0].seq
        done = (self.last + 1) // _TOGETHER * _TOGETHER
        """All before it will be the same the next time, until shards cover it."""

        def remembered(begin: int, end: int, total_of: Callable[[], Total]) -> Total:
            total: Total | None = self.memo.sums.get((what, begin, end))
            if total is None:
                total = total_of()
                self.memo.sums.put((what, begin, end), total)
            return total

        def sum_within(begin: int, end: int) -> Total:
            patience.check()
            return sum_of(answers[_place(answers, begin - 1) : _place(answers, end - 1)])

        def joined() -> Total:
            begins = [first, *range((first // _TOGETHER + 1) * _TOGETHER, done, _TOGETHER)]
            pieces = pairwise([*begins, done])
            return join([remembered(*piece, partial(sum_within, *piece)) for piece in pieces])

        if first >= done:
            return [sum_within(first, self.last + 1)]
        whole = joined() if done - first <= _TOGETHER else remembered(first, done, joined)
        return [whole, sum_within(done, self.last + 1)]


def _place(found: Sequence[Found], seq: int) -> int:
    """How many of them come up to the `seq`."""
    return bisect_right(found, seq, key=attrgetter("seq"))


class Tail:
    """What is known of the lines behind the last shard. Safe to use from several threads."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._forget(0, None)

    def _forget(self, after: int, place: tuple[str, int] | None) -> None:
        self._known = Known.nothing(after, place, _ENTRIES)
        self._bytes = 0
        self._last: tuple[str, int, bytes] | None = None
        self._segments: set[str] = set()

    def read(
        self,
        reader: Reader,
        fetch: Fetcher,
        after: int,
        start: tuple[str, int] | None,
        end: tuple[str, int],
        live: Collection[str],
        patience: Patience,
    ) -> Known:
        """The events after that `seq`, where a line begins at `start`, up to `end` if they are not too many.

        What is kept is believed while its segments are `live` and its last line stands where it stood.
        Raises QueryStopped, StonelogError.
        """
        while not self._turn.acquire(timeout=_WAIT_SECONDS):
            patience.check()
        try:
            if not (self._known.after <= after <= self._known.last and self._stands(fetch, live)):
                self._forget(after, start)
            self._leave(after)
            was_there = self._last
            self._read_on(reader, fetch, end, patience)
            if self._last is not was_there and not _is_there(fetch, was_there):
                # The lines were cut, and their numbers given again, while they were being read.
                self._forget(after, start)
                self._read_on(reader, fetch, end, patience)
            return self._known
        finally:
            self._turn.release()

    def _read_on(self, reader: Reader, fetch: Fetcher, end: tuple[str, int], patience: Patience) -> None:
        place = self._known.place
        if place == end or not self._has_room:
            return
        if place is not None and place[0] == end[0]:
            run = fetch.run(*place, end[1], self._known.last + 1)
            if run is not None:
                self._take(run)
                return
        for run in reader.runs(self._known.last, start=self._known.place):
            self._take(run)
            if not self._has_room:
                return
            patience.check()

    @property
    def _has_room(self) -> bool:
        return self._bytes < _MOST_BYTES and len(self._known.found) < _MOST

    def _stands(self, fetch: Fetcher, live: Collection[str]) -> bool:
        return self._last is not None and self._segments.issubset(live) and _is_there(fetch, self._last)

    def _leave(self, after: int) -> None:
        """What a shard covers by now is not kept."""
        known = self._known
        if known.found and known.found[0].seq <= after:
            left = known.found[_place(known.found, after) :]
            self._bytes = sum(len(each.raw) for each in left)
            known.memo.leave(after)
            known = known._replace(found=left)
        self._known = known._replace(after=after)

    def _take(self, run: Run) -> None:
        seqs = range(run.first_seq, run.last_seq + 1)
        new = [Found(*each) for each in zip(seqs, run.lines, run.fields, strict=True) if has_time(each[2])]
        size = sum(map(len, run.lines))
        end = run.offset + size + len(run.lines)
        known = self._known
        # Who was given the list before may still be at it.
        self._known = known._replace(found=known.found + new, last=run.last_seq, place=(run.segment, end))
        self._bytes += size
        self._last = run.segment, end - 1 - len(run.lines[-1]), run.lines[-1]
        self._segments.add(run.segment)


def _is_there(fetch: Fetcher, line: tuple[str, int, bytes] | None) -> bool:
    """Whether the line stands in its segment at its offset; None does."""
    if line is None:
        return True
    segment, offset, raw = line
    try:
        return fetch(segment, offset, len(raw)) == raw
    except (OSError, ValueError):
        return False
