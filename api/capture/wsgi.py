"""WSGI middleware: one event for each request, when its response was handed over whole.

`app.wsgi_app = AuditWsgiMiddleware(app.wsgi_app, store=store)` in Flask, `AuditWsgiMiddleware(application)` around any
other application (PEP 3333). Pieces of the response are handed on one by one as they come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from .capture_settings import CaptureSettings
from .context import fields_here as bound_here
from .exchange import Exchange, Inside, current
from .frameworks import listen
from .request import Capture, Captures, Reader, note_failure, raw_path
from .routes import is_django, route_of_environ
from .users import user_of_environ

if TYPE_CHECKING:
    from stonelog.filestore import Store

__all__ = ["AuditWsgiMiddleware"]

Environ = MutableMapping[str, Any]
Start = Callable[..., Any]
App = Callable[[Environ, Start], Iterable[bytes]]

_MARK: Final = "stonelog.exchange"


class AuditWsgiMiddleware:
    """A WSGI application around another, which writes one event for each request of it."""

    def __init__(
        self,
        app: App,
        /,
        store: Store | None = None,
        *,
        user: Reader = user_of_environ,
        session: Reader | None = None,
        session_key: bytes = b"",
        settings: CaptureSettings | None = None,
        **options: object,
    ) -> None:
        """As `AuditMiddleware`; `user` and `session` are called with the environ."""
        self._app = app
        self._captures = Captures(store, settings, options, user, session, session_key)
        self._django = is_django(app)
        listen()

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        exchange = None
        if _MARK not in environ:
            capture = self._captures.now()
            exchange = _begin(capture, environ) if capture.enabled else None
        if exchange is None:
            return self._app(environ, start_response)
        call = _Call(exchange, partial(capture.who, environ), partial(self._finish, capture, exchange, environ))
        header = capture.response_header.decode()

        def watched_start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            code = status[:3]
            exchange.status = int(code) if code.isascii() and code.isdigit() else None
            if header and not any(key.lower() == header for key, _ in headers):
                headers = [*headers, (header, exchange.request_id)]
            write = start_response(status, headers, *(() if exc_info is None else (exc_info,)))

            def watched_write(data: bytes) -> object:
                call.begun = True
                exchange.bytes += len(data)
                return write(data)

            return watched_write

        with call:
            result = self._app(environ, watched_start)
        return _watched(result, call, environ.get("wsgi.file_wrapper"))

    def _finish(self, capture: Capture, exchange: Exchange, environ: Environ) -> None:
        try:
            route = route_of_environ(environ, django=self._django)
        except Exception as error:  # noqa: BLE001 (frameworks change)
            note_failure("reading the route", error)
            route = None
        capture.finish(exchange, environ, route, environ.get("HTTP_USER_AGENT"))


def _begin(capture: Capture, environ: Environ) -> Exchange | None:
    """The request as far as it is known; None if it could not be read."""
    try:
        plain = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        query = environ.get("QUERY_STRING", "") if capture.query_strings else ""
        path = raw_path(_asked(environ, plain), query.encode("latin-1", "replace"))
        exchange = Exchange(environ["REQUEST_METHOD"], path, _text(plain), capture.settings.stack_bytes)
        headers = {name: environ[key] for key, name in capture.variables.items() if key in environ}
        capture.begin(exchange, environ.get("REMOTE_ADDR") or None, headers)
        if outside := bound_here.get().outside().flat():  # it may be asked within another request
            exchange.fields = {**outside, **exchange.fields}
        environ[_MARK] = exchange
        environ["stonelog.request_id"] = exchange.request_id
    except Exception as error:  # noqa: BLE001 (whatever is odd about the environ is for the application to judge)
        note_failure("reading a request", error)
        return None
    return exchange


def _text(path: str) -> str:
    """The path as people write it: PEP 3333 hands bytes over as latin-1."""
    return path.encode("latin-1", "replace").decode("utf-8", "replace")


def _asked(environ: Mapping[str, Any], plain: str) -> bytes:
    """The path as it was asked for, where the server tells (gunicorn, uWSGI, Werkzeug), else the decoded one."""
    asked = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    if not asked.startswith("/"):
        asked = plain
    return str(asked).partition("?")[0].encode("latin-1", "replace")


class _Call:
    """One call of the application, until its response is closed."""

    def __init__(self, exchange: Exchange, who: Callable[[], dict[str, Any]], finish: Callable[[], None]) -> None:
        self.exchange = exchange
        self._inside = Inside(exchange.fields, who, bound_here.get().outside())
        self._finish = finish
        self._finished = False
        self.begun = False
        """Whether some of the response was handed to the server."""

    def __enter__(self) -> None:
        """The application's own code runs within: what it captures has the fields of the request."""
        self._tokens = bound_here.set(self._inside), current.set(self.exchange)

    def __exit__(self, kind: object, error: BaseException | None, stack: object) -> None:
        inside, here = self._tokens
        current.reset(here)
        bound_here.reset(inside)
        if error is not None and not isinstance(error, StopIteration):
            if not self.begun:
                self.exchange.status = None  # nothing of the response was sent: the server answers 500
            self.exchange.failed(error)
            self.finish()

    def finish(self) -> None:
        """The event is handed over, once."""
        if not self._finished:
            self._finished = True
            self._inside.end()
            self._finish()


def _watched(result: Iterable[bytes], call: _Call, file_wrapper: object) -> Iterable[bytes]:
    """The response, with an eye on it. What the server hands to the system as a file stays what it is."""
    if isinstance(file_wrapper, type) and isinstance(result, file_wrapper):
        return _watched_file(result, call)
    return _SizedResponse(result, call) if hasattr(result, "__len__") else _Response(result, call)


def _watched_file(result: Any, call: _Call) -> Iterable[bytes]:
    close = getattr(result, "close", None)

    def closed() -> None:
        with call:
            if close is not None:
                close()
        call.finish()

    call.exchange.complete = True
    try:
        result.close = closed
    except AttributeError:  # its class forbids that
        call.finish()
    return result  # type: ignore[no-any-return]


class _Response:
    """The pieces of a response, one by one; the event is written when the server closes it."""

    def __init__(self, result: Iterable[bytes], call: _Call) -> None:
        self._result = result
        self._call = call
        self._pieces: Iterator[bytes] | None = None
        self._seen = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        call, exchange = self._call, self._call.exchange
        try:
            with call:
                if self._pieces is None:
                    self._pieces = iter(self._result)
                piece = next(self._pieces)
        except StopIteration:
            exchange.complete = True
            exchange.ended = exchange.ended or perf_counter()
            raise
        call.begun = True
        if isinstance(piece, bytes):
            exchange.bytes += len(piece)
        self._seen += 1
        exchange.streamed = self._seen > 1
        return piece

    def close(self) -> None:
        """What the application wants closed is closed; a client that did not take everything has left."""
        exchange = self._call.exchange
        if not exchange.complete and exchange.method != "HEAD":
            exchange.disconnected = True
        exchange.complete = True
        close = getattr(self._result, "close", None)
        with self._call:
            if close is not None:
                close()
        self._call.finish()

    def __del__(self) -> None:
        self._call.finish()  # of a server that does not close


class _SizedResponse(_Response):
    """A response whose number of pieces is known, by which servers tell its length."""

    def __len__(self) -> int:
        return len(self._result)  # type: ignore[arg-type]
