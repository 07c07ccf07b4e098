"""The loop: lines become events in the store, in batches; a bad one is counted, kept in quarantine and passed by."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from stonelog.filestore import Event, EventTooLarge, InvalidEvent, Quarantine, RejectFile, StonelogError, Store

from .document import lines_or_document
from .format import Format, Options, Rejected
from .mapping import load_map
from .sources import Limits, Line, Source
from .surplus import shortened

__all__ = ["IngestResult", "Progress", "run"]

Progress = Callable[[int, int], None]
"""Called now and then with the stored bytes read and those there are (0 where that is not known)."""

_BATCH_EVENTS: Final = 1_000
_BATCH_BYTES: Final = 4 << 20


@dataclass
class IngestResult:
    """What a run did: `read` is `appended` + `rejected`, in records of a document and lines that are not blank."""

    read: int = 0
    appended: int = 0
    rejected: int = 0
    seconds: float = 0.0
    quarantined: list[str] = field(default_factory=list)
    """The names of the files in quarantine/ with the rejected lines, one a source that had any."""
    first_reason: str | None = None


class _Origin(NamedTuple):
    line: Line
    record: Any
    alone: bool  # the record is all that its line holds


def run(
    store: Store,
    sources: Sequence[str | Path],
    kind: type[Format[Any]],
    *,
    mapping: Path | None,
    year: int | None,
    progress: Progress | None,
    quarantine: Quarantine,
    limits: Limits,
) -> IngestResult:
    """Every source was read to its end; raises what the store raises, with a note of how far it came."""
    started = time.perf_counter()
    options = Options(load_map(mapping) if mapping else None, year, datetime.now(UTC))
    inputs = [Source(source, limits) for source in sources]
    result = IngestResult()
    total = 0 if any(source.live for source in inputs) else sum(source.size for source in inputs)
    before = 0
    for source in inputs:
        with quarantine.rejects(source.name) as rejects:
            reading = _Reading(store, source, kind(options), rejects, result)
            try:
                for done in reading.steps():
                    if progress is not None:
                        progress(before + done, total)
            except (StonelogError, OSError) as error:
                error.add_note(f"{source.name}: stopped after {_so_far(result)}")
                raise
            finally:
                if rejects.name is not None:
                    result.quarantined.append(rejects.name)
        before += source.size
    result.seconds = round(time.perf_counter() - started, 3)
    return result


def _so_far(result: IngestResult) -> str:
    return f"{result.read:,} read, {result.appended:,} appended, {result.rejected:,} rejected (all sources)"


class _Reading:
    """One source on its way into the store."""

    def __init__(
        self, store: Store, source: Source, form: Format[Any], rejects: RejectFile, result: IngestResult
    ) -> None:
        self._store = store
        self._source = source
        self._format = form
        self._rejects = rejects
        self._result = result
        self._batch: list[tuple[Event, _Origin]] = []
        self._bytes = 0

    def steps(self) -> Iterator[int]:
        """Reads on; gives the stored bytes read so far after each block of lines."""
        limits = self._source.limits
        if self._format.looks_ahead and self._source.rereadable:
            self._format.look_ahead(line.data for line in self._source.lines(limits.line) if line.fault is None)
        if self._format.whole:
            self._source.on_pause = self._commit
            for line in lines_or_document(self._source.lines(limits.document), limits.document):
                if self._take(line):
                    yield self._source.done
        else:
            for block in self._source.blocks(limits.line):
                for line in block:
                    self._take(line)
                if self._source.live:
                    self._commit()
                yield self._source.done
        self._commit()
        yield self._source.done

    def _take(self, line: Line) -> bool:
        """The line's events wait in the batch; True if the batch was full and went to the store."""
        if line.fault is not None:
            self._reject(_Origin(line, None, alone=True), line.fault)
            return False
        if not line.data or line.data.isspace():
            return False
        try:
            records = self._format.records(line.data)
        except Rejected as rejected:
            self._reject(_Origin(line, None, alone=True), str(rejected))
            return False
        full = False
        for number, record in enumerate(records, start=1):
            origin = _Origin(line, record, alone=len(records) == 1)
            try:
                event = Event.check(self._format.event(record))
            except (Rejected, InvalidEvent) as error:
                self._reject(origin, str(error) if origin.alone else f"record {number}: {error}")
                continue
            self._batch.append((event, origin))
            self._bytes += len(line.data) // len(records)
            if len(self._batch) >= _BATCH_EVENTS or self._bytes >= _BATCH_BYTES:
                self._commit()
                full = True
        return full

    def _commit(self) -> None:
        batch, self._batch, self._bytes = self._batch, [], 0
        while batch:
            try:
                self._append([event for event, _ in batch])
                batch = []
            except (EventTooLarge, InvalidEvent) as error:
                if error.index is None:
                    raise
                # The store looks at them in order: what stands before the refused one is good.
                good, refused, batch = batch[: error.index], batch[error.index], batch[error.index + 1 :]
                if good:
                    self._append([event for event, _ in good])
                self._append_or_reject(refused[1], error)

    def _append(self, events: list[Event]) -> None:
        receipts = self._store.append_many(events)
        self._result.appended += len(receipts)
        self._result.read += len(receipts)

    def _append_or_reject(self, origin: _Origin, error: EventTooLarge | InvalidEvent) -> None:
        """The one event that the store refused is in it in a shortened form, or rejected."""
        if self._format.shortens and isinstance(error, EventTooLarge):
            try:
                self._append([Event.check(shortened(self._format.event(origin.record)))])
            except (EventTooLarge, InvalidEvent) as still:
                error = still
            else:
                return
        self._reject(origin, _without_index(error))

    def _reject(self, origin: _Origin, reason: str) -> None:
        line = origin.line
        raw = line.data if origin.alone else json.dumps(origin.record, ensure_ascii=False).encode()
        # What is secret in a line stays out of the store, refused or not.
        kept = self._store.redacted(raw.decode(errors="surrogateescape")).encode(errors="surrogateescape")
        reason = self._store.redacted(reason)
        self._rejects.add(kept, line=line.number, offset=line.offset, reason=reason)
        self._result.read += 1
        self._result.rejected += 1
        if self._result.first_reason is None:
            self._result.first_reason = f"{self._source.name}:{line.number}: {reason}"


def _without_index(error: EventTooLarge | InvalidEvent) -> str:
    """The error's text without the place in a batch, which tells the reader nothing."""
    if isinstance(error, EventTooLarge):
        return str(EventTooLarge(error.size, error.limit))
    return str(error).removeprefix(f"event {error.index}: ")
