"""What the index holds of an event: its terms, each written so that it comes out of SQLite's FTS5 as it went in.

    word                the words of the searched fields, and what words.py makes of runs
    :field=value        the whole value of a field, and of each leaf of metadata
    :field<key          a number or an address as a key of hexadecimal digits that sorts as the values do, so that a
                        range is a few prefixes; what the key leaves out follows it (see `number_key`, `address_key`)
    :stack_trace~word   the words of a field that bare words do not search
    :message            a text field is there

No word begins with a colon. FTS5's ascii tokenizer folds A to Z and parts at what is no token character, so that those
are written as private-use characters, one for each.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address
from math import copysign
from socket import AF_INET, inet_pton
from typing import Any, Final
from unicodedata import unidata_version

from stonelog.filestore import FIELDS

from .fields import SEARCHED, address_of, json_text, kind_of
from .tree import Address
from .words import words_of

__all__ = [
    "ADDRESS_DIGITS",
    "EXACT_INTEGERS",
    "NUMBER_DIGITS",
    "TERMS_VERSION",
    "UNINDEXED",
    "address_key",
    "address_term",
    "decode",
    "decode_field",
    "encode",
    "event_terms",
    "field_bounds",
    "field_term",
    "is_cut",
    "key_prefix",
    "name_prefix",
    "number_key",
    "number_text",
    "prefix_term",
    "presence_term",
    "scoped_word",
    "word_prefix",
    "word_term",
]

TERMS_VERSION: Final = f"1-{unidata_version}"
"""Changes when the same event gets other terms: an index of another version cannot answer."""
UNINDEXED: Final = frozenset({"seq", "id", "time", "synced", "hash"})
"""The fields that have no terms: each value is of one event, or stands in the index in another way."""
NUMBER_DIGITS: Final = 16
ADDRESS_DIGITS: Final = {4: 8, 6: 32}
"""The hexadecimal digits of a key, by the family of the address."""

_LONGEST: Final = 120
"""A longer value or word is cut: its term tells equality by a hash, and cannot be read back."""
_HEAD: Final = 100
_LONGEST_NAME: Final = 200
EXACT_INTEGERS: Final = 2**53
"""Integers below this are told apart by their double."""

_BLOCK: Final = 0xE000
_ESCAPE: Final = "\ue080"
_CUT: Final = "\ue081"
_ESCAPED: Final = 0x100
"""How far from itself a private-use character of the text is written, behind an _ESCAPE."""
_UNSAFE: Final = {code: chr(_BLOCK + code) for code in (*range(33), 0x22, 0x27, 0x7F, *range(0x41, 0x5B))} | {
    code: _ESCAPE + chr(code + _ESCAPED) for code in range(_BLOCK, _BLOCK + _ESCAPED)
}
_UNSAFE_IN_NAME: Final = _UNSAFE | {ord(char): chr(_BLOCK + ord(char)) for char in "<=~"}
_SAFE = re.compile(r"[!#-&(-@\[-~]*", re.ASCII)
_WRITTEN = re.compile(f"{_ESCAPE}(.)|([\ue000-\ue07f])", re.DOTALL)


def encode(text: str) -> str:
    """The text as part of a term: no character that FTS5 folds or parts at. A part of a text gives the part's form."""
    return text if _SAFE.fullmatch(text) else text.translate(_UNSAFE)


def decode(encoded: str) -> str | None:
    """The text that `encode` was given; None if it was cut."""
    if _CUT in encoded:
        return None
    return _WRITTEN.sub(lambda m: chr(ord(m[1]) - _ESCAPED) if m[1] else chr(ord(m[2]) - _BLOCK), encoded)


def _cut(text: str) -> str:
    if len(text) <= _LONGEST:
        return encode(text)
    return f"{encode(text[:_HEAD])}{_CUT}{blake2b(text.encode(), digest_size=8).hexdigest()}"


