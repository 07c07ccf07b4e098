"""Event fields to the bytes of a line and back. The format stands in data/README.md.

A line is written in two steps, so that the dear one needs no lock: `encode` makes the body (everything but `seq`,
`synced` and `hash`), `seal_line` puts those three around it when the order is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

import orjson

from .errors import EventTooLarge, InvalidEvent

__all__ = [
    *("MAX_LINE", "Stamp", "dumps", "encode", "good_lines", "loads", "parsed", "seal_line", "seq_of", "stamp"),
    "structure",
]

MAX_LINE: Final = 65_535
"""The longest line in bytes, without its line end."""

_AROUND: Final = len('{"seq":,,"synced":,"hash":"0123456789abcdef"}') + 2 * 16  # two numbers of at most 16 digits

# JSON leaves these as they are, and `cat` would hand them to a terminal: DEL, the C1 controls (U+009B starts an escape
# sequence), the line separators U+2028 and U+2029, and the controls that turn the direction of text.
_HOSTILE = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]")

_SEQ = re.compile(rb'\{"seq":([1-9]\d{0,15}),')
_END = re.compile(rb',"synced":(0|[1-9]\d{0,15}),"hash":"([0-9a-f]{16})"\}')
_END_MAX: Final = len(b',"synced":,"hash":"0123456789abcdef"}') + 16
_HASH_LENGTH: Final = len(b',"hash":"0123456789abcdef"}')
_SYNCED_NAME: Final = len(b',"synced":')
_SYNCED_MAX: Final = _END_MAX - _HASH_LENGTH
_SEQ_END: Final = 10**16


class Stamp(NamedTuple):
    """What the store wrote around an event: its place in the order, the watermark, and the hash of the line."""

    seq: int
    synced: int
    hash: bytes


def _escape(match: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(match[0].decode())


def encode(fields: Mapping[str, Any], *, before: str = "", index: int | None = None) -> bytes:
    """The bytes that stand between `{"seq":N,` and `,"synced"` for these fields, in their order.

    `before` is ASCII text that is put in front of them: fields that are JSON already, each with a comma after it.
    Raises InvalidEvent for what JSON cannot hold, EventTooLarge if the line would be longer than MAX_LINE;
    `index` is named in both.
    """
    try:
        body = before.encode() + orjson.dumps(fields)[1:-1]
    except TypeError as error:
        raise _unencodable(fields, index, str(error)) from None
    if not body.isascii() or 0x7F in body:
        body = _HOSTILE.sub(_escape, body)
    if len(body) + _AROUND > MAX_LINE:
        raise EventTooLarge(len(body) + _AROUND, MAX_LINE, index=index)
    return body


def _unencodable(fields: Mapping[str, Any], index: int | None, reason: str) -> InvalidEvent:
    for name, value in fields.items():
        try:
            orjson.dumps(value)
        except TypeError as error:
            rule = "text without lone surrogates" if "surrogates" in str(error) else f"what JSON can hold ({error})"
            return InvalidEvent(name, value, rule, index=index)
    return InvalidEvent("event", fields, f"what JSON can hold ({reason})", index=index)


def seal_line(body: bytes, seq: int, synced: int) -> bytes:
    """The whole line, without line end: `seq` first, then the body, `synced`, and `hash` over all bytes before it."""
    head = b'{"seq":%d,%b,"synced":%d' % (seq, body, synced)
    return b'%b,"hash":"%b"}' % (head, sha256(head).digest()[:8].hex().encode())


def stamp(line: bytes) -> Stamp | None:
    """The line's stamp if it is one that the store wrote and no byte of it has changed, else None."""
    end = _END.fullmatch(line, line.rfind(b',"synced":', -_END_MAX)) if len(line) > _END_MAX else None
    start = _SEQ.match(line)
    if start is None or end is None:
        return None
    if sha256(line[:-_HASH_LENGTH]).hexdigest()[:16].encode() != end[2]:
        return None
    return Stamp(int(start[1]), int(end[1]), end[2])


def seq_of(line: bytes) -> int | None:
    """The `seq` that the line begins with, whether it is a good one or not; None if it begins with none."""
    start = _SEQ.match(line)
    return int(start[1]) if start else None


def good_lines(lines: Sequence[bytes], place: int, seq: int) -> int:
    """How many lines from `place` on have a stamp, with the `seq`s `seq`, `seq` + 1 and so on: until one has not.

    The verdict is that of `stamp`, which takes three times as long: here the bytes that are expected are compared.
    """
    synced = b"\n"  # what the last line had, which most others of its commit have too; no line has this
    first = place
    for place in range(first, min(len(lines), first + _SEQ_END - seq)):
        line = lines[place]
        head = line[:-_HASH_LENGTH]
        if (
            not line.startswith(b'{"seq":%d,' % (seq + place - first))
            or line[-_HASH_LENGTH:] != b',"hash":"%b"}' % sha256(head).hexdigest()[:16].encode()
            or len(line) <= _END_MAX
        ):
            return place - first
        if not head.endswith(synced):
            at = head.rfind(b',"synced":', -_SYNCED_MAX)
            synced, digits = head[at:], head[at + _SYNCED_NAME :]
            if at < 0 or not digits.isdigit() or (digits.startswith(b"0") and digits != b"0"):
                return place - first
    return max(min(len(lines), first + _SEQ_END - seq) - first, 0)


def parsed(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """The fields of good lines; none where, by another hand, the stamp is right but the line is not JSON."""
    try:
        return list(map(orjson.loads, lines))
    except orjson.JSONDecodeError:
        return [_parsed(line) for line in lines]


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        return loads(line)
    except ValueError:
        return {}


def loads(line: bytes) -> dict[str, Any]:
    """The fields of a line; raises ValueError if it is not a JSON object."""
    fields = orjson.loads(line)
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    return fields


def structure(text: str) -> dict[str, Any] | list[Any] | None:
    """The object or list that the text is as JSON; None if it is none."""
    try:
        value = orjson.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, (dict, list)) else None


def dumps(value: object) -> bytes:
    """The value as JSON on one line; for the records beside the events."""
    return orjson.dumps(value)
