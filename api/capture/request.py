"""The event of a request: what both middlewares share. Nothing here raises into them, or waits."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping
from hashlib import blake2b
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_from_bytes

from .agents import Agents
from .capture_settings import CaptureSettings
from .exchange import Exchange
from .offer import offer, store_in_use
from .proxies import Proxies, address_of
from .rules import Rules, is_sampled
from .trace import new_request_id, new_span_id, parse_traceparent
from .users import fields_of_user

if TYPE_CHECKING:
    from stonelog.filestore import Store

__all__ = ["Capture", "Reader", "note_failure", "raw_path", "reader_errors", "settings_of"]

Reader = Callable[[Any], object]
"""A function of the application that reads who, or which session, from the scope or the environ."""

_LONGEST_PATH: Final = 8192
_LONGEST_AGENT: Final = 1024
_SANE_ID: Final = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}", re.ASCII)
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))
_UNPRINTABLE: Final = re.compile(rb"[^\x21-\x7e]")
_WARNINGS: Final = frozenset({401, 403, 429})
_LOW: Final = frozenset({None, "debug", "info"})
CLIENT_CLOSED: Final = 499
"""The status of a request whose client left before there was any, as nginx has it."""

log = logging.getLogger("stonelog.capture")
_turn = threading.Lock()
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
        self.query_strings = settings.query_strings
        self.response_header = settings.response_header.lower().encode()
        self._store = store
        self._user = user
        self._session = session
        self._session_key = session_key[: blake2b.MAX_KEY_SIZE]
        self._rules = Rules(settings.exclude, settings.always, settings.sensitive, settings.sample)
        self._proxies = Proxies(settings.trusted_proxies, settings.proxy_header)
        self._agents = Agents(enabled=settings.user_agents)
        self._id_header = settings.request_id_header.lower()
        self.wanted = {"user-agent", "traceparent"}
        """The headers that are looked at, in lower case."""
        self.wanted |= {self._id_header} - {""}
        self.wanted |= {"cookie"} if settings.session_cookie else set()
        self.wanted |= {"forwarded", "x-forwarded-for"} if self._proxies.any else set()

    def begin(self, exchange: Exchange, peer: str | None, headers: Mapping[str, str]) -> None:
        """The exchange knows what can be known before the application runs; `headers` are those `wanted`."""
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
        try:
            self._finish(exchange, source, route, agent)
        except Exception as error:  # noqa: BLE001 (the response must not break)
            note_failure("the event of a request", error)

    def _finish(self, exchange: Exchange, source: Any, route: str | None, agent: str | None) -> None:
        ended = exchange.ended or perf_counter()
        route = exchange.route or route
        _settle(exchange)
        verdict = self._rules.verdict(exchange.method, exchange.plain_path, route)
        failed = exchange.error is not None or (exchange.status or 0) >= 400
        key = exchange.trace_id or exchange.request_id
        if verdict.excluded or not (failed or verdict.rate >= 1 or is_sampled(key, verdict.rate)):
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
        if exchange.metadata:
            fields["metadata"] = exchange.metadata
        fields.update(exchange.amended)
        if verdict.sensitive:
            fields["tags"] = [*(fields.get("tags") or ()), "sensitive"]
            fields["level"] = "notice" if fields.get("level") in _LOW else fields["level"]
        offer(self._store, fields)

    def _add_who(self, fields: dict[str, Any], exchange: Exchange, source: Any) -> None:
        try:
            if who := self.who(source):
                fields.update(who)
                exchange.fields.update(who)  # for what is still captured, by tasks that outlive the request
            if self._session is not None and (session := self._session(source)):
                fields["session_id"] = self._digest(str(session))
        except Exception as error:  # noqa: BLE001 (the application's own function)
            exchange.metadata["reader_error"] = type(error).__name__
            note_failure("the function that reads the user or session", error)


def settings_of(store: Store | None, given: CaptureSettings | None, options: Mapping[str, Any]) -> CaptureSettings:
    """The settings: those given, else of the store's directory, else the defaults; each with `options` on top.

    Raises InvalidSetting, or pydantic's ValidationError for an option.
    """
    store = store or store_in_use()
    if given is None and store is not None:
        from stonelog.filestore import load_section

        given = load_section(CaptureSettings, store.directory, "capture")
    given = given or CaptureSettings()
    return CaptureSettings.model_validate({**given.model_dump(), **options}) if options else given


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
        fields["outcome"] = "unknown" if status is None else "failure" if status >= 400 else "success"
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


def _cookie(header: str, name: str) -> str | None:
    for pair in header.split(";"):
        key, equals, value = pair.strip(" \t").partition("=")
        if equals and key == name:
            return value.strip('"')
    return None
