"""Filling the index: new lines from where it stopped, in batches of one transaction each."""

from __future__ import annotations

import errno
import itertools
import logging
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from stonelog.filestore import MAX_LINE, Line, Reader, StoreLock, StoreLocked, loads, stamp

from .errors import IndexUnavailable
from .schema import connect_writer, identity, index_file, remove_index
from .terms import event_terms

__all__ = ["Builder", "Position", "microseconds", "read_position", "stands"]

_SHARE_OF_RAW: Final = 0.8
"""The size of index and write-ahead log, at most, as a share of the lines."""
_LEFT_FREE: Final = 1024 * 1024
"""Bytes that the index leaves free for events."""
_BATCH: Final = 10_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_DISK_TROUBLE: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN}
)

log = logging.getLogger("stonelog")


class Position(NamedTuple):
    """The last line that the index covers: where it stands, its `seq` and its hash."""

    segment: str
    offset: int
    length: int
    seq: int
    hash: str

    @property
    def next_offset(self) -> int:
        """Where the line after it starts."""
        return self.offset + self.length + 1


NOWHERE: Final = Position("", 0, 0, 0, "")


def microseconds(time: str) -> int:
    """The microseconds since the epoch of a line's `time`."""
    return (datetime.fromisoformat(time) - _EPOCH) // _MICROSECOND


def read_position(connection: sqlite3.Connection) -> Position:
    """What the index covers; NOWHERE in a new one. Raises sqlite3.Error."""
    row = connection.execute("SELECT segment, offset, length, seq, hash FROM position WHERE id = 1").fetchone()
    if row is None:
        return NOWHERE
    if tuple(map(type, row)) != (str, int, int, int, str):
        raise sqlite3.DatabaseError("the position is not readable")
    return Position(*row)


def stands(reader: Reader, connection: sqlite3.Connection, position: Position) -> bool:
    """Whether the files still hold the line that the index ends with, and every segment that it knows is there.

    If not, it tells of lines that are gone. Raises sqlite3.Error.
    """
    if position.seq == 0:
        return True
    if not 0 < position.length <= MAX_LINE:
        return False
    try:
        with reader.fetcher() as fetch:
            found = stamp(fetch(position.segment, position.offset, position.length))
        there = set(reader.names())
    except (OSError, ValueError, OverflowError):
        return False
    if found is None or found.seq != position.seq or found.hash.decode() != position.hash:
        return False
    return all(name in there for (name,) in connection.execute("SELECT name FROM segments"))


