"""What the files hold: every line, archive, manifest and record, as `verify` sees them; and the clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from stonelog.filestore import (
    Event,
    Fault,
    Reader,
    StonelogError,
    Store,
    Verification,
    holds_told,
    rebuild_manifest,
    rebuild_pruned,
    verify,
)

from .check import Check, Repair, State, some

__all__ = ["check_clock", "check_contents"]

_CLOCK_TOLERANCE: Final = timedelta(seconds=5)
_NAMED: Final = 10
"""How many faults of a kind are named one by one."""
_LINES: Final = frozenset({"bytes", "missing", "order", "watermark", "tail", "again"})
_RECORDS: Final = frozenset({"pruned", "holds"})


def check_contents(directory: Path, progress: Callable[[int, int], object] | None) -> Iterator[Check]:
    """Every byte of the segments and records read; what is wrong is told by file:line:offset.

    What was acknowledged and is bad or missing is a problem; what an interrupted write, sealing or pruning left, or one
    under way, is a warning.
    """
    verification = verify(directory, progress)
    counts: Counter[tuple[str, bool]] = Counter()
    found: list[Check] = []
    for fault in verification:
        name = "lines" if fault.kind in _LINES else "records" if fault.kind in _RECORDS else "segments"
        counts[name, fault.note] += 1
        if counts[name, fault.note] <= _NAMED:
            text = f"{fault.place}: {fault.reason}"
            found.append(Check(name, _state(fault.note), text, _advice(directory, fault), _repair(directory, fault)))
    whole = not any(not note for _, note in counts)
    yield Check("segments", "ok", _summary(verification) + ("; every line's hash is right" if whole else ""))
    yield from found
    for (name, note), count in counts.items():
        if count > _NAMED:
            yield Check(name, _state(note), f"{count - _NAMED:,} more bad places", "`stonelog verify` names each")


def _state(note: bool) -> State:
    return "warn" if note else "problem"


def _summary(verification: Verification) -> str:
    amount = "1 segment" if verification.segments == 1 else f"{verification.segments} segments"
    if not verification.events:
        return f"{amount}, no events"
    return f"{amount}, {verification.events:,} events, seq {verification.first_seq} to {verification.last_seq}"


def _advice(directory: Path, fault: Fault) -> str:
    if fault.kind != "holds":
        return "" if fault.kind in {"manifest", "pruned"} else fault.advice  # the repair says it
    try:
        holds = [f"{hold.id} ({hold.first} to {hold.last}: {hold.reason})" for hold in holds_told(directory)]
    except (StonelogError, OSError):
        holds = []
    told = f"the events that are left tell of {some(holds)}" if holds else "no event that is left tells of a hold"
    return (
        "nothing is removed while it is so, and it is not repaired by guess; restore it from a copy, or move it away "
        f"and place the holds again: {told}"
    )


def _repair(directory: Path, fault: Fault) -> Repair | None:
    if fault.kind == "pruned":
        text = "writes it anew from the events that tell of removals, and from nothing else"
        return Repair("pruned", text, lambda: _write_pruned(directory))
    if fault.kind == "manifest":
        text = f"reads the archive and, if it is whole, writes {fault.file} anew"
        return Repair("manifest", text, lambda: _write_manifest(directory, fault.file), fault.file)
    if fault.note and fault.kind in {"tail", "again"}:
        what = "what was never acknowledged" if fault.kind == "tail" else "what the next segment has again"
        text = f"opens the store, which moves {what} to quarantine/"
        return Repair("open", text, lambda: _open(directory))
    if fault.note and fault.kind == "upkeep" and fault.advice:
        text = "opens the store, which finishes or undoes what was cut off"
        return Repair("open", text, lambda: _open(directory))
    return None


def _write_pruned(directory: Path) -> str:
    ranges = rebuild_pruned(directory)
    told = some([f"seq {first} to {last}" for first, last in ranges]) or "nothing"
    return f"pruned.json was written anew; by the events, retention removed {told}"


def _write_manifest(directory: Path, file: str) -> str:
    manifest = rebuild_manifest(directory, file)
    held = f"{manifest.events:,} events, seq {manifest.first_seq} to {manifest.last_seq}"
    return f"{file} was written anew from {manifest.file}: {held}"


def _open(directory: Path) -> str:
    with Store.open(directory) as store:
        store.upkeep.resume()  # opening does it too, but not for what is left in DIR alone
        moved, size = store.recovered.quarantined, store.recovered.quarantined_bytes
    if not moved:
        return "the store was opened; what was cut off is finished or undone"
    return f"the store was opened; {size:,} bytes are in quarantine/ now: {some(moved)}"


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
