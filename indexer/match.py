"""A filter tree as a test of one event: the same meaning that the index gives it, read from the event itself.

A tree is compiled to closures once, so that following a log costs little for each line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeAlias

from .fields import (
    SEVERITY,
    address_of,
    fits,
    json_text,
    kind_of,
    leaves_at,
    leaves_below,
    leaves_from,
    number_of,
    searched_texts,
)
from .foreign import event_of
from .query import parse
from .span import instant, stamp_text
from .tree import And, Cidr, Equals, Everything, Exists, Node, Not, Or, Range, Value, Wildcard, Words
from .words import canonical, fold, joined_form, needles

__all__ = ["EventFilter", "between", "compile_filter", "in_period", "leaf_test", "like", "line_filter"]

EventFilter: TypeAlias = Callable[[dict[str, Any]], bool]
_Test: TypeAlias = Callable[["_Subject"], bool]
_LeafTest: TypeAlias = Callable[[Any], bool]


class _Subject:
    """An event under test; what several conditions need of it is worked out once."""

    __slots__ = ("_form", "_texts", "event")

    def __init__(self, event: dict[str, Any]) -> None:
        self.event = event
        self._texts: list[str] | None = None
        self._form: str | None = None

    @property
    def texts(self) -> list[str]:
        if self._texts is None:
            self._texts = searched_texts(self.event)
        return self._texts

    @property
    def form(self) -> str:
        if self._form is None:
            self._form = joined_form(self.texts)
        return self._form


def compile_filter(node: Node) -> EventFilter:
    """A function that tells whether the fields of an event (its parsed line) are what the tree asks for."""
    test = _compile(node)
    return lambda event: test(_Subject(event))


def in_period(since: int | None, until: int | None) -> EventFilter:
    """A function that tells whether an event's time is at or after `since` and before `until` (microseconds)."""
    low = None if since is None else stamp_text(since)
    high = None if until is None else stamp_text(until)
    return lambda event: (low is None or event["time"] >= low) and (high is None or event["time"] < high)


def line_filter(
    q: str = "",
    *,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    now: datetime | None = None,
) -> Callable[[bytes], bool]:
    """A function that tells whether the raw line of an event is what the query asks for.

    A span back from now is counted from this call. A line that is no event is not found.
    Raises QueryError.
    """
    test = compile_filter(parse(q))
    period = in_period(
        None if since is None else instant(since, now),
        None if until is None else instant(until, now),
    )

    def matches(line: bytes) -> bool:
        event = event_of(line)
        return event is not None and period(event) and test(event)

    return matches


def _compile(node: Node) -> _Test:
    match node:
        case And(nodes):
            tests = [_compile(part) for part in nodes]
            return lambda subject: all(test(subject) for test in tests)
        case Or(nodes):
            tests = [_compile(part) for part in nodes]
            return lambda subject: any(test(subject) for test in tests)
        case Not(part):
            test = _compile(part)
            return lambda subject: not test(subject)
        case Everything():
            return lambda subject: True
        case Words(text, field, prefix):
            return _anywhere(text, prefix) if field is None else _field(field, _holds(text, prefix))
        case Exists(field):
            return _exists(field)
        case _:
            return _field(node.field, leaf_test(node))


def leaf_test(node: Equals | Wildcard | Range | Cidr) -> _LeafTest:
    """A function that tells whether one value of the node's field (of a list an element, of metadata a leaf) fits."""
    match node:
        case Equals(field, value):
            return _equals(field, value)
        case Wildcard(field, parts):
            return like(parts, folded=kind_of(field) == "text")
        case Range(field, low, high, low_open, high_open):
            return between(field, low, high, low_open, high_open)
        case Cidr(field, network):
            return lambda text: (address := address_of(text)) is not None and address in network


