"""Paths into JSON: `user.name` descends, `\\.` is a dot in a key, `items[0]` indexes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

__all__ = ["Path", "found", "nested", "parse_path", "without"]

Path = tuple[str | int, ...]

_STEP = re.compile(r"((?:[^.\[\]\\]|\\.)*+)((?:\[\d{1,9}\])*+)(\.|\Z)", re.DOTALL)


def parse_path(given: str) -> Path:
    """The steps of a path: keys as text, indexes as numbers. Raises ValueError for one that is not of the form."""
    steps: list[str | int] = []
    position = 0
    while True:
        match = _STEP.match(given, position)
        if match is None or not (match[1] or match[2]):
            raise ValueError(r"expected a path such as user.name, items[0].id or a\.b (a dot in a key)")
        if match[1]:
            steps.append(re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL))
        steps += [int(index) for index in re.findall(r"\d+", match[2])]
        position = match.end()
        if not match[3]:
            return tuple(steps)


def found(value: Any, path: Path) -> Any:
    """What stands at the path, or None."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
        if value is None:
            return None
    return value


def nested(target: dict[str, Any], path: Path, value: Any) -> None:
    """The value stands in `target` at the path, in objects made on the way; something in the way is replaced."""
    for step in path[:-1]:
        below = target.get(str(step))
        if not isinstance(below, dict):
            below = target[str(step)] = {}
        target = below
    target[str(path[-1])] = value


def without(record: dict[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    """A copy of the record that lacks what stands at the paths; an object that this leaves empty goes too.

    Items of lists stay, because the others would move to another index.
    """
    left = dict(record)
    for path in paths:
        if all(isinstance(step, str) for step in path):
            _drop(left, [str(step) for step in path])
    return left


def _drop(record: dict[str, Any], steps: list[str]) -> None:
    first, *more = steps
    if not more:
        record.pop(first, None)
    elif isinstance(record.get(first), dict):
        below = record[first] = dict(record[first])
        _drop(below, more)
        if not below:
            del record[first]
