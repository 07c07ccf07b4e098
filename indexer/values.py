"""What a query's text means for a field: `field:text`, a comparison, an interval, each as a leaf of the tree.

Raises QueryError where the text cannot be a value of the field.
"""

from __future__ import annotations

from ipaddress import ip_network

from .errors import QueryError
from .fields import CANONICAL_CASE, SEVERITY, Kind, address_of, kind_of, number_of
from .span import DAY, date_start, instant
from .tree import Cidr, Equals, Exists, Node, Range, Value, Wildcard, Words

__all__ = ["compared", "matched", "ranged"]


def matched(field: str, parts: tuple[str, ...], position: int) -> Node:
    """What `field:text` means; the text is given as the parts between its stars."""
    kind = kind_of(field)
    if field == "metadata":
        raise QueryError("metadata is an object; name a key of it", position, "metadata.KEY:value")
    if kind == "text":
        if len(parts) == 1 or (len(parts) == 2 and not parts[1]):
            return Words(parts[0], field, prefix=len(parts) == 2)
        return Wildcard(field, parts)
    if len(parts) > 1:
        if kind == "time":
            raise QueryError("a time takes no *", position, f"{field}:[2026-11-01 TO 2026-11-30]")
        return Wildcard(field, tuple(_cased(field, part) for part in parts))
    text = parts[0]
    if kind == "time" and (start := date_start(text)) is not None:
        return Range(field, start, start + DAY, high_open=True)
    if kind == "address" and "/" in text:
        return _network(field, text, position)
    if kind == "metadata":
        return Equals(field, text)
    return Equals(field, _value(field, kind, text, position))


def compared(field: str, sign: str, text: str, position: int) -> Node:
    """What `field:>=text` and its like mean."""
    open_end = "=" not in sign
    if sign[0] == ">":
        return ranged(field, (text, position), (None, position), open_end, False)
    return ranged(field, (None, position), (text, position), False, open_end)


def ranged(
    field: str, low: tuple[str | None, int], high: tuple[str | None, int], low_open: bool, high_open: bool
) -> Node:
    """What `field:[low TO high]` means, bounds with their positions; None is no bound, and then never open."""
    kind = kind_of(field)
    if field == "metadata" or kind in ("text", "list"):
        what = "an object" if field == "metadata" else "a list" if kind == "list" else "text of many words"
        raise QueryError(f"{field} is {what} and has no order", low[1], f"{field}:*")
    if kind == "metadata":
        lower, upper = _free_bounds(low[0], high[0])
    else:
        lower = None if low[0] is None else _value(field, kind, low[0], low[1])
        upper = None if high[0] is None else _value(field, kind, high[0], high[1])
    low_open = low_open and lower is not None
    high_open = high_open and upper is not None
    if kind == "time":
        lower, low_open = _after_day(low[0], lower, low_open)
        upper, not_before = _after_day(high[0], upper, not high_open)
        high_open = upper is not None and not not_before
    if kind == "address" and lower is not None and upper is not None and type(lower) is not type(upper):
        raise QueryError("a range of addresses lies in one family", high[1], f"{field}:[10.0.0.1 TO 10.0.0.9]")
    if lower is None and upper is None:
        return Exists(field)
    return Range(field, lower, upper, low_open, high_open)


def _after_day(text: str | None, value: Value | None, passed: bool) -> tuple[Value | None, bool]:
    """The bound, and whether its instant is passed. A date is its whole day: to pass it is to reach the next one."""
    if passed and text is not None and isinstance(value, int) and date_start(text) is not None:
        return value + DAY, False
    return value, passed


def _free_bounds(low: str | None, high: str | None) -> tuple[Value | None, Value | None]:
    """The bounds of a value whose type nobody fixed: numbers if all that are given are, else texts."""
    numbers = [None if text is None else number_of(text) for text in (low, high)]
    if all(number is not None or text is None for number, text in zip(numbers, (low, high), strict=True)):
        return numbers[0], numbers[1]
    return low, high


def _cased(field: str, text: str) -> str:
    case = CANONICAL_CASE.get(field)
    return text.lower() if case == "lower" else text.upper() if case == "upper" else text


def _value(field: str, kind: Kind | None, text: str, position: int) -> Value:
    """The text as a value of the field, in the form in which it is stored."""
    if kind in ("int", "float"):
        number = number_of(text)
        if number is None:
            raise QueryError(f"{field} is a number, not {text[:40]!r}", position, f"{field}:{_SAMPLES.get(field, '1')}")
        return number
    if kind == "level":
        if text.lower() not in SEVERITY:
            raise QueryError(f"there is no level {text[:40]!r}", position, _nearest_level(text))
        return SEVERITY[text.lower()]
    if kind == "address":
        address = address_of(text)
        if address is None:
            raise QueryError(f"{text[:60]!r} is no address", position, f"{field}:10.0.0.1 or {field}:10.0.0.0/8")
        return address
    if kind == "time":
        try:
            return instant(text)
        except QueryError as error:
            raise QueryError(f"{text[:40]!r} is no time", position, error.suggestion) from None
    return _cased(field, text)


_SAMPLES = {"status_code": "404", "risk_score": ">=70", "response_time_ms": ">250"}


def _nearest_level(text: str) -> str:
    from difflib import get_close_matches

    known = {"warn": "warning", "err": "error", "fatal": "critical", "emerg": "critical", "trace": "debug"}
    near = get_close_matches(text.lower(), SEVERITY, n=1)
    return known.get(text.lower()) or (near[0] if near else "one of " + ", ".join(SEVERITY))


def _network(field: str, text: str, position: int) -> Node:
    try:
        return Cidr(field, ip_network(text, strict=False))
    except ValueError:
        raise QueryError(f"{text[:60]!r} is no network", position, f"{field}:10.0.0.0/8") from None
