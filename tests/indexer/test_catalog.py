"""The catalog: what it says comes back, whole or not at all; and which files are the index's own."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards import SMALL, catalog, days, path_of
from stonelog.indexer import Builder
from stonelog.indexer import catalog as module
from stonelog.indexer.catalog import (
    Catalog,
    ShardInfo,
    catalog_file,
    mark_bad,
    marked_bad,
    read_catalog,
    recovered_catalog,
    remove_strays,
    shard_file,
    write_catalog,
)
from stonelog.indexer.schema import Position
from stonelog.indexer.trust import index_directory

NUMBERS = st.integers(0, 2**53)
SHARDS = st.builds(
    ShardInfo,
    number=st.integers(1, 10**9),
    active=st.booleans(),
    first_seq=NUMBERS,
    last_seq=NUMBERS,
    first_time=st.integers(-(2**62), 2**62),
    last_time=NUMBERS,
    events=NUMBERS,
    size=NUMBERS,
    end=st.builds(Position, st.just("2026-11-23.jsonl"), NUMBERS, NUMBERS, NUMBERS, st.just("0" * 16)),
    segments=st.lists(st.sampled_from(["2026-11-22.jsonl", "2026-11-23.001.jsonl"]), unique=True).map(tuple),
)
CATALOGS = st.builds(
    Catalog, st.lists(SHARDS, max_size=4).map(tuple), st.frozensets(st.text(max_size=5)), NUMBERS, st.booleans()
)


@settings(deadline=None)
@given(CATALOGS)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, given_: Catalog) -> None:
    """The catalog comes back as it was."""
    directory = tmp_path_factory.mktemp("index")
    write_catalog(directory, given_)
    assert read_catalog(directory) == given_


@settings(deadline=None)
@given(CATALOGS, st.data())
def test_any_changed_byte_is_noticed(tmp_path_factory: pytest.TempPathFactory, given_: Catalog, data) -> None:
    """A damaged catalog says nothing."""
    directory = tmp_path_factory.mktemp("index")
    write_catalog(directory, given_)
    path = catalog_file(directory)
    written = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(written) - 1))
    written[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(written)
    with pytest.raises(ValueError, match="damaged"):
        read_catalog(directory)


def test_an_error_leaves_the_catalog_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the new one is whole and on stable storage the old one stands."""
    write_catalog(tmp_path, Catalog(next=7))

    def fail(fd: int) -> None:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(module.os, "fsync", fail)
    with pytest.raises(OSError, match="input/output"):
        write_catalog(tmp_path, Catalog(next=8))
    assert read_catalog(tmp_path).next == 7


def test_a_shard_takes_its_place() -> None:
    """Shards are in the order of `seq`, one of each number."""
    one, two, three = (ShardInfo(number, False, first, first + 9) for number, first in ((1, 1), (2, 11), (3, 21)))
    found = Catalog().having(three).having(one).having(two)
    assert found.shards == (one, two, three)
    assert found.next == 4
    assert found.having(two._replace(events=5)).shards[1].events == 5
    assert found.without([one, three]).shards == (two,)


def test_a_catalog_of_files_that_overlap_takes_each_line_once(tmp_path: Path) -> None:
    """Of an active shard and the sealed one that was made of it only one is taken; no number is given again."""
    directory = tmp_path / "store"
    days(directory, 150)
    Builder(directory, sizes=SMALL).catch_up()
    folder = index_directory(directory)
    before = catalog(directory)
    first = before.shards[0].number
    shard_file(folder, 50).write_bytes(path_of(directory, first).read_bytes())
    shard_file(folder, 51).write_bytes(b"no shard")
    found = recovered_catalog(folder)
    assert [(shard.first_seq, shard.active) for shard in found.shards] == [(1, False), (65, False), (129, True)]
    assert found.next == 52
    assert [shard.end for shard in found.sealed] == [shard.end for shard in before.sealed]


def test_no_files_no_shards(tmp_path: Path) -> None:
    """Where there is nothing the catalog begins at number 1."""
    assert recovered_catalog(tmp_path / "index") == Catalog()


def test_bad_shards_are_marked_once(tmp_path: Path) -> None:
    """Marking is for whoever can write there, and never an error."""
    mark_bad(tmp_path / "nowhere", 3)
    mark_bad(tmp_path, 3)
    mark_bad(tmp_path, 3)
    (tmp_path / "x.bad").touch()
    assert marked_bad(tmp_path) == {3}
    assert (tmp_path / "000003.bad").stat().st_mode & 0o777 == 0o600
    remove_strays(tmp_path, Catalog())
    assert marked_bad(tmp_path) == set()
