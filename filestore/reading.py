"""One pass over one open segment: its good lines in order, and what is wrong between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from .codec import good_lines, seq_of, stamp
from .errors import CorruptLine
from .layout import SegmentName
from .scan import line_number
from .stored import PlainFile, SealedFile

__all__ = ["Reading", "Run"]

_FIRST_PIECE: Final = 16 * 1024
_LARGEST_PIECE: Final = 64 * 1024
"""So many bytes are split into lines at a time: few at first, for who wants one line, and then what a cache holds."""
_BAD: Final = "not a line as the store wrote it"


class Run(NamedTuple):
    """Good lines that follow each other: in `seq`, by one each, and in the segment, each where the last one ended.

    `offset` is where the first one starts, in plain bytes; `fields` what they hold (`Reader.runs` tells when).
    """

    segment: str
    offset: int
    first_seq: int
    lines: list[bytes]
    fields: list[dict[str, Any]]

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.lines) - 1

    def within(self, first: int, last: int) -> Run:
        """The part from `first` to `last`, both in, which may have no line."""
        if first <= self.first_seq and self.last_seq <= last:
            return self
        skip = min(max(first - self.first_seq, 0), len(self.lines))
        kept = self.lines[skip : max(last - self.first_seq + 1, skip)]
        offset = self.offset + sum(map(len, self.lines[:skip])) + skip
        return Run(self.segment, offset, self.first_seq + skip, kept, self.fields[skip : skip + len(kept)])

    def parts(self, most: int) -> Iterator[Run]:
        """The run in runs of at most so many lines."""
        for first in range(self.first_seq, self.last_seq + 1, most):
            yield self.within(first, first + most - 1)


class Reading:
    """One pass over an open segment."""

    def __init__(
        self,
        stored: PlainFile | SealedFile,
        name: SegmentName,
        after: int,
        on_corrupt: Callable[[CorruptLine], None],
    ) -> None:
        self.file = stored.file
        self._stored = stored
        self._name = name
        self._after = after
        self._on_corrupt = on_corrupt
        self._counted = 0, 1
        self._before, self._piece = 0, _FIRST_PIECE

    def runs(self, offset: int | None, end: int, *, newest: bool) -> Iterator[Run]:
        """The good lines above `after`, each above the one before it, from `offset` (None: where they begin)."""
        at = self._stored.place_of(self._after + 1) if offset is None else offset
        self._before, self._piece = 0, _FIRST_PIECE
        while at < end:
            try:
                data = self._stored.block(at)[: end - at]
            except CorruptLine as error:
                self._on_corrupt(error)
                at = error.offset + error.length
                continue
            if not data:
                return
            whole = data.rfind(b"\n") + 1
            if whole:
                yield from self._pieces(data, at, whole)
            elif at + len(data) < end:  # no line is that long: bad bytes, taken as they come
                self._bad(at, len(data) + 1, _BAD)
                whole = len(data)
            else:
                if not newest or self._stored.holes:
                    self._bad(at, end - at, "no line end")
                return
            at += whole

    def _pieces(self, data: bytes, at: int, whole: int) -> Iterator[Run]:
        """The runs of the whole lines that `data`, which stands at `at`, begins with."""
        start = 0
        while start < whole:
            stop = data.rfind(b"\n", start, start + self._piece) + 1 or data.find(b"\n", start) + 1
            self._piece = min(4 * self._piece, _LARGEST_PIECE)
            yield from self._split(data[start : stop - 1].split(b"\n"), at + start)
            start = stop

    def _split(self, lines: list[bytes], offset: int) -> Iterator[Run]:
        """The runs of these lines, the first of which stands at `offset`; what is bad between them is told."""
        place = 0
        while place < len(lines):
            seq = seq_of(lines[place])
            count = good_lines(lines, place, seq) if seq is not None and seq > self._before else 0
            if seq is None or not count:
                self._tell(lines[place], offset)
                offset += len(lines[place]) + 1
                place += 1
                continue
            run = Run(self._name.file, offset, seq, lines[place : place + count], [])
            self._before = run.last_seq
            place += count
            offset += sum(map(len, run.lines)) + count
            if self._before > self._after:
                yield run.within(self._after + 1, self._before)

    def _tell(self, line: bytes, offset: int) -> None:
        """What is wrong with a line that does not go on."""
        mark = stamp(line)
        reason = f"seq {mark.seq} stands after seq {self._before}: moved or copied here" if mark else _BAD
        self._bad(offset, len(line) + 1, reason)

    def number(self, offset: int) -> int | None:
        """The number of the line at `offset`; None where bytes before it cannot be had."""
        try:
            number = line_number(self._stored.read_at, offset, self._counted)
        except CorruptLine:
            return None
        self._counted = offset, number  # to count all from the start for each would take for ever
        return number

    def _bad(self, offset: int, length: int, reason: str) -> None:
        self._on_corrupt(CorruptLine(self.file, self.number(offset), offset, length, reason))
