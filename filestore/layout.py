"""Which file holds what: the directories of a store and the names of its segments. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Literal

__all__ = ["LAST_NUMBER", "SUFFIXES", "Codec", "Forms", "Layout", "SegmentName", "segment_forms"]

LAST_NUMBER: Final = 999
"""The highest number a further segment of one day can have: names have three digits."""

Codec = Literal["gzip", "zstd"]

SUFFIXES: Final[dict[Codec, str]] = {"gzip": ".jsonl.gz", "zstd": ".jsonl.zst"}
"""What the name of a sealed segment ends with, by its codec."""
_PLAIN: Final = ".jsonl"
_MANIFEST: Final = ".manifest.json"

_NAME = re.compile(r"(\d{4}-\d\d-\d\d)(?:\.(\d{3}))?", re.ASCII)


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
        """The name of the plain file: `2026-11-23.001.jsonl`."""
        return f"{self.stem}{_PLAIN}"

    @property
    def manifest(self) -> str:
        """The name of the manifest that a sealed segment has: `2026-11-23.001.manifest.json`."""
        return f"{self.stem}{_MANIFEST}"

    def archive(self, codec: Codec) -> str:
        """The name of the sealed segment: `2026-11-23.001.jsonl.gz`."""
        return f"{self.stem}{SUFFIXES[codec]}"

    def next(self) -> SegmentName:
        """The following segment of the same day; of the next day if the day's numbers are used up."""
        if self.number < LAST_NUMBER:
            return SegmentName(self.day, self.number + 1)
        return SegmentName(self.day + timedelta(days=1))

    @classmethod
    def parse(cls, name: str, suffix: str = _PLAIN) -> SegmentName | None:
        """The segment that a file name with this suffix means, or None if it is not one of ours."""
        match = _NAME.fullmatch(name.removesuffix(suffix)) if name.endswith(suffix) else None
        if match is None or match[2] == "000":
            return None
        try:
            return cls(date.fromisoformat(match[1]), int(match[2] or 0))
        except ValueError:  # 2026-02-30 has the form of a day and is none
            return None

    @classmethod
    def parse_any(cls, name: str) -> SegmentName | None:
        """The segment that the name of its plain file or of its archive means, or None if it is not one of ours."""
        found = (cls.parse(name, suffix) for suffix in (_PLAIN, *SUFFIXES.values()))
        return next((segment for segment in found if segment is not None), None)


@dataclass(frozen=True, slots=True)
class Forms:
    """The files that there are of one segment. Between two steps of sealing there is more than one."""

    name: SegmentName
    plain: bool
    archives: tuple[Codec, ...]
    manifest: bool

    @property
    def files(self) -> list[str]:
        """The names of the files, the manifest last."""
        return [
            *([self.name.file] if self.plain else []),
            *(self.name.archive(codec) for codec in self.archives),
            *([self.name.manifest] if self.manifest else []),
        ]


def segment_forms(names: Iterable[str]) -> list[Forms]:
    """The segments among the names of a directory, oldest first; one of which only the manifest is left too."""
    kinds: dict[SegmentName, set[str]] = {}
    for name in names:
        for suffix in (_PLAIN, _MANIFEST, *SUFFIXES.values()):
            segment = SegmentName.parse(name, suffix)
            if segment is not None:
                kinds.setdefault(segment, set()).add(suffix)
    return [
        Forms(
            name,
            _PLAIN in kinds[name],
            tuple(codec for codec, suffix in SUFFIXES.items() if suffix in kinds[name]),
            _MANIFEST in kinds[name],
        )
        for name in sorted(kinds)
    ]


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
        """The lock of those who append."""
        return self.directory / "lock"

    @property
    def upkeep_lock(self) -> Path:
        """The lock of those who seal, prune or hold."""
        return self.directory / "upkeep.lock"

    @property
    def settings(self) -> Path:
        return self.directory / "stonelog.toml"

    @property
    def pruned(self) -> Path:
        """The record of what retention removed."""
        return self.directory / "pruned.json"

    @property
    def holds(self) -> Path:
        """The record of the legal holds."""
        return self.directory / "holds.json"

    @property
    def reserve(self) -> Path:
        """Space set aside so that retention can record what it does on a full disk."""
        return self.directory / "reserve"

    def segment(self, name: SegmentName) -> Path:
        """The plain file."""
        return self.events / name.file

    def archive(self, name: SegmentName, codec: Codec) -> Path:
        return self.events / name.archive(codec)

    def manifest(self, name: SegmentName) -> Path:
        return self.events / name.manifest
