"""ASGI and WSGI applications asked without a server, and the events that came of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from stonelog.filestore import Store

__all__ = ["ask", "ask_wsgi", "captured", "scope_of", "written"]

Ask = Callable[[Callable[..., Any], Any], Any]


def scope_of(target: str = "/", method: str = "GET", headers: dict[str, str] | None = None, **more: Any) -> Any:
    """The scope of a request from 192.0.2.1."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        "client": ("192.0.2.1", 5000),
        "server": ("localhost", 80),
        "state": {},
    }
    return {**scope, **more}


def ask(app: Any, target: str = "/", *, incoming: Iterable[Any] | None = None, **more: Any) -> list[Any]:
    """The messages that the application sent; `incoming` are those it receives: after the last it waits."""
    scope = more.pop("scope", None) or scope_of(target, **more)
    waiting = list(incoming or [{"type": "http.request", "body": b"", "more_body": False}])
    sent: list[Any] = []

    async def receive() -> Any:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def ask_wsgi(app: Any, target: str = "/", *, pieces: int | None = None, **environ: Any) -> tuple[Any, list[bytes]]:
    """Status and headers, and the pieces of the response; only so many of them if the client leaves then."""
    from wsgiref.util import setup_testing_defaults

    path, _, query = target.partition("?")
    environ = {"REMOTE_ADDR": "192.0.2.1", "PATH_INFO": path, "QUERY_STRING": query, **environ}
    setup_testing_defaults(environ)
    begun: list[Any] = []
    written: list[bytes] = []

    def start(status: str, headers: list[tuple[str, str]], error: Any = None) -> Callable[[bytes], None]:
        begun[:] = [status, headers]
        return written.append

    result = app(environ, start)
    try:
        for number, piece in enumerate(result):
            written.append(piece)
            if number + 1 == pieces:
                break
    finally:
        getattr(result, "close", int)()
    return tuple(begun), written


def written(directory: Path) -> list[dict[str, Any]]:
    """The events in the store's files, but for those of the store itself."""
    files = sorted(Path(directory, "events").glob("*.jsonl"))
    events = [json.loads(line) for path in files for line in path.read_bytes().split(b"\n") if line]
    return [event for event in events if event["category"] != "system_management"]


def captured(place: Path, use: Callable[[Store], Any]) -> list[dict[str, Any]]:
    """What is in a new store after `use(store)`."""
    with Store.open(place / "data", durability="none") as store:
        use(store)
    return written(place / "data")


App = Callable[[Any, Any, Any], Awaitable[None]]
