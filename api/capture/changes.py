"""What differs between the old and the new values of a thing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .plain import plain

__all__ = ["changes"]


def changes(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """By name, `old` and `new` of what differs; where there is no old or new value, without it. All of it plain."""
    old, new = old or {}, new or {}
    found = {}
    for name in [*old, *(name for name in new if name not in old)]:
        if name in old and name in new:
            before, after = old[name], new[name]
            if before is after or ((told := (plain(before), plain(after)))[0] == told[1] and _equal(before, after)):
                continue
            found[str(name)] = {"old": told[0], "new": told[1]}
        elif name in old:
            found[str(name)] = {"old": plain(old[name])}
        else:
            found[str(name)] = {"new": plain(new[name])}
    return found


def _equal(before: object, after: object) -> bool:
    """Whether two values that look the same are: long ones are cut, and what cannot be compared is believed."""
    try:
        return bool(before == after) or type(before).__eq__ is object.__eq__
    except Exception:  # noqa: BLE001 (arrays, and other `__eq__` that give no truth value)
        return True
