"""Writing a shard: blocks are added, made one, taken back, each together with the position that they lead to."""

from __future__ import annotations

import contextlib
import gc
import os
import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final, Self, TypeAlias
from zlib import crc32

import orjson

from stonelog.filestore import Run, stamp

from .draft import Draft, Feed
from .inversion import MAX_ROWS
from .keys import Kind
from .merge import Merged
from .postings import Piece, bitmap, numbers, pieces, presence
from .rollup import Columns, block_figures, block_rollups
from .schema import PAGE, BlockInfo, Position, check, create, expect_version, keys_check, read_blocks, read_position

__all__ = ["ShardWriter"]

_INSERT: Final = {
    "places": "INSERT INTO places VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "rollups": "INSERT INTO rollups VALUES (NULL, ?, ?, ?, ?, ?, ?)",
    "terms": "INSERT INTO terms VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)",
    "blocks": "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
}
_Rows: TypeAlias = tuple[str, Iterable[tuple[Any, ...]]]
"""The name of a table, and rows for it."""


class ShardWriter:
    """A shard being written. Raises sqlite3.Error and OSError; what a transaction began is then undone."""

    def __init__(self, connection: sqlite3.Connection, path: Path, final: Path | None) -> None:
        self.path = path
        self._connection = connection
        self._final = final
        self._fields: dict[tuple[str, str], int] = {}
        self._segments: dict[str, int] = {}
        self._look()

    @classmethod
    def active(cls, path: Path) -> Self:
        """The shard that takes the newest events, made if it is not there; others read it meanwhile.

        Raises sqlite3.Error for a file that is no shard of this version: the caller sets it aside.
        """
        there = path.exists()
        connection = _connect(path, "WAL", "NORMAL")
        try:
            if there and connection.execute("PRAGMA user_version").fetchone()[0] != 0:
                expect_version(connection)
            else:
                create(connection)
            return cls(connection, path, None)
        except BaseException:
            connection.close()
            raise

    @classmethod
    def bulk(cls, path: Path) -> Self:
        """A shard that nobody sees before `finish` has made it whole; until then it lies beside, at `path`.part."""
        part = path.with_name(path.name + ".part")
        for suffix in ("", "-journal"):
            part.with_name(part.name + suffix).unlink(missing_ok=True)
        connection = _connect(part, "OFF", "OFF")
        try:
            create(connection)
            return cls(connection, part, path)
        except BaseException:
            connection.close()
            raise

    def add(self, feed: Feed, most: int = MAX_ROWS) -> BlockInfo | None:
        """The next block of the feed is in the shard, and the position at its end; None if the feed has ended."""
        with _without_collector():
            draft = None
            while draft is None:
                block = feed.block(most)
                first = next(block, None)
                if first is None:
                    return None
                draft = _drafted(chain([first], block))  # without events, another hand's lines: on to the next
            number = self.blocks[-1].number + 1 if self.blocks else 1
            info = _info(number, draft)
            with self._transaction():
                self._insert(self._rows(info, draft))
                self._move_to(draft)
        self._look()
        return info

    def merge(self, numbers: Sequence[int], between: Callable[[], object] = lambda: None) -> BlockInfo:
        """These neighbouring blocks, given oldest first, are one. Raises ValueError, too, if one is damaged.

        That may take a second. `between` is called again and again meanwhile, and may `add` to the shard; what it
        raises ends the matter, with nothing done.
        """
        with _without_collector():
            merged = Merged(self._connection, numbers, between)
            info = _info(numbers[0], merged)
            rows: list[_Rows] = []
            for table, some in self._rows(info, merged):
                rows.append((table, list(some)))
                between()
            return self._put(numbers, info, rows)

    def replace(self, numbers: Sequence[int], runs: Iterable[Run]) -> BlockInfo | None:
        """These neighbouring blocks are one, made of these runs; None, and nothing done, if those are none."""
        with _without_collector():
            draft = _drafted(runs)
            if draft is None:
                return None
            info = _info(numbers[0], draft)
            return self._put(numbers, info, self._rows(info, draft))

    def _put(self, numbers: Sequence[int], info: BlockInfo, rows: Iterable[_Rows]) -> BlockInfo:
        """In the place of these blocks there is this one, of which there are these rows."""
        with self._transaction():
            for number in numbers:
                self._remove(number)
            self._insert(rows)
        self._look()
        return info

    def drop_after(self, seq: int, end: Position) -> None:
        """Blocks that hold a `seq` above this are gone; `end` is the last line of what is left."""
        with self._transaction():
            for block in self.blocks:
                if block.last_seq > seq:
                    self._remove(block.number)
            self._connection.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?, ?, ?, ?)", end)
        self._look()

    def segments(self) -> list[str]:
        """The names of the segments that its lines stand in."""
        return list(self._segments)

    def last_place(self, block: int) -> tuple[str, int, int]:
        """Segment, offset and length of the last line of a block."""
        name, offset, data = self._connection.execute(
            'SELECT segments.name, places."offset", ends FROM places JOIN segments ON segments.id = segment'
            " WHERE block = ? ORDER BY row DESC LIMIT 1",
            (block,),
        ).fetchone()
        ends = array("I", [0])
        ends.frombytes(data)
        start = ends[-2] + (len(ends) > 2)
        return name, offset + start, ends[-1] - start

    def finish(self) -> None:
        """The shard is at its place, durable and closed."""
        self.close()
        if self._final is not None:
            _make_durable(self.path, self._final)

    def close(self) -> None:
        """The file is closed; a bulk shard that was not finished is removed."""
        self._connection.close()

    def _look(self) -> None:
        self.blocks = read_blocks(self._connection)
        self.position = read_position(self._connection)
        self._fields = {(n, k): i for i, n, k in self._connection.execute("SELECT id, name, kind FROM fields")}
        self._segments = {name: i for i, name in self._connection.execute("SELECT id, name FROM segments")}

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.rollback()
            self._look()
            raise

    def _remove(self, number: int) -> None:
        self._connection.execute("DELETE FROM blocks WHERE number = ?", (number,))
        for table in ("places", "terms", "rollups"):
            self._connection.execute(f"DELETE FROM {table} WHERE block = ?", (number,))  # noqa: S608 (own names)

    def _move_to(self, draft: Draft) -> None:
        segment, offset, raw = draft.last_line
        mark = stamp(raw)
        hash_ = mark.hash.decode() if mark else ""
        position = Position(segment, offset, len(raw), draft.last_seq, hash_)
        self._connection.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?, ?, ?, ?)", position)

    def _insert(self, rows: Iterable[_Rows]) -> None:
        for table, some in rows:
            self._connection.executemany(_INSERT[table], some)

    def _rows(self, info: BlockInfo, draft: Draft | Merged) -> Iterator[_Rows]:
        """What is stored of a block, table by table and column by column. What is given is gone from the draft."""
        found, number = draft.inversion, info.number
        yield "places", self._places(number, draft)
        are_keys = isinstance(draft, Merged)
        columns = Columns(found.column, _by_row(found.rows, found.times), found.rows, are_keys=are_keys)
        figures = orjson.dumps(block_figures(columns))
        rollups = list(block_rollups(columns))
        yield "rollups", ((number, *each, check(*each)) for each in rollups)
        held: list[int] = []
        for name, rows in found.presence():
            held.append(self._field(name, "any"))
            yield "terms", _terms(number, held[-1], [presence(rows)])
        for field, kind, postings in found.take():
            held.append(self._field(field, kind))
            yield "terms", _terms(number, held[-1], pieces(postings))
        holes = draft.last_seq - draft.first_seq + 1 > draft.events
        facts = orjson.dumps(
            {
                "fields": sorted(held),
                "plain": [self._field(*column) for column in sorted(found.plain)],
                "widths": sorted({rollup.width for rollup in rollups}),
                "rows": bitmap(found.rows).hex() if holes else "",
                "loose": bitmap(sorted(found.loose)).hex() if found.loose else "",
                "lines": draft.digest(),
            }
        )
        yield "blocks", [(*info, facts, figures, check(*info, facts), crc32(figures))]

    def _places(self, number: int, draft: Draft | Merged) -> Iterator[tuple[Any, ...]]:
        at = 0
        for row, segment, offset, ends in draft.stretches:
            times = draft.inversion.times[at : at + len(ends)]
            at += len(ends)
            span = row, len(ends), self._segment(segment), offset, min(times), max(times)
            data = numbers(ends), numbers(times)
            yield number, *span, *data, check(*span), *map(crc32, data)

    def _field(self, name: str, kind: Kind | str) -> int:
        column = name, str(kind)
        if column not in self._fields:
            self._fields[column] = max(self._fields.values(), default=0) + 1
            row = self._fields[column], *column
            self._connection.execute("INSERT INTO fields VALUES (?, ?, ?, ?)", (*row, check(*row)))
        return self._fields[column]

    def _segment(self, name: str) -> int:
        if name not in self._segments:
            self._segments[name] = max(self._segments.values(), default=0) + 1
            row = self._segments[name], name
            self._connection.execute("INSERT INTO segments VALUES (?, ?, ?)", (*row, check(*row)))
        return self._segments[name]