@lru_cache(maxsize=4096)
def _name(field: str) -> str:
    if len(field) <= _LONGEST_NAME:
        return f":{field.translate(_UNSAFE_IN_NAME)}"
    digest = blake2b(field.encode(), digest_size=8).hexdigest()
    return f":{field[:_LONGEST_NAME].translate(_UNSAFE_IN_NAME)}{_CUT}{digest}"


def field_term(field: str, text: str) -> str:
    """The term of a field's whole value."""
    return _field_term(field, text) if len(text) <= _LONGEST else f"{_name(field)}={_cut(text)}"


@lru_cache(maxsize=65_536)
def _field_term(field: str, text: str) -> str:
    return f"{_name(field)}={encode(text)}"


def presence_term(field: str) -> str:
    """The term that says that a text field is there."""
    return _name(field)


def prefix_term(field: str, text: str) -> tuple[str, bool]:
    """What the terms of all values that begin so begin with, and whether no other term of the field does."""
    return f"{_name(field)}={encode(text[:_HEAD])}", len(text) <= _HEAD


def key_prefix(field: str, digits: str = "") -> str:
    """What the terms of all keys that begin with the digits begin with."""
    return f"{_name(field)}<{digits}"


def name_prefix(field: str) -> tuple[str, bool]:
    """What the names of all that lies below a path of metadata begin with, and whether no other name does."""
    path = f"{field}."
    return f":{path[:_LONGEST_NAME].translate(_UNSAFE_IN_NAME)}", len(path) <= _LONGEST_NAME


def is_cut(term: str) -> bool:
    """Whether the term stands for a longer text, so that another text may, by a hair's breadth, have the same."""
    return _CUT in term


def word_term(word: str) -> str:
    """The term of a word."""
    return _cut(word)


def word_prefix(word: str) -> tuple[str, bool]:
    """What the terms of all words that begin so begin with, and whether no other does."""
    return word[:_HEAD], len(word) <= _HEAD


def scoped_word(field: str, term: str) -> str:
    """The term of a word's term in a field that bare words do not search."""
    return f"{_name(field)}~{term}"


def number_key(value: int | float) -> int:
    """The number's place among all doubles, from 0 to 2^64-1: keys sort as the numbers do.

    These are the bits of the IEEE 754 double with the sign bit turned, and all bits turned if it is negative. In a
    term it is followed by "." for a float that is whole, "-" for -0.0, and by ":" and the digits for an integer from
    2^53 on.
    """
    try:
        double = float(value) + 0.0  # -0.0 is 0.0
    except OverflowError:
        double = float("inf") if value > 0 else float("-inf")
    bits: int = struct.unpack(">Q", struct.pack(">d", double))[0]
    return bits ^ (0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else 0x8000_0000_0000_0000)


def number_text(value: int | float) -> str:
    """The key of a number, with what it leaves out."""
    key = f"{number_key(value):016x}"
    if isinstance(value, float):
        if value == 0 and copysign(1, value) < 0:
            return f"{key}-"
        return f"{key}." if value.is_integer() else key
    return key if -EXACT_INTEGERS < value < EXACT_INTEGERS else f"{key}:{value}"


def address_key(address: Address) -> str:
    """The address as its family (one digit) and its number; in a term an IPv6 scope follows behind a "%"."""
    return f"{address.version}{int(address):0{ADDRESS_DIGITS[address.version]}x}"


@lru_cache(maxsize=65_536, typed=True)
def _number_term(field: str, value: int | float) -> str:
    return f"{_name(field)}<{number_text(value)}"


@lru_cache(maxsize=65_536)
def address_term(field: str, text: str) -> str:
    """The term of an address; of a text that is none, as older versions may have let through, its whole value."""
    try:
        return f"{_name(field)}<4{inet_pton(AF_INET, text).hex()}"
    except OSError:
        address = address_of(text)
    if address is None:
        return field_term(field, text)
    scope = getattr(address, "scope_id", None)
    return f"{_name(field)}<{address_key(address)}{f'%{_cut(scope)}' if scope else ''}"


