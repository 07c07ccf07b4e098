"""The event of a request: what both middlewares share. Nothing here raises into them, or waits."""

from __future__ import annotations

import logging
import os
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from hashlib import blake2b
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_from_bytes

from .agents import Agents
from .capture_settings import CaptureSettings
from .context import Fields, fields_here
from .exchange import Exchange
from .given import completed, spread
from .offer import offer, store_in_use
from .proxies import Proxies, address_of
from .rules import Rules, is_sampled
from .trace import new_request_id, new_span_id, parse_traceparent
from .users import check_reader, fields_of_user

if TYPE_CHECKING:
    from stonelog.filestore import Store

__all__ = ["Capture", "Captures", "Reader", "note_failure", "raw_path", "reader_errors", "settings_of"]

Reader = Callable[[Any], object]
"""A function of the application that reads who, or which session, from the scope or the environ."""

_LONGEST_PATH: Final = 8192
_LONGEST_AGENT: Final = 1024
_SANE_ID: Final = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}", re.ASCII)
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))
_UNPRINTABLE: Final = re.compile(rb"[^\x21-\x7e]")
_WARNINGS: Final = frozenset({401, 403, 429})
_LEFT: Final = frozenset({1000, 1001, 1005})
"""The close codes of a connection that ended as it should: done, going away, none given."""
_SAMPLING_KEY: Final = secrets.token_bytes(32)
_LOW: Final = frozenset({None, "debug", "info"})
_PREFIX: Final = "STONELOG_CAPTURE_"
CLIENT_CLOSED: Final = 499
"""The status of a request whose client left before there was any, as nginx has it."""

log = logging.getLogger("stonelog.capture")
_turn = threading.RLock()  # a `__del__` or a signal handler may log in the middle, in this thread
_reader_errors = 0


def reader_errors() -> int:
    """How often a function that reads the user or session failed since the process started, or reading a request."""
    return _reader_errors


def note_failure(what: str, error: Exception) -> None:
    """It is counted, and the first time told in the program's own log."""
    global _reader_errors
    with _turn:
        _reader_errors += 1
        first = _reader_errors == 1
    log.log(logging.WARNING if first else logging.DEBUG, "%s failed: %r", what, error)


def raw_path(raw: bytes, query: bytes) -> str:
    """The path with its query string as it was asked for, at most 8,192 characters, all printable ASCII."""
    whole = raw + b"?" + query if query else raw
    whole = whole[:_LONGEST_PATH]
    return quote_from_bytes(whole, _PRINTABLE)[:_LONGEST_PATH] if _UNPRINTABLE.search(whole) else whole.decode("ascii")


