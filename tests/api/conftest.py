"""A store with a few events, and a way to ask the application about it without a network."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stonelog.filestore import Store

Get = Callable[..., Any]


def call(app: Any, url: str, *, method: str = "GET", base: str = "http://localhost", **more: Any) -> Any:
    """The application's answer, an httpx.Response."""
    import httpx  # the tests of other doors share this file, and need neither

    async def once() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base) as client:
            return await client.request(method, url, **more)

    return asyncio.run(once())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def app(store: Store) -> Iterator[Any]:
    from stonelog.api import create_app

    made = create_app(store)
    yield made
    made.state.access.close()


@pytest.fixture
def get(app: Any) -> Get:
    """Asks the application of `store`; or the one given as `app`."""

    def ask(url: str, **more: Any) -> Any:
        return call(more.pop("app", app), url, **more)

    return ask


@pytest.fixture
def ask_raw(app: Any) -> Callable[..., tuple[int, dict[bytes, bytes], bytes]]:
    """Asks with bytes that an HTTP client would refuse to send; gives status, headers and body."""

    def ask(
        path: str, query: bytes = b"", headers: dict[bytes, bytes] | None = None, between: Callable[[], object] = int
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)
            if message.get("body"):
                between()

        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "method": "GET",
            "path": path,
            "query_string": query,
            "headers": list({b"host": b"localhost", **(headers or {})}.items()),
        }
        asyncio.run(app(scope, receive, send))
        return sent[0]["status"], dict(sent[0]["headers"]), b"".join(message.get("body", b"") for message in sent)

    return ask


@pytest.fixture
def seven(store: Store) -> Store:
    """Seven events: logins of ada and bob over three hours, some failed, one with a large number in it."""
    store.append_many(
        {
            "category": "authentication",
            "action": "login_failed" if number % 3 == 0 else "login",
            "level": "warning" if number % 3 == 0 else "info",
            "username": "ada" if number % 2 else "bob",
            "time": f"2026-11-23T{10 + number // 3}:00:0{number}Z",
            "message": f"login number {number} at the café",
            "response_time_ms": number * 1.5,
            "metadata": {"big": 2**60 + number},
        }
        for number in range(1, 8)
    )
    return store
