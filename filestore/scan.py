"""Finding lines in a segment's bytes: splitting, the place of a `seq`, the number of a line. Only LF ends a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from .codec import MAX_LINE, Stamp, stamp

__all__ = ["Item", "ReadAt", "first_stamp", "items", "last_line", "last_stamp", "line_number", "place_of"]

ReadAt = Callable[[int, int], bytes]
"""Gives the plain bytes of a segment from an offset on, at most so many, fewer only at the end."""

_BLOCK: Final = 1 << 20
_NEAR: Final = 4096
_PROBE: Final = 4 * (MAX_LINE + 1)


class Item(NamedTuple):
    """One line of a file (without its line end) or, if `whole` is False, what stands after the last line end."""

    offset: int
    data: bytes
    whole: bool
    stamp: Stamp | None


def items(data: bytes, base: int) -> Iterator[Item]:
    """The lines of `data`, which stands at `base` of its file."""
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        line = data[start:end]
        yield Item(base + start, line, True, stamp(line))
        start = end + 1
    if start < len(data):
        yield Item(base + start, data[start:], False, None)


def first_stamp(read: ReadAt, end: int, offset: int = 0) -> tuple[int, Stamp] | None:
    """The first good line that starts at or after the first line end at `offset` (or at 0): its offset and stamp."""
    length = _NEAR
    while offset < end:
        data = read(offset, min(length, end - offset))
        skip = data.find(b"\n") + 1 if offset else 0
        for item in items(data[skip:], offset + skip):
            if item.whole and item.stamp:
                return item.offset, item.stamp
        if len(data) < length:
            return None
        offset += length - MAX_LINE - 1 if length == _PROBE else 0
        length = _PROBE
    return None


def last_stamp(read: ReadAt, end: int) -> Stamp | None:
    """The stamp of the last good line, found from the end."""
    line = last_line(read, end)
    return None if line is None else stamp(line)


def last_line(read: ReadAt, end: int) -> bytes | None:
    """The last good line, without its end, found from the end."""
    length = _NEAR
    while end:
        start = max(0, end - length)
        data = read(start, end - start)
        bound = data.rfind(b"\n")
        while bound >= 0:
            before = data.rfind(b"\n", 0, bound)
            if before < 0 and start:
                break  # the line begins further back
            line = data[before + 1 : bound]
            if stamp(line):
                return line
            bound = before
        if not start:
            return None
        length *= 8
    return None


def place_of(read: ReadAt, end: int, seq: int) -> int:
    """An offset at which a line starts, with every line of `seq` and above at or after it, and few before it.

    Halving works because good lines stand in the order of `seq`; bad bytes between them are stepped over.
    """
    low, high = 0, end
    while high - low > 4 * _NEAR:
        middle = (low + high) // 2
        found = first_stamp(read, high, middle)
        if found is None or found[1].seq >= seq:
            high = middle
        else:
            low = found[0]
    return low


def line_number(read: ReadAt, offset: int, known: tuple[int, int] = (0, 1)) -> int:
    """The number, from 1, of the line that starts at `offset`; `known` is the offset and number of one before it."""
    at, number = known
    while at < offset:
        data = read(at, min(_BLOCK, offset - at))
        if not data:
            break
        number += data.count(b"\n")
        at += len(data)
    return number
