"""The index file: modes, versions, and nothing of an event but pointers and terms."""

import os
import sqlite3
from pathlib import Path

import pytest

from stonelog.filestore import Store
from stonelog.indexer import Index
from stonelog.indexer.schema import connect_reader, connect_writer, identity, index_file, remove_index


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return index_file(tmp_path)


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o027])
def test_files_are_private_whatever_the_umask(path: Path, umask: int) -> None:
    """The directory is 0700 and each file 0600, also those that SQLite makes."""
    before = os.umask(umask)
    try:
        connection = connect_writer(path)
        connection.execute("INSERT INTO segments VALUES (1, 'x')")
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    connection.close()
    assert modes == {"events.sqlite": 0o600, "events.sqlite-wal": 0o600, "events.sqlite-shm": 0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_reader_cannot_write(path: Path) -> None:
    """A connection to read refuses every change."""
    connect_writer(path).close()
    connection, alone = connect_reader(path)
    assert not alone
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM events")
    connection.close()


def test_a_reader_makes_no_index(path: Path) -> None:
    """Looking for an index that is not there makes none."""
    path.parent.mkdir()
    with pytest.raises(sqlite3.OperationalError):
        connect_reader(path)
    assert list(path.parent.iterdir()) == []


def test_an_index_that_is_being_made_is_not_there_yet(path: Path) -> None:
    """A file without tables yet is no damage, but no index either."""
    path.parent.mkdir()
    path.touch()
    with pytest.raises(FileNotFoundError):
        connect_reader(path)


@pytest.mark.parametrize("version", [1, 7, -1, 2**31 - 1])
def test_another_version_is_refused(path: Path, version: int) -> None:
    """Neither reader nor writer takes an index of another version for its own."""
    connection = connect_writer(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    for connect in (connect_reader, connect_writer):
        with pytest.raises(sqlite3.DatabaseError, match="version"):
            connect(path)


def test_remnants_of_a_removed_index_are_not_taken_over(path: Path, tmp_path: Path) -> None:
    """A -wal that was left behind when the index was removed does not come to life in the new one."""
    connection = connect_writer(path)
    connection.execute("INSERT INTO segments VALUES (1, 'ghost')")
    wal = path.with_name("events.sqlite-wal")
    left = wal.read_bytes()
    connection.close()
    remove_index(path)
    wal.write_bytes(left)
    connection = connect_writer(path)
    assert connection.execute("SELECT count(*) FROM segments").fetchone() == (0,)
    connection.close()


def test_identity_tells_which_files_are_there(path: Path) -> None:
    """It changes when a file is removed or replaced, and not when one is written."""
    assert identity(path) == (None, None, None)
    connection = connect_writer(path)
    connection.execute("INSERT INTO segments VALUES (1, 'x')")
    before = identity(path)
    connection.execute("INSERT INTO segments VALUES (2, 'y')")
    assert None not in before
    assert identity(path) == before
    path.with_name("events.sqlite-shm").unlink()
    assert identity(path) == (*before[:2], None)
    connection.close()


def test_the_index_holds_no_text_of_an_event(directory: Path) -> None:
    """Of a message only its words stand in the index, of a long value only its beginning; never the line."""
    words = [f"{letter}zq{letter}" for letter in "abcdefghijklmnopqrst"]
    message, value = " ".join(words), "v" * 90 + "secretpart" * 10
    with Store.open(directory, durability="none") as store, Index.open(directory) as index:
        store.append(category="api", action="read", message=message, service=value, metadata={"key": value})
        index.catch_up()
        assert index.count("bzqb tzqt") == 1
    data = b"".join(file.read_bytes() for file in (directory / "index").iterdir())
    assert b"bzqb" in data
    assert f"{words[0]} {words[1]}".encode() not in data
    assert b"secretpart" * 3 not in data
    assert b'"category"' not in data