def _info(number: int, draft: Draft | Merged) -> BlockInfo:
    times = draft.inversion.times
    return BlockInfo(number, draft.first_seq, draft.last_seq, draft.events, min(times), max(times), draft.size)


def _terms(number: int, column: int, found: Iterable[Piece]) -> Iterator[tuple[Any, ...]]:
    for piece in found:
        yield number, column, *piece, keys_check(number, column, *piece[:3]), crc32(piece.rows)


def _drafted(runs: Iterable[Run]) -> Draft | None:
    draft = Draft()
    for run in runs:
        draft.add(run)
    return draft if draft.events else None


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Python's garbage collector does not run: it would walk hundreds of thousands of lists again and again, none of
    which is in a cycle."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _by_row(rows: array[int], times: array[int]) -> array[int]:
    """The time of each row, 0 for those that hold no event."""
    if not rows or rows[-1] == len(rows) - 1:
        return times
    found = array("q", bytes(8 * (rows[-1] + 1)))
    for row, time in zip(rows, times, strict=True):
        found[row] = time
    return found


def _connect(path: Path, journal: str, synchronous: str) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    # SQLite would make the file with the umask's mode; its -wal and -shm take over the mode of the file.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA cache_size = -8192")
    except BaseException:
        connection.close()
        raise
    return connection


def _make_durable(part: Path, path: Path) -> None:
    """What was written at `part` is at `path`, whole after any cut."""
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fchmod(descriptor, 0o400)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.rename(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
