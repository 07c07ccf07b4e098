"""The file of a shard: its tables, how it is made and recognised, and what it tells of itself.

Every stored piece of bytes has a CRC-32 beside it, since SQLite keeps none of its pages: a flipped bit is noticed when
the piece is read, and the shard is not believed any more.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self
from zlib import crc32

import orjson

from .inversion import MAX_ROWS
from .keys import KEYS_VERSION, Key

__all__ = [
    "BLOCK_COLUMNS",
    "MAX_BLOCK",
    "NOWHERE",
    "PAGE",
    "SCHEMA_VERSION",
    "BlockInfo",
    "Position",
    "ShardReader",
    "alone",
    "check",
    "connect_reader",
    "create",
    "expect_version",
    "keys_check",
    "read_blocks",
    "read_position",
]

BLOCK_COLUMNS: Final = "number", "first_seq", "last_seq", "events", "first_time", "last_time", "size"
"""The fields of BlockInfo, in the table of blocks."""
MAX_BLOCK: Final = MAX_ROWS
"""The `seq`s of a block, at most."""
SCHEMA_VERSION: Final = crc32(f"3/{KEYS_VERSION}".encode()) >> 1 | 1
"""In the file's user_version (31 bits, not 0) and in the catalog: shards with other tables or keys are made anew."""

PAGE: Final = 8_192
"""Bytes of a page: in smaller ones the pieces of keys, of one or two thousand bytes, would leave a fifth unused."""
_TABLES: Final[dict[str, dict[str, type]]] = {
    "position": {"id": int, "segment": str, "offset": int, "length": int, "seq": int, "hash": str},
    "segments": {"id": int, "name": str, "check": int},
    "fields": {"id": int, "name": str, "kind": str, "check": int},
    "blocks": {
        **dict.fromkeys(BLOCK_COLUMNS, int),
        "facts": bytes,
        "figures": bytes,
        "check": int,
        "figures_check": int,
    },
    "places": {
        **dict.fromkeys(("id", "block", "row", "events", "segment", "offset", "first_time", "last_time"), int),
        "ends": bytes,
        "times": bytes,
        "check": int,
        "ends_check": int,
        "times_check": int,
    },
    "rollups": {
        **dict.fromkeys(("id", "block", "width", "start", "events"), int),
        "figures": bytes,
        "check": int,
    },
}
_TERMS: Final = """
CREATE TABLE terms (
    id INTEGER PRIMARY KEY, block INTEGER, field INTEGER, first, keys BLOB, counts, rows BLOB,
    keys_check INTEGER, rows_check INTEGER)
"""
"""`first` and `counts` have no type: what is stored is what was given."""
_UNIQUE: Final = {
    "places": ("block", "row"),
    "terms": ("block", "field", "first"),
    "rollups": ("block", "width", "start"),
}


class Position(NamedTuple):
    """The last line that a shard covers: where it stands, its `seq` and its hash."""

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


class BlockInfo(NamedTuple):
    """What a block covers: `seq`s, and times in microseconds since the epoch; its lines have `size` bytes."""

    number: int
    first_seq: int
    last_seq: int
    events: int
    first_time: int
    last_time: int
    size: int


def check(*parts: bytes | str | float | None) -> int:
    """The CRC-32 that stands beside the parts: of bytes, and of all else as text, one behind the other."""
    if bytes not in map(type, parts):
        return crc32("".join(map(str, parts)).encode())
    return crc32(b"".join(part if isinstance(part, bytes) else str(part).encode() for part in parts))


def keys_check(block: int, field: int, first: Key, keys: bytes | None, counts: bytes | int | None) -> int:
    """The CRC-32 that stands beside the keys of a piece (postings.py); `first` is among them if there are several.

    It is of the block and the field, too: a piece that an index of SQLite's leads to by mistake is noticed.
    """
    seed = (block << 16 ^ field) & 0xFFFFFFFF
    if keys is None:
        return crc32(f"{first}/{counts!r}".encode(), seed)
    return crc32(keys, seed if counts is None else crc32(counts, seed))  # type: ignore[arg-type]