def _field(field: str, test: _LeafTest) -> _Test:
    """The test over each value of the field that is there: of metadata every leaf, of a list every element."""
    kind = kind_of(field)
    if kind == "metadata":
        if field == "metadata":
            return lambda subject: any(map(test, leaves_below(subject.event.get("metadata"))))
        path = field.removeprefix("metadata.")
        return lambda subject: any(map(test, leaves_at(subject.event.get("metadata"), path)))
    if kind == "list":
        return lambda subject: any(map(test, subject.event[field] if fits(kind, subject.event.get(field)) else ()))

    def test_one(subject: _Subject) -> bool:
        value = subject.event.get(field)
        return value is not None and fits(kind, value) and test(value)

    return test_one


def _exists(field: str) -> _Test:
    path = field.removeprefix("metadata.")
    if path == field:
        return _field(field, lambda value: True)
    return lambda subject: any(True for _ in leaves_from(subject.event.get("metadata"), path))


def _anywhere(text: str, prefix: bool) -> _Test:
    wanted = needles(text, prefix=prefix)
    if not wanted:
        return lambda subject: any(text in value for value in subject.texts)
    if len(wanted) == 1:
        needle = wanted[0]
        return lambda subject: needle in subject.form
    return lambda subject: _any_in(wanted, subject.form)


def _holds(text: str, prefix: bool) -> _LeafTest:
    wanted = needles(text, prefix=prefix)
    return lambda value: _any_in(wanted, canonical(value)) if wanted else text in value


def _any_in(wanted: Iterable[str], form: str) -> bool:
    return any(needle in form for needle in wanted)


def _equals(field: str, value: Value) -> _LeafTest:
    kind = kind_of(field)
    if kind == "level":
        return lambda level: SEVERITY.get(level) == value
    if kind == "address":
        return lambda text: address_of(text) == value
    if kind == "time" and isinstance(value, int):
        moment = stamp_text(value)
        return lambda text: bool(text == moment)
    if kind == "metadata" and isinstance(value, str):
        number = number_of(value)
        # True and False are numbers to Python, but texts here.
        return lambda leaf: (
            leaf == number if type(leaf) in (int, float) and number is not None else json_text(leaf) == value
        )
    return lambda found: bool(found == value)


def like(parts: tuple[str, ...], *, folded: bool = False) -> _LeafTest:
    """A function that tells whether a value's text is the parts in their order, with anything between them."""
    read = fold if folded else json_text
    first, *middle, last = map(read, parts)

    def test(value: Any) -> bool:
        text = read(value)
        if not text.startswith(first):
            return False
        at = len(first)
        for part in middle:
            found = text.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return len(text) - len(last) >= at and text.endswith(last)

    return test


def between(field: str, low: Value | None, high: Value | None, low_open: bool, high_open: bool) -> _LeafTest:
    """A test for the bounds, after the value is read as what the bounds are; what cannot be read so is outside."""
    kind = kind_of(field)
    if kind == "time":
        since, until = (stamp_text(bound) if isinstance(bound, int) else None for bound in (low, high))
        return _ordered(since, until, low_open, high_open)
    if kind == "level":
        inside = _ordered(low, high, low_open, high_open)
        return lambda level: level in SEVERITY and inside(SEVERITY[level])
    given = high if low is None else low
    if kind == "address":
        inside = _ordered(low and int(low), high and int(high), low_open, high_open)
        return lambda text: (
            (address := address_of(text)) is not None and type(address) is type(given) and inside(int(address))
        )
    inside = _ordered(low, high, low_open, high_open)
    if kind == "metadata":
        types = (str,) if isinstance(given, str) else (int, float)
        return lambda leaf: type(leaf) in types and inside(leaf)
    return inside


def _ordered(low: Any, high: Any, low_open: bool, high_open: bool) -> _LeafTest:
    def above(value: Any) -> bool:
        return bool(value > low if low_open else value >= low)

    def below(value: Any) -> bool:
        return bool(value < high if high_open else value <= high)

    if low is None:
        return below
    if high is None:
        return above
    return lambda value: above(value) and below(value)
