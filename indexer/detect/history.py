"""What rules find in the events that are there: the same engine, fed from the files, keeping nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from stonelog.filestore import CorruptLine, Reader, Run

from ..span import instant, moment, stamp_text
from .engine import Engine
from .finding import Finding, identity_of
from .loading import Prepared

__all__ = ["Feed", "look_back"]


class Feed:
    """Shows an engine the events of runs, and tells it which gaps are accounted for: those that retention left."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._missing = 0

    def on_corrupt(self, error: CorruptLine) -> None:
        """A reader found damage: `seq`s that are missing there are missing for no good reason."""
        if error.missing is not None:
            self._missing = error.missing[1]

    def run(self, run: Run, wanted: Callable[[dict[str, Any]], bool] | None = None) -> Iterator[Finding]:
        """The findings that the run's events bring about; those that are not wanted are passed over."""
        engine = self.engine
        if run.first_seq > engine.seq + 1 and self._missing != run.first_seq - 1:
            engine.passed(run.first_seq - 1)
        for seq, fields in enumerate(run.fields, run.first_seq):
            if wanted is not None and not wanted(fields):
                engine.passed(seq)
                continue
            found = engine.see(fields, seq)
            if found:
                yield from found


def look_back(
    directory: str | Path,
    rules: Iterable[Prepared],
    *,
    since: str | datetime | None = None,
    keys: int = 10_000,
    late: int = 300_000_000,
    progress: Callable[[int, int], None] | None = None,
    known: Callable[[str], object] | None = None,
) -> Iterator[Finding]:
    """What the rules find among the events of the store from `since` on (all, if None), in the order of `seq`.

    `known` is told the identity of each finding that stands in the store. `progress` is called with the bytes done and
    in all. Raises QueryError for a `since` that is no time, StonelogError if the files cannot be read.
    """
    reader = Reader(directory)
    begin = None if since is None else instant(since)
    segments = reader.segments()
    day = None if begin is None else moment(begin).date()
    before = [each for each in segments if day is not None and each.day < day and each.last_seq]
    engine = Engine(rules, keys=keys, late=late)
    engine.passed(max((each.last_seq or 0 for each in before), default=0))
    feed = Feed(engine)
    low = None if begin is None else stamp_text(begin)

    def wanted(fields: dict[str, Any]) -> bool:
        time = fields.get("time")
        return low is None or (isinstance(time, str) and time >= low)

    total, done = sum(each.size for each in segments) - sum(each.size for each in before), 0
    for run in reader.runs(engine.seq, on_corrupt=feed.on_corrupt):
        if known is not None:
            for fields in run.fields:
                if identity := identity_of(fields):
                    known(identity)
        yield from feed.run(run, None if low is None else wanted)
        done += sum(map(len, run.lines)) + len(run.lines)
        if progress is not None:
            progress(done, total)
