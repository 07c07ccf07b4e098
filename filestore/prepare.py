"""From what a caller gives to the bytes of a line: all that is done before the order is known, outside any lock."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from .amend import Amend, unchanged
from .codec import encode
from .errors import InvalidEvent
from .event import GIVEN_BY_STORE, Event, checked
from .ids import uuid7
from .names import Level
from .values import format_time

__all__ = ["act", "prepare"]


def act(action: str, message: str, *, level: Level = "warning", **metadata: object) -> bytes:
    """The body of an event in which the store tells of something that it did itself."""
    fields = {"level": level, "category": "system_management", "action": action, "message": message}
    return prepare({**fields, "metadata": metadata}, {})[1]


def prepare(
    event: Mapping[str, Any] | Event | None,
    fields: Mapping[str, Any],
    index: int | None = None,
    now: int | None = None,
    amend: Amend = unchanged,
) -> tuple[str, bytes]:
    """The id given to the event, and its body: all that is done outside the lock.

    It is said to have happened `now`, in ns since the epoch, if it has no time of its own. `amend` says what becomes of
    its fields when they are checked.
    """
    if event is None:
        present = checked(fields, index)
    elif type(event) is dict:
        present = checked({**event, **fields} if fields else event, index)
    elif isinstance(event, Event):
        present = event.fields()
        for name in GIVEN_BY_STORE:
            present.pop(name, None)
        if fields:
            present = checked({**present, **fields}, index)
    elif isinstance(event, Mapping):
        present = checked({**event, **fields}, index)
    else:
        raise InvalidEvent("event", event, "an object with category and action", index=index)
    if now is None:
        now = time.time_ns()
    present = amend(present, now / 1e9)
    identity = uuid7(now // 1_000_000)
    before = f'"id":"{identity}",' if "time" in present else f'"id":"{identity}","time":"{_time_text(now)}",'
    return identity, encode(present, before=before, index=index)


def _time_text(nanoseconds: int) -> str:
    """The text of a time since the epoch, as it stands on a line."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{_second(seconds)}{rest // 1000:06d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return format_time(datetime.fromtimestamp(seconds, UTC))[:-7]
