"""ASGI middleware: one event for each request and each WebSocket connection.

`app.add_middleware(AuditMiddleware, store=store)` in FastAPI and Starlette, `AuditMiddleware(app, store=store)` around
any other application. What passes between server and application is handed on at once and as it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from .capture_settings import CaptureSettings
from .context import fields_here as bound_here
from .exchange import Exchange, Inside, current
from .frameworks import listen
from .request import Capture, Captures, Reader, note_failure, raw_path
from .routes import is_django, route_of_scope
from .users import user_of_scope

if TYPE_CHECKING:
    from stonelog.filestore import Store

__all__ = ["AuditMiddleware"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Finish = Callable[[], None]

_MARK: Final = "stonelog.exchange"
"""In the scope of a request that is being captured: another middleware further in lets it pass."""


class AuditMiddleware:
    """An ASGI application around another, which writes one event for each request of it."""

    def __init__(
        self,
        app: App,
        /,
        store: Store | None = None,
        *,
        user: Reader = user_of_scope,
        session: Reader | None = None,
        session_key: bytes = b"",
        settings: CaptureSettings | None = None,
        **options: object,
    ) -> None:
        """`store`: None is the one that `use` named. `user` is called with the scope after the application ran, and
        before that only if something else is captured inside: it gives (id, name), a name, or fields. `session` gives
        what names the session; a digest of that is written, with `session_key` a keyed one.

        `settings` are those of the store's directory if not given; `options` are single ones, which win. Raises
        InvalidSetting, pydantic.ValidationError; TypeError if `user` or `session` is asynchronous.
        """
        self._app = app
        self._captures = Captures(store, settings, options, user, session, session_key)
        self._django = is_django(app)
        listen()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        begun = None
        if kind in ("http", "websocket") and _MARK not in scope:
            capture = self._captures.now()
            begun = _begin(capture, scope) if capture.enabled else None
        if begun is None:
            await self._app(scope, receive, send)
            return
        exchange, agent = begun
        watch = _watch_http if kind == "http" else _watch_websocket
        receive, send = watch(exchange, receive, send, capture.response_header)
        inside = Inside(exchange.fields, partial(capture.who, scope), bound_here.get().outside())
        outer = bound_here.set(inside)
        here = current.set(exchange)
        try:
            await self._app(scope, receive, send)
        except BaseException as error:
            exchange.failed(error)
            raise
        finally:
            current.reset(here)
            bound_here.reset(outer)
            inside.end()
            self._finish(capture, exchange, scope, agent)

    def _finish(self, capture: Capture, exchange: Exchange, scope: Scope, agent: str | None) -> None:
        try:
            route = route_of_scope(scope, django=self._django)
        except Exception as error:  # noqa: BLE001 (frameworks change)
            note_failure("reading the route", error)
            route = None
        capture.finish(exchange, scope, route, agent)


def _begin(capture: Capture, scope: Scope) -> tuple[Exchange, str | None] | None:
    """The request as far as it is known, and its user agent; None if it could not be read."""
    try:
        path = scope["path"]
        raw = scope.get("raw_path") or path.encode()
        query = scope.get("query_string") or b"" if capture.query_strings else b""
        exchange = Exchange(scope.get("method", "GET"), raw_path(raw, query), path, capture.settings.stack_bytes)
        headers = _headers(capture.headers, scope["headers"])
        client = scope.get("client")
        capture.begin(exchange, client[0] if client else None, headers)
        if outside := bound_here.get().outside().flat():  # a server may begin a request within the one before
            exchange.fields = {**outside, **exchange.fields}
        scope[_MARK] = exchange
        state = scope.setdefault("state", {})
        if isinstance(state, MutableMapping):
            state["request_id"] = exchange.request_id
        if scope["type"] == "websocket":
            exchange.action = "websocket"
    except Exception as error:  # noqa: BLE001 (whatever is odd about the scope is for the application to judge)
        note_failure("reading a request", error)
        return None
    return exchange, headers.get("user-agent")


def _headers(wanted: Mapping[bytes, str], given: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers that are looked at; one that came several times is one, as RFC 9110 has it."""
    found: dict[str, str] = {}
    again: dict[str, list[str]] = {}
    for key, value in given:
        name = wanted.get(key)
        if name is None:
            continue
        if name in found:
            again.setdefault(name, [found[name]]).append(value.decode("latin-1"))
        else:
            found[name] = value.decode("latin-1")
    for name, values in again.items():
        found[name] = ("; " if name == "cookie" else ", ").join(values)
    return found


def _watch_http(exchange: Exchange, receive: Receive, send: Send, header: bytes) -> tuple[Receive, Send]:
    """`receive` and `send` of a request, with an eye on them."""

    async def watched_receive() -> Message:
        message = await receive()
        if message["type"] == "http.disconnect" and not exchange.complete:
            exchange.disconnected = True
        return message

    async def watched_send(message: Message) -> None:
        try:
            _note_http(exchange, message)
            if header and message["type"] == "http.response.start":
                message = _with_header(message, header, exchange.request_id)
        except Exception:  # noqa: BLE001, S110 (what is wrong with the message the server will say)
            pass
        try:
            await send(message)
        except OSError:
            exchange.disconnected = True  # ASGI 2.4: the client has gone
            raise
        if exchange.complete and exchange.ended is None:
            exchange.ended = perf_counter()

    return watched_receive, watched_send


def _note_http(exchange: Exchange, message: Message) -> None:
    kind = message["type"]
    if kind in ("http.response.body", "http.response.zerocopysend"):
        if message.get("more_body"):
            exchange.streamed = True
        else:
            exchange.complete = True
        if kind == "http.response.body":
            exchange.bytes += len(message.get("body", b""))
    elif kind == "http.response.start":
        exchange.status = message["status"]
    elif kind == "http.response.pathsend":
        exchange.complete = True


def _watch_websocket(exchange: Exchange, receive: Receive, send: Send, header: bytes) -> tuple[Receive, Send]:
    """`receive` and `send` of a connection, with an eye on them."""

    async def watched_receive() -> Message:
        message = await receive()
        kind = message["type"]
        if kind == "websocket.receive":
            exchange.received += 1
        elif kind == "websocket.disconnect" and exchange.close_code is None:
            exchange.close_code = message.get("code", 1005)
            exchange.complete = exchange.disconnected = True
        return message

    async def watched_send(message: Message) -> None:
        try:
            _note_websocket(exchange, message)
            if header and message["type"] in ("websocket.accept", "websocket.http.response.start"):
                message = _with_header(message, header, exchange.request_id)
        except Exception:  # noqa: BLE001, S110 (what is wrong with the message the server will say)
            pass
        try:
            await send(message)
        except OSError:
            exchange.disconnected = True  # ASGI 2.4: the client has gone
            raise

    return watched_receive, watched_send


def _note_websocket(exchange: Exchange, message: Message) -> None:
    kind = message["type"]
    if kind == "websocket.send":
        exchange.sent += 1
    elif kind == "websocket.accept":
        exchange.status = 101
    elif kind == "websocket.close":
        exchange.status = exchange.status or 403
        exchange.close_code = message.get("code", 1000)
        exchange.complete = True
    elif kind == "websocket.http.response.start":
        exchange.status = message["status"]
    elif kind == "websocket.http.response.body" and not message.get("more_body"):
        exchange.complete = True


def _with_header(message: Message, name: bytes, value: str) -> Message:
    headers = list(message.get("headers") or ())
    if any(key.lower() == name for key, _ in headers):
        return message
    return {**message, "headers": [*headers, (name, value.encode())]}
