"""What the segments hold: every line and its hash, the order of seqs, the end of the newest, the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from stonelog.filestore import CorruptLine, Event, Line, Reader, Segment, stamp

from .check import Check

__all__ = ["check_clock", "check_lines"]

_CLOCK_TOLERANCE: Final = timedelta(seconds=5)
_NAMED: Final = 10
"""How many faults of a kind are named one by one."""
_CLEARED: Final = "opening the store to write moves them to quarantine"


def check_lines(reader: Reader, progress: Callable[[int, int], object] | None) -> Iterator[Check]:
    """Every line read and its hash computed; what is bad is told by file:line:offset.

    What is at or below the watermark (the highest seq known to have been on stable storage) was acknowledged: that it
    is bad or missing is a problem. What is above it may be what a cut left: opening the store to write clears it away.
    """
    segments = reader.segments()
    bad: list[tuple[CorruptLine, int]] = []
    gaps: list[tuple[int, Line]] = []
    count = 0
    last: Line | None = None
    ends = _running_sizes(segments)

    def note(error: CorruptLine) -> None:
        if error.missing is None:
            bad.append((error, last.seq if last else 0))

    for line in reader.lines(on_corrupt=note):
        if last is not None and line.seq != last.seq + 1:
            gaps.append((last.seq, line))
        last = line
        count += 1
        if progress is not None and not count % 5000:
            progress(ends.get(line.segment, 0) + line.offset, sum(segment.size for segment in segments))
    if last is None:
        yield Check("segments", "ok" if not bad else "warn", f"{_amount(segments)}, no events")
        watermark = 0
    else:
        text = f"{_amount(segments)}, {count:,} events, seq {last.seq - count + 1 - _missing(gaps)} to {last.seq}"
        yield Check("segments", "ok", text + ("" if bad or gaps else "; every line's hash is right"))
        watermark = max(_synced(last), (segments[-1].first_seq or 1) - 1)
    yield from _losses(gaps, watermark)
    yield from _bad_bytes(bad, watermark)
    yield from _unfinished(segments)


def _amount(segments: list[Segment]) -> str:
    return "1 segment" if len(segments) == 1 else f"{len(segments)} segments"


def _running_sizes(segments: list[Segment]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    running = 0
    for segment in segments:
        sizes[segment.name] = running
        running += segment.size
    return sizes


def _missing(gaps: list[tuple[int, Line]]) -> int:
    return sum(line.seq - before - 1 for before, line in gaps)


def _synced(line: Line) -> int:
    found = stamp(line.raw)
    return found.synced if found else 0


def _losses(gaps: list[tuple[int, Line]], watermark: int) -> Iterator[Check]:
    for before, line in gaps[:_NAMED]:
        text = f"seq {before + 1} to {line.seq - 1} missing before {line.segment}:{line.offset}"
        if before < watermark:
            advice = "restore the file from a copy; what can be read is still served"
            yield Check("lines", "problem", f"{text}, which had been acknowledged", advice)
        else:
            advice = f"copy the file first: {_CLEARED}, with the lines after them"
            yield Check("lines", "warn", f"{text}, not known to have been acknowledged", advice)
    if len(gaps) > _NAMED:
        yield Check("lines", "problem", f"{len(gaps) - _NAMED:,} more gaps, {_missing(gaps):,} events missing in all")


def _bad_bytes(bad: list[tuple[CorruptLine, int]], watermark: int) -> Iterator[Check]:
    for error, before in bad[:_NAMED]:
        where = f"{error.file}:{error.line}:{error.offset}: {error.length:,} bytes are not a line as the store wrote it"
        if before < watermark:
            yield Check("lines", "problem", where, "they rotted or were changed by hand; compare with a copy")
        else:
            yield Check("lines", "warn", where, f"as a cut leaves them: {_CLEARED}")
    if len(bad) > _NAMED:
        yield Check("lines", "problem", f"{len(bad) - _NAMED:,} more bad places")


def _unfinished(segments: list[Segment]) -> Iterator[Check]:
    """Bytes after the last line end of the newest segment."""
    if not segments or not segments[-1].size:
        return
    with segments[-1].path.open("rb") as file:
        file.seek(max(0, segments[-1].size - 65_536))
        rest = file.read(65_536).rpartition(b"\n")[2]
    if rest:
        text = f"{segments[-1].name} ends in {len(rest):,} bytes without a line end"
        advice = f"either a write is going on, or a cut left them: then {_CLEARED}"
        yield Check("lines", "warn", text, advice)


def check_clock(reader: Reader, now: datetime) -> Iterator[Check]:
    """The machine's clock against the newest event's id, a UUIDv7: its first 48 bits are the time of writing."""
    segments = reader.segments()
    line = reader.get(reader.last_seq)
    if line is None:
        return
    identity = Event.stored(line.raw).id or ""
    written = datetime.fromtimestamp(int(identity.replace("-", "")[:12] or "0", 16) / 1000, UTC)
    if written > now + _CLOCK_TOLERANCE or segments[-1].day > (now + _CLOCK_TOLERANCE).date():
        text = f"the newest event was written at {written:%Y-%m-%d %H:%M:%S}Z, the clock says {now:%Y-%m-%d %H:%M:%S}Z"
        advice = f"set the clock right; until then events go to {segments[-1].day}, in the right order"
        yield Check("clock", "warn", text, advice)
    else:
        yield Check("clock", "ok", f"newest event written {_ago(now - written)} ago")


def _ago(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
