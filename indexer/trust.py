"""Which shards can be believed: their files are whole, and the segments still hold the lines that they tell of."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from stonelog.filestore import MAX_LINE, Fetcher, Reader, stamp

from .catalog import Catalog, ShardInfo, catalog_file, mark_bad, read_catalog, shard_file
from .schema import Position

__all__ = ["Coverage", "Trust", "all_names", "index_directory", "stands", "strangers"]

_SETTLED_NS: Final = 100_000_000
"""A file or directory that was changed less than so long before it was read may change again at the same time stamp."""
_ITS_FAULT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, 0})
"""What SQLite says of a damaged file; 0 stands for errors that are none of SQLite's own. All else may pass."""

log = logging.getLogger("stonelog")


class Coverage(NamedTuple):
    """The shards that can be believed, oldest first, and the segments there are.

    The rows of a shard that are of other segments are of events that were removed. The active shard, if there is one,
    is the last; whether its position `stands` is for whoever opens it to see. All that no shard covers is a gap.
    `mark` tells the catalog that says so from others.
    """

    shards: tuple[ShardInfo, ...]
    live: frozenset[str]
    mark: tuple[int, int, int]


def index_directory(directory: Path) -> Path:
    """Where the index of the store in `directory` lies."""
    return directory / "index"


def stands(fetch: Fetcher, position: Position) -> bool:
    """Whether the files still hold the line at the position."""
    if position.seq == 0:
        return True
    if not 0 < position.length <= MAX_LINE:
        return False
    try:
        found = stamp(fetch(position.segment, position.offset, position.length))
    except (OSError, ValueError, OverflowError):
        return False
    return found is not None and found.seq == position.seq and found.hash.decode() == position.hash


def strangers(names: Sequence[str], known: frozenset[str]) -> list[str]:
    """The segments, given oldest first, that are older than the newest known one and not known themselves.

    The store adds only newer ones, so another hand brought them: renamed, copied, or put back.
    """
    newest = max((place for place, name in enumerate(names) if name in known), default=-1)
    return [name for name in names[: newest + 1] if name not in known]


def all_names(reader: Reader, names: Sequence[str], expected: frozenset[str]) -> Sequence[str]:
    """The names of segments, oldest first. Those of `expected` that are not among them are looked for once more.

    A listing is no snapshot: a segment that is sealed meanwhile may be missed. Raises StonelogError.
    """
    if expected.issubset(names):
        return names
    again = reader.names()
    return again if set(again) >= set(names) else sorted({*names, *again}, key=_order)


def _order(name: str) -> tuple[str, str]:
    """Segment names in the order of `Reader.names`: day, then number, none first."""
    day, number = name[:10], name[10:].removesuffix(".jsonl")
    return day, number


class Trust:
    """What one process knows of the shards of one store. Safe to use from several threads."""

    def __init__(self, reader: Reader) -> None:
        self._directory = index_directory(reader.directory)
        self._reader = reader
        self._turn = threading.Lock()
        self._catalog: tuple[tuple[int, int, int], Catalog] | None = None
        self._good: set[tuple[int, str]] = set()
        self._doubted: set[tuple[int, int, int]] = set()

    def look(self, fetch: Fetcher, names: Sequence[str]) -> Coverage:
        """What can be believed now that these are the segments.

        An older shard's last line is looked at once, the newest one's every time.
        Raises OSError or ValueError if the catalog cannot be read (FileNotFoundError: there is no index),
        StonelogError if the segments cannot be listed.
        """
        with self._turn:
            mark, catalog = self._read()
            names = all_names(self._reader, names, catalog.names)
            live = frozenset(names)
            if strangers(names, catalog.names):
                return Coverage((), live, mark)
            found = [catalog.active] if catalog.active and self._there(catalog.active) else []
            sure = False
            for shard in reversed(catalog.sealed):
                if self._there(shard) and self._standing(shard, fetch, live, sure):
                    found.insert(0, shard)
                    sure = True
            return Coverage(tuple(found), live, mark)

    def doubt(self, key: str, error: Exception) -> None:
        """The shard of this number gave the error. If it is damaged, this process asks it no more, and the indexer
        makes it anew."""
        code = int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
        if code not in _ITS_FAULT or isinstance(error, OSError):
            log.warning("shard %s of the index cannot be read, the files are scanned: %s", key, error)
            return
        log.warning("shard %s of the index is damaged, the files are scanned: %s", key, error)
        number = int(key)
        with self._turn:
            try:
                there = shard_file(self._directory, number).stat()
            except OSError:
                return  # the indexer sees that it is gone
            self._doubted.add((number, there.st_dev, there.st_ino))
        mark_bad(self._directory, number)

    def outdated(self, coverage: Coverage) -> bool:
        """Whether there is another catalog by now, or none."""
        try:
            return self._mark() != coverage.mark
        except OSError:
            return True

    def _mark(self) -> tuple[int, int, int]:
        there = catalog_file(self._directory).stat()
        return there.st_ino, there.st_mtime_ns, there.st_size

    def _read(self) -> tuple[tuple[int, int, int], Catalog]:
        mark = self._mark()
        if self._catalog is not None and self._catalog[0] == mark:
            return self._catalog
        settled = time.time_ns() - mark[1] > _SETTLED_NS
        try:
            catalog = read_catalog(self._directory)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{catalog_file(self._directory)}: not as it is written: {error!r}") from error
        # Replaced while it was read, it has other marks the next time.
        self._catalog = (mark, catalog) if settled else None
        return mark, catalog

    def _there(self, shard: ShardInfo) -> bool:
        """Whether its file is there, and one that may be asked."""
        try:
            there = shard_file(self._directory, shard.number).stat()
        except OSError:
            return False
        doubted = (shard.number, there.st_dev, there.st_ino) in self._doubted
        return not doubted and (shard.active or there.st_size == shard.size)

    def _standing(self, shard: ShardInfo, fetch: Fetcher, live: frozenset[str], sure: bool) -> bool:
        """Whether the files hold its last line.

        `sure` that those of a newer shard stand, it is enough that they did, or that the line's segment was removed.
        """
        known = shard.number, shard.end.hash
        if sure and (known in self._good or shard.end.segment not in live):
            return True
        if not stands(fetch, shard.end):
            return False
        self._good.add(known)
        return True
