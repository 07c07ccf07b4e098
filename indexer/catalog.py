"""Which shard files there are and what each covers: `index/catalog.json`, which is replaced as a whole, never changed.

    {"version": 1650418121, "next": 8, "rebuilding": false, "names": ["2026-11-23.jsonl"], "shards": [{...}]}

behind eight hexadecimal digits, the CRC-32 of all that follows them. The version is that of the shards (schema.py). A
shard is complete and on stable storage before the catalog names it, and a number is never given twice, so that a cut at
any moment leaves a good catalog, and at worst files that it does not name, which the next indexer removes.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple
from zlib import crc32

from stonelog.filestore import dumps, loads

from .schema import NOWHERE, SCHEMA_VERSION, Position, ShardReader

__all__ = [
    "Catalog",
    "ShardInfo",
    "catalog_file",
    "fields_of",
    "in_wal_mode",
    "mark_bad",
    "marked_bad",
    "read_catalog",
    "recovered_catalog",
    "remove_shard",
    "remove_strays",
    "shard_file",
    "shard_of",
    "summary_file",
    "sync",
    "write_catalog",
    "write_private",
]

_OURS: Final = re.compile(r"(\d{6,18})\.(?:sqlite|sqlite-wal|sqlite-shm|sqlite-journal|keys|bad)(?:\.part)?")
_EARLIER: Final = re.compile(r"events\.sqlite(?:-wal|-shm)?|catalog\.json\.part")
"""What an index of the first form left, and a catalog that was being written."""
_MAGIC: Final = b"SQLite format 3\0"
_WAL: Final = 2
"""The file format version in the header of a database in WAL mode, bytes 18 and 19 (sqlite.org/fileformat.html)."""


class ShardInfo(NamedTuple):
    """One shard: it covers every `seq` from `first_seq` to `last_seq`, whether or not there is an event of it.

    Times are microseconds since the epoch, `size` is the file's bytes, `end` its last line, `segments` the names that
    it refers to. Of the active shard only `number` and `first_seq` are given: how far it goes its file tells.
    """

    number: int
    active: bool
    first_seq: int
    last_seq: int
    first_time: int = 0
    last_time: int = 0
    events: int = 0
    size: int = 0
    end: Position = NOWHERE
    segments: tuple[str, ...] = ()

    def overlaps(self, first: int, last: int) -> bool:
        """Whether it covers, or the active one may cover, a `seq` from `first` to `last`."""
        return self.first_seq <= last and (self.active or self.last_seq >= first)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The shards, oldest first, apart from each other; only the last one may be active.

    `names` are the segments that were there when the index was last brought up to date: one that is older than the
    newest of them and not among them came from another hand. `next` is the number of the next shard. `rebuilding`: a
    rebuild has begun and did not come to its end.
    """

    shards: tuple[ShardInfo, ...] = ()
    names: frozenset[str] = frozenset()
    next: int = 1
    rebuilding: bool = False

    @property
    def active(self) -> ShardInfo | None:
        """The active shard, if there is one."""
        return self.shards[-1] if self.shards and self.shards[-1].active else None

    @property
    def sealed(self) -> tuple[ShardInfo, ...]:
        """The shards that never change."""
        return tuple(shard for shard in self.shards if not shard.active)

    def having(self, shard: ShardInfo) -> Catalog:
        """This with the shard, in its place by `seq`, instead of the one of its number, if there is one."""
        others = [each for each in self.shards if each.number != shard.number]
        shards = tuple(sorted([*others, shard], key=lambda each: each.first_seq))
        return replace(self, shards=shards, next=max(self.next, shard.number + 1))

    def without(self, gone: Iterable[ShardInfo]) -> Catalog:
        """This without those shards."""
        numbers = {shard.number for shard in gone}
        return replace(self, shards=tuple(each for each in self.shards if each.number not in numbers))


def catalog_file(directory: Path) -> Path:
    """The catalog of the index in `directory`, which is that of the index, not of the store."""
    return directory / "catalog.json"


def shard_file(directory: Path, number: int) -> Path:
    """The file of the shard."""
    return directory / f"{number:06d}.sqlite"


def summary_file(directory: Path, number: int) -> Path:
    """The file of the shard's summary."""
    return directory / f"{number:06d}.keys"


def _bad_file(directory: Path, number: int) -> Path:
    return directory / f"{number:06d}.bad"


def read_catalog(directory: Path) -> Catalog:
    """The catalog; FileNotFoundError if there is none, ValueError if it is not as it was written. Raises OSError."""
    data = catalog_file(directory).read_bytes()
    if data[:8] != _checksum(data[8:]):
        raise ValueError(f"{catalog_file(directory)}: damaged")
    fields = loads(data[8:])
    if fields["version"] != SCHEMA_VERSION:
        raise ValueError(f"{catalog_file(directory)}: of version {fields['version']}, expected {SCHEMA_VERSION}")
    shards = tuple(map(shard_of, fields["shards"]))
    return Catalog(shards, frozenset(fields["names"]), fields["next"], fields["rebuilding"])


