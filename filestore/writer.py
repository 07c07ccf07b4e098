"""Group commit: one thread gathers what all callers want written, writes it with one `write`, and syncs once for all.

In the critical section (the store's lock) the committer attaches to the newest segment, gives each event its `seq` and
writes. The sync comes after the lock is free again, so that other processes can write meanwhile; only after it are the
callers told.
"""

from __future__ import annotations

import errno
import logging
import os
import queue
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from .codec import seal_line
from .errors import DiskFull, StonelogError, StoreReadOnly
from .layout import Layout
from .prepare import act
from .recovery import Recovery
from .segment import REOPEN, ActiveSegment
from .settings import StoreSettings

__all__ = ["Committer", "Request"]

log = logging.getLogger("stonelog")

_BATCH_EVENTS: Final = 4096
_BATCH_BYTES: Final = 4 * 1024 * 1024


_open_segments: weakref.WeakSet[ActiveSegment] = weakref.WeakSet()


def _let_go_in_child() -> None:
    """A descriptor that a forked child keeps would keep the lock, should the parent die while it holds it."""
    for segment in list(_open_segments):
        segment.close()


os.register_at_fork(after_in_child=_let_go_in_child)


class Request:
    """What one caller wants written; `seq`, `path` and `offsets`, or `error`, are set when `notify` is called."""

    __slots__ = ("bodies", "error", "notify", "offsets", "path", "seq", "size")

    def __init__(self, bodies: list[bytes], notify: Callable[[], object]) -> None:
        self.bodies = bodies
        self.size = sum(map(len, bodies))
        self.notify = notify
        self.seq = 0
        self.path = ""
        self.offsets: list[int] = []
        self.error: Callable[[], StonelogError] | None = None


@dataclass(frozen=True, slots=True)
class _Roll:
    """A request to begin a new day's segment if the day is over; if `early`, also before."""

    early: bool

    done: queue.SimpleQueue[str | StonelogError | None]


def today() -> date:
    """The day in UTC."""
    return datetime.now(UTC).date()


