"""What a program gives freely (`extra=`, keyword arguments, an event dict) as the fields of an event that is taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from stonelog.filestore import FIELDS, Level, format_time, parse_time

from .crash import error_fields
from .plain import fitting, plain, shortened

__all__ = ["completed", "field_value", "level_named", "level_numbered", "spread", "unreadable"]

_OF_THE_STORE: Final = frozenset({"seq", "id", "redacted", "synced", "hash"})
_OPEN: Final = frozenset(FIELDS) - _OF_THE_STORE - {"metadata"}
"""The fields that a program can set."""
_OTHER: Final = {"asn", "status_code", "response_time_ms", "risk_score", "risk_reasons", "tags", "time", "level"}
_TEXTS: Final = _OPEN - _OTHER
_LONG: Final = {"message": 16 * 1024, "stack_trace": 16 * 1024}

_CATEGORY: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_ACTION: Final = re.compile(r"[a-z][a-z0-9_.]{0,63}", re.ASCII)
_STRANGE: Final = re.compile(r"[^a-z0-9_.]")

_NAMES: Final[dict[Level, str]] = {
    "debug": "debug trace notset",
    "info": "info msg",
    "notice": "notice success",
    "warning": "warning warn",
    "error": "error err exception",
    "critical": "critical fatal",
}
_LEVELS: Final = {name: level for level, names in _NAMES.items() for name in names.split()}
_STEPS: Final[tuple[tuple[int, Level], ...]] = (
    (50, "critical"),
    (40, "error"),
    (30, "warning"),
    (25, "notice"),
    (20, "info"),
)


def level_named(name: object) -> Level | None:
    """The level that logging, structlog or loguru mean by this name; None if it is none of theirs."""
    return _LEVELS.get(name.lower()) if isinstance(name, str) else None


def level_numbered(number: object) -> Level:
    """The level of a number on the scale of logging and loguru: the highest that it reaches."""
    if not isinstance(number, int):  # a record that was made by hand
        return "info"
    return next((level for least, level in _STEPS if number >= least), "debug")


def spread(given: Mapping[str, Any], fields: dict[str, Any], metadata: dict[str, Any]) -> None:
    """What is given stands in `fields` where it is a field of an event, else in `metadata`; over what stood there."""
    for name, value in given.items():
        if name == "metadata" and isinstance(value, Mapping):
            metadata.update(value)
        elif name not in _OPEN:
            metadata[name if type(name) is str else str(name)] = value
        elif value is not None:
            fitted = field_value(name, value)
            if fitted is None:
                metadata[name] = value
            else:
                fields[name] = fitted


def field_value(name: str, value: object) -> Any:
    """The value in the form that the field has, where that is beyond doubt: numbers and ids as text, times in UTC.

    None where it cannot be the field's level or time, which have a value that must not be lost for it.
    """
    if name in _TEXTS:
        if type(value) is not str:
            value = plain(value)
            if isinstance(value, int | float):  # a truth value too
                value = str(value)
        return shortened(value, _LONG.get(name, 4096)) if isinstance(value, str) else value
    if name == "level":
        return level_named(value.value if isinstance(value, Enum) else value)
    if name == "time":
        return _moment(value)
    if name in ("tags", "risk_reasons") and isinstance(value, list | tuple | set | frozenset):
        return [str(each) for each in plain(value)]
    return value


def completed(fields: dict[str, Any], metadata: Mapping[str, Any], category: str, action: str) -> dict[str, Any]:
    """One event of `fields` and `metadata` that is not refused for its names, for free data or for its size.

    `category` and `action` stand where none is given; what is given and has not their form is brought into it.
    """
    fields.setdefault("category", category)
    fields.setdefault("action", action)
    invalid: dict[str, Any] = {}
    if (stood := metadata.get("invalid")) is not None:  # the place where `offer` puts what is refused
        invalid |= stood if isinstance(stood, dict) else {"invalid": stood}
    for name, form, default in (("category", _CATEGORY, category), ("action", _ACTION, action)):
        value = fields[name]
        if not (type(value) is str and form.fullmatch(value)):
            invalid[name] = value
            fields[name] = _as_name(value, form) or _as_name(default, form) or "unknown"
    copy = plain({**metadata, "invalid": invalid} if invalid else metadata)
    if copy:
        fields["metadata"] = fitting(copy) if isinstance(copy, dict) else {"text": copy}
    return fields


def unreadable(what: str, error: Exception) -> dict[str, Any]:
    """The event in place of one that could not be made: that there was one is told."""
    fields = {"category": "system_management", "action": "unreadable_event", "level": "warning"}
    return {**fields, "message": f"{what} that cannot be read", **error_fields(error, 0)}


def _as_name(value: object, form: re.Pattern[str]) -> str | None:
    """The nearest name of the form; None if nothing of it is left."""
    value = value.value if isinstance(value, Enum) else value
    name = _STRANGE.sub("_", str(value).lower()[:64]).lstrip("_.0123456789")
    name = name.replace(".", "_") if form is _CATEGORY else name
    return name if form.fullmatch(name) else None


def _moment(value: object) -> str | None:
    """The time as it stands on a line, of a text, a datetime or seconds since the epoch; None if it is none."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return format_time(datetime.fromtimestamp(value, UTC))
        return format_time(parse_time(value))
    except (ValueError, OverflowError, OSError):
        return None
