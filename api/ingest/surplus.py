"""Foreign data under `metadata`: whatever depth and size it has, it is made to fit the limits of a line, visibly."""

from __future__ import annotations

import json
from typing import Any, Final

__all__ = ["add", "fitted", "shortened"]

_DEPTH: Final = 16
_LINE: Final = 64_000  # of 65,535: what the store adds (seq, id, synced, hash, redacted) fits in the rest
_KEPT: Final = 2_000


def add(metadata: dict[str, Any], key: str, value: Any) -> None:
    """The value stands in the metadata under the key, or where that is taken under the key with `_` behind it."""
    while key in metadata:
        key += "_"
    metadata[key] = value


def fitted(metadata: dict[str, Any]) -> dict[str, Any] | None:
    """The metadata without nulls at its top, parts nested deeper than allowed as JSON text; None if nothing is left."""
    kept = {key: _level(value, 1) for key, value in metadata.items() if value is not None}
    return kept or None


def shortened(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of an event that is too long for a line: the longest values of metadata, as many as it takes, are
    their first characters as text with a mark that says how long they were."""
    metadata = fields.get("metadata") or {}
    sizes = {key: _size(value) for key, value in metadata.items()}
    over = _size({**fields, "metadata": None, "time": None}) + sum(sizes.values()) + 8 * len(sizes) - _LINE
    kept = dict(metadata)
    for key in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if over <= 0 or sizes[key] <= _KEPT * 2:
            break
        kept[key] = _mark(metadata[key])
        over -= sizes[key] - _size(kept[key])
    return {**fields, "metadata": kept}


def _level(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        if depth >= _DEPTH:
            return _json(value)
        return {key: _level(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return _json(value) if depth >= _DEPTH else [_level(item, depth + 1) for item in value]
    return value


def _mark(value: Any) -> str:
    plain = value if isinstance(value, str) else _json(value)
    return f"{plain[:_KEPT]}… (shortened: {len(plain):,} characters)"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _size(value: Any) -> int:
    # ASCII JSON is the longest form the store can choose: an upper bound.
    return len(json.dumps(value, separators=(",", ":"), default=str))
