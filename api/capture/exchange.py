"""One request and its answer while they last: what was seen so far, and what the application says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from time import perf_counter
from typing import Any

from .context import Fields
from .crash import error_fields

__all__ = ["Exchange", "Inside", "amend", "crashed", "current"]

Who = Callable[[], dict[str, Any]]

current: ContextVar[Exchange | None] = ContextVar("stonelog_exchange", default=None)
"""The request that is being handled here."""


class Exchange:
    """What is known of a request, its response or its connection. One task or thread at a time writes to it."""

    __slots__ = (
        *("method", "path", "plain_path", "action", "route", "request_id", "trace_id", "fields"),
        *("metadata", "stack_bytes"),
        *("began", "ended", "status", "bytes", "streamed", "complete", "disconnected", "cancelled"),
        *("error", "amended", "said", "written", "close_code", "received", "sent"),
    )

    def __init__(self, method: str, path: str, plain_path: str, stack_bytes: int) -> None:
        self.method = method
        self.path = path
        self.plain_path = plain_path
        self.stack_bytes = stack_bytes
        self.action = "api_call"
        self.route: str | None = None
        """The template of the route, if something has told it already."""
        self.request_id = ""
        self.trace_id: str | None = None
        self.fields: dict[str, Any] = {}
        """What every event captured inside has too."""
        self.metadata: dict[str, Any] = {}
        self.status: int | None = None
        self.bytes = self.received = self.sent = 0
        self.streamed = self.complete = self.disconnected = self.cancelled = False
        self.error: dict[str, Any] | None = None
        self.amended: dict[str, Any] = {}
        self.said = False
        """Whether the application has said something of it, which may be anything."""
        self.written = False
        self.close_code: int | None = None
        self.ended: float | None = None
        self.began = perf_counter()

    def failed(self, error: BaseException) -> None:
        """An exception came out of the application. That the task was cancelled, or the client left, is no error."""
        name = type(error).__name__
        if name == "CancelledError":
            self.cancelled = True
        elif not (self.disconnected and (isinstance(error, OSError) or "Disconnect" in name)):
            self.error = error_fields(error, self.stack_bytes)


class Inside(Fields):
    """The fields of all that is captured inside a request: those of the request, and who it is once that is known.

    Who it is the application finds out only while it runs, so that is asked for when there is an event.
    """

    __slots__ = ("_fields", "_looking", "_outside", "_who")

    def __init__(self, fields: dict[str, Any], who: Who, outside: Fields) -> None:
        self._fields = fields
        self._outside = outside
        self._who: Who | None = who
        self._looking = False

    def end(self) -> None:
        """The request is over: what outlives it, such as a server's timers with a copy of the context, holds no scope.

        What was known by then still holds, in tasks that go on.
        """
        self._who = None

    def outside(self) -> Fields:
        return self._outside

    def flat(self) -> dict[str, Any]:
        fields = self._fields
        if self._who is not None and not self._looking and "user_id" not in fields and "username" not in fields:
            self._looking = True  # what is called may log something itself
            try:
                fields.update(self._who())
            except Exception:  # noqa: BLE001, S110 (it is asked again at the end, and counted then)
                pass
            finally:
                self._looking = False
        return dict(fields)


def amend(**fields: object) -> bool:
    """The event of the request that is being handled has these fields too; whether there is one, not
    written yet.

    They go before those that were seen: `amend(category="authentication", action="login", username="ada")`. What is
    given as `metadata` is added to it. What is said of who it is holds for all that is captured from then on.
    """
    exchange = current.get()
    if exchange is None or exchange.written:
        return False
    exchange.said = True
    metadata = fields.pop("metadata", None)
    if isinstance(metadata, Mapping):
        exchange.metadata.update(metadata)
    elif metadata is not None:
        fields["metadata"] = metadata
    exchange.amended.update(fields)
    for name in ("user_id", "username", "session_id"):
        if fields.get(name) is not None:
            exchange.fields[name] = fields[name]
    return True


def crashed(error: BaseException) -> bool:
    """The event of the request that is being handled tells of this exception; whether there is one.

    For frameworks that answer it with a page of their own, so that the middleware does not see it.
    """
    exchange = current.get()
    if exchange is None or exchange.written:
        return False
    exchange.failed(error)
    return True
