"""Lines by another hand: their hash is good, and yet they are no events."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from stonelog.filestore import loads

from .span import microseconds

__all__ = ["event_of", "has_time"]

_TIME_LENGTH: Final = len("2026-01-01T00:00:00.000000Z")
_MINUTE_LENGTH: Final = len("2026-01-01T00:00:")


@lru_cache(maxsize=4096)
def _minute(begin: str) -> int:
    return microseconds(f"{begin}00+00:00")


def has_time(fields: dict[str, Any]) -> bool:
    """Whether they are those of an event: what has no time that can be read is none, to the index and to a scan."""
    try:
        time = fields["time"]
        if len(time) != _TIME_LENGTH:
            microseconds(time)
        else:
            _minute(time[:_MINUTE_LENGTH])
            int(time[_MINUTE_LENGTH : _MINUTE_LENGTH + 2] + time[-7:-1])
    except (KeyError, TypeError, ValueError):
        return False
    return True


def event_of(line: bytes) -> dict[str, Any] | None:
    """The fields of a line; None if it is no event."""
    try:
        fields = loads(line)
    except ValueError:
        return None
    return fields if has_time(fields) else None
