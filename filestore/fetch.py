"""Single lines by their place, for whoever keeps places: the index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Self

from . import files
from .codec import good_lines, parsed
from .errors import CorruptLine
from .layout import Layout, SegmentName
from .reading import Run
from .recent import Recent
from .state import Remembered
from .stored import Kept, PlainFile, SealedFile, open_stored

__all__ = ["Fetcher", "Line"]

_OPEN_SEGMENTS: Final = 32
_APART: Final = 4096
"""Lines so near to each other are read together: to copy what lies between takes less time than another call."""
_TOGETHER: Final = 64 * 1024
_RUN: Final = 256 * 1024
"""Bytes of lines that are read in one go, without a look at the other segments."""
_FRAMES: Final = 32 << 20
"""Bytes of unpacked frames that are kept, of all sealed segments together."""
_LINES: Final = 4 << 20
"""Bytes of lines of sealed segments that are kept: the same question again unpacks nothing, however scattered."""


class Line(NamedTuple):
    """A good line: its place in the order, its bytes without line end, and where they stand.

    `segment` is the name of the plain file and `offset` counts plain bytes, sealed or not.
    """

    seq: int
    raw: bytes
    segment: str
    offset: int


class Fetcher:
    """Reads lines by segment, offset and length, keeping the segments open. For one thread."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._open: dict[str, PlainFile | SealedFile] = {}
        self._kept = Kept(Recent(_FRAMES), Recent(_LINES))
        self._there: Remembered[None] = Remembered()

    def refresh(self) -> None:
        """Segments that were removed, replaced or sealed since they were opened are read no more.

        Without this call a line can be had for as long as its segment is open. Raises OSError.
        """
        self._there.get(files.mark(self._layout.events), self._close_gone)

    def _close_gone(self) -> None:
        for name, stored in list(self._open.items()):
            there = files.look(str(self._layout.events / stored.file))
            if there is None or there[0] != files.identity(stored.fd):
                self._open.pop(name).close()

    def __call__(self, segment: str, offset: int, length: int) -> bytes:
        """The bytes there; fewer if the file ends before or they cannot be unpacked.

        Raises OSError, ValueError for a name that is not ours.
        """
        stored = self._stored(segment)
        try:
            return stored.read_at(offset, length)
        except CorruptLine:
            return b""

    def run(self, segment: str, offset: int, end: int, seq: int) -> Run | None:
        """The lines from one offset to another, parsed, if they are few, good, and go on from `seq` without a break.

        None if not: then `Reader.runs` tells what is there. Raises as a call does.
        """
        if not 0 < end - offset <= _RUN:
            return None
        data = self(segment, offset, end - offset)
        lines = data[:-1].split(b"\n")
        if len(data) < end - offset or data[-1:] != b"\n" or good_lines(lines, 0, seq) < len(lines):
            return None
        return Run(segment, offset, seq, lines, parsed(lines))

    def many(self, segment: str, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes at each offset and length, as a call for each would give them; neighbours are read together."""
        found = [b""] * len(places)
        stored = self._stored(segment)
        for first, end, group in _neighbours(places):
            try:
                data = stored.read_at(first, end - first)
            except CorruptLine:
                for each in group:
                    found[each] = self(segment, *places[each])
                continue
            if len(group) == 1:
                found[group[0]] = data
                continue
            for each in group:
                offset, length = places[each]
                found[each] = data[offset - first : offset - first + length]
        return found

    def _stored(self, segment: str) -> PlainFile | SealedFile:
        stored = self._open.get(segment)
        if stored is None:
            name = SegmentName.parse(segment)
            if name is None:
                raise ValueError(f"{segment}: not the name of a segment")
            if len(self._open) >= _OPEN_SEGMENTS:
                self._open.pop(next(iter(self._open))).close()
            stored = self._open[segment] = open_stored(self._layout, name, kept=self._kept)
        return stored

    def close(self) -> None:
        """No segment is open any more."""
        for stored in self._open.values():
            stored.close()
        self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _neighbours(places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, list[int]]]:
    """The numbers of the places in groups that are worth one reading, each with where it begins and ends."""
    group: list[int] = []
    first = end = 0
    for (offset, length), each in sorted(zip(places, range(len(places)), strict=True)):
        if group and (offset > end + _APART or offset + length > first + _TOGETHER):
            yield first, end, group
            group = []
        if not group:
            first, end = offset, 0
        group.append(each)
        end = max(end, offset + length)
    if group:
        yield first, end, group
