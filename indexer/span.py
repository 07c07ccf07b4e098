"""Times as people write them: an RFC 3339 time, a date, a span back from now; and the steps of a histogram."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from stonelog.filestore import format_time, parse_time

from .errors import QueryError

__all__ = ["DAY", "HOUR", "MINUTE", "date_start", "instant", "microseconds", "moment", "stamp_text", "step"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

MINUTE: Final = 60_000_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
"""Microseconds of each."""
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def moment(since_epoch: int) -> datetime:
    """The aware UTC datetime of a number of microseconds since the epoch; the nearest there is, if out of range."""
    return _EPOCH + _MICROSECOND * min(max(since_epoch, _FIRST), _LAST)


def microseconds(time: str) -> int:
    """The microseconds since the epoch of a line's `time`. Raises ValueError or TypeError for what is none."""
    return (datetime.fromisoformat(time) - _EPOCH) // _MICROSECOND


def stamp_text(since_epoch: int) -> str:
    """The time as a line writes it. All have one length and zone, so that they sort as the instants do."""
    return format_time(moment(since_epoch))


def date_start(text: str) -> int | None:
    """Microseconds since the epoch of the midnight (UTC) at which a date begins; None if the text is no date."""
    if _DATE.fullmatch(text) is None:
        return None
    try:
        return (datetime.fromisoformat(text).replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
    except ValueError:
        return None


def instant(value: str | datetime, now: datetime | None = None) -> int:
    """Microseconds since the epoch of a time, a date (its midnight, UTC), or a span back from `now`.

    Raises QueryError naming what is allowed.
    """
    if isinstance(value, str):
        text = value.strip()
        if (start := date_start(text)) is not None:
            return start
        if match := _SPAN.fullmatch(text):
            back = int(match[1]) * _UNITS[match[2]] * 1_000_000
            return max((parse_time(now or datetime.now(UTC)) - _EPOCH) // _MICROSECOND - back, _FIRST)
        value = text
    try:
        return (parse_time(value) - _EPOCH) // _MICROSECOND
    except ValueError:
        raise QueryError(
            f"{str(value)[:40]!r} is no time: expected RFC 3339 with an offset, a date, or a span back from now",
            suggestion="2026-11-23T14:00:00Z, 2026-11-23 or 24h",
        ) from None


def step(text: str) -> int:
    """Microseconds of a histogram's step, such as `10s 1m 5m 1h 1d 1w`. Raises QueryError naming what is allowed."""
    match = _SPAN.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise QueryError(
            f"{text[:40]!r} is no step: expected a whole number above 0 and one of s m h d w",
            suggestion="10s, 5m, 1h or 1d",
        )
    return int(match[1]) * _UNITS[match[2]] * 1_000_000
