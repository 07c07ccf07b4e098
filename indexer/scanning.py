"""How far a scan has come: told while the lines that no shard covers are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from .planning import plain_bytes

if TYPE_CHECKING:
    from stonelog.filestore import Line, Reader

    from .view import View

__all__ = ["Scanning"]

_LINES: Final = 1024
"""Lines between two tellings: some ten milliseconds."""


class Scanning:
    """The bytes of the lines that one question has scanned, and about how many there are: `progress` is told both."""

    def __init__(self, progress: Callable[[int, int], object]) -> None:
        self._progress = progress
        self._done = 0
        self._total = 0

    def follow(self, view: View) -> None:
        """What is scanned for the view is told of, from its beginning."""
        self._done = self._total = 0

        def scanned(lines: Iterable[Line]) -> Iterator[Line]:
            for number, line in enumerate(lines, 1):
                self._done += len(line.raw) + 1
                if number % _LINES == 0:
                    self._total = self._total or _scanned_bytes(view)
                    self._progress(min(self._done, self._total - 1), self._total)
                yield line

        view.scanned_lines = scanned

    def end(self) -> None:
        """The question has its answer, or will get none: nothing more is told."""
        if self._total:
            self._progress(self._total, self._total)


def _scanned_bytes(view: View) -> int:
    """About how many bytes the lines outside of shards have; at least one."""
    reader: Reader = view.reader
    segments, last = reader.segments(), reader.last_seq
    gaps = ((part.after + 1, (part.below or last + 1) - 1) for part in view.parts if part.key is None)
    return max(sum(plain_bytes(segments, first, end) for first, end in gaps), 1)