def expect_version(connection: sqlite3.Connection) -> None:
    """Raises sqlite3.DatabaseError if the file is no shard of this version."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"a shard of version {version}, expected {SCHEMA_VERSION}")


def read_position(connection: sqlite3.Connection) -> Position:
    """The last line that the shard covers, NOWHERE in an empty one. Raises sqlite3.Error."""
    row = connection.execute('SELECT segment, "offset", length, seq, hash FROM position WHERE id = 1').fetchone()
    if row is None:
        return NOWHERE
    if tuple(map(type, row)) != (str, int, int, int, str):
        raise sqlite3.DatabaseError("the position is not readable")
    return Position(*row)


def alone(path: Path) -> bool:
    """Whether a shard that others may write is to be taken for one that nobody does: closed, in a read-only directory.

    SQLite could not make the files that it reads it with. Who can write there may begin to at any time.
    """
    return not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()


def connect_reader(path: Path, *, still: bool) -> sqlite3.Connection:
    """A connection that cannot write; with `still` nobody writes the file meanwhile.

    Raises sqlite3.Error for what is no shard of this version.
    """
    mode = "mode=ro&immutable=1" if still else "mode=ro"
    connection = sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        expect_version(connection)
    except BaseException:
        connection.close()
        raise
    return connection


_FEW_PIECES: Final = 256


class ShardReader:
    """What a shard file tells of itself. Raises sqlite3.Error for what is no shard of this version."""

    def __init__(self, path: Path) -> None:
        self._connection = connect_reader(path, still=alone(path))

    @property
    def position(self) -> Position:
        """The last line that it covers."""
        return read_position(self._connection)

    @property
    def segments(self) -> list[str]:
        """The names of the segments that its lines stand in."""
        return [name for (name,) in self._connection.execute("SELECT name FROM segments ORDER BY name")]

    @property
    def blocks(self) -> list[BlockInfo]:
        """Its blocks, oldest first."""
        return read_blocks(self._connection)

    @property
    def loose(self) -> bool:
        """Whether there are events of which it does not hold everything."""
        return any(orjson.loads(facts)["loose"] for (facts,) in self._connection.execute("SELECT facts FROM blocks"))

    def open_columns(self) -> list[tuple[str, str]]:
        """Fields and kinds with many keys, most of which come again and again: `keys` leaves them out.

        Words of no scope are always among them: a value that is a word may be held as a value only (Inversion.plain).
        """
        return [*((name, kind) for name, kind, _ in self._columns(few=False)), ("", "word")]

    def keys(self) -> Iterator[tuple[str, str, list[Key]]]:
        """Keys with their field and kind, some at a time."""
        for name, kind, number in self._columns(few=True):
            for first, keys in self._connection.execute("SELECT first, keys FROM terms WHERE field = ?", (number,)):
                yield name, kind, [first] if keys is None else orjson.loads(keys)

    def _columns(self, *, few: bool) -> list[tuple[str, str, int]]:
        """Field, kind and number of the columns whose keys are few, numbers or mostly of one row; or of the others."""
        rows = self._connection.execute(
            "SELECT name, kind, fields.id, (count(*) <= ? OR sum(keys IS NOT NULL AND counts IS NULL) * 2 > count(*)"
            " OR kind IN ('int', 'float'))"
            " FROM terms JOIN fields ON fields.id = field WHERE NOT (kind = 'word' AND name = '') GROUP BY field",
            (_FEW_PIECES,),
        )
        return [(name, kind, number) for name, kind, number, is_few in rows if bool(is_few) == few]

    def close(self) -> None:
        """The file is closed."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def read_blocks(connection: sqlite3.Connection) -> list[BlockInfo]:
    """The blocks of a shard, oldest first. Raises sqlite3.Error."""
    rows = connection.execute(f"SELECT {', '.join(BLOCK_COLUMNS)} FROM blocks ORDER BY number")  # noqa: S608 (own names)
    return [BlockInfo(*row) for row in rows]


def create(connection: sqlite3.Connection) -> None:
    """The tables are there, in an empty file. Raises sqlite3.Error."""
    from sqlite_utils import Database  # slow to import, and needed once in the life of a shard

    database = Database(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for name, columns in _TABLES.items():
            database.table(name).create(columns, pk=next(iter(columns)))
        connection.execute(_TERMS)
        for name, unique in _UNIQUE.items():
            database.table(name).create_index(unique, unique=True)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
