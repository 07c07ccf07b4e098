"""What a rule looks at: a query as a test of one event, what is left of it once some fields are known, and keys.

Most events concern few rules, and mostly their category and action alone say so. `simplified` works a query out as far
as such fields go; the engine does that once for each category and action, and tests of an event what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final, TypeAlias

from ..fields import kind_of, leaves_at
from ..match import EventFilter, compile_filter, leaf_test
from ..tree import And, Everything, Exists, Node, Not, Or, Range, Words, all_of, any_of, leaves, negated

__all__ = [
    "EVERYTHING",
    "KNOWN",
    "NOTHING",
    "Key",
    "Predicate",
    "compiled",
    "fields_in",
    "key_of",
    "shortened",
    "simplified",
    "value_of",
    "without",
]

KNOWN: Final = ("category", "action", "outcome", "level")
"""The fields of few values by which rules are told apart before anything else is looked at."""
EVERYTHING: Final = Everything()
NOTHING: Final = Not(EVERYTHING)

Value: TypeAlias = str | int | float | bool
Key: TypeAlias = tuple[Value, ...]

_LONGEST: Final = 200
_KEPT: Final = 100
_REMEMBERED: Final = 2_048
_LONGEST_REMEMBERED: Final = 512
_MANY: Final = 3
"""From so many conditions on one field on, their answer is remembered by its value."""


class Predicate:
    """A test that the query language cannot say (that of a Sigma rule); it stands where a tree does."""

    __slots__ = ("test",)

    def __init__(self, test: EventFilter) -> None:
        self.test = test


def fields_in(node: Node | Predicate) -> Iterator[str | None]:
    """The fields that the conditions of the tree are about; None for those about any text."""
    if not isinstance(node, Predicate):
        for leaf in leaves(node):
            if not isinstance(leaf, Everything | And | Or | Not):
                yield leaf.field


def simplified(node: Node | Predicate, known: Mapping[str, Any]) -> Node | Predicate:
    """What is left to test, of an event that has these of the fields in KNOWN and no others of them."""
    return node if isinstance(node, Predicate) else _simplified(node, known)


def without(node: Node | Predicate, fields: Collection[str]) -> Node | Predicate:
    """The tree without the conditions, of those that all must hold, that one of these fields is there."""
    if isinstance(node, Predicate):
        return node
    parts = node.nodes if isinstance(node, And) else (node,)
    left = [part for part in parts if not (isinstance(part, Exists) and part.field in fields)]
    return all_of(left) if left else EVERYTHING


def _simplified(node: Node, known: Mapping[str, Any]) -> Node:
    match node:
        case And(nodes):
            parts = [part for part in (_simplified(each, known) for each in nodes) if part != EVERYTHING]
            return NOTHING if NOTHING in parts else all_of(parts) if parts else EVERYTHING
        case Or(nodes):
            parts = [part for part in (_simplified(each, known) for each in nodes) if part != NOTHING]
            return EVERYTHING if EVERYTHING in parts else any_of(parts) if parts else NOTHING
        case Not(part):
            return negated(_simplified(part, known))
        case Everything():
            return node
        case Words(_, None):
            return node
        case _:
            if node.field not in KNOWN:
                return node
            return EVERYTHING if compile_filter(node)(dict(known)) else NOTHING


def compiled(node: Node | Predicate) -> EventFilter | None:
    """A function that tells whether an event meets the tree; None if each does."""
    if isinstance(node, Predicate):
        return node.test
    if isinstance(node, Everything):
        return None
    if isinstance(node, And):
        parts = [_one(part) for part in sorted(node.nodes, key=_cost)]
        if len(parts) == 2:
            first, second = parts
            return lambda event: first(event) and second(event)
        return lambda event: all(part(event) for part in parts)
    return _one(node)


def _cost(node: Node) -> int:
    """What is cheap to look at comes first: whether a field is there, before what it says; words of any text last."""
    if isinstance(node, Exists):
        return 0
    found = list(leaves(node))
    return len(found) + 100 * sum(isinstance(leaf, Words) for leaf in found)


def _one(node: Node) -> EventFilter:
    if isinstance(node, Exists) and kind_of(node.field) != "metadata":
        field = node.field
        return lambda event: event.get(field) is not None
    if isinstance(node, Range) and kind_of(node.field) in ("int", "float"):
        return _between(node)
    fields = set(fields_in(node))
    field_of_all = fields.pop() if len(fields) == 1 else None
    if field_of_all is None or "." in field_of_all or field_of_all == "metadata":
        return compile_filter(node)
    if kind_of(field_of_all) == "list" or sum(1 for _ in leaves(node)) < _MANY:
        return compile_filter(node)
    return _remembering(compile_filter(node), field_of_all)


def _between(node: Range) -> EventFilter:
    """What `compile_filter` gives, for a number of the event's own, without what other conditions need."""
    field, inside = node.field, leaf_test(node)
    low, high = node.low, node.high
    if type(low) in (int, float) and type(high) in (int, float) and not (node.low_open or node.high_open):
        return lambda event: type(value := event.get(field)) in (int, float) and low <= value <= high  # type: ignore[operator]
    return lambda event: type(value := event.get(field)) in (int, float) and inside(value)


