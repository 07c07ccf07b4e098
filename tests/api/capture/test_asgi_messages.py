"""Messages pass at once and as they are; who leaves before the end is told."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from asking import ask, captured, scope_of
from capturing import answering, one
from stonelog.api.capture.asgi import AuditMiddleware
from stonelog.filestore import Store

START = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}
BODY = {"type": "http.response.body", "body": b"hello"}


def test_messages_pass_as_they_are_and_at_once(tmp_path: Path) -> None:
    """Every message that the application sends is handed on unchanged before it goes on, known or not."""
    messages = [
        {"type": "http.response.early_hint", "links": [b"</a.css>"]},
        {**START, "trailers": True},
        {"type": "http.response.body", "body": b"one", "more_body": True},
        {"type": "http.response.debug", "info": {}},
        {"type": "http.response.zerocopysend", "file": 3, "more_body": True},
        BODY,
        {"type": "http.response.trailers", "headers": []},
    ]
    passed: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for number, message in enumerate(messages, 1):
            await send(message)
            assert len(passed) == number

    async def send(message: Any) -> None:
        passed.append(message)

    around = captured(
        tmp_path,
        lambda store: asyncio.run(AuditMiddleware(app, store)(scope_of(), answering(), send)),  # type: ignore[arg-type]
    )
    assert all(got is given for got, given in zip(passed, messages, strict=True))
    assert around[0]["metadata"] == {"bytes": 8, "streamed": True}


def test_a_file_that_the_server_sends(tmp_path: Path) -> None:
    """`http.response.pathsend` ends the response."""
    event = one(tmp_path, answering(START, {"type": "http.response.pathsend", "path": "/x"}))
    assert "metadata" not in event


def test_wrong_messages_are_for_the_server_to_judge(tmp_path: Path) -> None:
    """What an application should not send is handed on all the same."""
    wrong = [{}, {"type": "http.response.start"}, {"type": "http.response.body", "body": None}, BODY]
    sent: list[Any] = []
    captured(tmp_path, lambda store: sent.extend(ask(AuditMiddleware(answering(*wrong), store))))
    assert sent == wrong


def test_a_client_that_leaves(tmp_path: Path) -> None:
    """Before the end: told as such; without any response the status is 499."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    event = one(tmp_path, app, incoming=[{"type": "http.request", "more_body": True}, {"type": "http.disconnect"}])
    assert (event["status_code"], event["metadata"]) == (499, {"disconnected": True})
    assert "error_type" not in event


def test_a_client_that_leaves_while_the_response_is_sent(tmp_path: Path) -> None:
    """Servers of ASGI 2.4 raise OSError from `send`, which is no crash."""

    async def gone(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise ConnectionResetError

    def leave(store: Store) -> None:
        around = AuditMiddleware(answering(START, {**BODY, "more_body": True}), store)
        with pytest.raises(ConnectionResetError):
            asyncio.run(around(scope_of(), answering(), gone))  # type: ignore[arg-type]

    (event,) = captured(tmp_path, leave)
    assert (event["status_code"], event["level"]) == (200, "info")
    assert event["metadata"] == {"bytes": 5, "disconnected": True, "streamed": True}


def test_leaving_after_the_end_is_no_disconnect(tmp_path: Path) -> None:
    """Servers tell `http.disconnect` after every response."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(BODY)
        assert (await receive())["type"] == "http.disconnect"

    event = one(tmp_path, app, incoming=[{"type": "http.disconnect"}])
    assert event["metadata"] == {"bytes": 5}


def test_a_cancelled_request(tmp_path: Path) -> None:
    """A task that the server cancels leaves an event too, and is cancelled."""

    def cancel(store: Store) -> None:
        with pytest.raises(asyncio.CancelledError):
            ask(AuditMiddleware(answering(then=asyncio.CancelledError()), store))

    (event,) = captured(tmp_path, cancel)
    assert (event["status_code"], event["metadata"]) == (499, {"cancelled": True})
