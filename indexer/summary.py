"""What a sealed shard can hold at all, in a file beside it, so that a shard which has no answer need not be opened.

    "SLKEYS1\\n"  length of the header (4 bytes)  header (JSON)  its CRC-32 (4 bytes)
    directory: for each of 1,024 groups, and one more, the offset of its marks and their CRC-32 (4 bytes each)
    marks: the groups one after the other; a group has 16 bits for each key in it, ascending

Numbers are little-endian. The mark of a key is the upper 26 bits of the CRC-32 of its field, kind and text: the first
ten tell the group, the others stand in it. A key that has no mark is not in the shard; one that has may not be either:
of a million keys, about one time in sixty. Floats and the keys of "any" and "bool" have no marks, nor have columns of
which it is likely that each shard has all keys.
"""

from __future__ import annotations

import contextlib
import os
import sys
from array import array
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address
from itertools import repeat
from operator import rshift
from pathlib import Path
from typing import Any, Final, TypeAlias
from zlib import crc32

from pyroaring import BitMap

from stonelog.filestore import LEVELS, dumps, loads

from .catalog import write_private
from .fields import kind_of, number_of
from .tree import And, Equals, Exists, Node, Or, Range, Words
from .words import lookup, needles

__all__ = ["Summary", "may_match", "read_summary", "write_summary"]

Key: TypeAlias = str | int | float | bool
Keys: TypeAlias = tuple[str, str, Sequence[Key]]
"""A field, a kind, and some of the keys of that kind that the field has."""

_MAGIC: Final = b"SLKEYS1\n"
_GROUPS: Final = 1024
_ANY: Final = "any"
"""Stands for the keys of a column that have no marks."""
_UNUSED: Final = 6
"""Bits of the CRC-32 that are in no mark."""
_UNMARKED: Final = ("any", "bool", "float")
_LONGEST: Final = 100
"""The characters of a key that are sure to be kept whole."""
_NUMBERS: Final = ("int", "float")
_ELSEWHERE: Final = frozenset({"seq", "id", "time", "synced", "hash"})
_SCOPES: Final = ("", "message", "user_agent", "error_message")
_SCOPED: Final = ("message", "user_agent", "error_message", "stack_trace")


def _seed(field: str, kind: str) -> int:
    return crc32(f"{field}\0{kind}\0".encode())


def write_summary(
    path: Path, keys: Iterable[Keys], *, loose: bool = False, open_columns: Iterable[tuple[str, str]] = ()
) -> None:
    """The summary of a shard with these keys is on stable storage.

    `loose`: there are events of which the shard does not hold everything. `open_columns` are fields and kinds whose
    keys are not given: they may have any. Raises OSError.
    """
    fields: dict[str, dict[str, Any]] = {}
    marks = array("I")
    for field, kind in open_columns:
        fields.setdefault(field, {})[kind] = _ANY
    for field, kind, some in keys:
        if not some:
            continue
        bounds = fields.setdefault(field, {})
        if kind in _NUMBERS:
            low, high = bounds.get(kind) or (some[0], some[0])
            bounds[kind] = [min(low, *some), max(high, *some)]
        else:
            bounds[kind] = None
        if kind not in _UNMARKED:
            # Each key passes through here once a block: nothing but functions in C.
            texts = some if isinstance(some[0], str) else map(str, some)
            hashes = map(crc32, map(str.encode, texts), repeat(_seed(field, kind)))  # type: ignore[arg-type]
            marks.extend(map(rshift, hashes, repeat(_UNUSED)))
    header = dumps({"fields": fields, "loose": loose})
    directory, lower = _grouped(BitMap(marks))
    head = [_MAGIC, len(header).to_bytes(4, "little"), header, crc32(header).to_bytes(4, "little")]
    write_private(path, b"".join([*head, directory, lower]))


def _grouped(marks: BitMap) -> tuple[bytes, bytes]:
    """The directory, and the lower 16 bits of the marks, which are in order."""
    words = array("I", marks)
    if sys.byteorder == "big":
        words.byteswap()
    data, lower = words.tobytes(), bytearray(2 * len(words))
    lower[0::2], lower[1::2] = data[0::4], data[1::4]
    ends = [0, *(2 * marks.rank((group << 16) + 0xFFFF) for group in range(_GROUPS))]
    directory = bytearray()
    for group, (start, end) in enumerate(zip(ends, [*ends[1:], ends[-1]], strict=True)):
        directory += start.to_bytes(4, "little") + crc32(lower[start:end], group + 1).to_bytes(4, "little")
    return bytes(directory), bytes(lower)


