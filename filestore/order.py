"""All lines of a store in one pass: which are good and in their place, what is wrong between, what is missing.

The rules are those of recovery (data/README.md): what stands above the watermark, the highest `synced`, was never
acknowledged, so that bad bytes there are no fault; a segment begins when all before it is on stable storage; lines
that the next segment begins with again were written there after a failed sync.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from .codec import Stamp, stamp
from .fault import Fault, span_text
from .pruned import Pruned
from .scan import Item

__all__ = ["Order"]

_LONGEST: Final = 1 << 20
"""More bytes than this without a line end are no line: they are not gathered."""
_RESTORE: Final = "restore the file from a copy; the lines around are served meanwhile"
_OPENING: Final = "opening the store to write moves them to quarantine"


@dataclass(slots=True)
class _Run:
    """Bytes in a row since the last good line that are none, or no line in its place."""

    file: str
    line: int | None
    offset: int
    length: int
    ends: int
    seqs: tuple[int, int] | None = None
    reason: str = ""
    """Why a sealed segment's bytes cannot be had."""


class Order:
    """The state of the pass: `last` is the `seq` of the last good line, `events` how many there were.

    Holds one block of bytes, and the faults that are not decided yet: those above the watermark.
    """

    def __init__(self, pruned: Callable[[], Pruned]) -> None:
        self.first = self.last = self.events = self.watermark = 0
        self._pruned = pruned
        self._open: list[_Run] = []
        self._doubtful: list[tuple[int, Fault]] = []  # with the `seq` from which on all must be unacknowledged
        self._file = ""
        self._sealed = self._later = False
        self._fresh = True  # no good line of this segment has come
        self._line: int | None = 1
        self._end = 0
        self._rest = b""
        self._within = False  # in a line so long that its beginning was let go

    def copy(self) -> Order:
        """The state as it is, to go back to."""
        other = copy.copy(self)
        other._open = [copy.copy(run) for run in self._open]
        other._doubtful = list(self._doubtful)
        return other

    def begin(self, file: str, *, sealed: bool) -> None:
        """What comes now are the bytes of this segment, all of which was acknowledged if it is sealed."""
        self._later = bool(self._file)
        self._file, self._sealed, self._fresh = file, sealed, True
        self._line, self._end, self._rest, self._within = 1, 0, b"", False

    def feed(self, data: bytes, offset: int, keep: list[Item] | None = None) -> Iterator[Fault]:
        """The bytes at `offset` are taken in. Good lines, in place or not, that lie whole in them go to `keep`."""
        self._end = offset + len(data)
        at = offset - len(self._rest)
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = b""
        if self._within and lines:
            self._bad(at, len(lines[0]) + 1, 1)
            at += len(lines[0]) + 1
            del lines[0]
            self._within = False
            self._line = None if self._line is None else self._line + 1
        yield from self._lines(lines, at, offset, keep)
        if len(rest) > _LONGEST or self._within:
            self._bad(self._end - len(rest), len(rest), 0)
            self._within = True
        else:
            self._rest = rest

    def lost(self, offset: int, length: int, reason: str) -> None:
        """So many bytes at `offset` cannot be had (0: nobody knows how many)."""
        self.end()
        self._open.append(_Run(self._file, self._line, offset, length, 0, None, reason))
        self._line = None
        self._end = offset + length

    def end(self) -> None:
        """What has come last without a line end is no line: nothing will follow it."""
        if self._rest:
            self._bad(self._end - len(self._rest), len(self._rest), 0)
            self._rest = b""

    def close(self) -> Iterator[Fault]:
        """No line follows in any segment. What is undecided at the newest one's end is a note, else a fault."""
        for _, fault in self._doubtful:
            if fault.file == self._file and not self._sealed:
                yield self._tail(fault.line, fault.offset)
                return
            yield fault
        for run in self._open:
            if run.file == self._file and not self._sealed:
                yield self._tail(run.line, run.offset)
                return
            yield self._described(run, (self.last + 1, self.last + run.ends) if run.ends else None, last=True)

    def _lines(self, lines: list[bytes], at: int, whole_from: int, keep: list[Item] | None) -> Iterator[Fault]:
        calm = not (self._fresh or self._open or self._doubtful)
        for line in lines:
            found = stamp(line)
            if calm and found is not None and found[1] <= self.last == found[0] - 1:
                self.last, synced, _ = found
                self.events += 1
                if synced > self.watermark:
                    self.watermark = synced
            else:
                if found is None:
                    self._bad(at, len(line) + 1, 1)
                else:
                    yield from self._good(found, at, len(line) + 1)
                calm = not (self._fresh or self._open or self._doubtful)
            if keep is not None and found is not None and at >= whole_from:
                keep.append(Item(at, line, True, found))
            at += len(line) + 1
            if self._line is not None:
                self._line += 1

    def _bad(self, offset: int, length: int, ends: int) -> None:
        last = self._open[-1] if self._open else None
        if last and last.file == self._file and not (last.seqs or last.reason) and last.offset + last.length == offset:
            last.length, last.ends = last.length + length, last.ends + ends
        else:
            self._open.append(_Run(self._file, self._line, offset, length, ends))

    def _good(self, found: Stamp, offset: int, length: int) -> Iterator[Fault]:
        """A line as the store wrote it, wherever its `seq` belongs."""
        seq = found.seq
        if seq <= self.last:
            if not (self._fresh and self._later and seq > self.watermark):
                self._stray(seq, offset, length)
                return
            # What is doubtful from this `seq` on stands here again; what is doubtful before was acknowledged.
            yield self._again(seq, offset)
            self._doubtful = [each for each in self._doubtful if each[0] < seq]
            self._open.clear()
            self.last = seq - 1
        yield from self._settle(found, offset)
        self.first = self.first or seq
        self.last, self._fresh = seq, False
        self.events += 1

    def _stray(self, seq: int, offset: int, length: int) -> None:
        last = self._open[-1] if self._open else None
        if last and last.seqs and last.file == self._file and last.offset + last.length == offset:
            first, before = last.seqs
            if seq == before + 1:
                last.seqs, last.length, last.ends = (first, seq), last.length + length, last.ends + 1
                return
        self._open.append(_Run(self._file, self._line, offset, length, 1, (seq, seq)))

    def _settle(self, found: Stamp, offset: int) -> Iterator[Fault]:
        """What stands between the last good line and this one is told, or doubtful if it is above the watermark."""
        if self._fresh and (self._later or not self._open):
            self.watermark = max(self.watermark, found.seq - 1)
        vouches = found.synced < found.seq
        if vouches:
            self.watermark = max(self.watermark, found.synced)
        while self._doubtful and self._doubtful[0][0] <= self.watermark:
            yield self._doubtful.pop(0)[1]
        missing = self._missing(self.last + 1, found.seq - 1)
        first = missing[0][0] if missing else 0
        for run in self._open:
            if run.file != self._file and not missing and not run.reason:
                yield self._unacknowledged(run)
                continue
            here = missing.pop(0) if missing and not run.seqs else None
            yield from self._tell(first, self._described(run, here))
        self._open.clear()
        for seqs in missing:
            reason = f"{span_text(*seqs)} missing before this line"
            advice = "lines were cut out here, or a file before this one is gone; restore it from a copy"
            yield from self._tell(first, Fault("missing", self._file, self._line, offset, 0, reason, advice, seqs))
        if not vouches:
            reason = f"seq {found.seq} says that seq {found.synced} was on stable storage before it was written"
            advice = "the line was made or changed by hand; compare it with a copy"
            seqs = found.seq, found.seq
            yield from self._tell(0, Fault("watermark", self._file, self._line, offset, 0, reason, advice, seqs))

    def _tell(self, first: int, fault: Fault) -> Iterator[Fault]:
        if self._doubtful or (first > self.watermark and not self._sealed):
            self._doubtful.append((first, fault))
        else:
            yield fault

    def _missing(self, first: int, last: int) -> list[tuple[int, int]]:
        """The ranges from `first` to `last` that retention did not remove, by the record as it is now."""
        found: list[tuple[int, int]] = []
        if first > last:
            return found
        for gone_first, gone_last in self._pruned().ranges:
            if gone_last < first or gone_first > last:
                continue
            if first < gone_first:
                found.append((first, gone_first - 1))
            first = gone_last + 1
        return [*found, (first, last)] if first <= last else found

    def _described(self, run: _Run, missing: tuple[int, int] | None, *, last: bool = False) -> Fault:
        """The fault that a run of bytes is; with `last` no good line follows, so that what is missing is guessed."""
        gone = f"; {span_text(*missing)} {'is' if missing[0] == missing[1] else 'are'} missing" if missing else ""
        at = run.file, run.line, run.offset, run.length
        if run.reason:
            return Fault("archive", *at, f"{run.reason}{gone}", _RESTORE, missing)
        if run.seqs:
            stand = "stands" if run.seqs[0] == run.seqs[1] else "stand"
            reason = f"{span_text(*run.seqs)} {stand} after seq {self.last}: moved or copied here"
            return Fault("order", *at, reason, "another hand changed the file; restore it from a copy", run.seqs)
        lines = "a line" if run.ends <= 1 else "lines"
        reason = f"{run.length:,} bytes are not {lines} as the store wrote {'it' if run.ends <= 1 else 'them'}{gone}"
        if last and not missing:
            return Fault("bytes", *at, f"{reason}; nothing after them tells whether an event is missing", _RESTORE)
        if not missing:
            return Fault("bytes", *at, f"{reason}; no event is missing", "another hand added them; nothing is lost")
        return Fault("bytes", *at, reason, _RESTORE, missing)

    def _again(self, seq: int, offset: int) -> Fault:
        seqs = seq, self.last
        stand = "stands" if seqs[0] == seqs[1] else "stand"
        reason = f"{span_text(*seqs)} {stand} at the end of the segment before too, as a failed sync leaves it"
        advice = "these count; opening the store to write moves the others to quarantine"
        return Fault("again", self._file, self._line, offset, 0, reason, advice, seqs, note=True)

    def _unacknowledged(self, run: _Run) -> Fault:
        reason = f"{run.length:,} bytes after the last line, and no event is missing: never acknowledged"
        return Fault("tail", run.file, run.line, run.offset, run.length, reason, _OPENING, note=True)

    def _tail(self, line: int | None, offset: int) -> Fault:
        reason = (
            f"{self._end - offset:,} bytes after what is known to have been acknowledged: a write under way, "
            "or what a cut left"
        )
        fault = Fault("tail", self._file, line, offset, self._end - offset, reason, note=True)
        return replace(fault, advice=f"if no process is writing, copy the file first: {_OPENING}")
