"""Foreign values as our fields take them: times, levels, addresses, names, numbers and text.

Each function answers None where the value cannot be taken, so that a format decides what to do with it.
"""

from __future__ import annotations

import ipaddress
import json
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from stonelog.filestore import Level

__all__ = [
    "MONTHS",
    "address",
    "clf_time",
    "epoch_time",
    "iso_time",
    "level",
    "milliseconds",
    "name",
    "number",
    "status",
    "text",
    "whole",
]

_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTHS: Final = {month: number for number, month in enumerate(_NAMES, start=1)}

_LEVELS: Final[dict[str, Level]] = {
    **dict.fromkeys(("debug", "trace", "verbose", "dbg", "fine", "finer", "finest", "silly"), "debug"),
    **dict.fromkeys(("info", "information", "informational", "inf", "default"), "info"),
    **dict.fromkeys(("notice", "note"), "notice"),
    **dict.fromkeys(("warning", "warn", "wrn"), "warning"),
    **dict.fromkeys(("error", "err", "severe", "failure"), "error"),
    **dict.fromkeys(("critical", "crit", "fatal", "alert", "emerg", "emergency", "panic"), "critical"),
}

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,32}))?)? ?(?:([Zz]|UTC)|([+-]\d\d):?(\d\d)?)?",
    re.ASCII,
)
_CLF = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,32}(?:\.\d{1,32})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso_time(value: object, zone: tzinfo = UTC) -> datetime | None:
    """The instant of an RFC 3339 text or one of its relatives: `-0600`, a space for T, no offset (`zone` is meant)."""
    match = _ISO.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, utc, hours, minutes = match.groups()
    where = zone
    try:
        if utc:
            where = UTC
        elif hours:
            span = timedelta(hours=int(hours[1:]), minutes=int(minutes or 0))
            where = timezone(span if hours[0] == "+" else -span)
        micro = int((fraction or "0")[:6].ljust(6, "0"))
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micro, where)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def clf_time(value: object) -> datetime | None:
    """The instant of a Common Log Format time, `17/May/2015:10:05:03 +0000` (Apache's %t)."""
    match = _CLF.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[2] not in MONTHS:
        return None
    day, month, year, hour, minute, second, sign, hours, minutes = match.groups()
    span = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        where = timezone(span if sign == "+" else -span)
        moment = datetime(int(year), MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=where)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def epoch_time(value: object, per_second: int = 1) -> datetime | None:
    """The instant that is `value` / `per_second` seconds after 1970 (UTC), cut to microseconds."""
    if number(value) is None:
        return None
    try:
        return _EPOCH + timedelta(microseconds=int(Decimal(str(value).strip()) * 1_000_000 / per_second))
    except (OverflowError, ArithmeticError):
        return None


def level(value: object) -> Level | None:
    """The level that a foreign name means (`WARN`, `Err`, `FATAL`, ...), whatever its case."""
    return _LEVELS.get(value.strip().lower()) if isinstance(value, str) else None


def address(value: object) -> str | None:
    """The address in canonical form, or None for a host name, a hidden address and the like."""
    return _address(value) if isinstance(value, str) else None


@lru_cache(maxsize=4096)
def _address(written: str) -> str | None:
    try:
        return str(ipaddress.ip_address(written))
    except ValueError:
        return None


def name(value: object, *, dots: bool = True) -> str | None:
    """The text in the form of an action (with dots) or a category, or None if nothing is left of it."""
    if not isinstance(value, str):
        return None
    allowed = r"[^a-z0-9_.]" if dots else r"[^a-z0-9_]"
    made = re.sub(allowed, "_", value.strip().lower())[:64]
    return made if made[:1].isascii() and made[:1].isalpha() else None


def whole(value: object) -> int | None:
    """The whole number that an integer, a float without fraction or a text of digits stands for."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and (digits := value.strip()).lstrip("+-").isdecimal() and len(digits) <= 32:
        try:
            return int(digits)
        except ValueError:
            return None
    return None


def number(value: object) -> float | None:
    """The number that a JSON number or a text of one stands for; never NaN or an infinity."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        made = float(value)
        return None if made in (float("inf"), float("-inf")) else made
    return None


def milliseconds(seconds: object) -> float | None:
    """Seconds as milliseconds to the microsecond, or None if they are no number or less than 0."""
    given = number(seconds)
    return None if given is None or given < 0 else round(given * 1000, 3)


def status(value: object) -> int | None:
    """The HTTP status, or None if it is none (nginx writes 000 when it sent nothing)."""
    code = whole(value)
    return code if code is not None and 100 <= code <= 599 else None


def text(value: Any) -> str | None:
    """The value as text: numbers and booleans as JSON writes them, lists and objects as JSON; None for null."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