class Summary:
    """What one shard can hold. What cannot be read of it may be there. Safe to use from several threads."""

    def __init__(self, path: Path, header: dict[str, Any], directory: int) -> None:
        """`directory` is the offset of the directory; the header is as `read_summary` finds it."""
        self._path = path
        self._fields: dict[str, dict[str, Any]] = header["fields"]
        self._directory = directory
        self.loose = bool(header["loose"])

    def has(self, field: str) -> bool:
        """Whether an event may have the field, or the words of this scope."""
        return field in self._fields

    def has_texts(self, field: str) -> bool:
        """Whether an event may have a text in the field: of addresses those that are written in ways of their own."""
        return "text" in self._fields.get(field, ())

    def below(self, path: str) -> bool:
        """Whether an event may have something at this path of metadata, or below it."""
        start = f"{path}."
        return path in self._fields or any(field.startswith(start) for field in self._fields)

    def may_hold(self, field: str, kind: str, key: Key) -> bool:
        """Whether an event may have this key."""
        if kind not in self._fields.get(field, ()):
            return False
        if kind in _UNMARKED or self._fields[field][kind] == _ANY:
            return True
        try:
            mark = crc32(str(key).encode(), _seed(field, kind)) >> _UNUSED
        except UnicodeEncodeError:
            return False  # half of a character, which no event has
        group, wanted = mark >> 16, mark & 0xFFFF
        marks = self._marks(group)
        if marks is None:
            return True
        low, high = 0, len(marks) // 2
        while low < high:
            middle = (low + high) // 2
            found = int.from_bytes(marks[2 * middle : 2 * middle + 2], "little")
            if found == wanted:
                return True
            low, high = (middle + 1, high) if found < wanted else (low, middle)
        return False

    def may_lie(
        self, field: str, low: float | None, high: float | None, low_open: bool = False, high_open: bool = False
    ) -> bool:
        """Whether the field may be a number between the bounds; None is no bound, an open one is itself outside."""
        for bounds in filter(None, (self._fields.get(field, {}).get(kind) for kind in _NUMBERS)):
            above = low is None or (bounds[1] > low if low_open else bounds[1] >= low)
            below = high is None or (bounds[0] < high if high_open else bounds[0] <= high)
            if above and below:
                return True
        return False

    def _marks(self, group: int) -> bytes | None:
        """The marks of the group; None if they cannot be had."""
        with contextlib.suppress(OSError, OverflowError):
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                entry = os.pread(fd, 12, self._directory + 8 * group)
                start, checksum, end = (int.from_bytes(entry[at : at + 4], "little") for at in (0, 4, 8))
                first = self._directory + 8 * (_GROUPS + 1)
                marks = os.pread(fd, max(end - start, 0), first + start)
            finally:
                os.close(fd)
            if len(marks) == end - start and crc32(marks, group + 1) == checksum:
                return marks
        return None


def read_summary(path: Path) -> Summary | None:
    """The summary in the file; None if there is none that can be read."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
            length = int.from_bytes(head[8:], "little")
            header = file.read(length)
            checksum = file.read(4)
    except (OSError, OverflowError, MemoryError):
        return None
    if head[:8] != _MAGIC or len(header) != length or checksum != crc32(header).to_bytes(4, "little"):
        return None
    try:
        return Summary(path, loads(header), 16 + length)
    except (KeyError, TypeError, ValueError):
        return None


def may_match(node: Node, summary: Summary) -> bool:
    """Whether an event of the shard may answer. False is sure; True is what is said of all that is not looked at."""
    match node:
        case And(nodes):
            return all(may_match(part, summary) for part in nodes)
        case Or(nodes):
            return any(may_match(part, summary) for part in nodes)
        case Words(text, field, prefix):
            return _words(summary, text, field, prefix)
        case Equals(field, value) if field not in _ELSEWHERE:
            return _loose(summary, field) or _equals(summary, field, value)
        case Range(field, low, high) if field not in _ELSEWHERE and kind_of(field) in ("int", "float", "metadata"):
            if isinstance(low, str) or isinstance(high, str) or _loose(summary, field):
                return True
            return summary.may_lie(field, low, high, node.low_open, node.high_open)  # type: ignore[arg-type]
        case Exists(field) if field not in _ELSEWHERE:
            return _loose(summary, field) or summary.below(field)
        case _:
            return True


def _loose(summary: Summary, field: str) -> bool:
    return summary.loose and kind_of(field) == "metadata"


def _words(summary: Summary, text: str, field: str | None, prefix: bool) -> bool:
    if summary.loose or field not in (None, *_SCOPED):
        return True
    scopes = _SCOPES if field is None else (field,)
    wanted = [lookup(needle)[0] for needle in needles(text, prefix=prefix)]
    return not wanted or any(all(_word(summary, scopes, *word) for word in words) for words in wanted)


def _word(summary: Summary, scopes: Sequence[str], word: str, prefix: bool) -> bool:
    if prefix or len(word) > _LONGEST:
        return True
    return any(summary.may_hold(scope, "word", word) for scope in scopes)


def _equals(summary: Summary, field: str, value: Any) -> bool:
    kind = kind_of(field)
    if kind == "text" or field == "metadata":
        return True
    if kind == "level" and isinstance(value, int):
        return summary.may_hold(field, "text", LEVELS[value])
    if isinstance(value, IPv4Address):
        return summary.may_hold(field, "v4", int(value))
    if isinstance(value, IPv6Address):
        return summary.has_texts(field) or summary.may_hold(field, "v6", f"{int(value):032x}")
    if isinstance(value, str):
        number = number_of(value) if kind == "metadata" else None
        if len(value) > _LONGEST or (kind == "metadata" and value in ("true", "false")):
            return True
        return summary.may_hold(field, "text", value) or (number is not None and _number(summary, field, number))
    return _number(summary, field, value)


def _number(summary: Summary, field: str, number: int | float) -> bool:
    """A number is asked for in both kinds, as far as they can be that number."""
    if not summary.may_lie(field, number, number):
        return False
    whole = number == int(number)
    return summary.may_hold(field, "float", number) or (whole and summary.may_hold(field, "int", int(number)))
