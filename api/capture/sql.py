"""The door for SQLAlchemy: which statements were slow or failed, told once a window for each shape of statement.

    watch_queries(engine, store, slow_ms=200)

Neither parameters nor values in the text are stored. SQLAlchemy is loaded when an engine is watched.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from .crash import error_fields
from .given import completed
from .offer import offer
from .statement import Habits, shape

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from stonelog.filestore import Store

__all__ = ["QueryWatch", "watch_queries"]

_SHAPES: Final = 100
_OTHERS: Final = "(other statements)"
_STARTED: Final = "_stonelog_started"


def watch_queries(
    engine: Engine | AsyncEngine,
    store: Store | None = None,
    *,
    slow_ms: float = 200.0,
    window_seconds: float = 60.0,
    clock: Callable[[], float] = time.perf_counter,
) -> QueryWatch:
    """Statements of the engine that take `slow_ms` or longer, or fail, become events, until `stop` of what is returned.

    The time is that until the database answered; reading the rows is not part of it.
    """
    return QueryWatch(engine, store, slow_ms=slow_ms, window_seconds=window_seconds, clock=clock)


@dataclass(slots=True)
class _Figures:
    """What is known of one shape of statement in one window."""

    count: int = 0
    total_ms: float = 0.0
    max_ms: float = 0.0
    rows: int | None = None

    def add(self, milliseconds: float, rows: int | None) -> None:
        self.count += 1
        self.total_ms += milliseconds
        self.max_ms = max(self.max_ms, milliseconds)
        if rows is not None:
            self.rows = (self.rows or 0) + rows


class QueryWatch:
    """The listeners on one engine, and what they saw in this window. Ends with `stop`, or a `with` block."""

    def __init__(
        self,
        engine: Engine | AsyncEngine,
        store: Store | None,
        *,
        slow_ms: float,
        window_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        if window_seconds <= 0 or slow_ms < 0:
            raise ValueError("window_seconds must be above 0, and slow_ms 0 or more")
        self._engine: Any = getattr(engine, "sync_engine", engine)
        self._store = store
        self._slow_ms = slow_ms
        self._window = window_seconds
        self._clock = clock
        self._turn = threading.RLock()  # a `__del__` may log in the middle, in this thread
        self._seen: dict[tuple[str, str], _Figures] = {}
        """By shape and type of error, which is empty where there was none."""
        self._began = 0.0
        self._timer: threading.Timer | None = None
        self._place = _place(self._engine)
        self._habits = _habits(self._engine)
        self._listeners = (
            ("before_cursor_execute", self._before),
            ("after_cursor_execute", self._after),
            ("handle_error", self._failed),
        )
        from sqlalchemy import event

        for name, listener in self._listeners:
            event.listen(self._engine, name, listener)
        atexit.register(self.stop)

    def stop(self) -> None:
        """The engine is watched no more, and what was seen is told. Stopping twice does nothing."""
        from sqlalchemy import event

        for name, listener in self._listeners:
            if event.contains(self._engine, name, listener):
                event.remove(self._engine, name, listener)
        atexit.unregister(self.stop)
        self.report()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def report(self, store: Store | None = None) -> int:
        """What was seen since the last report is told now; how many events that were. A window begins anew."""
        with self._turn:
            seen, self._seen = self._seen, {}
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        for (statement, error_type), figures in seen.items():
            # What is bound where the window happens to end has nothing to do with these statements.
            Context().run(offer, self._store or store, self._event(statement, error_type, figures))
        return len(seen)

    def _event(self, statement: str, error_type: str, figures: _Figures) -> dict[str, Any]:
        many = "1 statement" if figures.count == 1 else f"{figures.count:,} statements"
        metadata: dict[str, Any] = {"statement": statement, "count": figures.count}
        metadata |= {"max_ms": round(figures.max_ms, 3), "total_ms": round(figures.total_ms, 3)}
        if figures.rows is not None:
            metadata["rows"] = figures.rows
        metadata |= {**self._place, "window_seconds": self._window}
        fields: dict[str, Any] = {"response_time_ms": round(figures.max_ms, 3)}
        if error_type:
            fields |= {"level": "error", "outcome": "failure", "error_type": error_type}
            fields["message"] = f"{many} failed"
            return completed(fields, metadata, "system_management", "query_failed")
        metadata["slow_ms"] = self._slow_ms
        fields |= {"level": "warning", "message": f"{many} slow, up to {figures.max_ms:,.0f} ms"}
        return completed(fields, metadata, "system_management", "slow_query")

    def _before(self, _connection: Any, _cursor: Any, _text: str, _parameters: Any, context: Any, _many: bool) -> None:
        with contextlib.suppress(Exception):  # a context that takes no attribute: its statement is not measured
            setattr(context, _STARTED, self._clock())

    def _after(self, _connection: Any, cursor: Any, text: str, _parameters: Any, context: Any, _many: bool) -> None:
        with contextlib.suppress(Exception):  # the statement went well, and so it must for the program
            started = getattr(context, _STARTED, None)
            milliseconds = 0.0 if started is None else (self._clock() - started) * 1000
            if started is not None and milliseconds >= self._slow_ms:
                rows = getattr(cursor, "rowcount", -1)
                self._add(text, "", milliseconds, rows if isinstance(rows, int) and rows >= 0 else None)
            elif self._seen and self._clock() - self._began >= self._window:
                self.report()  # the timer does it too, but not after a fork

    def _failed(self, failure: Any) -> None:
        with contextlib.suppress(Exception):  # the program is to see its own error
            if failure.statement is None:
                return
            started = getattr(failure.execution_context, _STARTED, None)
            milliseconds = 0.0 if started is None else (self._clock() - started) * 1000
            # The message names parameters and values, so that only the type is kept.
            kind = error_fields(failure.original_exception, 0)["error_type"]
            self._add(failure.statement, kind, milliseconds, None)

    def _add(self, text: str, error_type: str, milliseconds: float, rows: int | None) -> None:
        statement = shape(text, self._habits)
        if self._seen and self._clock() - self._began >= self._window:
            self.report()
        with self._turn:
            if not self._seen:
                self._begin()
            if len(self._seen) >= _SHAPES and (statement, error_type) not in self._seen:
                statement, error_type = _OTHERS, error_type and "Exception"
            self._seen.setdefault((statement, error_type), _Figures()).add(milliseconds, rows)

    def _begin(self) -> None:
        self._began = self._clock()
        self._timer = threading.Timer(self._window, self.report)
        self._timer.daemon = True
        self._timer.name = "stonelog-queries"
        with contextlib.suppress(RuntimeError):  # no more threads: the next statement reports
            self._timer.start()


def _place(engine: Any) -> dict[str, Any]:
    """Which database it is, without user and password."""
    url = engine.url
    place = {"dialect": engine.dialect.name, "database": url.database, "database_host": url.host}
    return {name: value for name, value in place.items() if value is not None}


def _habits(engine: Any) -> Habits:
    """Where texts begin and end in the engine's dialect."""
    name = engine.dialect.name
    quote = getattr(engine.dialect.identifier_preparer, "initial_quote", '"')
    quotes: Literal["names", "values", "either"] = "values" if quote == "`" else "names"
    return Habits(
        quotes="either" if name == "sqlite" else quotes,
        hashes=name in ("mysql", "mariadb"),
        brackets=name in ("mssql", "sqlite"),
    )
