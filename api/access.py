"""The way from a request to the index: blocking calls, a bounded number at a time, off the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request
from starlette.types import Receive

from stonelog.filestore import Store, load_section
from stonelog.indexer import Index, Patience

from .settings import HttpSettings

__all__ = ["Access", "Caller", "Opened"]

THREADS: Final = 8

T = TypeVar("T")


class Access:
    """The index of one store, opened at the first question and shared by all of them.

    It does not wait for a lifespan event to open: an application that is mounted in another never receives one.
    Raises InvalidSetting if the section `[http]` cannot be read.
    """

    def __init__(self, source: Store | str | Path, *, threads: int = THREADS) -> None:
        self.store = source if isinstance(source, Store) else None
        self.directory = Path(source.directory if isinstance(source, Store) else source).absolute()
        self._query_seconds = load_section(HttpSettings, self.directory, "http").query_seconds or None
        self._limiter = CapacityLimiter(threads)
        self._opening = threading.Lock()
        self._index: Index | None = None

    async def ask(self, question: Callable[[Index, Patience], T], stop: threading.Event | None = None) -> T:
        """What `question` answers, computed in a thread; waits while as many as allowed are being answered.

        Its time is counted from when it has its thread. If it is up, or `stop` is set, QueryStopped is raised; if the
        caller is cancelled, the thread that goes on alone is told to stop, and ends a moment later.
        """
        stop = stop or threading.Event()
        try:
            return await self.run(lambda: question(self._opened(), Patience(self._query_seconds, stop)))
        finally:
            stop.set()

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, computed in a thread under the same bound."""
        return await to_thread.run_sync(work, limiter=self._limiter, abandon_on_cancel=True)

    def close(self) -> None:
        """The index is closed; a later question would open it again."""
        with self._opening:
            if self._index is not None:
                self._index.close()
                self._index = None

    def _opened(self) -> Index:
        with self._opening:
            if self._index is None:
                self._index = Index.open(self.directory)
            return self._index


class Caller:
    """Whoever sent one request: what is asked for it is given up when it no longer waits for the answer."""

    def __init__(self, access: Access, receive: Receive) -> None:
        self.access = access
        self._receive = receive

    async def ask(self, question: Callable[[Index, Patience], T]) -> T:
        """As `Access.ask`; when the connection is closed meanwhile, QueryStopped is raised."""
        stop = threading.Event()
        watching = asyncio.create_task(self._watch(stop))  # a task group would take five times as long
        try:
            return await self.access.ask(question, stop)
        finally:
            watching.cancel()

    async def _watch(self, stop: threading.Event) -> None:
        """`stop` is set when the client is gone. One that sends a body, which no path takes, is not watched."""
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            message = await self._receive()
        if message["type"] == "http.disconnect":
            stop.set()


async def _opened(request: Request) -> Caller:
    return Caller(request.app.state.access, request.receive)


Opened = Annotated[Caller, Depends(_opened)]
