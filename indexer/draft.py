"""A block being made: lines go in, run by run, and come out as what a shard stores of them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import accumulate
from typing import Final, NamedTuple

from stonelog.filestore import Run

from .foreign import has_time
from .inversion import MAX_BYTES, MAX_ROWS, Inversion

__all__ = ["STRETCH", "Draft", "Feed", "Stretch"]

_HASH: Final = len('0123456789abcdef"}')
"""A line ends with so many bytes of its hash, and what follows it."""
STRETCH: Final = 1_024
"""Rows whose places are stored together."""


class Stretch(NamedTuple):
    """Lines that stand side by side in one segment: `ends` counts from `offset` to where each one's line end stands."""

    row: int
    segment: str
    offset: int
    ends: array[int]


class Feed:
    """Runs, of which a block takes what it has room for."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs = iter(runs)
        self._rest: Run | None = None

    def block(self, most: int = MAX_ROWS) -> Iterator[Run]:
        """The runs of the next block: at most so many `seq`s from the first one on."""
        bound, size = 0, 0
        while run := self._rest or next(self._runs, None):
            self._rest = None
            bound = bound or run.first_seq + most
            if run.first_seq >= bound or size >= MAX_BYTES:
                self._rest = run
                return
            if run.last_seq >= bound:
                self._rest = run.within(bound, run.last_seq)
                run = run.within(run.first_seq, bound - 1)
            size += sum(map(len, run.lines))
            yield run


class Draft:
    """One block: its `seq`s from `first_seq` on, where its lines stand, and what is found under which key."""

    def __init__(self) -> None:
        self.first_seq = self.last_seq = self.events = self.size = 0
        self.inversion = Inversion()
        self.stretches: list[Stretch] = []
        self._last: Run | None = None
        self._end = 0
        self._hashes = blake2b(digest_size=8)

    def add(self, run: Run) -> None:
        """The lines are part of the block, behind those that are; but for such as are no events."""
        try:
            self._add(run)
        except (KeyError, TypeError, ValueError):
            # By another hand, some have no time: nothing was taken in yet.
            for place, fields in enumerate(run.fields, run.first_seq):
                if has_time(fields):
                    self._add(run.within(place, place))

    def _add(self, run: Run) -> None:
        if not self.events:
            self.first_seq = run.first_seq
        row = run.first_seq - self.first_seq
        self.inversion.add(run.fields, row)
        self._place(run, row)
        self._hashes.update(b"".join([line[-_HASH:] for line in run.lines]))
        self.events += len(run.lines)
        self.size += sum(map(len, run.lines))
        self.last_seq = run.first_seq + len(run.lines) - 1
        self._last = run

    def _place(self, run: Run, row: int) -> None:
        ends = list(accumulate(len(line) + 1 for line in run.lines))
        goes_on = self._last is not None and run.segment == self._last.segment and run.offset == self._end
        goes_on = goes_on and run.first_seq == self.last_seq + 1
        at = 0
        while at < len(ends):
            if not goes_on or len(self.stretches[-1].ends) >= STRETCH:
                offset = run.offset + (ends[at - 1] if at else 0)
                self.stretches.append(Stretch(row + at, run.segment, offset, array("I")))
            last = self.stretches[-1]
            taken = ends[at : at + STRETCH - len(last.ends)]
            shift = run.offset - last.offset - 1
            last.ends.extend(end + shift for end in taken)
            at += len(taken)
            goes_on = True
        self._end = run.offset + ends[-1]

    def digest(self) -> str:
        """Tells these lines from all others: a hash over the hashes that they end with."""
        return self._hashes.hexdigest()

    @property
    def last_line(self) -> tuple[str, int, bytes]:
        """Segment, offset and bytes of the last line."""
        if self._last is None:
            raise ValueError("there is no line")
        raw = self._last.lines[-1]
        return self._last.segment, self._end - len(raw) - 1, raw
