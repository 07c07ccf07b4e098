"""A filter tree as a question to the index: one FTS5 expression, and whether its answer needs no second look.

What the index finds is never less than what the tree means. Where it can be more the plan is not exact, and each event
found is tested itself (match.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from .algebra import ALL, NONE, UNSURE, Part, all_of, any_of, flipped, prefixed, quoted
from .cover import cover, number_bounds
from .fields import SEVERITY, kind_of, number_of
from .match import between, like
from .terms import (
    ADDRESS_DIGITS,
    EXACT_INTEGERS,
    NUMBER_DIGITS,
    UNINDEXED,
    address_term,
    field_term,
    is_cut,
    key_prefix,
    name_prefix,
    number_key,
    prefix_term,
    presence_term,
    scoped_word,
    word_prefix,
    word_term,
)
from .tree import And, Cidr, Equals, Everything, Exists, Node, Not, Or, Range, Value, Wildcard, Words, leaves
from .words import lookup, needles

__all__ = ["Plan", "plan"]

_ALWAYS: Final = UNINDEXED | {"level", "category", "action"}
"""The fields that every event has."""
_FEW: Final = {"status_code": range(100, 600), "risk_score": range(101)}
"""Fields of so few possible values that a pattern can be tried on each of them."""
_NUMBER_STARTS: Final = ("", *"-0123456789")
"""What the text of a number may begin with, or may not be said to begin with."""
_PREFIXES: Final = 2048
"""About how many terms the ranges and patterns of one plan may take together."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask the index: "match" means the rows of `expression`, "except" all other rows, "all" and "none" need no
    expression. If not `exact`, some of the rows may not be meant; none is missing in any case."""

    kind: Literal["all", "none", "match", "except"]
    expression: str
    exact: bool


def plan(node: Node) -> Plan:
    """The plan of a filter tree. It holds quoted terms only, so that no text of a query is ever FTS5 syntax."""
    ranges = sum(isinstance(leaf, Range | Cidr | Wildcard) for leaf in leaves(node))
    part = _part(node, False, max(_PREFIXES // max(ranges, 1), 16))
    if part.expression is None:
        return Plan("all" if part.negative else "none", "", part.exact)
    return Plan("except" if part.negative else "match", part.expression.text, part.exact)


def _part(node: Node, negative: bool, limit: int) -> Part:
    """The node, or what is not the node. Negation moves down to the leaves: only there is it known what is exact."""
    match node:
        case And(nodes) | Or(nodes):
            parts = [_part(inner, negative, limit) for inner in nodes]
            return all_of(parts) if isinstance(node, And) is not negative else any_of(parts)
        case Not(inner):
            return _part(inner, not negative, limit)
    part = _leaf(node, limit)
    if not negative:
        return part
    return flipped(part) if part.exact else UNSURE


def _leaf(node: Node, limit: int) -> Part:
    match node:
        case Everything():
            return ALL
        case Words(text, field, prefix):
            return _words(text, field, prefix)
        case Exists(field):
            return _exists(field)
        case Equals(field) | Wildcard(field) | Range(field) | Cidr(field) if field in UNINDEXED:
            return UNSURE
        case Equals(field, value):
            return _equals(field, value)
        case Wildcard(field, parts):
            return _wildcard(field, parts, limit)
        case Range():
            return _range(node, limit)
        case Cidr(field, network):
            digits = ADDRESS_DIGITS[network.version]
            bounds = int(network.network_address), int(network.broadcast_address)
            return _keys(field, str(network.version), *bounds, digits, limit)
        case And() | Or() | Not():
            return _part(node, False, limit)


def _is(term: str) -> Part:
    return Part(quoted(term), exact=not is_cut(term))


def _begins(term: str, sure: bool = True) -> Part:
    return Part(prefixed(term), exact=sure and not is_cut(term))


def _words(text: str, field: str | None, prefix: bool) -> Part:
    wanted = needles(text, prefix=prefix)
    if not wanted:
        return UNSURE if field is None else _loosely(_present(field), exact=not text)
    scope = field if field == "stack_trace" else None
    found = any_of([_needle(needle, scope) for needle in wanted])
    # A bare word's term does not tell in which of the searched fields the word stands.
    return found if field in (None, scope) else _loosely(found)


def _needle(needle: str, scope: str | None) -> Part:
    words, exact = lookup(needle)
    parts = []
    for word, is_prefix in words:
        term, sure = word_prefix(word) if is_prefix else (word_term(word), True)
        term = term if scope is None else scoped_word(scope, term)
        parts.append(_begins(term, sure) if is_prefix else _is(term))
    return _loosely(all_of(parts), exact=exact)


def _loosely(part: Part, *, exact: bool = False) -> Part:
    return part._replace(exact=part.exact and exact)


def _present(field: str) -> Part:
    return _is(presence_term(field))


def _exists(field: str) -> Part:
    if field in _ALWAYS:
        return ALL
    kind = kind_of(field)
    if kind == "text":
        return _present(field)
    if kind != "metadata":
        return any_of([_begins(*prefix_term(field, "")), _begins(key_prefix(field))])
    parts = [_begins(*name_prefix(field))]
    if field != "metadata":
        parts += [_begins(*prefix_term(field, "")), _begins(key_prefix(field))]
    return any_of(parts)


def _equals(field: str, value: Value) -> Part:
    if isinstance(value, str):
        found = _is(field_term(field, value))
        number = number_of(value) if kind_of(field) == "metadata" else None
        return found if number is None else any_of([found, _number(field, number)])
    if kind_of(field) == "level":
        return _levels(lambda severity: severity == value)
    if isinstance(value, int | float):
        return _number(field, value)
    return _is(address_term(field, str(value)))


def _number(field: str, number: int | float) -> Part:
    if kind_of(field) == "int" and isinstance(number, float):
        if not number.is_integer():
            return NONE
        number = int(number)
    key = key_prefix(field, f"{number_key(number):0{NUMBER_DIGITS}x}")
    if -EXACT_INTEGERS < number < EXACT_INTEGERS:
        return _begins(key)
    # Beyond, integers share the key of their double, and their digits follow it; a float ends in a dot.
    whole = _is(f"{key}:{int(number)}")
    return any_of([whole, _is(f"{key}.")]) if float(number) == number else whole


def _levels(wanted: Callable[[int], bool]) -> Part:
    return any_of([_is(field_term("level", level)) for level, place in SEVERITY.items() if wanted(place)])


def _wildcard(field: str, parts: tuple[str, ...], limit: int) -> Part:
    kind = kind_of(field)
    matches = like(parts)
    if kind == "level":
        return any_of([_is(field_term(field, level)) for level in SEVERITY if matches(level)])
    numbers = [number for number in _FEW.get(field, ()) if matches(number)]
    if field in _FEW and len(numbers) <= limit:
        return any_of([_number(field, number) for number in numbers])
    if kind in ("text", "int", "float", "address"):
        return _loosely(_exists(field))
    term, sure = prefix_term(field, parts[0])
    found = _begins(term, sure and len(parts) == 2 and not parts[1])
    if kind == "metadata" and parts[0][:1] in _NUMBER_STARTS:
        return any_of([found, _begins(key_prefix(field), False)])
    return found


def _range(node: Range, limit: int) -> Part:
    field, low, high = node.field, node.low, node.high
    if kind_of(field) == "level":
        inside = between(field, low, high, node.low_open, node.high_open)
        return any_of([_is(field_term(field, level)) for level in SEVERITY if inside(level)])
    given = high if low is None else low
    if isinstance(given, str):
        return _texts(field, low, high)
    if isinstance(given, int | float):
        first, last, sure = number_bounds(low, high, node.low_open, node.high_open, whole=kind_of(field) == "int")
        return _loosely(_keys(field, "", first, last, NUMBER_DIGITS, limit), exact=sure)
    if given is None:
        return _exists(field)
    digits = ADDRESS_DIGITS[given.version]
    first = 0 if low is None else int(low) + node.low_open
    last = 16**digits - 1 if high is None else int(high) - node.high_open
    return _keys(field, str(given.version), first, last, digits, limit)


def _texts(field: str, low: Value | None, high: Value | None) -> Part:
    """The values that begin as both bounds do."""
    both = ""
    if isinstance(low, str) and isinstance(high, str):
        same = next((at for at, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), None)
        both = min(low, high, key=len) if same is None else low[:same]
    found = _begins(prefix_term(field, both)[0], False)
    if kind_of(field) == "metadata" and both[:1] in _NUMBER_STARTS:
        # A text that writes the same number as a leaf beside it has no term of its own.
        return any_of([found, _begins(key_prefix(field), False)])
    return found


def _keys(field: str, family: str, first: int, last: int, digits: int, limit: int) -> Part:
    prefixes, exact = cover(first, last, digits, limit)
    return _loosely(any_of([_begins(key_prefix(field, family + prefix)) for prefix in prefixes]), exact=exact)
