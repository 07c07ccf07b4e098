"""How far a store goes, read again only when its files have changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

__all__ = ["Remembered", "StoreState"]

_COARSE_SECONDS: Final = 3.0
"""Longer than the steps of any file system's times (FAT: two seconds)."""

Answer = TypeVar("Answer")


class StoreState(NamedTuple):
    """How far a store goes. `segment` (None: there is none) ends, after `size` plain bytes, with `last_seq`.

    `names` are those of all segments, oldest first: the same object as before while they have not changed.
    """

    names: tuple[str, ...]
    segment: str | None
    size: int
    last_seq: int

    @property
    def end(self) -> tuple[str, int]:
        """The segment and its size: ("", 0) in a store without a good line."""
        return self.segment or "", self.size


class Remembered(Generic[Answer]):
    """An answer that is read from a file or directory, and holds while its mark (`files.mark`) does.

    Times of change are coarse: of two changes within one step of them, a mark shows the first. So an answer is believed
    only if its mark had been seen some seconds before it was read; no clock but our own counts. Safe to use from
    several threads.
    """

    def __init__(self) -> None:
        self._known: tuple[object, float, bool, Answer] | None = None

    def get(self, mark: object, read: Callable[[], Answer]) -> Answer:
        """The answer; what `read` gives, unless the mark, taken just now, says that it is known."""
        now = seen = time.monotonic()
        known = self._known
        if known is not None and known[0] == mark:
            if known[2]:
                return known[3]
            seen = known[1]
        answer = read()
        if known is not None and known[3] == answer:
            answer = known[3]
        self._known = mark, seen, now - seen >= _COARSE_SECONDS, answer
        return answer
