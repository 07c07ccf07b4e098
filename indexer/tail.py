"""The newest lines, which no shard covers yet, as one process knows them: read, checked and parsed once."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Collection, Hashable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeVar

from stonelog.filestore import Fetcher, Reader, Run, loads

from .foreign import has_time
from .kept import Kept
from .match import EventFilter
from .patience import Patience
from .tree import Everything, Node

__all__ = ["Found", "Known", "Tail"]

_MOST: Final = 8_192
"""Lines that are kept: some 25 MB. What follows them is read each time; an indexer that runs leaves far fewer."""
_MOST_BYTES: Final = 4 << 20
_TOGETHER: Final = 128
"""`seq`s of which figures are kept together."""
_ENTRIES: Final = 1024
"""Answers and figures that are kept."""

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


class Known(NamedTuple):
    """Events that follow each other, up to the `seq` `last`; the next line begins at `place`, if that is known."""

    found: list[Found]
    last: int
    place: tuple[str, int] | None
    kept: Kept = Kept(0)
    """Answers among them, and among those that were known before."""

    def answers(self, tree: Node, matches: EventFilter, patience: Patience) -> list[Found]:
        """The events that the filter, which is that of the tree, lets through: each is looked at once for a tree.

        Raises QueryStopped.
        """
        if isinstance(tree, Everything) or not self.found:
            return self.found
        first = self.found[0].seq
        begin, seen, some = self.kept.get(tree) or (first, 0, [])
        if begin > first:  # somebody asked who needs fewer of them
            begin, seen, some = first, 0, []
        new = self.found[_place(self.found, seen) :]
        answers = some[_place(some, first - 1) :] + [each for each in patience.over(new) if matches(each.fields)]
        if seen < self.last:
            self.kept.put(tree, (first, self.last, answers))
        return answers[: _place(answers, self.last)]

    def sums(
        self,
        answers: Sequence[Found],
        what: Hashable,
        sum_of: Callable[[Sequence[Found]], Total],
        join: Callable[[Sequence[Total]], Total],
    ) -> list[Total]:
        """Sums that together are that of the answers, and not to be changed: what will be asked again is kept.

        `join` makes one sum of several.
        """
        if not answers:
            return []
        first = self.found[0].seq
        done = (self.last + 1) // _TOGETHER * _TOGETHER
        """All before it will be the same the next time, until shards cover it."""

        def kept(of: tuple[int, int], total_of: Callable[[], Total]) -> Total:
            place = what, max(of[0], first), of[1]
            total: Total | None = self.kept.get(place)
            if total is None:
                total = total_of()
                self.kept.put(place, total)
            return total

        def sum_within(begin: int, end: int) -> Total:
            return sum_of(answers[_place(answers, begin - 1) : _place(answers, end - 1)])

        def joined() -> Total:
            begins = range(first // _TOGETHER * _TOGETHER, done, _TOGETHER)
            return join([kept((at, at + _TOGETHER), partial(sum_within, at, at + _TOGETHER)) for at in begins])

        sums = [kept((0, done), joined)] if first < done else []
        return [*sums, sum_within(done, self.last + 1)]


def _place(found: Sequence[Found], seq: int) -> int:
    """How many of them come up to the `seq`."""
    return bisect_right(found, seq, key=attrgetter("seq"))


class Tail:
    """What is known of the lines behind the last shard. Safe to use from several threads."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._forget(Known([], 0, None, Kept(_ENTRIES)))

    def _forget(self, known: Known) -> None:
        self._after = known.last
        self._known = known
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
    ) -> Known:
        """The events after that `seq`, where a line begins at `start`, up to `end` if they are not too many.

        What is kept is believed while its segments are `live` and its last line stands where it stood.
        Raises OSError, StonelogError.
        """
        with self._turn:
            if not (self._after <= after <= self._known.last and self._stands(fetch, live)):
                self._forget(Known([], after, start, Kept(_ENTRIES)))
            self._leave(after)
            if self._known.place != end and self._has_room:
                for run in reader.runs(self._known.last, start=self._known.place):
                    self._take(run)
                    if not self._has_room:
                        break
            return self._known

    @property
    def _has_room(self) -> bool:
        return self._bytes < _MOST_BYTES and len(self._known.found) < _MOST

    def _stands(self, fetch: Fetcher, live: Collection[str]) -> bool:
        if self._last is None:
            return False
        segment, offset, raw = self._last
        return self._segments.issubset(live) and fetch(segment, offset, len(raw)) == raw

    def _leave(self, after: int) -> None:
        """What a shard covers by now is not kept."""
        found = self._known.found
        if found and found[0].seq <= after:
            left = found[_place(found, after) :]
            self._bytes = sum(len(each.raw) for each in left)
            self._known = self._known._replace(found=left)
        self._after = after

    def _take(self, run: Run) -> None:
        seqs = range(run.first_seq, run.last_seq + 1)
        new = [Found(*each) for each in zip(seqs, run.lines, run.fields, strict=True) if has_time(each[2])]
        size = sum(map(len, run.lines))
        end = run.offset + size + len(run.lines)
        # Who was given the list before may still be at it.
        known = self._known
        self._known = known._replace(found=known.found + new, last=run.last_seq, place=(run.segment, end))
        self._bytes += size
        self._last = run.segment, end - 1 - len(run.lines[-1]), run.lines[-1]
        self._segments.add(run.segment)
