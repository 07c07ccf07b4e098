"""What a segment's tail holds after a crash, and how it is put right.

`synced` on a line says which events were on stable storage when it was written: the watermark. Bad bytes above it are
what a cut leaves of events that nobody was promised: they go to quarantine and the file is cut there. Bad bytes at or
below it are rot of acknowledged events: they stay, are reported, and the good lines around them are kept.

`judge` decides, on bytes alone; `recover_segment` reads the tail, carries out the decision and tells what it did.
Doing it twice, or again after a cut in the middle, gives the same result.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from . import files
from .codec import MAX_LINE, Stamp
from .errors import CorruptLine, StoreReadOnly
from .explain import naming
from .layout import Forms, Layout, Listing, SegmentName
from .lock import mark_failed
from .pruned import Pruned, read_pruned
from .quarantine import Quarantine
from .scan import Item, ReadAt, items, line_number, place_of
from .stored import SealedFile, load_manifest, open_stored

__all__ = ["Recovered", "Recovery", "Tail", "judge", "recover_segment", "recover_store"]

_BLOCK: Final = 256 * 1024
_LARGEST_BATCH: Final = 64 * 1024 * 1024
"""More than this above the watermark was not waiting for a sync, but written with a durability that asks for none."""
_ATTEMPTS: Final = 3
_LEFTOVER: Final = re.compile(r"\.\d{4}-\d\d-\d\d(\.\d{3})?\.jsonl\.\d+\.tmp", re.ASCII)


class Fault(NamedTuple):
    """Bad bytes that stay where they are, and the events that are missing there (none if first > last)."""

    offset: int
    length: int
    first_missing: int
    last_missing: int


@dataclass(slots=True)
class Verdict:
    """What is to be done with a tail: `cut` is the offset from which the bytes go to quarantine, None for nowhere."""

    last_seq: int
    watermark: int
    cut: int | None = None
    faults: list[Fault] = field(default_factory=list)


def judge(tail: list[Item], before: int | None, watermark: int) -> Verdict:
    """The verdict on the lines from some line to the end of a segment.

    `before` is the `seq` before the first of them, None if it is not known; `watermark` the highest `seq` known from
    elsewhere to be on stable storage.
    """
    watermark = max([watermark, *(item.stamp.synced for item in tail if item.stamp)])
    verdict = Verdict(before or 0, watermark)
    known = before is not None
    bad_from: int | None = None
    for item in tail:
        good = item.stamp is not None and item.whole and (not known or item.stamp.seq > verdict.last_seq)
        if not good or item.stamp is None:
            bad_from = item.offset if bad_from is None else bad_from
            continue
        missing_from, missing_to = verdict.last_seq + 1, item.stamp.seq - 1
        if known and (bad_from is not None or missing_from <= missing_to):
            start = item.offset if bad_from is None else bad_from
            if missing_from <= missing_to and missing_from > watermark:
                verdict.cut = start
                return verdict
            verdict.faults.append(Fault(start, item.offset - start, missing_from, missing_to))
        elif bad_from is not None:
            verdict.faults.append(Fault(bad_from, item.offset - bad_from, 1, 0))
        verdict.last_seq, known, bad_from = item.stamp.seq, True, None
    if bad_from is not None:
        verdict.cut = bad_from
    return verdict


class Tail(NamedTuple):
    """The state of a segment after recovery: where it ends, and what its lines say."""

    last_seq: int
    watermark: int
    end: int
    unsure: int
    """Where the lines above the watermark begin; the end, if there are none."""


@dataclass(slots=True)
class Recovery:
    """What opening a store repaired and found."""

    quarantined: list[str] = field(default_factory=list)
    """Names in quarantine/ of what was cut off."""
    quarantined_bytes: int = 0
    again: list[str] = field(default_factory=list)
    """Those of them that hold lines which the next segment has again."""
    faults: list[CorruptLine] = field(default_factory=list)
    """Acknowledged bytes that can no longer be read, left in place."""
    unfinished: bool = False
    """Whether a sealing or pruning was cut off (or is under way in another process)."""

    def __bool__(self) -> bool:
        return bool(self.quarantined or self.faults)


def recover_segment(
    fd: int,
    name: str,
    before: int,
    watermark: int,
    quarantine: Quarantine,
    report: Recovery,
    *,
    newest: bool,
    following: Stamp | None,
) -> Tail:
    """The segment ends with a whole, good line; what stood after it is durably in quarantine.

    `before` is the last `seq` of the segments before it, `following` the stamp of the first good line after it, None if
    there is none. A cut can have left something at the end of the newest segment, for a segment is synced before the
    next begins; and of one whose sync failed, when nothing is missing before the segment in which its lines were
    written again. To be called with the store's lock held. Raises OSError.
    """
    end = files.size(fd)
    tail, tail_before = _read_tail(fd, end, before)
    if tail and tail[0].offset == 0 and tail[0].stamp:
        # All before its first line was synced before it began: if it is not there, it was lost, not torn.
        watermark = max(watermark, tail[0].stamp.seq - 1)
    verdict = judge(tail, tail_before, max(watermark, following.synced if following else 0))
    again = following is not None and verdict.watermark < following.seq <= verdict.last_seq + 1
    if verdict.cut is not None and (newest or again):
        _cut(fd, name, verdict.cut, end, quarantine, report, "not whole, good lines, and never acknowledged")
        end = verdict.cut
    elif verdict.cut is not None:
        # With no good line after them, the line ends tell how many events these bytes were.
        lines = sum(item.whole for item in tail if item.offset >= verdict.cut)
        last = max(verdict.watermark, verdict.last_seq + (0 if following else lines))
        verdict.faults.append(Fault(verdict.cut, end - verdict.cut, verdict.last_seq + 1, last))
        verdict.last_seq = verdict.watermark = last  # told once, not again by the next segment
    for fault in verdict.faults:
        missing = ""
        if fault.first_missing <= fault.last_missing:
            missing = f"; acknowledged events missing: seq {fault.first_missing} to {fault.last_missing}"
        where = line_number(_reading(fd), fault.offset)
        reason = f"not lines as the store wrote them{missing}"
        report.faults.append(CorruptLine(name, where, fault.offset, fault.length, reason))
    above = (item.offset for item in tail if item.stamp and item.stamp.seq > verdict.watermark)
    return Tail(verdict.last_seq, verdict.watermark, end, min(next(above, end), end))


def _read_tail(fd: int, end: int, before: int) -> tuple[list[Item], int | None]:
    """The last lines of the segment, at least from one that is at or below the watermark; and the `seq` before them."""
    length = _BLOCK
    while True:
        start = max(0, end - length)
        data = files.read_at(fd, start, end - start)
        if start:
            first = data.find(b"\n") + 1
            if not first and length < end:
                length *= 4
                continue
            start, data = start + first, data[first:]
        found = list(items(data, start))
        if start == 0:
            return found, before
        stamps = [item.stamp for item in found if item.stamp]
        if stamps and stamps[0].seq <= max(each.synced for each in stamps) and len(data) > MAX_LINE:
            return found, None
        length *= 4


def _cut(fd: int, name: str, offset: int, end: int, quarantine: Quarantine, report: Recovery, reason: str) -> str:
    """The name in quarantine of what stood from `offset` on; the file ends there, durably."""
    data = files.read_at(fd, offset, end - offset)
    kept = quarantine.keep(name, offset, data, reason)
    report.quarantined.append(kept)
    report.quarantined_bytes += len(data)
    files.truncate(fd, offset)
    _sync(fd)
    return kept


class _SyncFailed(OSError):
    """A sync of a segment failed, which the system tells once."""


def _sync(fd: int) -> None:
    try:
        files.fsync(fd)
    except OSError as error:
        raise _SyncFailed(error.errno, error.strerror) from error


class Recovered(NamedTuple):
    """The newest segment, and whether it is plain; its tail, with the `seq`s of the whole store."""

    newest: SegmentName | None
    is_plain: bool
    tail: Tail


def recover_store(layout: Layout, report: Recovery) -> Recovered:
    """Every plain segment ends with a whole, good line, durably, as are the names; sealed ones are not read.

    What was read may have stood in the page cache only: without syncing it here, an event acknowledged after the
    restart could survive a power cut that one before it does not. To be called with the store's lock held.
    """
    for left in range(_ATTEMPTS, 0, -1):
        here = Recovery()
        try:
            found = _recover_once(layout, here)
        except FileNotFoundError:
            if left == 1:
                raise  # else: retention in another process, which this lock does not keep out, removed a segment
        else:
            report.faults = here.faults  # each recovery sees all that there are
            report.unfinished = here.unfinished
            return found
        finally:
            report.quarantined += here.quarantined
            report.again += here.again
            report.quarantined_bytes += here.quarantined_bytes
    raise AssertionError("not reached")


def _recover_once(layout: Layout, report: Recovery) -> Recovered:
    found = files.list_names(layout.events)
    hidden = [name for name in found if name.startswith(".")]
    for leftover in filter(_LEFTOVER.fullmatch, hidden):
        files.remove(layout.events / leftover)  # a segment that was being written whole; its lines stand elsewhere
    segments = Listing.latest(found)
    pruned = read_pruned(layout)
    beside = any(name.startswith(".") for name in files.list_names(layout.directory))
    settled = not hidden and not beside and not pruned.removing
    tail = Tail(0, 0, 0, 0)
    plain = segments.plain()
    if len(plain) > 1:
        # Lines go from a segment because the next has them again, whose name may stand in the cache only.
        files.fsync_directory(layout.events)
    for place in plain:
        settled = settled and not segments[place].archives and not segments[place].manifest
        before = _before(layout, segments, place, tail, pruned)
        later = (segments[other] for other in range(place + 1, len(segments)))
        newest = place + 1 == len(segments)
        tail = _recover_plain(layout, segments[place].name, before, later, report, newest=newest)
    report.unfinished = not settled
    if segments:
        files.fsync_directory(layout.events)
    is_plain = bool(segments) and segments[-1].plain
    if not is_plain:
        tail = _before(layout, segments, len(segments), tail, pruned)
    return Recovered(segments[-1].name if segments else None, is_plain, tail)


def _before(layout: Layout, segments: Listing, place: int, tail: Tail, pruned: Pruned) -> Tail:
    """What is known before the segment at `place`: by `tail` from the plain ones, or from a sealed one just before."""
    last = tail.last_seq
    if place and not segments[place - 1].plain:
        try:
            last = max(last, _last_sealed(layout, segments[place - 1]))
        except StoreReadOnly:
            if _first_stamp(layout, (segments[later] for later in range(place, len(segments)))) is None:
                raise  # else the next good line tells what is missing
    last = pruned.after(last)
    return Tail(last, max(tail.watermark, last), 0, 0)


def _last_sealed(layout: Layout, forms: Forms) -> int:
    """The highest `seq` in a sealed segment. Raises StoreReadOnly if nobody can know: it must not be given again."""
    manifest = load_manifest(layout, forms.name)
    if manifest is not None or not forms.archives:
        return manifest.last_seq if manifest else 0
    for codec in forms.archives:
        sealed = SealedFile(layout, forms.name, codec)
        try:
            found = sealed.last_stamp() if sealed.whole else None
        finally:
            sealed.close()
        if found:
            return found.seq
    raise StoreReadOnly(
        f"{layout.manifest(forms.name)}: neither it nor the archive's end can be read: nobody knows which seq is next",
        hint="put the manifest or the archive back from a copy",
    )


def _recover_plain(
    layout: Layout, name: SegmentName, before: Tail, later: Iterable[Forms], report: Recovery, *, newest: bool
) -> Tail:
    fd = files.open_append(layout.segment(name))
    try:
        following = _first_stamp(layout, later)
        quarantine = Quarantine(layout.directory)
        with naming(layout.segment(name)):
            here = recover_segment(fd, name.file, *before[:2], quarantine, report, newest=newest, following=following)
            if newest:
                _dirty_again(fd, layout.segment(name), here)
            if following is not None:
                here = _drop_superseded(fd, name, here, following, quarantine, report)
            _sync(fd)
    except _SyncFailed:
        mark_failed(layout.lock, name.file)
        raise
    finally:
        files.close(fd)
    return Tail(max(before.last_seq, here.last_seq), max(before.watermark, here.watermark), here.end, here.unsure)


def _dirty_again(fd: int, path: Path, tail: Tail) -> None:
    """The lines above the watermark will be written by the next sync, whatever an earlier one did.

    A process may have died right after its sync failed: the lines can still be read, but their pages count as clean,
    and a sync would say that all is well without writing them.
    """
    if 0 < tail.end - tail.unsure <= _LARGEST_BATCH:
        files.write_over(path, tail.unsure, files.read_at(fd, tail.unsure, tail.end - tail.unsure))


def _first_stamp(layout: Layout, segments: Iterable[Forms]) -> Stamp | None:
    """The stamp of the first good line in these segments, None if they have none."""
    for forms in segments:
        if forms.plain or forms.archives:
            stored = open_stored(layout, forms.name)
            try:
                found = stored.first_stamp()
            finally:
                stored.close()
            if found:
                return found
    return None


def _reading(fd: int) -> ReadAt:
    return lambda offset, length: files.read_at(fd, offset, length)


def _drop_superseded(
    fd: int, name: SegmentName, here: Tail, following: Stamp, quarantine: Quarantine, report: Recovery
) -> Tail:
    """Lines that the next segment holds again (written anew after a failed sync) stand there only.

    Lines at or below the watermark are never among them: a segment that begins there is an old copy, or forged.
    """
    first = following.seq
    if not here.watermark < first <= here.last_seq:
        return here
    offset = place_of(_reading(fd), here.end, first)
    for item in items(files.read_at(fd, offset, here.end - offset), offset):
        if item.stamp and item.stamp.seq >= first:
            reason = "written again in the next segment"
            report.again.append(_cut(fd, name.file, item.offset, here.end, quarantine, report, reason))
            return Tail(first - 1, here.watermark, item.offset, item.offset)
    return here
