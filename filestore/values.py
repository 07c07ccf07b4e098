"""What a single value of an event may be where a pattern cannot say it: times, addresses, free data."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime
from typing import Any, Final

__all__ = [
    "IPV4_PATTERN",
    "METADATA_DEPTH",
    "UTC_PATTERN",
    "check_address",
    "check_metadata",
    "format_time",
    "parse_time",
    "time_text",
    "utc_text",
]

METADATA_DEPTH: Final = 16
"""How deep objects and lists may nest in `metadata`, which itself counts as one."""

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_TIME_RULE = "an RFC 3339 time with an offset, such as 2026-11-23T14:05:06Z, or a datetime with a time zone"

UTC_PATTERN: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z$"
"""The usual RFC 3339 time in UTC; whether there is such a day and minute remains to be seen."""

# The form in which an IPv4 address is kept; what matches needs no parsing by `ipaddress`, which takes ten times longer.
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IPV4_PATTERN: Final = rf"^{_OCTET}(?:\.{_OCTET}){{3}}$"

_LENGTH: Final = len("2026-11-23T14:05:06.000000Z")
_LEAST: Final = -(2**63)
_MOST: Final = 2**64 - 1


def time_text(value: object) -> str:
    """The text that stands on a line for an RFC 3339 text or an aware datetime: in UTC, cut to six digits, `Z`.

    Raises ValueError for anything else: a text without offset would mean another instant on another machine.
    """
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError(_TIME_RULE)
        moment = value
    elif isinstance(value, str) and (match := _RFC3339.fullmatch(value)):
        date, clock, fraction, offset = match.groups()
        moment = datetime.fromisoformat(f"{date}T{clock}.{fraction or '':0<6.6}{offset.upper()}")
        if offset in "Zz":
            return format_time(moment)
    else:
        raise ValueError(_TIME_RULE)
    try:
        return format_time(moment.astimezone(UTC))
    except OverflowError:
        raise ValueError("a time between the years 0001 and 9999 in UTC") from None


def utc_text(value: str) -> str:
    """As `time_text`, for a text that matches UTC_PATTERN."""
    datetime.fromisoformat(value)  # raises where there is no such day or minute
    if len(value) == _LENGTH:
        return value
    return value[:-1].ljust(_LENGTH - 1, "0") + "Z" if "." in value else value[:-1] + ".000000Z"


def parse_time(value: object) -> datetime:
    """The instant in UTC, cut to microseconds, of an RFC 3339 text or an aware datetime. Raises as `time_text`."""
    return datetime.fromisoformat(time_text(value))


def format_time(moment: datetime) -> str:
    """The text that stands on a line for an aware UTC datetime: RFC 3339, six digits, `Z`."""
    return f"{moment.isoformat(timespec='microseconds')[:26]}Z"


def check_address(value: object) -> str:
    """The IP address in its canonical form. Raises ValueError for what is none."""
    if not isinstance(value, str):
        raise ValueError("an IPv4 or IPv6 address as text")
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError("an IPv4 or IPv6 address, without port or prefix") from None


def check_metadata(value: object) -> dict[str, Any]:
    """A copy of a dict that can be written as JSON and read back the same; raises ValueError for all else."""
    if not isinstance(value, dict):
        raise ValueError("an object (in Python: a dict)")
    _check_json(value, 0)
    copy = dict(value)
    for key in copy:
        if type(key) is not str:  # a subclass, such as an enum of texts, which JSON does not take as a key
            return {str.__str__(key): item for key, item in value.items()}
    return copy


def _check_json(value: object, depth: int) -> None:
    """Raises ValueError unless `value` can be written as JSON and read back the same."""
    if value is None or value is True or value is False:
        return
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise ValueError("text without lone surrogates") from None
    elif isinstance(value, int):
        if not _LEAST <= value <= _MOST:
            raise ValueError("integers from -2^63 to 2^64-1; write larger ones as text")
    elif isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError("finite numbers; NaN and Infinity are not JSON")
    elif isinstance(value, dict | list | tuple):
        if depth >= METADATA_DEPTH:
            raise ValueError(f"objects and lists nested at most {METADATA_DEPTH} deep")
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    raise ValueError("text as keys")
                if not key.isascii():
                    _check_json(key, depth)
        for item in value.values() if isinstance(value, dict) else value:
            if type(item) is not str or not item.isascii():  # most are, and a call takes longer than the check
                _check_json(item, depth + 1)
    else:
        raise ValueError(f"JSON values (text, numbers, true, false, null, lists, objects), not {type(value).__name__}")
