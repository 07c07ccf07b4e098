"""Single lines by their place, for whoever keeps places: the index."""

from __future__ import annotations

from typing import Final, NamedTuple, Self

from .errors import CorruptLine
from .layout import Layout, SegmentName
from .stored import PlainFile, SealedFile, open_stored

__all__ = ["Fetcher", "Line"]

_OPEN_SEGMENTS: Final = 32


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

    def __call__(self, segment: str, offset: int, length: int) -> bytes:
        """The bytes there; fewer if the file ends before or they cannot be unpacked.

        Raises OSError, ValueError for a name that is not ours.
        """
        stored = self._open.get(segment)
        if stored is None:
            name = SegmentName.parse(segment)
            if name is None:
                raise ValueError(f"{segment}: not the name of a segment")
            if len(self._open) >= _OPEN_SEGMENTS:
                self._open.pop(next(iter(self._open))).close()
            stored = self._open[segment] = open_stored(self._layout, name)
        try:
            return stored.read_at(offset, length)
        except CorruptLine:
            return b""

    def close(self) -> None:
        """No segment is open any more."""
        for stored in self._open.values():
            stored.close()
        self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