def _remembering(test: EventFilter, field: str) -> EventFilter:
    """The test, which looks at this field alone: what it said of a value is remembered."""
    known: dict[Any, bool] = {}

    def remembered(event: dict[str, Any]) -> bool:
        value = event.get(field)
        answer = known.get(value)
        if answer is None:
            answer = test(event)
            if not isinstance(value, str) or len(value) <= _LONGEST_REMEMBERED:
                if len(known) >= _REMEMBERED:
                    known.clear()
                known[value] = answer
        return answer

    return remembered


def value_of(field: str) -> Callable[[Mapping[str, Any]], Any]:
    """A function that gives the value of the field (of metadata the first leaf at the path), None if it is absent."""
    if not field.startswith("metadata."):
        return lambda event: event.get(field)
    path = field.removeprefix("metadata.")

    def leaf(event: Mapping[str, Any]) -> Any:
        free = event.get("metadata")
        if type(free) is dict and type(found := free.get(path)) in (str, int, float):
            return found
        return next(leaves_at(free, path), None) if free is not None else None

    return leaf


def key_of(fields: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Key | None]:
    """A function that gives an event's values of the fields; None if one is absent or empty."""
    if len(fields) == 1 and not fields[0].startswith("metadata."):
        field = fields[0]

        def key_of_one(event: Mapping[str, Any]) -> Key | None:
            value = event.get(field)
            if value is None or value == "":
                return None
            return (value,) if type(value) is str and len(value) <= _LONGEST else (shortened(value),)

        return key_of_one
    getters = [value_of(field) for field in fields]

    if len(fields) == 2 and not any(field.startswith("metadata.") for field in fields):
        first, second = fields

        def key_of_two(event: Mapping[str, Any]) -> Key | None:
            one, two = event.get(first), event.get(second)
            if one is None or two is None or one == "" or two == "":
                return None
            short = type(one) is type(two) is str and len(one) <= _LONGEST and len(two) <= _LONGEST
            return (one, two) if short else (shortened(one), shortened(two))

        return key_of_two

    def key_of_several(event: Mapping[str, Any]) -> Key | None:
        values = [get(event) for get in getters]
        return None if any(value is None or value == "" for value in values) else tuple(map(shortened, values))

    return key_of_several


def shortened(value: Any) -> Any:
    """The value; of a long text its beginning and a digest, so that what is kept is bounded."""
    if type(value) not in (str, int, float, bool):
        value = str(value)  # by another hand: a field of an event holds neither list nor object
    elif type(value) is int and not -(2**63) <= value < 2**63:
        value = str(value)  # the state could not hold it
    if type(value) is str and len(value) > _LONGEST:
        return f"{value[:_KEPT]}…{blake2b(value.encode('utf-8', 'replace'), digest_size=8).hexdigest()}"
    return value
