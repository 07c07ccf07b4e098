"""The manifest of a sealed segment: what it holds, and where its frames are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

from .errors import CorruptLine
from .layout import Codec
from .record import read_record, write_record

__all__ = ["Extent", "Frame", "Manifest", "read_manifest", "write_manifest"]


class Frame(NamedTuple):
    """Where a frame starts in the archive and in the plain bytes, and the `seq` of its first good line, or the next."""

    offset: int
    start: int
    first_seq: int


class Extent(NamedTuple):
    """One frame: offset and length in the archive, start and length in the plain bytes, `seq` of its first line."""

    offset: int
    packed: int
    start: int
    length: int
    first_seq: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a sealed segment holds. `bytes`, `sha256` and `events` are of the plain bytes, `archive_bytes` of the file.

    `first_time` and `last_time` are the earliest and the latest `time` in it, `first_written` and `last_written` the
    same of when the events were written, as their ids say ("" if they do not); `categories` counts its events.
    """

    file: str
    codec: Codec
    first_seq: int
    last_seq: int
    events: int
    bytes: int
    sha256: str
    archive_bytes: int
    archive_sha256: str
    first_time: str
    last_time: str
    first_written: str
    last_written: str
    sealed_at: str
    categories: dict[str, int]
    frames: list[Frame]

    @property
    def packed_end(self) -> int:
        """Where the last frame ends in the archive: before the seek table, if there is one."""
        table = _TABLE_HEAD + _TABLE_ENTRY * len(self.frames) if self.codec == "zstd" else 0
        return self.archive_bytes - table

    def extents(self) -> Iterator[Extent]:
        """The frames with both ends."""
        ends = [*((frame.offset, frame.start) for frame in self.frames[1:]), (self.packed_end, self.bytes)]
        for frame, (packed_end, end) in zip(self.frames, ends, strict=False):
            yield Extent(frame.offset, packed_end - frame.offset, frame.start, end - frame.start, frame.first_seq)


_TABLE_HEAD: Final = 8 + 9
_TABLE_ENTRY: Final = 8


def write_manifest(path: Path, manifest: Manifest) -> None:
    """The manifest is on stable storage. Raises OSError."""
    fields = {name: getattr(manifest, name) for name in Manifest.__dataclass_fields__}
    write_record(path, {**fields, "frames": [tuple(frame) for frame in manifest.frames]})


def read_manifest(path: Path) -> Manifest | None:
    """The manifest, None if there is none. Raises CorruptLine if it was damaged, OSError if it cannot be read."""
    fields = read_record(path)
    if fields is None:
        return None
    try:
        return _checked(fields)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptLine(path.name, 1, 0, 0, f"not a manifest as the store writes it: {error}") from None


def _checked(fields: dict[str, Any]) -> Manifest:
    known = {name: fields[name] for name in Manifest.__dataclass_fields__}  # keys of a newer version are left out
    frames = [Frame(*map(int, frame)) for frame in known["frames"]]
    ordered = all(
        one.offset < other.offset and one.start < other.start and one.first_seq <= other.first_seq
        for one, other in pairwise(frames)
    )
    if known["codec"] not in get_args(Codec) or not ordered or (frames and frames[0][:2] != (0, 0)):
        raise ValueError("codec or frames")
    return Manifest(**{**known, "frames": frames})
