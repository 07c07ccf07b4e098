"""Small ASGI applications, and the event of a request to one."""

from pathlib import Path
from typing import Any

from asking import ask, captured
from stonelog.api.capture.asgi import AuditMiddleware

__all__ = ["answering", "one"]


def answering(*messages: Any, then: BaseException | None = None) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        if then is not None:
            raise then

    return app


def one(place: Path, app: Any, target: str = "/", *, options: Any = None, **more: Any) -> Any:
    """The one event of a request."""
    events = captured(place, lambda store: ask(AuditMiddleware(app, store, **(options or {})), target, **more))
    assert len(events) == 1
    return events[0]
