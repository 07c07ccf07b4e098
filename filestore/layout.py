"""Which file holds what: the directories of a store and the names of its segments. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self, overload

__all__ = ["LAST_NUMBER", "SUFFIXES", "Codec", "Forms", "Layout", "Listing", "SegmentName"]

LAST_NUMBER: Final = 999
"""The highest number a further segment of one day can have: names have three digits."""

Codec = Literal["gzip", "zstd"]

SUFFIXES: Final[dict[Codec, str]] = {"gzip": ".jsonl.gz", "zstd": ".jsonl.zst"}
"""What the name of a sealed segment ends with, by its codec."""
_DAY: Final = len("2026-11-23")
_PLAIN: Final = ".jsonl"
_MANIFEST: Final = ".manifest.json"

_KINDS: Final = {_PLAIN: 1, _MANIFEST: 2, SUFFIXES["gzip"]: 4, SUFFIXES["zstd"]: 8}
_FILE: Final = re.compile(
    r"(\d{4}-\d\d-\d\d(?:\.(?!000)\d{3})?)(\.jsonl|\.manifest\.json|\.jsonl\.gz|\.jsonl\.zst)", re.ASCII
)


class SegmentName(NamedTuple):
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
        match = _FILE.fullmatch(name)
        return _segment(match[1]) if match and match[2] == suffix and _is_segment(match[1]) else None

    @classmethod
    def parse_any(cls, name: str) -> SegmentName | None:
        """The segment that the name of its plain file or of its archive means, or None if it is not one of ours."""
        match = _FILE.fullmatch(name)
        return cls.parse(name, match[2]) if match and match[2] != _MANIFEST else None


class Forms(NamedTuple):
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


class Listing(Sequence[Forms]):
    """The segments among the names of a directory, oldest first; one of which only the manifest is left too."""

    def __init__(self, names: Iterable[str]) -> None:
        self._kinds: dict[str, int] = {}
        for name in names:
            stem, kind = name[:_DAY], _KINDS.get(name[_DAY:])  # most have no number, and patterns take their time
            if kind is None:
                match = _FILE.fullmatch(name)
                if match is None:
                    continue
                stem, kind = match[1], _KINDS[match[2]]
            self._kinds[stem] = self._kinds.get(stem, 0) | kind
        self._stems = sorted(filter(_is_segment, self._kinds))

    @classmethod
    def latest(cls, names: Sequence[str]) -> Self:
        """The end of the whole listing, from the segment before the first one that has a plain file, or the last one.

        Whatever else is there may be in it too. It takes a fraction of the time where there are thousands of days.
        """
        first = min((name for name in names if name.endswith(_PLAIN)), default="~")
        before = max((name for name in names if name < first), default="")
        found = cls(name for name in names if name >= before[:_DAY])
        if found and (found.plain() or [len(found)])[0]:
            return found
        return cls(names)  # something else stood before it, or nothing did

    def __len__(self) -> int:
        return len(self._stems)

    @overload
    def __getitem__(self, place: int) -> Forms: ...

    @overload
    def __getitem__(self, place: slice) -> list[Forms]: ...

    def __getitem__(self, place: int | slice) -> Forms | list[Forms]:
        if isinstance(place, slice):
            return list(map(self._forms, self._stems[place]))
        return self._forms(self._stems[place])

    def plain(self) -> list[int]:
        """The places of those that have a plain file."""
        return [place for place, stem in enumerate(self._stems) if self._kinds[stem] & _KINDS[_PLAIN]]

    def readable(self) -> list[SegmentName]:
        """Those of which there is more than a manifest."""
        return [_segment(stem) for stem in self._stems if self._kinds[stem] & ~_KINDS[_MANIFEST]]

    def _forms(self, stem: str) -> Forms:
        kinds = self._kinds[stem]
        archives = tuple(codec for codec, suffix in SUFFIXES.items() if kinds & _KINDS[suffix])
        plain, manifest = bool(kinds & _KINDS[_PLAIN]), bool(kinds & _KINDS[_MANIFEST])
        return Forms(_segment(stem), plain, archives, manifest)


def _is_segment(stem: str) -> bool:
    """Whether the stem begins with a day that exists, written as we do: 2026-02-30 does not, nor does 2026-W09-1."""
    try:
        date.fromisoformat(stem[:_DAY])
    except ValueError:
        return False
    return stem[4] == stem[7] == "-"


@lru_cache(maxsize=8192)  # a directory is listed again and again, and each time most of it is the same
def _segment(stem: str) -> SegmentName:
    return SegmentName(date.fromisoformat(stem[:_DAY]), int(stem[_DAY + 1 :] or 0))


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

    def forms(self, name: SegmentName) -> Iterator[Path]:
        """Where the segment may stand; of several files the first counts."""
        yield self.segment(name)
        for codec in SUFFIXES:
            yield self.archive(name, codec)

    def manifest(self, name: SegmentName) -> Path:
        return self.events / name.manifest
