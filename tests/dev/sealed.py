"""Sealed segments for tests: laid by hand, and sealed with no store open, so that nothing else stands in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from segments import lay, line
from stonelog.filestore import Codec, CorruptLine, Manifest, Reader, StoreLock
from stonelog.filestore.layout import Layout, SegmentName
from stonelog.filestore.seal import seal_segment

__all__ = ["by_ten", "events", "frames_of", "lines", "names", "seal", "seqs", "told"]


def frames_of(patch: pytest.MonkeyPatch, most: int) -> None:
    """What is sealed has frames of at most so many plain bytes, so that a small segment has many of them."""
    patch.setattr("stonelog.filestore.seal.FRAME_OF", {"gzip": most, "zstd": most})


def lines(first: int, last: int, text: str = "") -> bytes:
    """The lines of these `seq`s, both in, each acknowledged before the next."""
    return b"".join(line(seq, seq - 1, text) for seq in range(first, last + 1))


def by_ten(directory: Path, days: int, text: str = "") -> Path:
    """A store of so many plain days from the 20th on, with ten events each."""
    return lay(directory, **{f"d{20 + day}": lines(10 * day + 1, 10 * day + 10, text) for day in range(days)})


def seal(directory: Path, *days: int, codec: Codec = "gzip") -> list[Manifest]:
    """These days of November are sealed."""
    layout = Layout(directory)
    with StoreLock.opened(layout.lock, 1) as lock:
        found = [SegmentName.parse(f"2026-11-{day}.jsonl") for day in days]
        return [seal_segment(layout, name, codec, 1, lock) for name in found if name]


def events(directory: Path, day: int, suffix: str) -> Path:
    """The file of a day: `.jsonl`, `.jsonl.gz`, `.manifest.json`."""
    return directory / "events" / f"2026-11-{day}{suffix}"


def names(directory: Path) -> list[str]:
    """What lies in `events/`, sorted, without the month."""
    return sorted(path.name.replace("2026-11-", "") for path in (directory / "events").iterdir())


def seqs(directory: Path, after: int = 0) -> list[int]:
    """What a reader finds, whatever it is told besides."""
    return [each.seq for each in Reader(directory).lines(after, on_corrupt=lambda error: None)]


def told(directory: Path) -> list[CorruptLine]:
    """What a reader is told to be wrong."""
    found: list[CorruptLine] = []
    list(Reader(directory).lines(on_corrupt=found.append))
    return found
