"""The way from a request to the index: blocking calls, a bounded number at a time, off the event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request

from stonelog.filestore import Store
from stonelog.indexer import Index

__all__ = ["Access", "Opened"]

THREADS: Final = 8

T = TypeVar("T")


class Access:
    """The index of one store, opened at the first question and shared by all of them.

    It does not wait for a lifespan event to open: an application that is mounted in another never receives one.
    """

    def __init__(self, source: Store | str | Path, *, threads: int = THREADS) -> None:
        self.store = source if isinstance(source, Store) else None
        self.directory = Path(source.directory if isinstance(source, Store) else source).absolute()
        self._limiter = CapacityLimiter(threads)
        self._opening = threading.Lock()
        self._index: Index | None = None

    async def ask(self, question: Callable[[Index], T]) -> T:
        """What `question` answers, computed in a thread; waits while as many as allowed are being answered.

        If the caller is cancelled the thread goes on alone, and its answer is dropped.
        """
        return await self.run(lambda: question(self._opened()))

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


async def _opened(request: Request) -> Access:
    access: Access = request.app.state.access
    return access


Opened = Annotated[Access, Depends(_opened)]
