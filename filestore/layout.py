"""Which file holds what: the directories of a store and the names of its segments. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

__all__ = ["LAST_NUMBER", "Layout", "SegmentName", "segment_names"]

LAST_NUMBER: Final = 999
"""The highest number a further segment of one day can have: names have three digits."""

_NAME = re.compile(r"(\d{4}-\d\d-\d\d)(?:\.(\d{3}))?\.jsonl", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class SegmentName:
    """A day (UTC) and the number of the segment within it; the order of names is the order of their events' `seq`."""

    day: date
    number: int = 0

    @property
    def stem(self) -> str:
        """The name without suffix, which stays the same when the segment is sealed: `2026-11-23.001`."""
        return f"{self.day.isoformat()}.{self.number:03d}" if self.number else self.day.isoformat()

    @property
    def file(self) -> str:
        """The name of the file: `2026-11-23.001.jsonl`."""
        return f"{self.stem}.jsonl"

    def next(self) -> SegmentName:
        """The following segment of the same day."""
        return SegmentName(self.day, self.number + 1)

    @classmethod
    def parse(cls, name: str) -> SegmentName | None:
        """The segment that a file name means, or None if it is not one of ours."""
        match = _NAME.fullmatch(name)
        if match is None or match[2] == "000":
            return None
        try:
            return cls(date.fromisoformat(match[1]), int(match[2] or 0))
        except ValueError:  # 2026-02-30 has the form of a day and is none
            return None


def segment_names(names: Iterable[str]) -> list[SegmentName]:
    """The segments among the names of a directory, oldest first."""
    return sorted(segment for name in names if (segment := SegmentName.parse(name)))


@dataclass(frozen=True, slots=True)
class Layout:
    """The places in one store's directory."""

    directory: Path

    @property
    def events(self) -> Path:
        return self.directory / "events"

    @property
    def quarantine(self) -> Path:
        return self.directory / "quarantine"

    @property
    def lock(self) -> Path:
        return self.directory / "lock"

    @property
    def settings(self) -> Path:
        return self.directory / "stonelog.toml"

    def segment(self, name: SegmentName) -> Path:
        return self.events / name.file
