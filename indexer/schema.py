"""The index file: its tables, how it is opened to write and to read. Only pointers and terms, never an event's JSON."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Final
from zlib import crc32

from .terms import TERMS_VERSION

__all__ = ["SCHEMA_VERSION", "TOKENIZER", "connect_reader", "connect_writer", "identity", "index_file", "remove_index"]

SCHEMA_VERSION: Final = crc32(f"1/{TERMS_VERSION}".encode()) >> 1 | 1
"""In the file's user_version (31 bits, not 0): a file with other tables or terms is thrown away and built anew."""

TOKENIZER: Final = "ascii tokenchars '!#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"
"""Terms are made in terms.py; FTS5 only has to part them at spaces."""

_SUFFIXES: Final = ("", "-wal", "-shm")


def index_file(directory: Path) -> Path:
    """Where the index of the store in `directory` lies."""
    return directory / "index" / "events.sqlite"


def identity(path: Path) -> tuple[tuple[int, int] | None, ...]:
    """Which files are at the places of the index and of its -wal and -shm now: device and inode, None for no file."""
    found: list[tuple[int, int] | None] = []
    for suffix in _SUFFIXES:
        try:
            there = path.with_name(path.name + suffix).stat()
        except (FileNotFoundError, NotADirectoryError):
            found.append(None)
        else:
            found.append((there.st_dev, there.st_ino))
    return tuple(found)


def connect_writer(path: Path) -> sqlite3.Connection:
    """A connection that writes; the file is made, 0600, with its tables, if it is not there.

    Raises sqlite3.Error for a file that is no index or of another version: the caller removes it.
    """
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        remove_index(path)  # a -wal or -shm left behind would be taken for the new file's
    # SQLite would make the file with the umask's mode; its -wal and -shm take over the mode of the file.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -65536")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            _create(connection)
        else:
            _expect(version)
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """An index is in WAL mode from its first moment on; then this needs no lock, whoever reads."""
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        raise sqlite3.DatabaseError("it was cut short while others read it") from error


def connect_reader(path: Path) -> tuple[sqlite3.Connection, bool]:
    """A connection that cannot write, and whether it takes the file for one that nobody writes meanwhile.

    That is so in a read-only directory where the index was closed; who can write there may begin to at any time.
    Raises FileNotFoundError if there is none (yet), sqlite3.Error if it cannot be used.
    """
    alone = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
    mode = "mode=ro&immutable=1" if alone else "mode=ro"
    connection = sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cache_size = -16384")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        _expect(version)
    except BaseException:
        connection.close()
        raise
    return connection, alone


def remove_index(path: Path) -> None:
    """The index file is gone; readers that have it open go on with what they see until they look again."""
    for suffix in _SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()


def _expect(version: int) -> None:
    if version == 0:
        raise FileNotFoundError("the index is being made")
    if version != SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"index of version {version}, expected {SCHEMA_VERSION}")


def _create(connection: sqlite3.Connection) -> None:
    from sqlite_utils import Database  # slow to import, and needed once in the life of an index

    database = Database(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        database.table("segments").create({"id": int, "name": str}, pk="id")
        database.table("events").create(
            {"seq": int, "time": int, "segment": int, "offset": int, "length": int}, pk="seq"
        )
        database.table("position").create(
            {"id": int, "segment": str, "offset": int, "length": int, "seq": int, "hash": str}, pk="id"
        )
        connection.execute(
            f'CREATE VIRTUAL TABLE terms USING fts5(t, content="", detail=none, columnsize=0, tokenize="{TOKENIZER}")'
        )
        connection.execute("CREATE VIRTUAL TABLE vocabulary USING fts5vocab(terms, row)")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
