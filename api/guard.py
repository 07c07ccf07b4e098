"""What stands before every request: its host, its length, its number, the headers of its answer, and the last catch."""

from __future__ import annotations

import ipaddress
import logging
import re
from typing import Final
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stonelog.filestore import shorten

from .problems import FOREIGN_HOST, INTERNAL, QUERY_TOO_LONG, problem

__all__ = ["HEADERS", "MAX_QUERY_BYTES", "Guard", "is_loopback"]

MAX_QUERY_BYTES: Final = 100 * 1024
"""Room for the longest query the language allows: 8,192 characters, each up to 12 bytes when percent-encoded."""

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
"""On every answer that does not set them itself."""

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{0,5})?", re.ASCII | re.IGNORECASE)

log = logging.getLogger("stonelog.api")


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without port and brackets, can only mean this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"


def _names_loopback(hosts: list[str]) -> bool:
    match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    return match is not None and is_loopback(match["name"].strip("[]"))


def _is_of_loopback(origin: str) -> bool:
    scheme, _, host = origin.partition("://")
    return scheme in ("http", "https") and _names_loopback([host])


class Guard:
    """ASGI middleware around the whole application.

    With `loopback_only`, a request whose Host is not a loopback name is refused: a web page that had its own name
    resolve to 127.0.0.1 (DNS rebinding) would otherwise read the log through its visitor's browser. Nor is one whose
    Origin is a page from elsewhere: that page could not read the answer, but could make the server work.
    """

    def __init__(self, app: ASGIApp, *, loopback_only: bool) -> None:
        self.app = app
        self.loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = uuid4().hex
        begun = False

        async def send_guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers["X-Request-Id"] = request_id
            await send(message)

        try:
            await self._pass(scope, receive, send_guarded)
        except Exception as error:
            if begun:
                raise  # the answer breaks off, which is how a client sees that it is not whole
            # The cause is in the message too: the command line's log writes one line and no traceback.
            log.exception("request %s failed: %s: %r", request_id, shorten(scope["path"]), error)  # noqa: TRY401
            detail = "the cause stands in the server's log beside this request_id"
            await problem(INTERNAL, detail, request_id=request_id)(scope, receive, send_guarded)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = Headers(scope=scope).getlist("host")
        origins = Headers(scope=scope).getlist("origin")
        length = len(scope["query_string"])
        if self.loopback_only and not _names_loopback(hosts):
            detail = f"it listens on loopback only, and answers for localhost, not for {shorten(', '.join(hosts))!r}"
            await problem(FOREIGN_HOST, detail)(scope, receive, send)
        elif self.loopback_only and origins and not all(map(_is_of_loopback, origins)):
            detail = f"it listens on loopback only, and not to the page {shorten(', '.join(origins))!r}"
            await problem(FOREIGN_HOST, detail)(scope, receive, send)
        elif length > MAX_QUERY_BYTES:
            detail = f"the query string has {length:,} bytes; at most {MAX_QUERY_BYTES:,} are taken"
            await problem(QUERY_TOO_LONG, detail)(scope, receive, send)
        else:
            await self.app(scope, receive, send)
