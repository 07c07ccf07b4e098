"""Conditions written twice: as a query of ours, and in SQL over the tables that `duck.Duck` makes of a store's lines.

Whoever makes one says what it means without our parser or filters; that both say the same is what tests ask.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

__all__ = [
    "LEVELS",
    "Asked",
    "about",
    "at_level",
    "begins",
    "both",
    "compared",
    "either",
    "equals",
    "everything",
    "fits",
    "holds",
    "in_network",
    "leaf_equals",
    "number_written",
    "numbered",
    "ranged",
    "text_ranged",
    "there",
    "timed",
    "utc",
    "within_addresses",
    "without",
    "words",
]

LEVELS = ("debug", "info", "notice", "warning", "error", "critical")
_SEARCHED = (
    *("message", "username", "entity_type", "entity_id", "entity_name", "path", "user_agent", "error_type"),
    *("error_message", "tags"),
)
_TEXTS = ("message", "user_agent", "error_message", "stack_trace")
_LISTS = ("tags", "risk_reasons", "redacted")
_SIGNS = (">", ">=", "<", "<=")
_UTC_DAY = timedelta(days=1)


class Asked(NamedTuple):
    """A query of ours, and the same condition on a row of `lines` in SQL, with the values that it takes."""

    q: str
    sql: str
    values: tuple[Any, ...] = ()
    binds: int = 3
    """How tightly: 1 for OR, 2 for AND, 3 for what needs no parentheses."""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escaped(text: str, plain: str = "A-Za-z0-9") -> str:
    return re.sub(rf"[^{plain}]", r"\\\g<0>", text)


def _name(field: str) -> str:
    return _escaped(field, "A-Za-z0-9._")


def _leaf(q: str, field: str, condition: str, *values: Any) -> Asked:
    """Some value of the field fulfils the condition on a row of `leaves`."""
    return Asked(q, f"seq IN (SELECT seq FROM leaves WHERE path = ? AND ({condition}))", (field, *values))


def everything() -> Asked:
    """Every event."""
    return Asked("*", "TRUE")


def both(*parts: Asked, sign: str = " AND ") -> Asked:
    """All parts hold."""
    return _joined(parts, sign, " AND ", 2)


def either(*parts: Asked) -> Asked:
    """One of the parts holds."""
    return _joined(parts, " OR ", " OR ", 1)


def _joined(parts: Sequence[Asked], sign: str, operator: str, binds: int) -> Asked:
    """Our query has no more parentheses than it needs, SQL has all."""
    values = tuple(value for part in parts for value in part.values)
    q = sign.join(_within(part, binds) for part in parts)
    return Asked(q, operator.join(f"({part.sql})" for part in parts), values, binds)


def _within(part: Asked, binds: int) -> str:
    return part.q if part.binds >= binds else f"({part.q})"


def without(part: Asked, sign: str = "NOT ") -> Asked:
    """The part does not hold."""
    return Asked(f"{sign}{_within(part, 3)}", f"NOT ({part.sql})", part.values)


def equals(field: str, text: str, stored: str | None = None) -> Asked:
    """The field, or an element of it, is the text; `stored` is what a line has for it, if that is another spelling."""
    return _leaf(f"{_name(field)}:{_quoted(text)}", field, "text = ?", text if stored is None else stored)


def leaf_equals(path: str, written: str, number: int | float | None = None) -> Asked:
    """A leaf of metadata is the text or truth value that is written, or the number, if it writes one."""
    q = f"{_name(path)}:{_quoted(written)}"
    if number is None:
        return _leaf(q, path, "text = ?", written)
    condition, values = _bounded(number, number, False, False)
    return _leaf(q, path, f"text = ? OR {condition}", written, *values)


def numbered(field: str, number: int | float, written: str | None = None) -> Asked:
    """The field is the number, in whichever notation."""
    condition, values = _bounded(number, number, False, False)
    return _leaf(f"{_name(field)}:{written or repr(number)}", field, condition, *values)


def compared(field: str, sign: str, number: int | float) -> Asked:
    """The field is a number above or below the other: `sign` is one of > >= < <=."""
    low, high = (number, None) if sign[0] == ">" else (None, number)
    condition, values = _bounded(low, high, sign == ">", sign == "<")
    return _leaf(f"{_name(field)}:{sign}{number!r}", field, condition, *values)


def ranged(field: str, low: int | float, high: int | float, low_open: bool = False, high_open: bool = False) -> Asked:
    """The field is a number between the bounds."""
    condition, values = _bounded(low, high, low_open, high_open)
    return _leaf(_interval(field, repr(low), repr(high), low_open, high_open), field, condition, *values)


def _interval(field: str, low: str, high: str, low_open: bool, high_open: bool) -> str:
    return f"{_name(field)}:{'{' if low_open else '['}{low} TO {high}{'}' if high_open else ']'}"


def _bounded(low: Any, high: Any, low_open: bool, high_open: bool) -> tuple[str, tuple[Any, ...]]:
    """SQL would turn an integer into a double to compare the two, and lose digits: each has bounds of its own kind."""
    bounds = [(">" if low_open else ">=", low), ("<" if high_open else "<=", high)]
    given = [(sign, bound) for sign, bound in bounds if bound is not None]
    whole = [_whole(bound, up=sign in (">=", "<")) for sign, bound in given]
    real = [_real(bound, up=sign in (">=", "<")) for sign, bound in given]
    condition = " OR ".join(
        "(" + " AND ".join(f"{column} {sign} ?" for sign, _ in given) + ")" for column in ("whole", "real")
    )
    return f"({condition})", (*whole, *real)


def _whole(bound: int | float, *, up: bool) -> int:
    """The next integer, kept within what a HUGEINT holds: no value comes near."""
    return min(max(math.ceil(bound) if up else math.floor(bound), -(2**100)), 2**100)


def _real(bound: int | float, *, up: bool) -> float:
    """The next double."""
    near = float(bound)
    if up and near < bound:
        return math.nextafter(near, math.inf)
    return math.nextafter(near, -math.inf) if not up and near > bound else near


def text_ranged(
    field: str, low: str | None, high: str | None, low_open: bool = False, high_open: bool = False
) -> Asked:
    """The field is a text between the bounds, by code point. In metadata none of them may look like a number."""
    bounds = [(">" if low_open else ">=", low), ("<" if high_open else "<=", high)]
    given = [(f"text {sign} ?", bound) for sign, bound in bounds if bound is not None]
    condition = " AND ".join(["kind = 'VARCHAR'", *(sql for sql, _ in given)])
    first, last = ("*" if bound is None else _quoted(bound) for bound in (low, high))
    return _leaf(_interval(field, first, last, low_open, high_open), field, condition, *(bound for _, bound in given))


def at_level(sign: str, level: str) -> Asked:
    """The level is the one, or more or less severe."""
    place = LEVELS.index(level.lower()) + 1
    return _leaf(f"level:{sign}{level}", "level", f"list_position({list(LEVELS)}, text) {sign or '='} ?", place)


def there(field: str) -> Asked:
    """The field is there; of metadata, anything at or below the path."""
    below = "path = ? OR starts_with(path, ?)"
    return Asked(f"{_name(field)}:*", f"seq IN (SELECT seq FROM leaves WHERE {below})", (field, f"{field}."))


def begins(field: str, text: str) -> Asked:
    """The whole value, its case included, begins with the text."""
    return _leaf(f"{_name(field)}:{_escaped(text)}*", field, "starts_with(text, ?)", text)


def fits(field: str, *parts: str) -> Asked:
    """The whole value is the parts with anything between; in texts of many words case and accents do not count."""
    q = f"{_name(field)}:{'*'.join(map(_escaped, parts))}"
    pattern = "%".join(re.sub(r"[\\%_]", r"\\\g<0>", part) for part in parts)
    if field in _TEXTS:
        return _leaf(q, field, r"plain(text) LIKE plain(?) ESCAPE '\'", pattern)
    return _leaf(q, field, r"text LIKE ? ESCAPE '\'", pattern)


def words(text: str, field: str | None = None, *, prefix: bool = False) -> Asked:
    """ASCII words stand side by side in one value, of the field or of any that is searched; the last may go on."""
    found = re.findall("[a-z0-9]+", text.lower())
    outside = r"[^\p{L}\p{M}\p{N}]"
    pattern = rf"(?:^|{outside}){f'{outside}+'.join(found)}" + ("" if prefix else rf"(?:$|{outside})")
    q = f"{_escaped(text)}*" if prefix else _quoted(text)
    return _searched(q, field, "regexp_matches(plain(text), ?)", pattern)


def holds(text: str) -> Asked:
    """A text without any word is part of a value that is searched."""
    return _searched(_quoted(text), None, "contains(text, ?)", text)


def _searched(q: str, field: str | None, condition: str, value: str) -> Asked:
    if field is not None:
        return _leaf(f"{_name(field)}:{q}", field, condition, value)
    where = f"(path IN {_SEARCHED} OR starts_with(path, 'metadata.')) AND {condition}"
    return Asked(q, f"seq IN (SELECT seq FROM leaves WHERE {where})", (value,))


def in_network(network: str) -> Asked:
    """The address is of the network; a scope does not count."""
    parsed = ip_network(network, strict=False)
    return _addresses(f"ip_address:{_escaped(network)}", parsed[0], parsed[-1])


def within_addresses(low: str, high: str) -> Asked:
    """The address is of the same family and between the two."""
    q = _interval("ip_address", _escaped(low), _escaped(high), False, False)
    return _addresses(q, ip_address(low), ip_address(high))


def _addresses(q: str, low: Any, high: Any) -> Asked:
    if low.version == 4:
        return _leaf(q, "ip_address", "v4(text) BETWEEN ? AND ?", int(low), int(high))
    bounds = (f"{int(low):032x}", f"{int(high):032x}")
    return _leaf(q, "ip_address", "v6(split_part(text, '%', 1)) BETWEEN ? AND ?", *bounds)


def timed(sign: str, text: str) -> Asked:
    """The time is before, at or after the one that the text writes; a date is its whole day."""
    moment, end = utc(text), utc(text)
    if len(text) == len("2026-11-23"):
        end += _UTC_DAY
        sql = {"": "time >= ? AND time < ?", ">=": "time >= ?", ">": "time >= ?", "<": "time < ?", "<=": "time < ?"}
        values = {"": (moment, end), ">=": (moment,), ">": (end,), "<": (moment,), "<=": (end,)}[sign]
        return Asked(f"time:{sign}{text}", sql[sign], values)
    return Asked(f"time:{sign}{_escaped(text)}", f"time {sign or '='} ?", (moment,))


_NUMBER = re.compile(r"-?\d{1,300}(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)


def number_written(text: str) -> int | float | None:
    """The number that the text writes, if it writes one."""
    match = _NUMBER.fullmatch(text)
    return None if match is None else float(text) if match[1] or match[2] else int(text)


def about(path: str, text: str, number: int | float | None) -> list[Asked]:
    """Conditions that a value of the path fulfils, or misses by little."""
    free = path.startswith("metadata.")
    if path == "time":
        return [timed(sign, written) for sign in ("", *_SIGNS) for written in (text, text[:10])]
    if path == "level":
        return [at_level(sign, written) for sign in ("", *_SIGNS) for written in (text, text.upper())]
    if number is not None:
        same = leaf_equals(path, text, number) if free else numbered(path, number, text)
        return [same, there(path), *(compared(path, sign, number) for sign in _SIGNS), *_worded(path, text)]
    half = text[: min(len(text) // 2 + 1, 150)]
    asked = [there(path), *([begins(path, half)] if half and path not in _TEXTS else []), *_worded(path, text)]
    if middle := text[len(text) // 3 : len(text) // 3 + 9]:
        asked.append(fits(path, "", middle, ""))
    if path in _TEXTS:
        return asked
    if path == "ip_address":
        return [*asked, equals(path, text), *(in_network(f"{text.partition('%')[0]}/{bits}") for bits in (8, 22, 32))]
    if len(text) < 1000:
        asked.append(leaf_equals(path, text, number_written(text)) if free else equals(path, text))
        if path not in _LISTS and not (free and number_written(text) is not None):
            asked += [text_ranged(path, text, None, True), text_ranged(path, None, text)]
    return asked


def _worded(path: str, text: str) -> list[Asked]:
    """Conditions on the words of the value, if it is plain."""
    found = re.findall("[A-Za-z0-9]+", text) if text.isascii() else []
    if not found:
        return []
    first, last = found[0], found[-1]
    asked = [words(first), words(" ".join(found[-2:])), words(first[:3], prefix=True)]
    return [*asked, words(last, path), words(" ".join(found[:9]), path)] if path in _TEXTS else asked


def utc(time: str | datetime) -> datetime:
    """The time as DuckDB's TIMESTAMP: in UTC, and without saying so."""
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
