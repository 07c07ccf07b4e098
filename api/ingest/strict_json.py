"""JSON as RFC 8259 has it and no more: what another reader could understand differently is refused.

Refused are: anything but UTF-8, a byte order mark, NaN and Infinity, a key given twice, lone surrogates (RFC 7493),
integers beyond 64 bits, floats that overflow, nesting deeper than DEPTH, and anything after the value.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

__all__ = ["DEPTH", "JsonError", "parse"]

DEPTH: Final = 256
"""How deep objects and lists may nest: far more than any log has, far less than what a parser's stack holds."""

_LEAST, _MOST = -(2**63), 2**64 - 1
_DIGITS = 20  # of 2^64-1; longer texts are never made into an integer, which would cost the square of their length

# One token; an unterminated string takes the rest, so that no text is looked at twice (possessive: no backtracking).
_TOKEN = re.compile(
    r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?(?P<colon>[ \t\r\n]*+:)?'
    r"|(?P<constant>NaN|-?Infinity)"
    r"|(?P<number>-?[0-9][0-9.eE+-]*+)"
    r"|(?P<open>[{\[])|(?P<close>[}\]])",
    re.DOTALL,
)


class JsonError(ValueError):
    """The bytes are not strict JSON; the text is one line, and starts with the column (in characters, from 1)."""


class _Fault(ValueError):
    """Something that JSON's grammar allows and we don't; where it stands is found afterwards."""


def parse(data: bytes) -> Any:
    """The value that `data` holds, strictly; raises JsonError with one line that names the column."""
    if data.startswith(b"\xef\xbb\xbf"):
        raise JsonError("column 1: starts with a byte order mark; expected UTF-8 without it")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        raise JsonError(f"{_place(before, len(before))}: bytes that are not UTF-8") from None
    if text.count("[") + text.count("{") > DEPTH:
        _refuse_depth(text)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise JsonError(f"{_place(text, error.pos)}: {_said(error, text)}") from None
    except (_Fault, RecursionError):
        raise _first_fault(text) from None
    if "\\ud" in text or "\\uD" in text:
        _refuse_surrogates(text)
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Fault
    return members


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS or not _LEAST <= (number := int(digits)) <= _MOST:
        raise _Fault
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise _Fault
    return number


def _constant(_name: str) -> None:
    raise _Fault


_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=_integer, parse_float=_float, parse_constant=_constant, strict=True
)


def _place(text: str, position: int) -> str:
    row = text.count("\n", 0, position)
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    return f"line {row + 1} column {column}" if row else f"column {column}"


def _said(error: json.JSONDecodeError, text: str) -> str:
    if not text.strip(" \t\r\n"):
        return "nothing there; expected a JSON value"
    said = {"Extra data": "expected nothing more after the value", "Expecting value": "expected a value"}
    message = said.get(error.msg, error.msg[0].lower() + error.msg[1:])
    if error.pos >= len(text):
        return f"{message}, found the end"
    return f"{message}, found {text[error.pos]!a}"


def _refuse_depth(text: str) -> None:
    depth = 0
    for token in _TOKEN.finditer(text):
        if token["open"]:
            depth += 1
            if depth > DEPTH:
                raise JsonError(f"{_place(text, token.start())}: nested deeper than {DEPTH}")
        elif token["close"]:
            depth -= 1


def _refuse_surrogates(text: str) -> None:
    for token in _TOKEN.finditer(text):
        if token[0].startswith('"') and "\\u" in token[0] and _is_lone(token[0]):
            raise JsonError(f"{_place(text, token.start())}: text with a lone surrogate")


def _is_lone(token: str) -> bool:
    try:
        json.loads(token.rstrip(": \t\r\n")).encode()
    except UnicodeEncodeError:
        return True
    return False


def _first_fault(text: str) -> JsonError:
    """The error for the first thing in grammatical JSON that is refused all the same."""
    keys: list[set[str]] = []
    for token in _TOKEN.finditer(text):
        where = _place(text, token.start())
        if token["open"]:
            keys.append(set())
        elif token["close"] and keys:
            keys.pop()
        elif token["constant"]:
            return JsonError(f"{where}: {token[0]} is not JSON; expected a finite number")
        elif token["number"]:
            digits = token[0]
            if digits.lstrip("-").isdigit():
                if len(digits) > _DIGITS or not _LEAST <= int(digits) <= _MOST:
                    return JsonError(f"{where}: an integer beyond 64 bits; write it as text")
            elif float(digits) in (float("inf"), float("-inf")):
                return JsonError(f"{where}: a number too large for a 64-bit float")
        elif token["colon"] and keys:
            key = json.loads(token[0].rstrip(": \t\r\n"))
            if key in keys[-1]:
                return JsonError(f"{where}: the key {ascii(key)[:60]} a second time")
            keys[-1].add(key)
    return JsonError(f"column 1: nested deeper than {DEPTH}")