class Capture:
    """What is done with each request, by the settings: begun when it comes, finished when it is over."""

    def __init__(
        self,
        settings: CaptureSettings,
        store: Store | None,
        user: Reader,
        session: Reader | None,
        session_key: bytes,
    ) -> None:
        self.settings = settings
        self.enabled = settings.enabled
        self.query_strings = settings.query_strings
        self.response_header = settings.response_header.lower().encode()
        self._store = store
        self._user = user
        self._session = session
        self._session_key = session_key[: blake2b.MAX_KEY_SIZE]
        self._sampling_key = self._session_key or _SAMPLING_KEY
        self._rules = Rules(settings.exclude, settings.always, settings.sensitive, settings.sample)
        self._proxies = Proxies(settings.trusted_proxies, settings.proxy_header)
        self._agents = Agents(enabled=settings.user_agents)
        self._id_header = settings.request_id_header.lower()
        wanted = {"user-agent", "traceparent"} | ({self._id_header} - {""})
        wanted |= {"cookie"} if settings.session_cookie else set()
        wanted |= {"forwarded", "x-forwarded-for"} if self._proxies.any else set()
        self.headers = {name.encode(): name for name in wanted}
        """The headers that are looked at, in lower case, by their name in ASGI."""
        self.variables = {f"HTTP_{name.upper().replace('-', '_')}": name for name in wanted}
        """The same, by their name in CGI."""

    def begin(self, exchange: Exchange, peer: str | None, headers: Mapping[str, str]) -> None:
        """The exchange knows what can be known before the application runs; `headers` are those looked at."""
        fields, metadata = exchange.fields, exchange.metadata
        if not self._proxies.any:
            address = None if peer is None else address_of(peer)
        else:
            client = self._proxies.client(peer, headers.get("forwarded"), headers.get("x-forwarded-for"))
            address = client.address
            if client.contradicted:
                metadata["proxy_headers_differ"] = True
        if address is not None:
            fields["ip_address"] = address
        given = headers.get(self._id_header, "")
        fields["request_id"] = exchange.request_id = given if _SANE_ID.fullmatch(given) else new_request_id()
        if "traceparent" in headers and (parent := parse_traceparent(headers["traceparent"])):
            fields["trace_id"] = exchange.trace_id = parent.trace_id
            fields["span_id"] = new_span_id()
            metadata["parent_span_id"] = parent.span_id
        if "cookie" in headers:
            cookie = _cookie(headers["cookie"], self.settings.session_cookie)
            if cookie:
                fields["session_id"] = self._digest(cookie)

    def _digest(self, value: str) -> str:
        return blake2b(value.encode("utf-8", "replace"), digest_size=8, key=self._session_key).hexdigest()

    def who(self, source: Any) -> dict[str, Any]:
        """The fields that say who, by the application's function or the default one; raises what it raises."""
        return fields_of_user(self._user(source))

    def finish(self, exchange: Exchange, source: Any, route: str | None, agent: str | None) -> None:
        """The event is handed over, unless the rules leave it out. `source` is the scope or environ."""
        exchange.written = True
        token = fields_here.set(Fields())  # it has its own; what is around may be another request's
        try:
            self._finish(exchange, source, route, agent)
        except Exception as error:  # noqa: BLE001 (the response must not break)
            note_failure("the event of a request", error)
        finally:
            fields_here.reset(token)
            if "stonelog.request" in source:  # a request that was remembered, which holds `source` itself
                del source["stonelog.request"]

    def _finish(self, exchange: Exchange, source: Any, route: str | None, agent: str | None) -> None:
        ended = exchange.ended or perf_counter()
        route = exchange.route or route
        _settle(exchange)
        verdict = self._rules.verdict(exchange.method, exchange.plain_path, route)
        failed = exchange.error is not None or (exchange.status or 0) >= 400
        if verdict.excluded or not (failed or verdict.rate >= 1 or self._is_sampled(exchange, verdict.rate)):
            return
        fields = {"category": "api", "action": exchange.action, **exchange.fields}
        fields["method"] = exchange.method
        fields["path"] = exchange.path.partition("?")[0] if verdict.sensitive else exchange.path
        fields["response_time_ms"] = round((ended - exchange.began) * 1000, 3)
        _add_result(fields, exchange)
        self._add_who(fields, exchange, source)
        if agent:
            fields["user_agent"] = agent[:_LONGEST_AGENT]
            if known := self._agents.agent(agent):
                exchange.metadata["agent"] = known
        if route is not None:
            exchange.metadata["route"] = route
        if exchange.said:
            fields = _with_amended(fields, exchange)
        elif exchange.metadata:
            fields["metadata"] = exchange.metadata
        if verdict.sensitive:
            tags = fields.get("tags") or []
            fields["tags"] = [*(tags if isinstance(tags, list) else [str(tags)]), "sensitive"]
            fields["level"] = "notice" if fields.get("level") in _LOW else fields["level"]
        offer(self._store, fields)

    def _is_sampled(self, exchange: Exchange, rate: float) -> bool:
        """Whether it is among those written; by a digest, because a client chooses the ids and would choose this."""
        chosen = (exchange.trace_id or exchange.request_id).encode()
        return is_sampled(blake2b(chosen, digest_size=16, key=self._sampling_key, person=b"sampling").hexdigest(), rate)

    def _add_who(self, fields: dict[str, Any], exchange: Exchange, source: Any) -> None:
        try:
            if who := self.who(source):
                fields.update(who)
                exchange.fields.update(who)  # for what is still captured, by tasks that outlive the request
        except Exception as error:  # noqa: BLE001 (the application's own function)
            exchange.metadata["reader_error"] = type(error).__name__
            note_failure("the function that reads the user", error)
        try:
            if self._session is not None and (session := self._session(source)):
                fields["session_id"] = self._digest(str(session))
        except Exception as error:  # noqa: BLE001 (the application's own function)
            exchange.metadata["reader_error"] = type(error).__name__
            note_failure("the function that reads the session", error)


