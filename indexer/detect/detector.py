"""The detector's thread: it follows the files from where its saved state stands, and writes what it finds."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stonelog.filestore import Reader, StonelogError, Store, StoreLock, StoreLocked, StoreState, load_section

from ..turns import Turns
from .engine import Engine
from .finding import Finding, identity_of
from .history import Feed
from .loading import load_rules
from .notify import Notifier
from .settings import DetectSettings
from .state import State, read_state, write_state

__all__ = ["Detector", "DetectorStatus"]

log = logging.getLogger("stonelog")

_PAUSE_SECONDS: Final = 0.1
"""Between two passes: what comes together is looked at together."""
_MOST_WAITING: Final = 10_000
"""So many findings may wait to be written, while the store takes none or it is not known which it has."""


@dataclass(frozen=True, slots=True)
class DetectorStatus:
    """Whether the thread runs, whether this process is the one that looks, up to which `seq` events were seen, how many
    findings were written, how often telling others failed, and what went wrong the last time, if anything."""

    alive: bool
    leading: bool
    seen_seq: int
    findings: int
    notify_failures: int
    error: str = ""


class Detector:
    """Looks at what comes into the store while it runs, and writes findings through it.

    Any number may run, in any process: a lock lets one at a time look, and another takes over from its saved state.
    An error never ends it, and never reaches the writer: it is logged and tried again. Raises InvalidSetting and
    InvalidRule where settings and rules cannot be used.
    """

    def __init__(self, store: Store, *, settings: DetectSettings | None = None, poll_seconds: float = 1.0) -> None:
        self._store = store
        self._directory: Path = store.directory
        self._settings = settings or load_section(DetectSettings, self._directory, "detect")
        loaded = load_rules(self._directory, self._settings)
        for reason in loaded.unsupported:
            log.warning("a rule is not used: %s", reason)
        self._rules = loaded.enabled()
        self._notifier = Notifier(self._settings)
        self._reader = Reader(self._directory)
        self._turns = Turns(
            self._directory / "events",
            self._pass,
            name="stonelog-detector",
            poll_seconds=poll_seconds,
            pause_seconds=_PAUSE_SECONDS,
            ended=self._end,
        )
        self._lock: StoreLock | None = None
        self._findings, self._error = 0, ""
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._feed: Feed | None = None
        self._place: tuple[str, int] | None = None
        self._waiting: list[Finding] = []
        self._written: set[str] = set()
        self._until = 0
        self._looked_at: StoreState | None = None
        self._saved_seq, self._saved_at = -1, time.monotonic()

    def start(self) -> None:
        """The thread runs."""
        self._turns.start()

    def stop(self) -> None:
        """The thread has ended after the batch it was at, and its state is saved. The store is closed after this."""
        self._turns.stop()
        self._notifier.stop()

    def status(self) -> DetectorStatus:
        """How it is now."""
        alive, feed = self._turns.alive, self._feed
        seen = feed.engine.seq if feed is not None else 0
        return DetectorStatus(alive, feed is not None, seen, self._findings, self._notifier.failures, self._error)

    def _end(self) -> None:
        try:
            if self._feed is not None:
                self._save()
        except (StonelogError, OSError) as error:
            log.warning("the state of detection could not be saved: %s", error)
        if self._lock is not None:
            self._lock.release()
            self._lock.close()
            self._lock = None
        self._begin_anew()

    def _pass(self) -> None:
        try:
            if self._leads():
                state = self._reader.state()
                if state != self._looked_at or self._waiting:
                    self._look()
                    self._looked_at = state
                if time.monotonic() - self._saved_at >= self._settings.save_seconds:
                    self._save()
            self._error = ""
        except Exception as error:  # noqa: BLE001 (whatever it is, the next pass may do better)
            if str(error) != self._error:
                log.warning("detection does not go on: %s", error)
            self._error = str(error)

    def _leads(self) -> bool:
        """Whether this is the process that looks; if it has just become it, it goes on from the saved state."""
        if self._feed is not None:
            return True
        if self._lock is None:
            lock = StoreLock(self._directory / "detect.lock", 0.05)
            try:
                lock.acquire()
            except StoreLocked:
                lock.close()
                return False
            self._lock = lock
        self._feed = Feed(self._engine())
        self._until = self._reader.last_seq
        self._saved_seq = self._feed.engine.seq
        return True

    def _engine(self) -> Engine:
        last = self._reader.last_seq
        try:
            state = read_state(self._directory)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("the state of detection cannot be read, and rules learn anew: %s", error)
            state = None
        if state is None:
            state = State(0 if self._settings.replay else last, {})
        engine = Engine(self._rules, state, keys=self._settings.max_keys, late=self._settings.late_microseconds)
        if state.seq > last:  # the store is another one, or lost its end
            engine.passed(last)
        return engine

    def _look(self) -> None:
        feed = self._feed
        assert feed is not None  # noqa: S101 (`_leads` made it)
        if len(self._waiting) >= _MOST_WAITING:
            self._write()  # if the store takes none, no more are looked for
        for run in self._reader.runs(feed.engine.seq, start=self._place, on_corrupt=feed.on_corrupt):
            self._waiting += feed.run(run)
            self._place = run.segment, run.offset + sum(map(len, run.lines)) + len(run.lines)
            if run.first_seq <= self._until:
                self._written |= {identity for fields in run.fields if (identity := identity_of(fields))}
            # What was seen before a crash is seen again: until all of that is known, nothing is written twice.
            if feed.engine.seq >= self._until or len(self._waiting) >= _MOST_WAITING:
                self._write()
            if self._turns.stopping.is_set():
                return
        self._write()

    def _write(self) -> None:
        """The findings that wait are in the store, and others are told of them. Raises StonelogError."""
        new = [each for each in self._waiting if each.identity not in self._written]
        if new:
            try:
                _append(self._store, new)
            except StonelogError:
                self._until = self._reader.last_seq  # they may be there: what is there by now is looked at first
                raise
        self._waiting = []
        self._written.clear()
        self._findings += len(new)
        for each in new:
            self._notifier.tell(each)

    def _save(self) -> None:
        feed = self._feed
        if feed is None or feed.engine.seq == self._saved_seq or self._waiting:
            return  # what waits to be written would be lost: it is found again from the state before
        if self._reader.durable_seq() < feed.engine.seq:
            return  # a power cut would give their numbers to other events, which would not be looked at
        write_state(self._directory, feed.engine.state())
        self._saved_seq, self._saved_at = feed.engine.seq, time.monotonic()


def _append(store: Store, findings: Sequence[Finding]) -> None:
    store.append_many([finding.fields() for finding in findings])
