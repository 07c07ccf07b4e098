"""What can be asked of an event: each field's kind, where its values stand, and how a number or address is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final, Literal

from stonelog.filestore import FIELDS, LEVELS, dumps

from .tree import Address

__all__ = [
    "CANONICAL_CASE",
    "SEARCHED",
    "SEVERITY",
    "Kind",
    "address_of",
    "fits",
    "json_text",
    "kind_of",
    "leaves_at",
    "leaves_below",
    "leaves_from",
    "nearest_field",
    "number_of",
    "searched_texts",
]

Kind = Literal["text", "string", "list", "int", "float", "level", "address", "time", "metadata"]

_KINDS: Final[dict[str, Kind]] = {
    "seq": "int",
    "time": "time",
    "level": "level",
    "message": "text",
    "ip_address": "address",
    "user_agent": "text",
    "asn": "int",
    "status_code": "int",
    "response_time_ms": "float",
    "risk_score": "int",
    "risk_reasons": "list",
    "tags": "list",
    "error_message": "text",
    "stack_trace": "text",
    "redacted": "list",
    "metadata": "metadata",
    "synced": "int",
}
CANONICAL_CASE: Final[dict[str, Literal["lower", "upper"]]] = {
    "id": "lower",
    "level": "lower",
    "category": "lower",
    "action": "lower",
    "outcome": "lower",
    "country": "upper",
    "trace_id": "lower",
    "span_id": "lower",
    "hash": "lower",
}
"""The fields that are always stored in one case; the same case is given to what a query asks of them."""

SEARCHED: Final = (
    "message",
    "username",
    "entity_type",
    "entity_id",
    "entity_name",
    "path",
    "user_agent",
    "error_type",
    "error_message",
)
"""The fields in which a bare word is looked for, besides the tags and the values of metadata."""

SEVERITY: Final[dict[str, int]] = {level: place for place, level in enumerate(LEVELS)}

_NICKNAMES: Final = {
    "address": "ip_address",
    "date": "time",
    "description": "message",
    "duration": "response_time_ms",
    "ip": "ip_address",
    "msg": "message",
    "severity": "level",
    "status": "status_code",
    "text": "message",
    "timestamp": "time",
    "url": "path",
    "user": "username",
}
MOST_DOTS: Final = 100
"""A path with more is none: each may part keys or stand in one, and trying all takes the square of their number."""
_LONGEST_SUGGESTION: Final = 128
_NUMBER = re.compile(r"-?\d{1,400}(?P<real>\.\d{1,400})?(?P<exponent>[eE][+-]?\d{1,4})?", re.ASCII)


_TYPES: Final[dict[Kind | None, tuple[type, ...]]] = {"int": (int, float), "float": (int, float)}
"""The types of a value that is not text."""


def kind_of(field: str) -> Kind | None:
    """The kind of a field or a path such as `metadata.order.id`; None if there is no such field."""
    if field.startswith("metadata."):
        return "metadata" if field.count(".") <= MOST_DOTS else None
    return _KINDS.get(field, "string") if field in FIELDS else None


def fits(kind: Kind | None, value: Any) -> bool:
    """Whether the value is of the type that fields of this kind have: one that is not, by another hand, is not seen."""
    if kind == "list":
        return type(value) is list and all(type(element) is str for element in value)
    return type(value) in _TYPES.get(kind, (str,))


def nearest_field(name: str) -> str:
    """The field that `name` was most likely meant to be; a path in metadata if none is near."""
    from difflib import get_close_matches

    if len(name) > _LONGEST_SUGGESTION:
        return "a shorter name"
    lower = name.lower()
    if lower in _NICKNAMES:
        return _NICKNAMES[lower]
    near = get_close_matches(lower, FIELDS, n=1, cutoff=0.7)
    parts = [field for field in FIELDS if len(lower) > 1 and lower in field.split("_")]
    return (near or parts or [f"metadata.{name}"])[0]


def number_of(text: str) -> int | float | None:
    """The number that the text writes, as JSON would; None if it writes none or one beyond a double."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    real = match["real"] or match["exponent"]
    value = float(text)
    if value in (float("inf"), float("-inf")):
        return None
    return value if real else int(text)


@lru_cache(maxsize=4096)
def address_of(text: str) -> Address | None:
    """The address that the text writes, or None."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def json_text(value: object) -> str:
    """A leaf as text: text as it is, numbers, true and false as JSON writes them."""
    if isinstance(value, str):
        return value
    if value is True or value is False:
        return "true" if value else "false"
    return dumps(value).decode() if isinstance(value, float) else str(value)


def leaves_below(value: Any) -> list[object]:
    """Every leaf in a JSON value that is not null."""
    leaves: list[object] = []
    _collect(value, leaves)
    return leaves


def _collect(value: Any, leaves: list[object]) -> None:
    if isinstance(value, dict):
        for item in value.values():
            _collect(item, leaves)
    elif isinstance(value, list):
        for item in value:
            _collect(item, leaves)
    elif value is not None:
        leaves.append(value)


@lru_cache(maxsize=128)
def _splits(path: str) -> list[tuple[str, str]]:
    """The path at each of its dots: keys may hold dots themselves, so that each may part two keys or stand in one."""
    return [(path[:at], path[at + 1 :]) for at, char in enumerate(path) if char == "."]


def leaves_at(value: Any, path: str) -> Iterator[object]:
    """The leaves that are not null at the path: the keys that lead there, joined by dots. Lists are looked through."""
    if isinstance(value, list):
        for item in value:
            yield from leaves_at(item, path)
    elif isinstance(value, dict):
        if path in value:
            yield from _leaves_here(value[path])
        for key, rest in _splits(path):
            if key in value:
                yield from leaves_at(value[key], rest)


def leaves_from(value: Any, path: str) -> Iterator[object]:
    """The leaves that are not null at the path or below it: those whose own path goes on from it."""
    if isinstance(value, list):
        for item in value:
            yield from leaves_from(item, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == path or key.startswith(f"{path}."):
                yield from leaves_below(item)
            elif path.startswith(f"{key}."):
                yield from leaves_from(item, path[len(key) + 1 :])


def _leaves_here(value: Any) -> Iterator[object]:
    if isinstance(value, list):
        for item in value:
            yield from _leaves_here(item)
    elif value is not None and not isinstance(value, dict):
        yield value


def searched_texts(event: dict[str, Any]) -> list[str]:
    """The values in which a bare word is looked for."""
    texts = [event[field] for field in SEARCHED if field in event]
    if "tags" in event and fits("list", event["tags"]):
        texts += event["tags"]
    if "metadata" in event:
        texts += map(json_text, leaves_below(event["metadata"]))
    return texts if set(map(type, texts)) <= {str} else [text for text in texts if type(text) is str]
