"""One condition over the keys of a block: the rows that surely meet it, and those that may.

The keys say the same as the line does, with three exceptions: of a cut key only the beginning is known, of loose rows
not all keys are held, and some fields have none. There the line decides (match.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from math import ceil, floor, inf
from socket import inet_ntoa
from typing import Any, Final, TypeAlias

from pyroaring import BitMap

from stonelog.filestore import LEVELS

from .block import Block
from .fields import kind_of, number_of
from .keys import UNINDEXED
from .match import leaf_test
from .span import instant, moment
from .texts import Bounds, beginning, between_texts, either, exact, fitting, loosely, same_text, texts, union
from .tree import Cidr, Equals, Everything, Exists, Range, Wildcard, Words
from .words import lookup, needles

__all__ = ["Condition", "condition"]

Condition: TypeAlias = Everything | Words | Equals | Exists | Wildcard | Range | Cidr

_WORDED: Final = ("message", "user_agent", "error_message", "")
"""The scopes in which a bare word is looked for."""
_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1
"""Integers beyond have no key."""
_NUMBER_STARTS: Final = ("", *"-0123456789")
"""What the text of a number may begin with, or may not be said to begin with."""
_OCTETS: Final = re.compile(r"(?:(?:0|[1-9]\d{0,2})\.){0,3}", re.ASCII)
_IPV4: Final = frozenset("0123456789.")
_IPV6: Final = frozenset("0123456789abcdefABCDEF:.")


def condition(node: Condition, block: Block) -> Bounds:
    """The rows of the block that meet the condition, all within its `rows`."""
    sure, maybe = _found(node, block)
    if not block.whole:
        sure, maybe = sure & block.rows, maybe & block.rows
    if block.loose and _reads_loose(node):
        return Bounds(sure - block.loose, maybe | (block.loose & block.rows))
    return Bounds(sure, maybe)


def _reads_loose(node: Condition) -> bool:
    """Whether the condition may look at what the index does not hold of loose rows: metadata, words, odd numbers."""
    if isinstance(node, Words | Everything):
        return isinstance(node, Words)
    kind = kind_of(node.field)
    number = kind in ("int", "float") and node.field not in UNINDEXED and not isinstance(node, Exists)
    return number or kind == "metadata"


def _found(node: Condition, block: Block) -> Bounds:
    match node:
        case Everything():
            return exact(block.rows)
        case Words():
            return _words(node, block)
        case Exists(field):
            return _exists(field, block)
        case Equals(field) | Range(field) if field == "seq":
            return _sequence(node, block)
        case Equals(field) | Range(field) if field == "time":
            return _period(node, block)
        case Equals(field) | Wildcard(field) | Range(field) | Cidr(field) if field in UNINDEXED:
            return Bounds(BitMap(), block.rows)
        case Equals(field) | Range(field) if kind_of(field) == "level":
            test = leaf_test(node)
            return exact(union(block.get(field, "text", level) for level in LEVELS if test(level)))
        case Equals():
            return _equals(node, block)
        case Range():
            return _range(node, block)
        case Wildcard():
            return _wildcard(node, block)
        case Cidr(field, network):
            first, last = int(network.network_address), int(network.broadcast_address)
            return _addresses(node, block, network.version, first, last)


# -- presence, sequence and time


def _exists(field: str, block: Block) -> Bounds:
    kind = kind_of(field)
    if field in UNINDEXED:
        return exact(block.rows)
    if kind == "metadata":
        # An object that is empty, or holds only nulls, is there and has no value.
        below = f"{field}."
        names = [name for name in block.fields() if name.startswith(below) or (name == field != "metadata")]
        return exact(union(block.get(name, "any", 0) for name in names))
    if kind == "list":  # an empty one has no element
        return exact(union(rows for _, rows in block.postings(field, "text")))
    return exact(block.get(field, "any", 0))


def _ends(node: Equals | Range) -> tuple[Any, Any, bool, bool]:
    """Low and high, and whether each is left out; a value is a range of its own."""
    if isinstance(node, Equals):
        return node.value, node.value, False, False
    return node.low, node.high, node.low_open, node.high_open


def _integers(node: Equals | Range) -> tuple[int, int]:
    """The least and the greatest integer that is meant and can be a key."""
    low, high, low_open, high_open = _ends(node)
    first = _LEAST if low is None else max(floor(low) + 1 if low_open else ceil(low), _LEAST)
    last = _MOST if high is None else min(ceil(high) - 1 if high_open else floor(high), _MOST)
    return first, last


def _sequence(node: Equals | Range, block: Block) -> Bounds:
    first, last = _integers(node)
    start, end = max(first, block.first_seq), min(last, block.last_seq)
    if start > end:
        return exact(BitMap())
    return exact(BitMap(range(start - block.first_seq, end - block.first_seq + 1)) & block.rows)  # there may be holes


def _period(node: Equals | Range, block: Block) -> Bounds:
    low, high, low_open, high_open = _ends(node)
    # As on a line, a bound beyond the years 1 to 9999 is the nearest time within.
    since = None if low is None else instant(moment(low)) + low_open
    until = None if high is None else instant(moment(high)) + (not high_open)
    return exact(block.period(since, until))


# -- words


def _words(node: Words, block: Block) -> Bounds:
    field = node.field
    if field is not None and kind_of(field) != "text":
        return loosely(_exists(field, block))
    wanted = needles(node.text, prefix=node.prefix)
    if wanted:
        scopes = _WORDED if field is None else (field,)
        return either(_needle(needle, scope, block) for needle in wanted for scope in scopes)
    if field is None:
        return Bounds(BitMap(), block.rows)
    present = _exists(field, block)
    return loosely(present) if node.text else present


def _needle(needle: str, scope: str, block: Block) -> Bounds:
    """A value stands in one scope with all its words, so that all are looked for in the same one."""
    words, complete = lookup(needle)
    maybe = None
    for word, is_prefix in sorted(words, key=lambda each: (each[1], -len(each[0]))):
        part = beginning(word, scope, "word", block) if is_prefix else same_text(word, scope, "word", block)
        if complete:
            return part
        maybe = part.maybe if maybe is None else maybe & part.maybe
        if not maybe:
            break
    return Bounds(BitMap(), maybe or BitMap())


# -- values of any kind


def _equals(node: Equals, block: Block) -> Bounds:
    field, value, kind = node.field, node.value, kind_of(node.field)
    if kind in ("int", "float") and isinstance(value, int | float):
        return exact(_number(field, value, block))
    if kind == "address" and isinstance(value, IPv4Address | IPv6Address):
        number = int(value)
        # One with a scope is another than without, and none of those that have a number for a key.
        return _addresses(node, block, value.version, number, number - bool(getattr(value, "scope_id", None)))
    if not isinstance(value, str) or kind == "text" or field == "metadata":
        return loosely(_exists(field, block))
    found = same_text(value, field, "text", block)
    if kind != "metadata":
        return found
    if (written := number_of(value)) is not None:
        return either([found, exact(_number(field, written, block))])
    if value in ("true", "false"):
        return either([found, exact(block.get(field, "bool", value == "true"))])
    return found


def _number(field: str, value: int | float, block: Block) -> BitMap:
    """The rows of the integer and of the float that equal the value."""
    found = BitMap()
    if value == int(value) and _LEAST <= value <= _MOST:
        found = block.get(field, "int", int(value))
    if value == float(value):
        found = found | block.get(field, "float", float(value) + 0.0)  # -0.0 is 0.0
    return found


def _range(node: Range, block: Block) -> Bounds:
    field = node.field
    low, high, low_open, high_open = _ends(node)
    given = high if low is None else low
    if given is None or kind_of(field) == "text" or field == "metadata":
        return loosely(_exists(field, block))
    if isinstance(given, str):
        return between_texts(node, block)
    if isinstance(given, int | float):
        return exact(union(_between_numbers(node, block)))
    first = 0 if low is None else int(low) + low_open
    last = 2**given.max_prefixlen - 1 if high is None else int(high) - high_open
    return _addresses(node, block, given.version, first, last)


def _between_numbers(node: Range, block: Block) -> Iterator[BitMap]:
    first, last = _integers(node)
    if first <= last:
        yield from (rows for _, rows in block.postings(node.field, "int", first, last))
    low, high, _, _ = _ends(node)
    least, greatest = -inf if low is None else float(low), inf if high is None else float(high)
    test = leaf_test(node)
    for key, rows in block.postings(node.field, "float", least, greatest):
        # A bound that is no double was rounded to the nearest: only that one needs a look.
        if (isinstance(key, float) and least < key < greatest) or test(key):
            yield rows


def _wildcard(node: Wildcard, block: Block) -> Bounds:
    field, kind, test = node.field, kind_of(node.field), leaf_test(node)
    if kind == "text" or field == "metadata":
        return loosely(_exists(field, block))
    if kind == "address":
        return either([fitting(node, block), *_written_addresses(node, block)])
    if kind in ("int", "float"):
        return exact(union(_written_numbers(node, block)))
    found = fitting(node, block)
    if kind != "metadata":
        return found
    others = [block.get(field, "bool", key) for key in (True, False) if test(key)]
    return either([found, exact(union([*others, *_written_numbers(node, block)]))])


def _written_numbers(node: Wildcard, block: Block) -> Iterator[BitMap]:
    """The rows of the numbers whose text fits."""
    if node.parts[0][:1] not in _NUMBER_STARTS:
        return
    test = leaf_test(node)
    for kind in ("int", "float"):
        yield from (rows for key, rows in block.postings(node.field, kind) if test(key))


# -- addresses


def _addresses(node: Equals | Range | Cidr, block: Block, version: int, first: int, last: int) -> Bounds:
    """The addresses from the first to the last number, and the texts of the field that pass: scoped or odd ones."""
    others = texts(node.field, "text", block, leaf_test(node))
    if first > last:
        return others
    low, high = (first, last) if version == 4 else (f"{first:032x}", f"{last:032x}")
    return either([others, exact(union(rows for _, rows in block.postings(node.field, f"v{version}", low, high)))])


def _written_addresses(node: Wildcard, block: Block) -> Iterator[Bounds]:
    """The rows of the addresses whose text fits; IPv6 can be written in many ways, and the key does not tell which."""
    start, *others = node.parts
    used = frozenset("".join(node.parts))
    if used <= _IPV4 and (octets := _octets(start)) is not None:
        free = 8 * (4 - len(octets))
        first = int.from_bytes(bytes(octets), "big") << free
        found = block.postings(node.field, "v4", first, first + (1 << free) - 1)
        if others != [""] or start != "".join(f"{octet}." for octet in octets):
            test = leaf_test(node)
            found = ((key, rows) for key, rows in found if test(inet_ntoa(int(key).to_bytes(4, "big"))))
        yield exact(union(rows for _, rows in found))
    before, dot, _ = start.partition(".")
    if used <= _IPV6 and (not dot or ":" in before):
        yield Bounds(BitMap(), union(rows for _, rows in block.postings(node.field, "v6")))


def _octets(start: str) -> list[int] | None:
    """The whole octets at the beginning of the text, up to three; None if no IPv4 address begins so."""
    whole = _OCTETS.match(start)
    octets = [int(octet) for octet in whole[0].split(".")[:-1]] if whole else []
    return octets if max(octets, default=0) < 256 else None