class Builder:
    """Writes the index of one store. One at a time works on it, across processes; safe to use from several threads."""

    def __init__(self, directory: Path, *, lock_seconds: float = 10.0) -> None:
        self._reader = Reader(directory)
        self._path = index_file(self._reader.directory)
        self._lock_path = self._reader.directory / "index.lock"
        self._lock_seconds = lock_seconds
        self._connection: sqlite3.Connection | None = None
        self._files: tuple[tuple[int, int] | None, ...] = ()
        self._turn = threading.Lock()

    def catch_up(
        self, progress: Callable[[int, int], object] | None = None, *, stop: threading.Event | None = None
    ) -> int:
        """The index covers what was in the files when this was called (less, if `stop` was set); gives its last `seq`.

        `progress` is told how many bytes are done and how many there are. An index that cannot be used is built anew.
        Raises IndexUnavailable when another process keeps the lock, or the index cannot be written.
        """
        return self._locked(False, progress, stop)

    def rebuild(self, progress: Callable[[int, int], object] | None = None) -> int:
        """The index is thrown away and built from the files. As `catch_up`."""
        return self._locked(True, progress, None)

    def close(self) -> None:
        """The index file is closed."""
        with self._turn:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _locked(self, anew: bool, progress: Callable[[int, int], object] | None, stop: threading.Event | None) -> int:
        with self._turn:
            try:
                lock = StoreLock(self._lock_path, self._lock_seconds)
            except OSError as error:
                raise IndexUnavailable(f"{self._lock_path}: {error.strerror}") from error
            try:
                with lock.held():
                    if anew:
                        self._discard("asked to")
                    try:
                        return self._fill(progress, stop)
                    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter: a damaged error message
                        if _code(error) == sqlite3.SQLITE_FULL:
                            self._give_back()
                        if _code(error) in _DISK_TROUBLE:
                            raise
                        self._discard(str(error))
                    return self._fill(progress, stop)
            except StoreLocked as error:
                raise IndexUnavailable(f"{self._path}: another process is indexing this store") from error
            except (sqlite3.Error, OSError) as error:
                raise IndexUnavailable(f"{self._path}: {error}") from error
            finally:
                lock.close()

    def _discard(self, why: str) -> None:
        log.info("%s: building the index anew: %s", self._path, why)
        self._close()
        remove_index(self._path)

    def _open(self) -> sqlite3.Connection:
        """The connection to the files that are there now: somebody may have removed one, or another indexer all."""
        if self._connection is not None and (there := identity(self._path)) != self._files:
            remnant = any(file is not None and file in self._files for file in there)
            self._close()
            if remnant:
                self._discard("a part of it was removed")
        if self._connection is None:
            self._connection = connect_writer(self._path)
            read_position(self._connection)  # from the first reading on the -wal and -shm are there
            self._files = identity(self._path)
        return self._connection

    def _fill(self, progress: Callable[[int, int], object] | None, stop: threading.Event | None) -> int:
        connection = self._open()
        position = read_position(connection)
        if not stands(self._reader, connection, position):
            self._discard("the files no longer hold what it tells of")
            return self._fill(progress, stop)
        segments = self._reader.segments()
        total = max(sum(segment.size for segment in segments), 1)
        before = itertools.takewhile(lambda segment: segment.name != position.segment, segments if position.seq else [])
        done = sum(segment.size for segment in before) + (position.next_offset if position.seq else 0)
        self._require_space(total - done)
        start = (position.segment, position.next_offset) if position.seq else None
        lines = self._reader.lines(position.seq, start=start)
        while batch := list(itertools.islice(lines, _BATCH)):
            added = self._add(self._open(), batch, position)
            if added is None:  # the index was removed meanwhile: the new one starts from the beginning
                return self._fill(progress, stop)
            position = added
            done += sum(len(line.raw) + 1 for line in batch)
            if progress is not None:
                progress(min(done, total), total)
            if stop is not None and stop.is_set():
                break
        return position.seq

    def _give_back(self) -> None:
        """The space that an unfinished batch took is free for events again, as is that of an index of none."""
        if self._connection is not None and read_position(self._connection) == NOWHERE:
            self._discard("there is no space for it")
        self._close()  # which takes the write-ahead log away

    def _require_space(self, raw: int) -> None:
        """Raises OSError if the index of so many bytes of lines could leave no room for the next events."""
        needed = int(raw * _SHARE_OF_RAW) + _LEFT_FREE
        free = shutil.disk_usage(self._path.parent).free
        if raw > 0 and free < needed:
            why = f"the disk has {free:,} bytes free, and indexing takes up to {needed:,} with what must stay free"
            raise OSError(errno.ENOSPC, why)

    def _add(self, connection: sqlite3.Connection, batch: list[Line], after: Position) -> Position | None:
        """The batch, which follows `after`, is in the index; None, and nothing done, if the index is not there yet."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            if read_position(connection) != after:
                connection.rollback()
                return None
            segments = _segment_ids(connection, {line.segment for line in batch})
            pointers, terms = [], []
            for line in batch:
                event = loads(line.raw)
                place = (line.seq, microseconds(event["time"]), segments[line.segment], line.offset, len(line.raw))
                pointers.append(place)
                terms.append((line.seq, " ".join(event_terms(event))))
            connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", pointers)
            connection.executemany("INSERT INTO terms(rowid, t) VALUES (?, ?)", terms)
            last = batch[-1]
            mark = stamp(last.raw)
            position = Position(last.segment, last.offset, len(last.raw), last.seq, mark.hash.decode() if mark else "")
            connection.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?, ?, ?, ?)", position)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise
        return position


def _segment_ids(connection: sqlite3.Connection, names: Iterable[str]) -> dict[str, int]:
    ids: dict[str, int] = {name: number for number, name in connection.execute("SELECT id, name FROM segments")}
    for name in sorted(set(names) - ids.keys()):
        ids[name] = len(ids) + 1
        connection.execute("INSERT INTO segments VALUES (?, ?)", (ids[name], name))
    return ids


def _code(error: Exception) -> int:
    """SQLite's primary code of the error, 0 if it has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
