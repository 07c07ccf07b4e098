"""What retention removed: which `seq`s are gone by intent, so that nobody takes them for lost. See data/README.md."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from .errors import CorruptLine
from .layout import Layout
from .record import read_record, write_record

__all__ = ["Pruned", "known_pruned", "read_pruned"]

log = logging.getLogger("stonelog")


@dataclass(frozen=True, slots=True)
class Pruned:
    """Ranges of `seq`, both ends in, ascending and apart; and the files that are being removed right now."""

    ranges: list[tuple[int, int]] = field(default_factory=list)
    removing: list[str] = field(default_factory=list)

    @property
    def last_seq(self) -> int:
        """The highest `seq` that was removed, 0 if none was."""
        return self.ranges[-1][1] if self.ranges else 0

    def after(self, seq: int) -> int:
        """The last of the removed `seq`s that follow `seq` without a gap; `seq` itself if the next one was not."""
        return next((last for first, last in self.ranges if first <= seq + 1 <= last), seq)

    def without(self, first: int, last: int) -> tuple[int, int] | None:
        """What is left of the range from `first` to `last` when the removed ends are taken off; None if nothing is."""
        first = self.after(first - 1) + 1
        last = next((low - 1 for low, high in self.ranges if low <= last <= high), last)
        return (first, last) if first <= last else None

    def adding(self, ranges: Iterable[tuple[int, int]], removing: list[str]) -> Pruned:
        """This and those ranges."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted([*self.ranges, *ranges]):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = merged[-1][0], max(merged[-1][1], last)
            else:
                merged.append((first, last))
        return Pruned(merged, removing)

    def write(self, layout: Layout) -> None:
        """The record is on stable storage. Raises OSError."""
        write_record(layout.pruned, {"pruned": self.ranges, "removing": self.removing})


def read_pruned(layout: Layout, *, strict: bool = False) -> Pruned:
    """The record; an empty one if there is none, or with a warning if it was damaged. `strict` raises CorruptLine."""
    try:
        fields = read_record(layout.pruned) or {}
        ranges = [(int(first), int(last)) for first, last in fields.get("pruned", [])]
        return Pruned(ranges, [str(name) for name in fields.get("removing", [])])
    except CorruptLine as error:
        if strict:
            raise
        log.warning("%s", error)
    except (TypeError, ValueError) as error:
        if strict:
            raise CorruptLine(layout.pruned.name, 1, 0, 0, f"not as the store writes it: {error}") from None
        log.warning("%s: not as the store writes it: %s", layout.pruned, error)
    return Pruned()


def known_pruned(layout: Layout) -> Pruned:
    """As `read_pruned`, and an empty record also if the system does not give it: for those who only read.

    What it would explain counts as missing then. Whoever gives out `seq`s or removes must not go on without it.
    """
    try:
        return read_pruned(layout)
    except OSError as error:
        log.warning("%s: cannot be read: %s", layout.pruned, error.strerror)
        return Pruned()
