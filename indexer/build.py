"""Filling the index: new lines from where it stopped, in batches of one transaction each."""

from __future__ import annotations

import itertools
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from stonelog.filestore import Line, Reader, StoreLock, StoreLocked, loads, stamp

from .errors import IndexUnavailable
from .schema import connect_writer, index_file, remove_index
from .terms import event_terms

__all__ = ["Builder", "Position", "microseconds", "read_position", "stands"]

_BATCH: Final = 10_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

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
    """What the index covers; NOWHERE in a new one."""
    row = connection.execute("SELECT segment, offset, length, seq, hash FROM position WHERE id = 1").fetchone()
    return Position(*row) if row else NOWHERE


def stands(reader: Reader, position: Position) -> bool:
    """Whether the files still hold the line that the index ends with: if not, it tells of lines that are gone."""
    if position.seq == 0:
        return True
    try:
        with reader.fetcher() as fetch:
            found = stamp(fetch(position.segment, position.offset, position.length))
    except (OSError, ValueError):
        return False
    return found is not None and found.seq == position.seq and found.hash.decode() == position.hash


class Builder:
    """Writes the index of one store. One at a time works on it, across processes; safe to use from several threads."""

    def __init__(self, directory: Path, *, lock_seconds: float = 10.0) -> None:
        self._reader = Reader(directory)
        self._path = index_file(self._reader.directory)
        self._lock_path = self._reader.directory / "index.lock"
        self._lock_seconds = lock_seconds
        self._connection: sqlite3.Connection | None = None
        self._inode = (0, 0)
        self._turn = threading.Lock()

    def catch_up(
        self, progress: Callable[[int, int], object] | None = None, *, stop: threading.Event | None = None
    ) -> int:
        """The index covers what was in the files when this was called (less, if `stop` was set); gives its last `seq`.

        `progress` is told how many bytes are done and how many there are. An index that cannot be used is built anew.
        Raises IndexUnavailable when another process keeps the lock, OSError.
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
                    except sqlite3.DatabaseError as error:
                        if _disk_trouble(error):
                            raise IndexUnavailable(f"{self._path}: {error}") from error
                        self._discard(str(error))
                        return self._fill(progress, stop)
            except StoreLocked as error:
                raise IndexUnavailable(f"{self._path}: another process is indexing this store") from error
            finally:
                lock.close()

    def _discard(self, why: str) -> None:
        log.info("%s: building the index anew: %s", self._path, why)
        self._close()
        remove_index(self._path)

    def _open(self) -> sqlite3.Connection:
        """The connection to the file that is at the path now: somebody may have removed it."""
        if self._connection is not None:
            try:
                there = self._path.stat()
            except FileNotFoundError:
                there = None
            if there is None or (there.st_dev, there.st_ino) != self._inode:
                self._close()
                remove_index(self._path)  # a -wal left behind would be taken for the new file's
        if self._connection is None:
            self._connection = connect_writer(self._path)
            here = self._path.stat()
            self._inode = (here.st_dev, here.st_ino)
            if not stands(self._reader, read_position(self._connection)):
                self._discard("the files no longer hold the line it ends with")
                return self._open()
        return self._connection

    def _fill(self, progress: Callable[[int, int], object] | None, stop: threading.Event | None) -> int:
        position = read_position(self._open())
        segments = self._reader.segments()
        total = max(sum(segment.size for segment in segments), 1)
        before = itertools.takewhile(lambda segment: segment.name != position.segment, segments if position.seq else [])
        done = sum(segment.size for segment in before) + (position.next_offset if position.seq else 0)
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


def _disk_trouble(error: sqlite3.DatabaseError) -> bool:
    """Whether building anew could not help: no space, no permission, somebody else writing."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY)