class Captures:
    """The `Capture` of a middleware: made at the first request, and anew when `use` has named another store.

    Frameworks make their middleware before the application starts, which is when most programs open the store.
    """

    def __init__(
        self,
        store: Store | None,
        settings: CaptureSettings | None,
        options: Mapping[str, Any],
        user: Reader,
        session: Reader | None,
        session_key: bytes,
    ) -> None:
        check_reader(user, "user")
        check_reader(session, "session")
        self._given = store, settings, options
        self._readers = user, session, session_key
        self._made: Capture | None = None
        self._store = store if store is not None else store_in_use()
        self._settings = settings_of(self._store, settings, options)

    def now(self) -> Capture:
        """What is done with a request that comes now."""
        store, settings, options = self._given
        if store is None and (used := store_in_use()) is not self._store:
            self._store = used
            try:
                self._settings = settings_of(used, settings, options)
                self._made = None
            except Exception as error:  # noqa: BLE001 (requests go on; with the settings that held before)
                note_failure("reading the settings of the store in use", error)
        made = self._made
        if made is None:
            made = self._made = Capture(self._settings, store, *self._readers)
        return made


def settings_of(store: Store | None, given: CaptureSettings | None, options: Mapping[str, Any]) -> CaptureSettings:
    """The settings: those given, else of the store's directory, else of the environment; each with `options` on top.

    Raises InvalidSetting, or pydantic's ValidationError for an option or, where there is no store, a variable.
    """
    if given is None and store is not None:
        from stonelog.filestore import load_section

        given = load_section(CaptureSettings, store.directory, "capture")
    if given is None:
        variables = {
            name.removeprefix(_PREFIX).lower(): value for name, value in os.environ.items() if name.startswith(_PREFIX)
        }
        given = CaptureSettings.model_validate(variables)
    return CaptureSettings.model_validate({**given.model_dump(), **options}) if options else given


def _with_amended(fields: dict[str, Any], exchange: Exchange) -> dict[str, Any]:
    """The fields with what the application said over them, none of which can cost the event."""
    metadata = dict(exchange.metadata)
    spread(exchange.amended, fields, metadata)
    for name, value in exchange.amended.items():
        if value is None and name not in ("category", "action"):  # it is not to be told
            fields[name] = None
    return completed(fields, metadata, "api", exchange.action)


def _settle(exchange: Exchange) -> None:
    """The status is known: an application that ended without a response has the server answer 500."""
    if exchange.status is None and exchange.close_code is None:
        exchange.status = CLIENT_CLOSED if exchange.disconnected or exchange.cancelled else 500
    if exchange.error is not None and exchange.status is None:
        exchange.status = 500


def _add_result(fields: dict[str, Any], exchange: Exchange) -> None:
    status, metadata = exchange.status, exchange.metadata
    if status is not None:
        fields["status_code"] = status
    if exchange.error is not None or (status or 0) >= 500:
        fields["level"], fields["outcome"] = "error", "failure"
        fields.update(exchange.error or {})
    else:
        fields["level"] = "warning" if status in _WARNINGS else "info"
        fields["outcome"] = _outcome(exchange)
    if exchange.action == "websocket":
        metadata |= {"messages_received": exchange.received, "messages_sent": exchange.sent}
        if exchange.close_code is not None:
            metadata["close_code"] = exchange.close_code
    elif exchange.bytes:
        metadata["bytes"] = exchange.bytes
    if exchange.streamed:
        metadata["streamed"] = True
    if exchange.disconnected or exchange.cancelled:
        metadata["disconnected" if exchange.disconnected else "cancelled"] = True
    elif not exchange.complete and exchange.error is None:
        metadata["incomplete"] = True


def _outcome(exchange: Exchange) -> str:
    status = exchange.status
    if status is not None and status >= 400:
        return "failure"
    if exchange.action == "websocket" and exchange.close_code is not None:
        return "success" if exchange.close_code in _LEFT else "failure"
    lost = exchange.action == "websocket" and exchange.disconnected
    return "unknown" if status is None or lost else "success"


def _cookie(header: str, name: str) -> str | None:
    for pair in header.split(";"):
        key, equals, value = pair.strip(" \t").partition("=")
        if equals and key == name:
            return value.strip('"')
    return None
