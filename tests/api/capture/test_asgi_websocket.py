"""A WebSocket is one event a connection, and its messages pass untouched."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from asking import ask, captured, scope_of
from capturing import answering, one
from stonelog.api.capture.asgi import AuditMiddleware
from stonelog.filestore import Store


def test_a_websocket_is_one_event(tmp_path: Path) -> None:
    """The connection's messages are counted, and its close code told; they pass untouched."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            await send({"type": "websocket.send", "text": message.get("text")})

    incoming = [{"type": "websocket.connect"}, *[{"type": "websocket.receive", "text": "x"}] * 2]
    incoming.append({"type": "websocket.disconnect", "code": 1001})
    scope = scope_of("/live", type="websocket")
    event = one(tmp_path, app, scope=scope, incoming=incoming)
    assert (event["action"], event["status_code"], event["outcome"]) == ("websocket", 101, "success")
    assert event["metadata"] == {"messages_received": 2, "messages_sent": 3, "close_code": 1001, "disconnected": True}


def test_a_websocket_that_is_refused(tmp_path: Path) -> None:
    """Closing before accepting is status 403, with a response of its own it is that one's."""
    refusing = answering({"type": "websocket.close", "code": 1008})
    event = one(tmp_path / "a", refusing, scope=scope_of(type="websocket"))
    assert (event["status_code"], event["level"], event["metadata"]["close_code"]) == (403, "warning", 1008)
    denying = answering(
        {"type": "websocket.http.response.start", "status": 401}, {"type": "websocket.http.response.body"}
    )
    assert one(tmp_path / "b", denying, scope=scope_of(type="websocket"))["status_code"] == 401


@pytest.mark.parametrize(
    ("code", "outcome"), [(1000, "success"), (1005, "success"), (1006, "failure"), (1011, "failure")]
)
def test_who_leaves_a_websocket_makes_no_error(tmp_path: Path, code: int, outcome: str) -> None:
    """The framework's own exception for it is none; how it ended the close code says."""

    class WebSocketDisconnect(Exception):
        pass

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await receive()
        raise WebSocketDisconnect

    def leave(store: Store) -> None:
        with pytest.raises(WebSocketDisconnect):
            incoming = [{"type": "websocket.disconnect", "code": code}]
            ask(AuditMiddleware(app, store), scope=scope_of(type="websocket"), incoming=incoming)

    (event,) = captured(tmp_path, leave)
    assert (event["outcome"], event["level"], event["metadata"]["disconnected"]) == (outcome, "info", True)
    assert "error_type" not in event


def test_a_websocket_that_cannot_be_sent_to_was_left(tmp_path: Path) -> None:
    """Servers tell it by an OSError; it goes on to the application."""

    async def gone(message: Any) -> None:
        if message["type"] == "websocket.send":
            raise OSError("gone")

    def leave(store: Store) -> None:
        app = answering({"type": "websocket.accept"}, {"type": "websocket.send", "text": "x"})
        with pytest.raises(OSError, match="gone"):
            asyncio.run(AuditMiddleware(app, store)(scope_of(type="websocket"), gone, gone))

    (event,) = captured(tmp_path, leave)
    assert (event["outcome"], event["metadata"]["disconnected"], "error_type" in event) == ("unknown", True, False)