def shard_of(fields: dict[str, Any]) -> ShardInfo:
    """The shard that `fields_of` gave the fields of."""
    return ShardInfo(**{**fields, "end": Position(*fields["end"]), "segments": tuple(fields["segments"])})


def fields_of(shard: ShardInfo) -> dict[str, Any]:
    """The shard for JSON."""
    return {**shard._asdict(), "end": list(shard.end), "segments": list(shard.segments)}


def write_catalog(directory: Path, catalog: Catalog) -> None:
    """The catalog is on stable storage in the place of the one before. Raises OSError."""
    data = dumps(
        {
            "version": SCHEMA_VERSION,
            "next": catalog.next,
            "rebuilding": catalog.rebuilding,
            "names": sorted(catalog.names),
            "shards": [fields_of(shard) for shard in catalog.shards],
        }
    )
    path = catalog_file(directory)
    part = path.with_name(f"{path.name}.part")
    write_private(part, _checksum(data) + data)
    part.replace(path)
    sync(directory)


def write_private(path: Path, data: bytes) -> None:
    """A file of mode 0600 with the data is on stable storage, though its name may not be. Raises OSError."""
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)


def _checksum(data: bytes) -> bytes:
    return b"%08x" % crc32(data)


def sync(path: Path) -> None:
    """The file, or the names in the directory, are on stable storage. Raises OSError."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def recovered_catalog(directory: Path) -> Catalog:
    """The catalog that the shard files make, where there is none: each tells its own range. Raises OSError."""
    found = []
    for number in sorted(set(_numbers(directory))):
        with contextlib.suppress(sqlite3.Error, OSError, ValueError, TypeError):
            found.append(_told_by(shard_file(directory, number), number))
    catalog, covered = Catalog(next=max(_numbers(directory), default=0) + 1), 0
    for place, shard in enumerate(sorted(found, key=lambda each: (each.first_seq, -each.last_seq))):
        # An active one that others follow, or one that was sealed and not removed, is made anew from the lines.
        if shard.first_seq > covered and (not shard.active or place == len(found) - 1):
            catalog, covered = catalog.having(shard), shard.last_seq
    return catalog


def _told_by(path: Path, number: int) -> ShardInfo:
    active = in_wal_mode(path)
    with ShardReader(path) as reader:
        blocks, end = sorted(reader.blocks, key=lambda block: block.first_seq), reader.position
        if not blocks or end.seq != blocks[-1].last_seq:
            raise ValueError("its blocks are not what its position tells")
        first = blocks[0].first_seq
        if active:
            return ShardInfo(number, True, first, first - 1)
        return ShardInfo(
            number=number,
            active=False,
            first_seq=first,
            last_seq=end.seq,
            first_time=min(block.first_time for block in blocks),
            last_time=max(block.last_time for block in blocks),
            events=sum(block.events for block in blocks),
            size=path.stat().st_size,
            end=end,
            segments=tuple(reader.segments),
        )


def in_wal_mode(path: Path) -> bool:
    """Whether the header is that of a database with a write-ahead log, as the active shard has. Raises OSError."""
    with path.open("rb") as file:
        header = file.read(20)
    return header.startswith(_MAGIC) and _WAL in header[18:20]


def marked_bad(directory: Path) -> set[int]:
    """The numbers of the shards that a reader could not use. Raises OSError."""
    return {int(name[:-4]) for name in _names(directory) if name.endswith(".bad") and _OURS.fullmatch(name)}


def mark_bad(directory: Path, number: int) -> None:
    """The next indexer makes the shard anew, if a note can be left for it."""
    with contextlib.suppress(OSError):
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW
        os.close(os.open(_bad_file(directory, number), flags, 0o600))


def remove_shard(directory: Path, number: int) -> None:
    """The files of the shard are gone; who has them open goes on with what it sees. Raises OSError."""
    for name in _names(directory):
        match = _OURS.fullmatch(name)
        if match and int(match[1]) == number:
            (directory / name).unlink(missing_ok=True)


def remove_strays(directory: Path, catalog: Catalog) -> None:
    """Files of shards that the catalog does not name are gone: of a work that was cut off, or of an earlier version."""
    named = {shard.number for shard in catalog.shards}
    for name in _names(directory):
        match = _OURS.fullmatch(name)
        if (match and (int(match[1]) not in named or name.endswith(".part"))) or _EARLIER.fullmatch(name):
            with contextlib.suppress(OSError):  # what cannot be removed is in nobody's way
                (directory / name).unlink()


def _numbers(directory: Path) -> Iterator[int]:
    return (int(match[1]) for match in map(_OURS.fullmatch, _names(directory)) if match)


def _names(directory: Path) -> list[str]:
    try:
        return sorted(path.name for path in directory.iterdir())
    except FileNotFoundError:
        return []
