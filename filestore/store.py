"""The front of the file store: open it, append to it, read it."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import count, repeat
from pathlib import Path
from typing import Any, NamedTuple, Self, get_args

from .amend import Amendments
from .batch import Request
from .errors import DiskFull, InvalidSetting, StonelogError, StoreLocked, StoreReadOnly, shorten
from .event import Event
from .explain import explain_opening
from .layout import Layout
from .names import Level
from .prepare import act, prepare
from .reader import Reader
from .recovery import Recovery
from .settings import Durability, StoreSettings, load_section
from .upkeep import Upkeep
from .writer import Committer

__all__ = ["Receipt", "Store"]

log = logging.getLogger("stonelog")


class Receipt(NamedTuple):
    """Where an event is, and how safe it was when `append` returned."""

    seq: int
    id: str
    file: str
    """The absolute path of the segment."""
    offset: int
    durability: Durability


class Store:
    """An append-only store of events in a directory. Open it with `Store.open`; use it from any thread.

    Other processes may append to the same directory at the same time. After `os.fork` the child must open its own.
    """

    def __init__(self, layout: Layout, settings: StoreSettings, committer: Committer, amend: Amendments) -> None:
        self.settings = settings
        self._amend = amend
        self._layout = layout
        self._committer = committer
        self._reader = Reader(layout.directory, known_durable=lambda: committer.durable_seq)
        self._pid = os.getpid()
        self._closed = False
        self._closing = threading.Lock()
        self._finalize = weakref.finalize(self, committer.close)

    @classmethod
    def open(cls, directory: str | Path, *, durability: Durability | None = None) -> Self:
        """The store in `directory`, made if it is not there, recovered if it was cut off, ready to append.

        `durability` overrides the setting. What opening repaired stands in `.recovered`, and is recorded as an event.
        Raises InvalidSetting, StoreLocked, StoreReadOnly, DiskFull.
        """
        layout = Layout(Path(directory).absolute())
        settings = load_section(StoreSettings, layout.directory, "store")
        if durability is not None:
            if durability not in get_args(Durability):
                allowed = ", ".join(get_args(Durability))
                raise InvalidSetting(f"durability = {shorten(durability)}: expected one of {allowed}")
            settings = settings.model_copy(update={"durability": durability})
        amend = Amendments.load(layout.directory)
        try:
            committer = Committer(layout, settings)
        except OSError as error:
            raise explain_opening(error, layout) from error
        store = cls(layout, settings, committer, amend)
        committer.on_low_space = partial(_retain_early, weakref.ref(store))
        try:
            if committer.recovered.unfinished:
                store.upkeep.resume()
            # On a full disk it is told when there is space; retention, which makes some, needs us open.
            with contextlib.suppress(DiskFull):
                committer.tell()
        except BaseException:
            store.close()
            raise
        return store

    @property
    def directory(self) -> Path:
        """The store's directory, absolute."""
        return self._layout.directory

    @property
    def forked(self) -> bool:
        """Whether this is a child of the process that opened the store: it must open its own."""
        return self._pid != os.getpid()

    @property
    def closed(self) -> bool:
        """Whether `close` was called, here or before the fork."""
        return self._closed

    @property
    def recovered(self) -> Recovery:
        """What opening repaired and found; false if nothing."""
        return self._committer.recovered

    @property
    def upkeep(self) -> Upkeep:
        """Sealing, retention and legal holds of this store."""
        return Upkeep(self._layout, self._record, self.settings, self.redacted)

    def redacted(self, text: str) -> str:
        """The text without what the store would take out of an event: for what is kept beside it."""
        return self._amend.text(text)

    @property
    def last_seq(self) -> int:
        """The highest `seq` that this process wrote or saw; 0 in an empty store."""
        return self._committer.last_seq

    @property
    def durable_seq(self) -> int:
        """The highest `seq` that this process knows to be on stable storage."""
        return self._committer.durable_seq

    @property
    def trouble(self) -> StonelogError | None:
        """Why the store takes no events now: it is closed, was opened before a fork, or a sync failed; else None."""
        try:
            self._check_open()
        except StoreReadOnly as error:
            return error
        return self._committer.trouble

    def append(self, event: Mapping[str, Any] | Event | None = None, /, **fields: Any) -> Receipt:
        """The event is on stable storage (or as safe as the store's durability says) when this returns.

        Give fields by name, or a mapping or an Event. Waits for the disk; calls from many threads share one sync.
        Raises InvalidEvent, EventTooLarge: nothing is written; StoreLocked, DiskFull, StoreReadOnly: it is not
        acknowledged, and present whole or not at all.
        """
        if event is None or type(event) is dict or isinstance(event, Event):
            request = Request.draft(event, fields, time.time_ns(), self._amend)
        else:  # what a mapping of another type does when it is asked is better done here than in the thread that writes
            identity, body = prepare(event, fields, amend=self._amend)
            request = Request((body,))
            request.identity = identity
        self._commit_and_wait(request)
        return Receipt(request.seq, request.identity, request.path, request.offsets[0], self.settings.durability)

    def append_many(self, events: Iterable[Mapping[str, Any] | Event]) -> list[Receipt]:
        """All the events are written in one piece with one sync, in this order; a receipt for each.

        If one cannot be taken none is written, and the error's `index` says which. Raises as `append`.
        """
        identities: list[str] = []
        bodies: list[bytes] = []
        for index, event in enumerate(events):
            identity, body = prepare(event, {}, index, amend=self._amend)
            identities.append(identity)
            bodies.append(body)
        if not bodies:
            return []
        request = self._commit_and_wait(Request(bodies))
        path, durability = repeat(request.path), repeat(self.settings.durability)
        return list(map(Receipt._make, zip(count(request.seq), identities, path, request.offsets, durability)))

    async def append_async(self, event: Mapping[str, Any] | Event | None = None, /, **fields: Any) -> Receipt:
        """As `append`, without blocking the event loop: the committer's thread wakes it when the disk has the event.

        A cancelled call leaves it open whether the event is written.
        """
        import asyncio  # a program that only appends from threads need not load it

        identity, body = prepare(event, fields, amend=self._amend)
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def notify() -> None:
            try:
                loop.call_soon_threadsafe(done.set)
            except RuntimeError:
                return  # the loop was closed while the event was written: nobody waits any more

        request = Request([body], notify)
        self._submit(request)
        await done.wait()
        if request.error is not None:
            raise request.error()
        return Receipt(request.seq, identity, request.path, request.offsets[0], self.settings.durability)

    def emit(self, event: Mapping[str, Any] | Event | None = None, /, **fields: Any) -> bool:
        """The event will be written soon; whether it was taken. The disk is not waited for.

        Taken events wait in a queue that is bounded in number and bytes (settings `emit_events`, `emit_bytes`). When it
        is full the event is dropped, or with the setting `emit_overflow = "block"` the call waits for room. What was
        dropped, or could not be written, is counted in `dropped`, and told by an event of the store's own. Raises
        InvalidEvent, EventTooLarge, StoreReadOnly if the store is closed.
        """
        body = prepare(event, fields, amend=self._amend)[1]
        self._check_open()
        return self._committer.offer(body)

    @property
    def dropped(self) -> int:
        """How many events given to `emit` were not written, since the store was opened."""
        return self._committer.dropped

    def read(self, after: int = 0) -> Iterator[Event]:
        """The events with a `seq` above `after`, in order, from the files."""
        return self._reader.read(after)

    def follow(self, after: int = 0, *, stop: threading.Event | None = None) -> Iterator[Event]:
        """The events above `after`, then new ones as they become durable; ends when `stop` is set or at close."""
        if self.forked:  # the parent's threads, which would wake it, do not exist here
            return self._reader.follow(after, stop=stop)
        committed = self._committer.committed

        def wait(seconds: float) -> bool:
            if not self._closed:
                with committed:
                    committed.wait(seconds)
            return self._closed

        return self._reader.follow(after, stop=stop, wait=wait)

    def roll(self, *, early: bool = False) -> str | None:
        """The name of the new segment if the newest one's day (UTC) is over, None if it is not.

        Appending rolls by itself; this is for a scheduler, so that a quiet store closes its day too. `early` begins
        a new segment before the day is over, unless the newest has no events: what was written can then be sealed.
        """
        self._check_open()
        result = self._committer.submit_roll(early=early).get()
        if isinstance(result, StonelogError):
            raise result
        return result

    def close(self) -> None:
        """What was appended is answered, and everything let go. Closing twice does nothing."""
        if self.forked:
            return  # in a forked child `_closing` may be held for ever by a thread that exists only in the parent
        with self._closing:
            self._closed = True
            if self._finalize.alive:
                try:
                    self._committer.close()
                except StonelogError:
                    self._finalize.detach()
                    raise
                self._finalize.detach()  # not before: if this is interrupted, closing again or the exit goes on with it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreReadOnly(f"{self.directory}: the store is closed", hint="open it again to append")
        if self.forked:
            raise StoreReadOnly(
                f"{self.directory}: the store was opened by process {self._pid}, before a fork",
                hint="open it in the child process",
            )

    def _submit(self, request: Request) -> None:
        self._check_open()
        self._committer.submit(request)

    def _record(self, action: str, message: str, *, level: Level, **metadata: object) -> None:
        """An event of the store's own is as safe as its durability says. Raises StonelogError."""
        self._commit_and_wait(Request([act(action, message, level=level, **metadata)]))

    def _commit_and_wait(self, request: Request) -> Request:
        self._check_open()
        return self._committer.commit(request)


def _retain_early(reference: weakref.ref[Store]) -> None:
    """Retention runs in a thread of its own: space is low, and whoever noticed it has events to write."""
    store = reference()
    if store is not None:
        thread = threading.Thread(target=_retain, args=(store.upkeep,), name="stonelog-retention", daemon=True)
        with contextlib.suppress(RuntimeError):  # no more threads: an append must not fail for it
            thread.start()


def _retain(upkeep: Upkeep) -> None:
    try:
        upkeep.retain()
    except StoreLocked as error:
        log.debug("space is low, and another process is at the upkeep: %s", error)
    except StonelogError as error:
        log.warning("space is low, and retention could not make more: %s", error)
