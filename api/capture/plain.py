"""Any value of a program as one that JSON holds, bounded, so that free data never costs the event it stands in."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from itertools import islice
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from stonelog.filestore import dumps, shorten

__all__ = ["fitting", "plain", "shortened"]

LONGEST_TEXT: Final = 4_096
_ITEMS: Final = 100
_DEPTH: Final = 8
_VALUES: Final = 1_000
"""So many values are copied of one that nests; what is cyclic ends here."""
_LARGEST: Final = 16 * 1024
_NUMBERS: Final = range(-(2**63), 2**64)
_AS_TEXT: Final = (Decimal, PurePath, UUID, complex)


def shortened(text: str, limit: int = LONGEST_TEXT) -> str:
    """The text with at most about `limit` bytes as JSON, its end cut, and the cut told; lone surrogates are escaped."""
    if len(text) * 6 <= limit and text.isascii():
        return text
    text = str.__str__(text)
    kept = text[:limit].encode(errors="backslashreplace").decode()
    while len(kept) * 6 > limit and (size := len(dumps(kept))) > limit + 2:
        kept = kept[: len(kept) * limit // size - 1]
    if len(text) <= limit and len(kept) >= len(text):
        return kept
    return f"{kept}… ({len(text):,} characters)"


def plain(value: object) -> Any:
    """A copy that JSON holds: texts, numbers, lists, objects; of what is none of them its text. Never raises.

    Long texts, many items and deep nesting are cut, and say so. Of a dataclass, an attrs class or a pydantic model it
    is the fields that its `repr` shows, by name, so that they can be redacted by name.
    """
    return _Copy().of(value, 0)


def fitting(metadata: dict[str, Any], limit: int = _LARGEST) -> dict[str, Any]:
    """Plain metadata that takes at most about `limit` bytes as JSON: of the largest values only their size is left.

    They are left out and not cut, because a cut object is a text, in which names are no longer found.
    """
    size = len(dumps(metadata))
    if size <= limit:
        return metadata
    sizes = {name: len(dumps(value)) for name, value in metadata.items()}
    kept = dict(metadata)
    for name in sorted(sizes, key=lambda name: sizes[name], reverse=True):
        if size <= limit:
            break
        told = f"… ({sizes[name]:,} bytes left out)"
        size -= sizes[name] - len(told)
        kept[name] = told
    return kept


class _Copy:
    """One copying, which counts how many values it has copied."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = _VALUES

    def of(self, value: object, depth: int) -> Any:
        self.left -= 1
        if value is None or value is True or value is False:
            return value
        try:
            return self._single(value.value if isinstance(value, Enum) else value, depth)
        except Exception:  # noqa: BLE001 (a mapping, an iterator or a `__str__` of someone else's that fails)
            return shorten(value)

    def _single(self, value: object, depth: int) -> Any:
        if isinstance(value, str):
            return shortened(value)
        if isinstance(value, int):
            return int(value) if value in _NUMBERS else shortened(hex(value))
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else repr(float(value))
        if isinstance(value, datetime | date | time):
            return value.isoformat()
        if isinstance(value, bytes | bytearray | memoryview):
            return shortened(bytes(value[:LONGEST_TEXT]).decode(errors="backslashreplace"))
        if isinstance(value, BaseException):
            return shortened(f"{type(value).__name__}: {value}")
        if isinstance(value, _AS_TEXT):
            return shortened(str(value))
        return self._nested(value, depth)

    def _nested(self, value: object, depth: int) -> Any:
        pairs = value.items() if isinstance(value, Mapping) else _shown_fields(value)
        if pairs is None and not isinstance(value, list | tuple | set | frozenset):
            return shortened(repr(value))
        if depth >= _DEPTH or self.left <= 0:
            return "…"
        if pairs is not None:
            copy = {_key(name): self.of(item, depth + 1) for name, item in self._bounded(pairs)}
            return copy if len(copy) < _ITEMS else {**copy, "…": "more"}
        assert isinstance(value, list | tuple | set | frozenset)  # noqa: S101 (told to the type checker)
        items = [self.of(item, depth + 1) for item in self._bounded(value)]
        return items if len(items) == len(value) else [*items, f"… ({len(value):,} items)"]

    def _bounded(self, items: Iterable[Any]) -> Iterable[Any]:
        return islice(items, min(_ITEMS, max(self.left, 0)))


def _key(name: object) -> str:
    return shortened(name if type(name) is str else str(plain(name)), 256)


def _shown_fields(value: object) -> list[tuple[str, object]] | None:
    """The fields that the `repr` of a dataclass, an attrs class or a pydantic model shows; None if it is no such."""
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if field.repr]
    elif attributes := getattr(type(value), "__attrs_attrs__", ()):
        names = [field.name for field in attributes if field.repr]
    elif isinstance(fields := getattr(type(value), "model_fields", None), dict):
        names = [name for name, field in fields.items() if getattr(field, "repr", True)]
    else:
        return None
    return [(name, getattr(value, name, None)) for name in names]
