"""Group commit: one thread gathers what all callers want written, writes it with one `write`, and syncs once for all.

That thread is the caller's own if nobody else writes, otherwise the committer's: to hand an event over and the answer
back takes two wake-ups, which for a lone writer cost a fifth of a sync. It gathers what has queued up, also while it
waits for the store's lock. Under the lock it attaches to the newest segment, gives each event its `seq` and writes.
The sync comes after the lock is free again, so that other processes can write meanwhile; only after it are the callers
told. No second batch is written during the sync: the kernel reports a failure once for each descriptor, so that of two
syncs that overlap on ours one would say that all is well.
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
from functools import partial
from typing import Final

from .batch import Batch, Request
from .clock import FORWARD_SECONDS, Clock
from .errors import StonelogError, StoreReadOnly
from .explain import explain, unknown
from .layout import Layout
from .recovery import Recovery
from .room import Room
from .segment import REOPEN, ActiveSegment
from .settings import StoreSettings
from .space import Space
from .told import Told

__all__ = ["Committer"]

log = logging.getLogger("stonelog")

_LINGER_SECONDS: Final = 0.005
"""So long an emitted event waits for more of them, since nobody waits for it: fewer syncs, fewer changes of threads."""

_open_segments: weakref.WeakSet[ActiveSegment] = weakref.WeakSet()


def _let_go_in_child() -> None:
    """A descriptor that a forked child keeps would keep the space of a segment that was sealed and removed since."""
    for segment in list(_open_segments):
        segment.close()


os.register_at_fork(after_in_child=_let_go_in_child)


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
        self._queue: deque[Request | bytes | _Roll | None] = deque()
        """What waits: requests, the bodies of emitted events, and None for the end."""
        self._bell: queue.SimpleQueue[bool] = queue.SimpleQueue()
        """Wakes the committer's thread; says whether somebody waits for what is in the queue now."""
        self._idle = self._lingering = False
        """Whether that thread listens for the bell: for any, or for one that somebody waits for."""
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
        self._returned = self._told.written_before(self._segment.written_at) <= -FORWARD_SECONDS
        """Whether the clock came back from far ahead, so that a further segment is to begin."""
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

    def commit(self, request: Request) -> Request:
        """The request was answered: what it asks for is written, and synced if the durability says so.

        When nobody else is writing this thread does it itself, which spares the way to the committer's thread and back.
        Raises StonelogError, in a finalizer that runs in the middle of the store's own writing too.
        """
        self._refuse_leader()
        if self._queue or self._leading.locked() or not self._lead(request):
            request.wait(self._put)
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
        try:
            self._put(body, urgent=False)
        except StonelogError:  # there is no thread to write it
            self._room.leave(1, len(body), written=False)
            raise
        return True

    def tell(self) -> None:
        """What the store did by itself since the last call is recorded as events.

        Raises StonelogError; then it will be told with a later commit.
        """
        with self._told.pending(self._room, ended=True) as acts:
            if acts:
                self.commit(Request(acts))

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

    def _put(self, item: Request | bytes | _Roll | None, *, urgent: bool = True) -> None:
        if self._thread is None:
            self._start()
        self._queue.append(item)
        # Looked at after the item is in the queue: the committer's thread sets them before it looks there.
        if self._idle or (urgent and self._lingering):
            self._bell.put(urgent)
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
                elif isinstance(item, bytes):
                    self._room.leave(1, len(item), written=False)
                elif item is not None:
                    batch = Batch()
                    batch.add(item)
                    batch.answer(lambda: StoreReadOnly(text, hint=hint), self._room)

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
                self._await_work()
                with self._leading:
                    ended = self._work_off()
            except BaseException:  # such as having run out of memory: there may be some again
                log.exception("the thread that writes goes on after an error")
        self._ended.set()

    def _await_work(self) -> None:
        """There is something in the queue, most likely, and if nobody waits for it, it has had time to become more."""
        self._idle = self._lingering = True
        urgent = bool(self._queue) or self._bell.get()
        self._idle = False
        with contextlib.suppress(queue.Empty):
            while not urgent:
                urgent = self._bell.get(timeout=_LINGER_SECONDS)
        self._lingering = False
        while not self._bell.empty():  # one look into the queue is enough for all of them
            self._bell.get()

    def _lead(self, request: Request) -> bool:
        """Whether the request was answered; not if others came first.

        Never in the main thread: handlers of signals run there, at any point, and may raise or call the store.
        """
        if threading.current_thread() is threading.main_thread() or not self._leading.acquire(blocking=False):
            return False
        try:
            if self._queue or self._closed:
                return False
            self._leader = threading.get_ident()
            self._answer(request)
        finally:
            self._leader = 0
            self._leading.release()
        return True

    def _work_off(self) -> bool:
        """Whether the store is being closed; what is in the queue is answered."""
        self._leader = threading.get_ident()
        try:
            while self._queue:
                item = self._queue[0]
                if isinstance(item, (Request, bytes)):
                    self._answer(None)
                    continue
                self._queue.popleft()
                if item is None:
                    return True
                item.done.put(self._roll(early=item.early))
            return False
        finally:
            self._leader = 0

    def _answer(self, request: Request | None) -> None:
        """Everyone who waits, and whose request is given, is told what became of it."""
        error: Callable[[], BaseException] | None = unknown
        batch = Batch()
        try:
            if request is not None:
                batch.add(request)
            gather = partial(batch.take, self._queue)
            gather()
            self._commit(batch, gather)
            error = None
            if not self._told.is_silent(self._room):
                self._record()
        except BaseException as reason:  # noqa: BLE001 (whatever it is, every caller must hear of it)
            error = explain(reason)
        finally:
            self._tell_all(batch, error)
        with self.committed:
            self.committed.notify_all()

    def _tell_all(self, batch: Batch, error: Callable[[], BaseException] | None) -> None:
        while True:  # whatever happens here, even to run out of memory, nobody may wait for ever
            try:
                return batch.answer(error, self._room)
            except BaseException:
                log.exception("a caller could not be told what became of its event")

    def _record(self) -> None:
        """The store's own events are written; if they cannot be, the log has to do."""
        try:
            with self._told.pending(self._room, ended=not any(self._queue)) as acts:
                if acts:
                    batch = Batch()
                    batch.add(Request(acts))
                    self._commit(batch)
        except BaseException as error:  # noqa: BLE001 (callers wait for the answer to what was already written)
            log.warning("what the store did could not be recorded: %s", error)

    def _commit(self, batch: Batch, gather: Callable[[], object] = lambda: None) -> None:
        """What the batch holds is written, and synced if need be; it may `gather` more while others have the lock."""
        segment = self._segment
        if segment.failed:
            raise StoreReadOnly(segment.failed, hint=REOPEN)
        if not batch.bodies:
            return  # all that was asked for was refused
        now, jump = self._clock.look()
        self._look_at_space(batch.size)
        if jump:
            self._told.jumped(jump, now)
            self._returned = self._returned or jump <= -FORWARD_SECONDS
        segment.attach(today(), anew=self._returned, meanwhile=gather)
        self._returned = False
        try:
            seq = segment.last_seq + 1
            data = batch.lines(seq, segment.durable_seq, segment.path, segment.end)
            segment.append(data, segment.last_seq + len(batch.bodies))
        finally:
            segment.release()
        if self._settings.durability == "fsync" and (moved := segment.sync()) is not None:
            batch.moved(segment.path, moved)

    def _look_at_space(self, size: int) -> None:
        if not self._space.look_again(self._clock.elapsed, size):
            return
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