class Committer:
    """The one thread of a process that writes to a store. Requests from any thread; `close` ends it."""

    def __init__(self, layout: Layout, settings: StoreSettings) -> None:
        self.recovered = Recovery()
        self._settings = settings
        self._segment = ActiveSegment(layout, settings)
        self._queue: queue.SimpleQueue[Request | _Roll | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._pid = os.getpid()
        self._room = threading.Condition()
        self._waiting = [0, 0]  # events and bytes given to `offer` and not yet written
        self._told_dropped = self._told_quarantined = self._told_abandoned = 0
        self.dropped = 0
        self.committed = threading.Condition()
        try:
            self._segment.open(self.recovered)
        except BaseException:
            self._segment.close()
            raise
        _open_segments.add(self._segment)

    @property
    def last_seq(self) -> int:
        """The highest `seq` written by this process or seen by it."""
        return self._segment.last_seq

    @property
    def durable_seq(self) -> int:
        """The highest `seq` that this process knows to be on stable storage."""
        return self._segment.durable_seq

    @property
    def trouble(self) -> StoreReadOnly | None:
        """The failed sync after which nothing more is taken, if there was one."""
        return StoreReadOnly(self._segment.failed, hint=REOPEN) if self._segment.failed else None

    def submit(self, request: Request) -> None:
        """The request will be answered by its `notify`, from the committer's thread."""
        if self._thread is None:
            self._start()
        self._queue.put(request)

    def offer(self, body: bytes) -> bool:
        """Whether the event was taken, to be written some time; if there is no room see the setting `emit_overflow`."""
        settings = self._settings
        with self._room:
            while self._waiting[0] >= settings.emit_events or self._waiting[1] + len(body) > settings.emit_bytes:
                if settings.emit_overflow == "drop" and self._waiting[0]:
                    self.dropped += 1
                    return False
                if not self._waiting[0]:
                    break  # larger than the whole queue, which is empty: it passes alone
                self._room.wait()
            self._waiting[0] += 1
            self._waiting[1] += len(body)
        request = Request([body], lambda: self._taken_out(request))
        self.submit(request)
        return True

    def _taken_out(self, request: Request) -> None:
        with self._room:
            self._waiting[0] -= 1
            self._waiting[1] -= request.size
            if request.error is not None:
                self.dropped += 1
            self._room.notify()

    def tell(self) -> None:
        """What the store did by itself since the last call is recorded as events. Raises StonelogError."""
        bodies = self._acts()
        if bodies:
            done: queue.SimpleQueue[None] = queue.SimpleQueue()
            request = Request(bodies, lambda: done.put(None))
            self.submit(request)
            done.get()
            if request.error is not None:
                raise request.error()

    def _acts(self) -> list[bytes]:
        found = []
        names = self.recovered.quarantined[self._told_quarantined :]
        if names:
            total = self.recovered.quarantined_bytes
            text = "Bytes that were never acknowledged were moved to quarantine"
            found.append(act("store_recovered", text, quarantined=names, bytes=total))
            self._told_quarantined += len(names)
        segments = self._segment.abandoned[self._told_abandoned :]
        if segments:
            text = "A sync failed; what was not on stable storage was written again in a new segment"
            found.append(act("store_sync_failed", text, level="error", segments=segments))
            self._told_abandoned += len(segments)
        dropped = self.dropped - self._told_dropped
        if dropped and self._queue.empty():  # told once when it is over, not all the time while it lasts
            found.append(act("events_dropped", "Events given to emit were not written", dropped=dropped))
            self._told_dropped += dropped
        return found

    def submit_roll(self, *, early: bool) -> queue.SimpleQueue[str | StonelogError | None]:
        """Will give the name of the segment that was begun, None if there was no need, or the error."""
        if self._thread is None:
            self._start()
        roll = _Roll(early, queue.SimpleQueue())
        self._queue.put(roll)
        return roll.done

    def close(self) -> None:
        """What was submitted is answered, the segment synced (unless durability is none) and everything let go.

        Raises StoreReadOnly if that sync fails; everything is let go all the same.
        """
        if self._pid != os.getpid():
            return  # a forked child: its descriptors were closed, its thread never ran
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        try:
            if self._settings.durability == "os" and not self._segment.failed:
                self._segment.sync()
        finally:
            self._segment.close()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="stonelog-committer", daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        held: Request | _Roll | None = None
        while True:
            item = held if held is not None else self._queue.get()
            held = None
            if item is None:
                return
            if isinstance(item, _Roll):
                item.done.put(self._roll(early=item.early))
                continue
            batch, events, size = [item], len(item.bodies), item.size
            ended = False
            while events < _BATCH_EVENTS and size < _BATCH_BYTES:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    ended = True
                    break
                if isinstance(more, _Roll):
                    held = more
                    break
                batch.append(more)
                events += len(more.bodies)
                size += more.size
            self._answer(batch)
            if ended:
                return

    def _answer(self, batch: list[Request]) -> None:
        error: Callable[[], StonelogError] | None = None
        try:
            self._refuse_after_failure()
            self._commit(batch)
        except BaseException as reason:  # noqa: BLE001 (whatever it is, every caller must hear of it)
            error = _explain(reason)
        else:
            if acts := self._acts():
                self._record(acts)
        for request in batch:
            request.error = error
            request.notify()
        with self.committed:
            self.committed.notify_all()

    def _record(self, acts: list[bytes]) -> None:
        """The store's own events are written; if they cannot be, the log has to do."""
        try:
            self._commit([Request(acts, lambda: None)])
        except BaseException as error:  # noqa: BLE001 (callers wait for the answer to what was already written)
            log.warning("what the store did could not be recorded: %s", error)

    def _commit(self, batch: list[Request]) -> None:
        segment = self._segment
        with segment.attached(today()):
            seq, offset, synced = segment.last_seq + 1, segment.end, segment.durable_seq
            path = segment.path
            lines: list[bytes] = []
            for request in batch:
                request.seq, request.path = seq, path
                offsets = request.offsets
                for body in request.bodies:
                    line = seal_line(body, seq, synced)
                    lines.append(line)
                    offsets.append(offset)
                    offset += len(line) + 1
                    seq += 1
            lines.append(b"")
            segment.append(b"\n".join(lines), seq - 1)
        if self._settings.durability == "fsync" and (moved := segment.sync()) is not None:
            for request in batch:
                request.path = segment.path
                request.offsets = [offset - moved for offset in request.offsets]

    def _refuse_after_failure(self) -> None:
        if trouble := self.trouble:
            raise trouble

    def _roll(self, *, early: bool) -> str | StonelogError | None:
        try:
            self._refuse_after_failure()
            return self._segment.roll(today(), early=early)
        except BaseException as reason:  # noqa: BLE001 (told to the caller)
            return _explain(reason)()


def _explain(reason: BaseException) -> Callable[[], StonelogError]:
    """Makes the error that each waiting caller gets for what went wrong in the committer."""
    if isinstance(reason, StonelogError):
        kind, text, hint = type(reason), reason.args[0], reason.hint
        return lambda: kind(text, hint=hint)
    if isinstance(reason, OSError):
        text = f"{reason.filename or 'the segment'}: {reason.strerror}; nothing of the event is on disk"
        if reason.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return lambda: DiskFull(text, hint="make space; the next append tries again")
        return lambda: StoreReadOnly(text, hint="reading goes on; the next append tries again")
    return lambda: StonelogError(f"the event could not be written: {reason!r}")


def explain_opening(reason: OSError, layout: Layout) -> StonelogError:
    """The error for a store that cannot be opened for writing."""
    where = reason.filename or layout.directory
    if reason.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"{where}: {reason.strerror}", hint="make space, then open the store again")
    return StoreReadOnly(
        f"{where}: {reason.strerror}",
        hint="the store can be read with Reader or Index; writing needs the directory to be ours",
    )
