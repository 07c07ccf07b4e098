"""One pass over one open segment: its good lines in order, and what is wrong between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .errors import CorruptLine
from .fetch import Line
from .layout import SegmentName
from .scan import items, line_number
from .stored import PlainFile, SealedFile

__all__ = ["Reading"]


class Reading:
    """One pass over an open segment."""

    def __init__(
        self,
        stored: PlainFile | SealedFile,
        name: SegmentName,
        after: int,
        on_corrupt: Callable[[CorruptLine], None],
    ) -> None:
        self.file = stored.file
        self._stored = stored
        self._name = name
        self._after = after
        self._on_corrupt = on_corrupt
        self._counted = 0, 1

    def lines(self, offset: int | None, end: int, *, newest: bool) -> Iterator[Line]:
        """The good lines above `after`, each above the one before it, from `offset` (None: where they begin)."""
        at = self._stored.place_of(self._after + 1) if offset is None else offset
        before = 0
        while at < end:
            try:
                data = self._stored.block(at)[: end - at]
            except CorruptLine as error:
                self._on_corrupt(error)
                at = error.offset + error.length
                continue
            if not data:
                return
            whole = data.rfind(b"\n") + 1
            if not whole and at + len(data) < end:
                whole = len(data)  # no line is that long: bad bytes, taken as they come
            if not whole:
                if not newest or self._stored.holes:
                    self._bad(at, end - at, "no line end")
                return
            for item in items(data[:whole], at):
                if item.stamp is None or not item.whole:
                    self._bad(item.offset, len(item.data) + 1, "not a line as the store wrote it")
                elif item.stamp.seq <= before:
                    reason = f"seq {item.stamp.seq} stands after seq {before}: moved or copied here"
                    self._bad(item.offset, len(item.data) + 1, reason)
                else:
                    before = item.stamp.seq
                    if before > self._after:
                        yield Line(before, item.data, self._name.file, item.offset)
            at += whole

    def number(self, offset: int) -> int | None:
        """The number of the line at `offset`; None where bytes before it cannot be had."""
        try:
            number = line_number(self._stored.read_at, offset, self._counted)
        except CorruptLine:
            return None
        self._counted = offset, number  # to count all from the start for each would take for ever
        return number

    def _bad(self, offset: int, length: int, reason: str) -> None:
        self._on_corrupt(CorruptLine(self.file, self.number(offset), offset, length, reason))
