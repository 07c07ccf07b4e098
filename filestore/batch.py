"""What is written in one piece with one sync: what callers wait for, and what `emit` left to be written."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, count
from operator import add
from typing import Any, Final, Self

from .amend import Amend
from .codec import seal_line
from .event import Event
from .explain import unknown
from .prepare import prepare
from .room import Room

__all__ = ["Batch", "Request"]

log = logging.getLogger("stonelog")

_MOST_EVENTS: Final = 4096
_MOST_BYTES: Final = 4 * 1024 * 1024

_CHAIN: Final = 4
"""So many waiting threads wake each other, one the next. If all were woken at once they would queue for the
interpreter, which costs more than their work; one chain of all is slow where another thread keeps the interpreter."""


class Request:
    """What one caller wants written; `seq`, `path` and `offsets`, or `error`, are set when it is answered.

    A caller that does not `wait` is told by a call of `notify` in the thread that writes.
    """

    # Defaults of the class: what is not set when a request is made costs nothing, in the callers' threads.
    identity = ""
    seq = 0
    path = ""
    offsets: Sequence[int] = ()
    place = 0
    """How many events stand before it in its batch."""
    refused: Callable[[], BaseException] | None = None
    """The error of an event that cannot be taken."""
    error: Callable[[], BaseException] | None = staticmethod(unknown)
    turn: threading.Lock | None = None
    """Locked until the request is answered, if the caller waits."""
    chained = False
    """Whether the caller is going to `wake` others when it wakes up."""
    gone = False
    """Whether it looks no more for whom to wake."""
    notify: Callable[[], object] | None = None
    _draft: tuple[Mapping[str, Any] | Event | None, Mapping[str, Any], int, Amend] | None = None

    def __init__(self, bodies: Sequence[bytes], notify: Callable[[], object] | None = None) -> None:
        self.bodies = bodies
        self.following: list[threading.Lock] = []
        """The turns of other callers, which this one is to release when it wakes up."""
        if notify is not None:
            self.notify = notify

    @classmethod
    def draft(cls, event: dict[str, Any] | Event | None, fields: Mapping[str, Any], now: int, amend: Amend) -> Self:
        """A request for an event that is still to be checked; see `draw`. `now` is in ns since the epoch."""
        request = cls(())
        request._draft = event, fields, now, amend
        return request

    def draw(self) -> None:
        """The event of a draft is checked and encoded: `identity` and `bodies` are set. Never raises.

        An event that cannot be taken has no body, and its error is what the request will be answered with.

        For the thread that writes: there, one event after the other, it takes a fraction of the time that it takes in
        many threads that have just woken up.
        """
        if self._draft is not None:
            event, fields, now, amend = self._draft
            self._draft = None
            try:
                self.identity, body = prepare(event, fields, now=now, amend=amend)
                self.bodies = (body,)
            except BaseException as reason:  # noqa: BLE001 (raised where the caller waits)
                error = reason.with_traceback(None)
                self.refused = lambda: error

    def wait(self, put: Callable[[Request], object]) -> None:
        """The request is answered, after `put` has put it where the thread that writes looks."""
        self.turn = turn = threading.Lock()
        turn.acquire()
        # Between any two steps a signal may end this in the main thread. Nobody depends on that one.
        self.chained = threading.get_ident() != threading.main_thread().ident
        try:
            put(self)
            turn.acquire()
        finally:  # whatever is raised here, the others must not wait for ever
            self.gone = True
            self.wake()

    def wake(self) -> None:
        """Those that this caller is to wake are on their way; from whichever thread, once."""
        while self.following:
            with contextlib.suppress(IndexError):  # the other thread was quicker
                self.following.pop().release()


class Batch:
    """Requests and emitted events in the order in which they are written. For one thread."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.size = 0
        """Bytes of all of them."""
        self._requests: list[Request] = []
        self._emitted = self._emitted_bytes = 0

    def add(self, request: Request) -> None:
        """The request is the last in the batch."""
        self._requests.append(request)
        self._draw(request)

    def take(self, waiting: deque[Any]) -> None:
        """What waits is in the batch, up to what is neither request nor event, or as much as a batch may hold."""
        while waiting and len(self.bodies) < _MOST_EVENTS and self.size < _MOST_BYTES:
            item = waiting[0]
            if isinstance(item, Request):
                self._requests.append(item)
                waiting.popleft()  # between these two nothing can fail: else it was answered never, or written twice
                self._draw(item)
            elif isinstance(item, bytes):
                self.bodies.append(item)
                waiting.popleft()
                self.size += len(item)
                self._emitted += 1
                self._emitted_bytes += len(item)
            else:
                return

    def lines(self, seq: int, synced: int, path: str, offset: int) -> bytes:
        """The lines of the events, the first with `seq` and at `offset`; each request knows where its own are."""
        lines = [seal_line(body, number, synced) for number, body in enumerate(self.bodies, seq)]
        # Each line has a line end. Most writes on a quiet system are of one event.
        offsets = [offset] if len(lines) == 1 else list(map(add, accumulate(map(len, lines), initial=offset), count()))
        for request in self._requests:
            place = request.place
            request.seq, request.path = seq + place, path
            request.offsets = offsets[place : place + len(request.bodies)]
        lines.append(b"")
        return b"\n".join(lines)

    def moved(self, path: str, length: int) -> None:
        """The lines stand in another file now, so many bytes nearer to its front."""
        for request in self._requests:
            request.path = path
            request.offsets = [offset - length for offset in request.offsets]

    def answer(self, error: Callable[[], BaseException] | None, room: Room) -> None:
        """Everyone is told what became of it: written, if `error` is None. If this raises it is to be called again."""
        following: threading.Lock | None = None
        length = 0
        try:
            while self._requests:  # from the end: who is woken must know by then whom to wake
                request = self._requests[-1]
                request.error = request.refused or error
                if request.turn is None or not request.chained:
                    _tell(request)
                    self._requests.pop()
                    continue
                if following is not None:
                    request.following.append(following)
                    following = None
                    if request.gone:  # looked at last, as the caller sets it before it looks whom to wake
                        request.wake()
                self._requests.pop()
                following = request.turn
                length += 1
                if length == _CHAIN:
                    following.release()
                    following, length = None, 0
        finally:
            if following is not None:
                following.release()
        if self._emitted:
            emitted, self._emitted = self._emitted, 0
            room.leave(emitted, self._emitted_bytes, written=error is None)

    def _draw(self, request: Request) -> None:
        request.place = len(self.bodies)
        request.draw()
        for body in request.bodies:
            self.bodies.append(body)
            self.size += len(body)


def _tell(request: Request) -> None:
    try:
        if request.turn is not None:
            request.turn.release()
        elif request.notify is not None:
            request.notify()
    except BaseException:  # those after it wait too
        log.exception("a caller could not be told what became of its event")
