"""The shape of an SQL statement: the statement without any value that stands in it."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

__all__ = ["Habits", "shape"]

_LONGEST: Final = 4_096
_LONGEST_SHAPE: Final = 2_000
_CUT: Final = " …"


class Habits(NamedTuple):
    """How a dialect differs from the standard where a text begins or ends."""

    quotes: Literal["names", "values", "either"] = "names"
    """What stands in double quotes: names (the standard), values (MySQL), or what fits (SQLite)."""
    hashes: bool = False
    """Whether `#` begins a comment."""
    brackets: bool = False
    """Whether names stand in brackets."""


_STANDARD: Final = Habits()

_TOKEN: Final = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*)
    | (?P<comment>/\*)
    | (?P<single>(?:[EeNnXxBb]|[Uu]&|[Nn]?[Qq])?'(?:[^']|'')*'?)
    | (?P<double>"(?:[^"]|"")*"?)
    | (?P<tick>`[^`]*`?)
    | (?P<dollar>\$(?:[A-Za-z_]\w*)?\$)
    | (?P<mark>%\([^()]{1,100}\)s|%s|[:$@]\w+|\?)
    | (?P<cast>::)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<number>\d[\w.]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_NAME: Final = re.compile(r"[\w $.-]{1,64}")
_BEFORE_A_NAME: Final = frozenset({"FROM", "JOIN", "INTO", "UPDATE", "TABLE", "AS", "."})
_LISTS: Final = re.compile(r"\?(?: ?, ?\?)+")
_ROWS: Final = re.compile(r"\(\?(?:, …)?\)(?: ?, ?\(\?(?:, …)?\))+")


def shape(statement: str, habits: Habits = _STANDARD) -> str:
    """The statement with `?` for every value and parameter, one for a list of them, without comments, bounded.

    Where it is not certain where a text ends (a backslash before a quote, which some dialects take for an escape;
    Oracle's own quoting; comments that nest), all that follows is left out: it may be a value.
    """
    parts: list[str] = []
    text = statement[:_LONGEST]
    place, certain = 0, True
    while certain and (match := _TOKEN.match(text, place)):
        kind, piece, place = match.lastgroup, match[0], match.end()
        if kind == "space":
            parts.append(" ")
        elif kind == "comment":
            place, certain = _comment_end(text, place)
        elif kind == "dollar":
            end = text.find(piece, place)
            certain, place = end >= 0, end + len(piece)
            parts.append("?")
        elif kind in ("single", "double", "tick"):
            name = kind != "single" and _is_name(piece, habits, parts, text[place : place + 1])
            parts.append(piece if name else "?")
            certain = name or not ("\\'" in piece or '\\"' in piece or piece[:2].upper().startswith(("Q", "NQ")))
        elif kind == "other" and piece == "[" and habits.brackets:
            place = (text.find("]", place) + 1) or len(text)
            parts.append(text[match.start() : place] if _NAME.fullmatch(text, match.end(), place - 1) else "?")
        elif kind == "other" and piece == "#" and habits.hashes:
            place = (text.find("\n", place) + 1) or len(text)
        else:
            parts.append("?" if kind in ("mark", "number") else piece)
    found = "".join(parts).strip() + ("" if certain and len(statement) <= _LONGEST else _CUT)
    found = _LISTS.sub("?, …", re.sub(r" {2,}", " ", found))
    found = _ROWS.sub("(?, …), …", found)
    return found if len(found) <= _LONGEST_SHAPE else found[:_LONGEST_SHAPE] + _CUT


def _comment_end(text: str, place: int) -> tuple[int, bool]:
    """Where the comment ends that has begun, and whether that is certain: in some dialects comments nest."""
    end = text.find("*/", place)
    if end < 0 or text.find("/*", place, end) >= 0:
        return len(text), False
    return end + 2, True


def _is_name(piece: str, habits: Habits, parts: list[str], after: str) -> bool:
    """Whether what is in double quotes or backticks is a name: by its form, the dialect, and what stands around it."""
    if not _NAME.fullmatch(piece, 1, len(piece) - 1) or (habits.quotes == "values" and piece[0] == '"'):
        return False
    if habits.quotes == "names" or piece[0] == "`" or after == ".":
        return True
    before = next((part for part in reversed(parts) if part != " "), "")
    return before.upper() in _BEFORE_A_NAME
