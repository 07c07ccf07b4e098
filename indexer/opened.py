"""A shard as queries have it open: nobody can change it through here."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection
from functools import cached_property
from pathlib import Path
from typing import Any
from zlib import crc32

from pyroaring import BitMap

from stonelog.filestore import Fetcher

from .block import Block
from .errors import IndexUnavailable
from .keys import Key
from .schema import BLOCK_COLUMNS, Position, alone, check, connect_reader, read_position

__all__ = ["Outdated", "Shard"]


class Outdated(Exception):
    """The index is not what it was when an answer was begun, so that this answer must be begun again."""


class Shard:
    """A shard, for one thread. With `still` nobody writes it meanwhile; else each answer begins a transaction.

    It is open from the first look into it on, which `opening` is told of.
    """

    def __init__(
        self,
        path: Path,
        fetch: Fetcher,
        *,
        still: bool,
        key: str = "",
        opening: Callable[[Shard], object] = lambda shard: None,
    ) -> None:
        self.path = path
        self.fetch = fetch
        self.key = key
        self.sealed = still
        self.identity = _identity(path)
        """Device and inode of the file."""
        self.kept: dict[tuple[object, str, str, Key], BitMap] = {}
        """The rows of keys that were asked for, by block, field, kind and key."""
        self.ends: dict[tuple[object, int], bytes] = {}
        """Where lines end, by block and first row of the spans that were asked for."""
        self._opening = opening
        self._connection: sqlite3.Connection | None = None
        self._lonely: tuple[int, int, bool] | None = None
        self._version = -1
        self._blocks: list[Block] = []
        self._stale = True
        self._dead: frozenset[str] = frozenset()

    @property
    def connection(self) -> sqlite3.Connection:
        """The open file. Raises sqlite3.Error for what is no shard of this version, Outdated if it is another file."""
        if self._connection is None:
            lonely = not self.sealed and alone(self.path)
            self._lonely = _marks(self.path) if lonely else None
            self._connection = connect_reader(self.path, still=self.sealed or lonely)
            self._connection.execute("PRAGMA cache_size = -4096")
            if not self.current:
                self.close()
                raise Outdated(f"{self.path}: it was replaced")
            self._opening(self)
        return self._connection

    @property
    def current(self) -> bool:
        """Whether it is still the file at its place, and such as `unwritten` says."""
        try:
            return _identity(self.path) == self.identity and self.unwritten
        except FileNotFoundError:
            return False

    @property
    def unwritten(self) -> bool:
        """Whether nobody wrote the file, if it was opened as one that nobody writes."""
        try:
            return self._lonely is None or _marks(self.path) == self._lonely
        except FileNotFoundError:
            return False

    def position(self) -> Position:
        """The last line that it covers."""
        return read_position(self.connection)

    def begin(self) -> None:
        """A transaction begins, in which what others have written until now is seen."""
        self.connection.execute("BEGIN")
        self.connection.execute("SELECT number FROM blocks LIMIT 1").fetchone()  # from here on it sees nothing newer
        version = self.connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._version = version
            self._stale = True
            for name in ("columns", "segments"):
                self.__dict__.pop(name, None)

    @cached_property
    def columns(self) -> dict[tuple[str, str], int]:
        """The number of each field and kind."""
        rows = self.connection.execute('SELECT id, name, kind, "check" FROM fields')
        return {(name, kind): number for number, name, kind in map(self._checked, rows)}

    @cached_property
    def segments(self) -> dict[int, str]:
        """The names of the segments, by number."""
        rows = self.connection.execute('SELECT id, name, "check" FROM segments').fetchall()
        # As `check` does it, which takes three times as long: there may be one for each day of years.
        if any(crc32(f"{number}{name}".encode()) != checked for number, name, checked in rows):
            raise IndexUnavailable(f"{self.path}: a name is damaged")
        return {number: name for number, name, _ in rows}

    def _checked(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        *values, checked = row
        if check(*values) != checked:
            raise IndexUnavailable(f"{self.path}: a name is damaged")
        return tuple(values)

    def blocks(self, dead: Collection[str] = ()) -> list[Block]:
        """The blocks, oldest first, without the rows whose segments are `dead`: not there any more."""
        gone = frozenset(dead).intersection(self.segments.values())
        if self._stale or gone != self._dead:
            same = {block.row: block for block in self._blocks} if gone == self._dead else {}
            rows = self.connection.execute(
                f'SELECT {", ".join(BLOCK_COLUMNS)}, facts, "check" FROM blocks ORDER BY number'  # noqa: S608 (own names)
            )
            # What a block that is still there has got already goes on to be of use.
            self._blocks = [same.get(row) or Block(self, row, gone) for row in rows]
            self._dead, self._stale = gone, False
        return self._blocks

    def close(self) -> None:
        """The file is closed. Of one that is `still`, what was got goes on to be of use."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _identity(path: Path) -> tuple[int, int]:
    there = os.stat(path)  # noqa: PTH116
    return there.st_dev, there.st_ino


def _marks(path: Path) -> tuple[int, int, bool]:
    """What changes when somebody begins to write the file."""
    there = path.stat()
    return there.st_mtime_ns, there.st_size, path.with_name(path.name + "-wal").exists()
