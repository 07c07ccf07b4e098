"""Group commit: one thread gathers what all callers want written, writes it with one `write`, and syncs once for all.

That thread is the caller's own if nobody else writes, otherwise the committer's: to hand an event over and the answer
back takes two wake-ups, which for a lone writer cost a fifth of a sync. In the critical section (the store's lock) it
attaches to the newest segment, gathers what has queued up, gives each event its `seq` and writes. The sync comes after
the lock is free again, so that other processes can write meanwhile; only after it are the callers told. No second batch
is written during the sync: the kernel reports a failure once for each descriptor, so that of two syncs that overlap on
ours one would say that all is well.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Final

from .clock import FORWARD_SECONDS, Clock
from .codec import seal_line
from .errors import StonelogError, StoreReadOnly
from .explain import explain, unknown
from .layout import Layout
from .recovery import Recovery
from .room import Room
from .segment import REOPEN, ActiveSegment
from .settings import StoreSettings
from .space import Space
from .told import Told

__all__ = ["Committer", "Request"]

log = logging.getLogger("stonelog")

_BATCH_EVENTS: Final = 4096
_BATCH_BYTES: Final = 4 * 1024 * 1024


_open_segments: weakref.WeakSet[ActiveSegment] = weakref.WeakSet()


def _let_go_in_child() -> None:
    """A descriptor that a forked child keeps would keep the space of a segment that was sealed and removed since."""
    for segment in list(_open_segments):
        segment.close()


os.register_at_fork(after_in_child=_let_go_in_child)


class Request:
    """What one caller wants written; `seq`, `path` and `offsets`, or `error`, are set when `notify` is called."""

    __slots__ = ("bodies", "error", "notify", "offsets", "path", "seq", "size")

    def __init__(self, bodies: list[bytes], notify: Callable[[], object] = lambda: None) -> None:
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
    """What writes to a store in this process, one thread at a time. Requests from any thread; `close` ends it."""

    def __init__(self, layout: Layout, settings: StoreSettings) -> None:
        self.recovered = Recovery()
        self._layout = layout
        self._settings = settings
        self._segment = ActiveSegment(layout, settings)
        self._queue: deque[Request | _Roll | None] = deque()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._leading = threading.Lock()
        """Held by the thread that takes from the queue and writes: the committer's, or a lone caller."""
        self._leader = 0
        self._ending = self._closed = False
        self._ended = threading.Event()
        self._pid = os.getpid()
        self._clock = Clock()
        self._space = Space(layout, settings.reserve_bytes)
        self._room = Room(settings, self._space)
        self._space_was_low = False
        self._told = Told(self.recovered, self._segment)
        self.on_low_space: Callable[[], object] = lambda: None
        """Called, from the thread that writes, when space became low; it must not wait."""
        self.committed = threading.Condition()
        try:
            self._segment.open(self.recovered)
        except BaseException:
            self._segment.close()
            raise
        _open_segments.add(self._segment)
        self._told.written_before(self._segment.written_at)
        self._space.set_aside()

    @property
    def last_seq(self) -> int:
        """The highest `seq` written by this process or seen by it."""
        return self._segment.last_seq

    @property
    def durable_seq(self) -> int:
        """The highest `seq` that this process knows to be on stable storage."""
        return self._segment.durable_seq

    @property
    def dropped(self) -> int:
        """How many events given to `offer` were not written."""
        return self._room.dropped

    @property
    def trouble(self) -> StoreReadOnly | None:
        """The failed sync after which nothing more is taken, if there was one."""
        return StoreReadOnly(self._segment.failed, hint=REOPEN) if self._segment.failed else None

    def commit(self, bodies: list[bytes]) -> Request:
        """The request was answered: what it asks for is written, and synced if the durability says so.

        When nobody else is writing this thread does it itself, which spares the way to the committer's thread and back.
        Raises StonelogError, in a finalizer that runs in the middle of the store's own writing too.
        """
        self._refuse_leader()
        request = None if self._queue or self._leading.locked() else self._lead(bodies)
        if request is None:
            turn = threading.Lock()
            turn.acquire()
            request = Request(bodies, turn.release)
            self._put(request)
            turn.acquire()
        if request.error is not None:
            raise request.error()
        return request

    def submit(self, request: Request) -> None:
        """The request will be answered by its `notify`, from another thread."""
        self._put(request)

    def submit_roll(self, *, early: bool) -> queue.SimpleQueue[str | StonelogError | None]:
        """Will give the name of the segment that was begun, None if there was no need, or the error."""
        self._refuse_leader()
        roll = _Roll(early, queue.SimpleQueue())
        self._put(roll)
        return roll.done

    def offer(self, body: bytes) -> bool:
        """Whether the event was taken, to be written some time; see Room."""
        if not self._room.enter(body, may_wait=self._leader != threading.get_ident()):
            return False
        request = Request([body], lambda: self._room.leave(len(body), written=request.error is None))
        self._put(request)
        return True

    def tell(self) -> None:
        """What the store did by itself since the last call is recorded as events.

        Raises StonelogError; then it will be told with a later commit.
        """
        with self._told.pending(self._room, ended=True) as acts:
            if acts:
                self.commit(acts)

    def close(self) -> None:
        """What was submitted is answered, the segment synced (unless durability is none) and everything let go.

        Raises StoreReadOnly if that sync fails; everything is let go all the same.
        """
        if self._pid != os.getpid():
            return  # a forked child: its descriptors were closed, its thread never ran
        self._refuse_leader()
        with self._starting:
            self._ending = True  # no thread is started from here on
        if self._thread is not None:
            self._put(None)
            self._ended.wait()  # not `join`: one that Ctrl-C interrupts takes the thread for ended (Python 3.11)
        with self._leading:
            self._closed = True
            try:
                if self._settings.durability == "os" and not self._segment.failed:
                    self._segment.sync()
            finally:
                self._segment.close()
                self._refuse_rest()

    def _put(self, item: Request | _Roll | None) -> None:
        if self._thread is None:
            self._start()
        self._queue.append(item)
        self._bell.put(None)
        if self._closed:  # looked at last: whoever closes sets it first and then empties the queue
            self._refuse_rest()

    def _refuse_rest(self) -> None:
        """Nobody waits in the queue of a closed store."""
        text, hint = f"{self._layout.directory}: the store is closed", "open it again to append"
        while self._queue:
            with contextlib.suppress(IndexError):  # another thread is at it too
                item = self._queue.popleft()
                if isinstance(item, _Roll):
                    item.done.put(StoreReadOnly(text, hint=hint))
                elif item is not None:
                    item.error = lambda: StoreReadOnly(text, hint=hint)
                    item.notify()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._ending:
                thread = threading.Thread(target=self._run, name="stonelog-committer", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    text = f"{self._layout.directory}: nothing was written: {error}"
                    raise StonelogError(text, hint="the process may have no more threads; try again") from error
                self._thread = thread

    def _refuse_leader(self) -> None:
        if self._leader == threading.get_ident():
            raise StonelogError(
                f"{self._layout.directory}: called from within the store's own writing, by a finalizer that ran there",
                hint="emit can be called there: it does not wait",
            )

    def _run(self) -> None:
        ended = False
        while not ended:
            try:
                self._bell.get()
                while not self._bell.empty():  # one look into the queue is enough for all of them
                    self._bell.get()
                with self._leading:
                    ended = self._work_off()
            except BaseException:  # such as having run out of memory: there may be some again
                log.exception("the thread that writes goes on after an error")
                self._bell.put(None)
        self._ended.set()

    def _lead(self, bodies: list[bytes]) -> Request | None:
        """The answered request; None if others came first.

        Never in the main thread: handlers of signals run there, at any point, and may raise or call the store.
        """
        if threading.current_thread() is threading.main_thread() or not self._leading.acquire(blocking=False):
            return None
        try:
            if self._queue or self._closed:
                return None
            self._leader = threading.get_ident()
            request = Request(bodies)
            self._answer([request])
        finally:
            self._leader = 0
            self._leading.release()
        return request

    def _work_off(self) -> bool:
        """Whether the store is being closed; what is in the queue is answered."""
        self._leader = threading.get_ident()
        try:
            while self._queue:
                item = self._queue.popleft()
                if item is None:
                    return True
                if isinstance(item, _Roll):
                    item.done.put(self._roll(early=item.early))
                else:
                    self._answer([item])
            return False
        finally:
            self._leader = 0

    def _gather(self, batch: list[Request]) -> None:
        """What has queued up meanwhile is in the batch too, up to a roll, the end, or as much as a batch may hold."""
        waiting, events, size = self._queue, len(batch[0].bodies), batch[0].size
        while waiting and events < _BATCH_EVENTS and size < _BATCH_BYTES:
            item = waiting[0]
            if not isinstance(item, Request):
                return
            waiting.popleft()
            batch.append(item)
            events += len(item.bodies)
            size += item.size

    def _answer(self, batch: list[Request]) -> None:
        """Everyone in the batch, which grows on the way, is told what became of it."""
        error: Callable[[], StonelogError] | None = unknown
        try:
            self._commit(batch, more=True)
            error = None
            self._record()
        except BaseException as reason:  # noqa: BLE001 (whatever it is, every caller must hear of it)
            error = explain(reason)
        finally:  # whatever happens here, even to run out of memory, nobody waits for ever
            for request in batch:
                request.error = error
                try:
                    request.notify()
                except BaseException:  # those after it wait too
                    log.exception("a caller could not be told what became of its event")
        with self.committed:
            self.committed.notify_all()

    def _record(self) -> None:
        """The store's own events are written; if they cannot be, the log has to do."""
        try:
            with self._told.pending(self._room, ended=not any(self._queue)) as acts:
                if acts:
                    self._commit([Request(acts)], more=False)
        except BaseException as error:  # noqa: BLE001 (callers wait for the answer to what was already written)
            log.warning("what the store did could not be recorded: %s", error)

    def _commit(self, batch: list[Request], *, more: bool) -> None:
        segment = self._segment
        if segment.failed:
            raise StoreReadOnly(segment.failed, hint=REOPEN)
        self._look_at_space()
        now, jump = self._clock.look()
        if jump:
            self._told.jumped(jump, now)
        segment.attach(today(), anew=jump <= -FORWARD_SECONDS)
        try:
            if more:
                self._gather(batch)  # not before: to get the lock may have taken its time
            seq, offset, path = segment.last_seq + 1, segment.end, segment.path
            bodies = [body for request in batch for body in request.bodies]
            synced = segment.durable_seq
            lines = [seal_line(body, number, synced) for number, body in enumerate(bodies, seq)]
            lengths = map(len, lines)
            for request in batch:
                request.seq, request.path = seq, path
                for length in islice(lengths, len(request.bodies)):
                    request.offsets.append(offset)
                    offset += length + 1
                seq += len(request.bodies)
            lines.append(b"")
            segment.append(b"\n".join(lines), seq - 1)
        finally:
            segment.release()
        if self._settings.durability == "fsync" and (moved := segment.sync()) is not None:
            for request in batch:
                request.path = segment.path
                request.offsets = [offset - moved for offset in request.offsets]

    def _look_at_space(self) -> None:
        self._space.look()
        if self._space.low != self._space_was_low:
            self._space_was_low = self._space.low
            self._told.space_turned(self._space)
            if self._space.low:
                self.on_low_space()
            else:
                self._space.set_aside()  # retention may have used up the reserve

    def _roll(self, *, early: bool) -> str | StonelogError | None:
        if trouble := self.trouble:
            return trouble
        try:
            return self._segment.roll(today(), early=early)
        except BaseException as reason:  # noqa: BLE001 (told to the caller)
            return explain(reason)()
