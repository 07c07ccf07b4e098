"""Bytes that the line of every event that a tree means must hold, so that a scan need not parse most lines.

This rests on how the store writes a line (data/README.md): `"field":value` with nothing between, text as JSON in UTF-8
in which each character is written in one way, and each top-level field with a comma behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Final, TypeAlias

from stonelog.filestore import LEVELS, dumps

from .fields import Kind, kind_of, number_of
from .keys import UNINDEXED
from .match import leaf_test
from .span import stamp_text
from .tree import And, Cidr, Equals, Everything, Exists, Node, Not, Or, Range, Wildcard, Words
from .words import needles

__all__ = ["required"]

Alternatives: TypeAlias = tuple[bytes, ...]
_Condition: TypeAlias = Words | Equals | Exists | Wildcard | Range | Cidr

_MOST: Final = 16
"""With more alternatives, looking for each of them takes longer than it saves."""
_ALWAYS: Final = UNINDEXED | {"level", "category", "action"}
"""The fields that every event has."""
_PLAIN_NUMBERS: Final = (1e-4, 1e15)
"""Between these JSON needs no exponent, so that a number is written in one way."""
_IN_NUMBERS: Final = frozenset("0123456789+-.eEtrufals")
"""The characters of numbers, `true` and `false`."""


def required(node: Node) -> Alternatives:
    """Byte strings of which at least one is part of the raw line of every event that the tree means.

    Empty if no such strings are known: then every line has to be read.
    """
    match node:
        case And(nodes):
            return max(map(required, nodes), key=_strength, default=())
        case Or(nodes):
            every = [required(part) for part in nodes]
            return _fewest(text for part in every for text in part) if all(every) else ()
        case Not() | Everything():
            return ()
        case _:
            return max(_value(node), _name(node), key=_strength)


def _strength(alternatives: Alternatives) -> int:
    """How much the alternatives are likely to leave out: the characters that the weakest has beside a field's name."""
    return min(
        (len(text.partition(b'":')[2]) + 1 if b'":' in text else len(text) - 1 for text in alternatives), default=0
    )


def _fewest(texts: Iterable[bytes]) -> Alternatives:
    """The alternatives without those that hold another one; none if too many are left."""
    kept: list[bytes] = []
    for text in sorted(set(texts), key=len):
        if not any(shorter in text for shorter in kept):
            kept.append(text)
            if len(kept) > _MOST:
                return ()
    return tuple(kept)


def _plain(text: str) -> bool:
    """Whether the store writes the text as `dumps` does: it escapes some characters that are not printable."""
    return bool(text) and text.isprintable()


def _part(text: str) -> Alternatives:
    """A text that holds this one."""
    return (dumps(text)[1:-1],) if _plain(text) else ()


def _part_of_any(text: str) -> Alternatives:
    """A text that holds this one, or a number, true or false that does: those could be written otherwise."""
    return () if _IN_NUMBERS.issuperset(text) else _part(text)


def _member(field: str, value: str | int) -> Alternatives:
    """A field at the top of an event that is the value."""
    if isinstance(value, str) and not _plain(value):
        return ()
    return (dumps({field: value})[1:-1] + (b"" if field == "hash" else b","),)


def _name(node: _Condition) -> Alternatives:
    """The name of the field."""
    field = node.field
    if field is None or field in _ALWAYS:
        return ()
    last = field.rpartition(".")[2]
    if kind_of(field) != "metadata":
        return (dumps(field) + b":",)
    if field == last or not _plain(last):
        return (b'"metadata":',)
    # Keys may hold dots, so that the last one ends with what stands behind the last dot of the path.
    return _part(last) if isinstance(node, Exists) else (dumps(last)[1:] + b":",)


def _value(node: _Condition) -> Alternatives:
    """The value of the field, as far as it is written in few ways."""
    kind = kind_of(node.field) if node.field is not None else None
    _, most = _PLAIN_NUMBERS
    match node:
        case Words(text, _, prefix) if kind in ("text", None):
            return () if needles(text, prefix=prefix) else _part_of_any(text)
        case Wildcard(field, parts):
            return _pattern(field, kind, parts)
        case Equals(field) | Range(field) if kind == "level":
            test = leaf_test(node)
            fit = [level for level in LEVELS if test(level)]
            return tuple(text for level in fit for text in _member(field, level)) if len(fit) < len(LEVELS) else ()
        case Equals(field, str(text)) if kind == "metadata":
            return _leaf(text)
        case Equals(_, str(text)) if kind == "list":
            return (dumps(text),) if _plain(text) else ()
        case Equals(field, str(text)) if kind == "string":
            return _member(field, text)
        case Equals(field, int(time)) if kind == "time":
            return _member(field, stamp_text(time))
        case Equals(field, int() | float() as number) if kind == "int":
            return _member(field, int(number)) if number == int(number) and abs(number) < most else ()
        case Equals(field, IPv4Address() as address):  # IPv6 is written in many ways
            return _member(field, str(address))
    return ()


def _pattern(field: str, kind: Kind | None, parts: tuple[str, ...]) -> Alternatives:
    """The longest part of a pattern over whole texts, or its beginning with the name of the field."""
    if kind in ("metadata", "list"):
        return max(map(_part_of_any if kind == "metadata" else _part, parts), key=_strength)
    if kind not in ("string", "level", "address"):
        return ()
    start, *others = parts
    first = (dumps(field) + b":" + dumps(start)[:-1],) if _plain(start) else ()
    return max(first, *map(_part, others), key=_strength)


def _leaf(text: str) -> Alternatives:
    """A leaf of metadata that is the text, or a number or truth value that it writes."""
    if text in ("true", "false"):
        return (text.encode(),)
    number = number_of(text)
    if not _plain(text):
        return ()
    if number is None:
        return (dumps(text),)
    least, most = _PLAIN_NUMBERS
    if not least <= abs(number) < most:
        return ()
    # 5 is in 5.0 too.
    return _fewest([dumps(text), dumps(int(number) if number == int(number) else number)])
