"""How long a question may take, and who may end it: looked at between lines, and by SQLite while it works."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

from .errors import QueryStopped

__all__ = ["Patience"]

LINES: Final = 8
"""Lines between two looks: the longest line under a thousand conditions takes about a tenth of a second."""
OPERATIONS: Final = 100_000
"""Instructions of SQLite's machine between two looks: a few milliseconds. Each look waits for the interpreter's lock,
which other threads may keep for 5 ms: ten times as many looks would make a query under load twice as long."""

Item = TypeVar("Item")


class Patience:
    """The time that one question has, in seconds from the making of this on; None: as long as it takes.

    Setting `stop`, from any thread, ends it at once. The clock is a steady one: setting the machine's time changes
    nothing. For one question in one thread.
    """

    def __init__(
        self,
        seconds: float | None = None,
        stop: threading.Event | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._stop = stop
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds

    def expired(self) -> bool:
        """Whether the time is up, or somebody set `stop`."""
        if self._stop is not None and self._stop.is_set():
            return True
        return self._end is not None and self._clock() >= self._end

    def check(self) -> None:
        """Returns if there is patience left. Raises QueryStopped."""
        if self.expired():
            stopped = self._stop is not None and self._stop.is_set()
            raise QueryStopped(None if stopped else self._seconds)

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, as long as there is patience. Raises QueryStopped."""
        for number, item in enumerate(items):
            if number % LINES == 0:
                self.check()
            yield item

    @contextmanager
    def within(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Inside the block a statement of the connection ends when patience does, or when Ctrl-C is pressed.

        Raises QueryStopped, or what the handler of a signal raised, in the place of SQLite's `interrupted`. Nothing of
        it stays with the connection.
        """
        raised: list[BaseException] = []
        verdicts = self._verdicts(raised)
        next(verdicts)
        connection.set_progress_handler(verdicts.__next__, OPERATIONS)
        try:
            yield
        except sqlite3.Error:
            if raised:
                raise raised[0] from None
            self.check()
            raise
        finally:
            with suppress(sqlite3.ProgrammingError):  # it was closed
                connection.set_progress_handler(None, 0)

    def _verdicts(self, raised: list[BaseException]) -> Generator[bool, None, None]:
        """Whether SQLite shall stop, each time that it asks.

        Python drops what a function that SQLite calls raises, and runs handlers of signals as soon as such a function
        begins, before any `try` of its own. A generator goes on inside one, and so the exception is kept.
        """
        try:
            while True:
                yield self.expired()
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 (it is raised again when SQLite has stopped)
            raised.append(error)
        yield True
