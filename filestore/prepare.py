"""From what a caller gives to the bytes of a line: all that is done before the order is known, outside any lock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .codec import encode
from .errors import InvalidEvent
from .event import GIVEN_BY_STORE, Event, Level, format_time
from .ids import uuid7

__all__ = ["act", "prepare"]


def act(action: str, message: str, *, level: Level = "warning", **metadata: object) -> bytes:
    """The body of an event in which the store tells of something that it did itself."""
    fields = {"level": level, "category": "system_management", "action": action, "message": message}
    return prepare({**fields, "metadata": metadata}, {})[1]


def _given(event: object, index: int | None) -> Mapping[str, Any]:
    """The fields that a caller handed over in one piece, without what only the store gives."""
    if event is None:
        return {}
    if isinstance(event, Event):
        return {name: value for name, value in event.fields().items() if name not in GIVEN_BY_STORE}
    if isinstance(event, Mapping):
        return event
    raise InvalidEvent("event", event, "an object with category and action", index=index)


def prepare(
    event: Mapping[str, Any] | Event | None, fields: Mapping[str, Any], index: int | None = None
) -> tuple[str, bytes]:
    """The id given to the event, and its body: all that is done outside the lock."""
    if isinstance(event, Event) and not fields:
        checked = event
    else:
        checked = Event.check({**_given(event, index), **fields}, index=index)
    now = datetime.now(UTC)
    identity = uuid7(int(now.timestamp() * 1000))
    present = checked.fields()
    for name in GIVEN_BY_STORE:
        present.pop(name, None)
    moment = present.pop("time", None) or format_time(now)
    return identity, encode({"id": identity, "time": moment, **present}, index=index)
