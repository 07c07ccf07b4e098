"""Which shards are believed: those whose files are whole and whose lines stand; and what is said of one that is not."""

import os
import sqlite3
from pathlib import Path

import pytest

from shards import SMALL, assert_covered, catalog, days, path_of
from stonelog.filestore import Reader
from stonelog.indexer import Builder
from stonelog.indexer.catalog import catalog_file, marked_bad
from stonelog.indexer.trust import Coverage, Trust, all_names, index_directory, strangers


@pytest.fixture
def built(directory: Path) -> Builder:
    days(directory, 50, 50, 50)
    builder = Builder(directory, sizes=SMALL)
    builder.catch_up()
    builder.close()
    return builder


def look(trust: Trust, directory: Path) -> Coverage:
    with Reader(directory).fetcher() as fetch:
        return trust.look(fetch, Reader(directory).names())


def firsts(trust: Trust, directory: Path) -> list[int]:
    return [shard.first_seq for shard in look(trust, directory).shards]


def segment(directory: Path, day: int) -> Path:
    return directory / "events" / f"2026-11-{day:02}.jsonl"


def test_whole_shards_are_believed(built: Builder, directory: Path) -> None:
    """All of them, with the segments that there are."""
    trust = Trust(Reader(directory))
    assert firsts(trust, directory) == [1, 51, 101, 129]
    assert look(trust, directory).live == {"2026-11-01.jsonl", "2026-11-02.jsonl", "2026-11-03.jsonl"}


def test_without_a_catalog_nothing_is_believed(built: Builder, directory: Path) -> None:
    """A missing one is no error of the index, a damaged one is; both are seen at once."""
    trust = Trust(Reader(directory))
    assert firsts(trust, directory)
    path = catalog_file(index_directory(directory))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="damaged"):
        look(trust, directory)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        look(trust, directory)


@pytest.mark.parametrize("damage", ["deleted", "cut", "grown"])
def test_F52_a_shard_whose_file_is_another_is_not_believed(built: Builder, directory: Path, damage: str) -> None:
    """F52: the others are."""
    trust = Trust(Reader(directory))
    path = path_of(directory, catalog(directory).shards[0].number)
    if damage == "deleted":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size + (4096 if damage == "grown" else -1))
    assert firsts(trust, directory) == [51, 101, 129]


def test_F53_a_shard_that_tells_of_lost_lines_is_not_believed(built: Builder, directory: Path) -> None:
    """F53: the newest sealed one is looked at every time."""
    trust = Trust(Reader(directory))
    assert firsts(trust, directory) == [1, 51, 101, 129]
    segment(directory, 3).unlink()
    os.truncate(segment(directory, 2), segment(directory, 2).stat().st_size - 10)
    assert 51 not in firsts(trust, directory)


def test_a_shard_of_which_segments_were_removed_is_believed(built: Builder, directory: Path) -> None:
    """Whoever asks it leaves out the rows of what is not live."""
    trust = Trust(Reader(directory))
    segment(directory, 1).unlink()
    found = look(trust, directory)
    assert [shard.first_seq for shard in found.shards] == [1, 51, 101, 129]
    assert "2026-11-01.jsonl" not in found.live


def test_after_another_hand_nothing_is_believed_until_the_indexer_was_there(built: Builder, directory: Path) -> None:
    """A segment among the known ones that is not known may hold lines that a shard says are not there."""
    trust = Trust(Reader(directory))
    segment(directory, 2).rename(directory / "events" / "2026-11-02.005.jsonl")
    assert firsts(trust, directory) == []
    assert built.catch_up() == 150
    assert firsts(trust, directory)
    assert_covered(directory)
    built.close()


def test_newer_segments_are_no_strangers() -> None:
    """The store adds them itself, every day."""
    names = ["a", "b", "c", "d"]
    assert strangers(names, frozenset("ab")) == []
    assert strangers(names, frozenset("ac")) == ["b"]
    assert strangers(names, frozenset()) == []
    assert strangers(names, frozenset("x")) == []


def test_a_damaged_shard_is_told_to_the_indexer(built: Builder, directory: Path) -> None:
    """F52: it is not asked again, and the next pass makes it anew; then it is believed."""
    trust = Trust(Reader(directory))
    bad = look(trust, directory).shards[0]
    trust.doubt(str(bad.number), sqlite3.DatabaseError("malformed"))
    assert marked_bad(index_directory(directory)) == {bad.number}
    assert firsts(trust, directory) == [51, 101, 129]
    built.catch_up()
    built.close()
    assert firsts(trust, directory) == [1, 51, 101, 129]
    assert_covered(directory)


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN])
def test_trouble_that_may_pass_is_not_held_against_a_shard(built: Builder, directory: Path, code: int) -> None:
    """It is asked again the next time, and not made anew."""
    trust = Trust(Reader(directory))
    error = sqlite3.OperationalError("not now")
    error.sqlite_errorcode = code
    trust.doubt(str(look(trust, directory).shards[0].number), error)
    trust.doubt(str(look(trust, directory).shards[0].number), OSError(24, "too many open files"))
    assert firsts(trust, directory) == [1, 51, 101, 129]
    assert marked_bad(index_directory(directory)) == set()


def test_names_that_a_listing_missed_are_looked_for_again(built: Builder, directory: Path) -> None:
    """A segment that changes its form while the directory is listed is not taken for removed."""

    expected = frozenset(catalog(directory).names)
    reader = Reader(directory)
    assert set(all_names(reader, reader.names()[1:], expected)) == expected
