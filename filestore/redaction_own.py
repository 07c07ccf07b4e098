"""Own value patterns from the settings: compiled only if no text can make them slow.

Python's regular expressions try again and again where a repetition can end in many places. A pattern is taken if the
steps that one place of a text can cost are few, whatever the text: so repetitions need an upper bound, and those that
stand one after the other or inside each other multiply.
"""

from __future__ import annotations

import importlib
import re
from typing import Any, Final

__all__ = ["compiled", "why_not"]

_parser: Any = importlib.import_module("re._parser")
"""The standard library's own, so that what is judged is what is run."""

_STEPS: Final = 128
"""So many steps may be tried from one place of a text, for each character that the pattern begins with unchanged."""
_LONGEST: Final = 1000
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")

_ONE: Final = frozenset({"LITERAL", "NOT_LITERAL", "IN", "ANY", "RANGE", "CATEGORY"})


class _Refused(Exception):
    """The pattern has something that cannot be bounded."""


def compiled(name: str, pattern: str) -> re.Pattern[str]:
    """The pattern, ready for use. Raises ValueError that says what is wrong with it, or with its name."""
    reason = why_not(name, pattern)
    if reason:
        raise ValueError(f"pattern {name!r}: {reason}")
    return re.compile(pattern)


def why_not(name: str, pattern: str) -> str:
    """Why the pattern is refused; empty if it is taken."""
    if _NAME.fullmatch(name) is None:
        return "its name must have the form [a-z][a-z0-9_-]{0,31}; a mask shows it"
    if len(pattern) > _LONGEST:
        return f"it is longer than {_LONGEST} characters"
    try:
        re.compile(pattern)
        tree = _parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"it is no regular expression: {error}"
    if tree.getwidth()[0] == 0:
        return "it matches an empty text"
    try:
        steps, _ = _cost(tree)
    except _Refused as refused:
        return str(refused)
    most = _STEPS * max(1, len(_beginning(tree)))
    if steps > most:
        return (
            f"a text could make it try {steps} ways from one place, more than {most}: begin it with fixed characters,"
            " lower its bounds, or write {m,n}+ for {m,n} where nothing need be given back"
        )
    return ""


def _cost(tree: Any) -> tuple[int, int]:
    """How many steps one place can cost at most, and in how many places the sequence can end."""
    steps, ways = 1, 1
    for op, argument in tree:
        one, ends = _cost_of(str(op), argument)
        steps += ways * one
        ways *= ends
        if steps > 10**9:
            break
    return steps, ways


def _cost_of(op: str, argument: Any) -> tuple[int, int]:
    if op in _ONE or op == "AT":
        return 1, 1
    if op == "SUBPATTERN":
        return _cost(argument[3])
    if op == "ATOMIC_GROUP":
        return _cost(argument)[0], 1
    if op == "BRANCH":
        each = [_cost(branch) for branch in argument[1]]
        return sum(steps for steps, _ in each), sum(ways for _, ways in each)
    if op in ("ASSERT", "ASSERT_NOT"):
        return _cost(argument[1])[0], 1
    if op in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return _repeat(op, *argument)
    if op in ("GROUPREF", "GROUPREF_EXISTS"):
        raise _Refused("it refers back to a group, which cannot be bounded")
    raise _Refused(f"it has a part that is not known here ({op.lower()})")


def _repeat(op: str, least: int, most: Any, inner: Any) -> tuple[int, int]:
    steps, ways = _cost(inner)
    if most is _parser.MAXREPEAT:
        raise _Refused("a repetition has no upper bound: write {0,64} for *, {1,64} for +")
    if ways > 1 and most > 1:
        raise _Refused("a repetition, or alternatives, stand inside another repetition: nothing bounds its steps")
    return steps * int(most), 1 if op == "POSSESSIVE_REPEAT" else int(most) - int(least) + 1


def _beginning(tree: Any) -> str:
    """The characters that every match begins with."""
    found: list[str] = []
    for op, argument in tree:
        if str(op) == "AT":
            continue
        if str(op) == "SUBPATTERN":
            return "".join(found) + _beginning(argument[3])
        if str(op) != "LITERAL":
            break
        found.append(chr(argument))
    return "".join(found)