def event_terms(event: dict[str, Any]) -> set[str]:
    """Everything under which the index finds the event, given the fields of its line."""
    texts: list[str] = []
    terms: set[str] = set()
    for field, value in event.items():
        if field in _MAKERS:
            terms.add(_MAKERS[field](field, value))
            if field in _SEARCHED:
                texts.append(value)
        elif field == "metadata":
            _add_leaves(terms, texts, value)
        elif field in _LISTS:
            terms.update([field_term(field, element) for element in value])
            if field == "tags":
                texts += value
    terms |= _word_terms(texts)
    if "stack_trace" in event:
        terms.update(scoped_word("stack_trace", term) for term in _word_terms([event["stack_trace"]]))
    return terms


def _word_terms(texts: list[str]) -> set[str]:
    words = words_of(texts)
    return words if max(map(len, words), default=0) <= _LONGEST else set(map(word_term, words))


def _add_leaves(terms: set[str], texts: list[str], metadata: Any) -> None:
    numbers: list[tuple[str, str]] = []
    _walk(terms, texts, numbers, "metadata", metadata)
    for field, text in numbers:
        # A text beside a number that it writes would count the event twice among the values of the field.
        terms.discard(field_term(field, text))


def _walk(terms: set[str], texts: list[str], numbers: list[tuple[str, str]], path: str, value: Any) -> None:
    """Adds the terms and the texts of the leaves at and below the path."""
    if isinstance(value, str):
        terms.add(field_term(path, value))
        texts.append(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            _walk(terms, texts, numbers, f"{path}.{key}", item)
    elif isinstance(value, list):
        for item in value:
            _walk(terms, texts, numbers, path, item)
    elif value is not None:
        text = json_text(value)
        texts.append(text)
        if value is True or value is False:
            terms.add(field_term(path, text))
        else:
            terms.add(_number_term(path, value))
            numbers.append((path, text))


def _makers() -> dict[str, Callable[[str, Any], str]]:
    by_kind: dict[str, Callable[[str, Any], str]] = {
        "text": lambda field, value: presence_term(field),
        "int": _number_term,
        "float": _number_term,
        "address": address_term,
        "string": field_term,
        "level": field_term,
    }
    kinds = {field: kind_of(field) or "" for field in FIELDS if field not in UNINDEXED}
    return {field: by_kind[kind] for field, kind in kinds.items() if kind in by_kind}


_MAKERS: Final = _makers()
_SEARCHED: Final = frozenset(SEARCHED)
_LISTS: Final = frozenset(field for field in FIELDS if kind_of(field) == "list")


def field_bounds(field: str) -> tuple[str, str]:
    """The terms of a field's values are those from the first text on and before the second."""
    name = _name(field)
    return f"{name}<", f"{name}>"


def decode_field(field: str, term: str) -> str | int | float | None:
    """The value that a term within `field_bounds` stands for; of metadata its text. None if the term does not tell."""
    mark, written = term[len(_name(field))], term[len(_name(field)) + 1 :]
    if mark == "=":
        return decode(written)
    if kind_of(field) == "address":
        family, digits = int(written[0]), written[1:]
        number, _, scope = digits.partition("%")
        if family == 4:
            return str(IPv4Address(int(number, 16)))
        tail = decode(scope)
        return None if tail is None else f"{IPv6Address(int(number, 16))}{f'%{tail}' if scope else ''}"
    value = _number_of(written)
    return json_text(value) if kind_of(field) == "metadata" else value


def _number_of(written: str) -> int | float:
    if len(written) > NUMBER_DIGITS + 1:
        return int(written[NUMBER_DIGITS + 1 :])
    if written.endswith("-"):
        return -0.0
    key = int(written[:NUMBER_DIGITS], 16)
    bits = key ^ (0x8000_0000_0000_0000 if key >> 63 else 0xFFFF_FFFF_FFFF_FFFF)
    value: float = struct.unpack(">d", struct.pack(">Q", bits))[0]
    return int(value) if value.is_integer() and len(written) == NUMBER_DIGITS else value
