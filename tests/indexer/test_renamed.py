"""The index of a store in which another hand renamed a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealed import by_ten, events, seal
from shards import assert_covered
from stonelog.indexer import Builder, Index
from stonelog.indexer.planning import Sizes


@pytest.mark.parametrize(("day", "to"), [(20, 25), (22, 19)])
def test_F47_an_archive_under_another_days_name_is_indexed(tmp_path: Path, day: int, to: int) -> None:
    """All its events are found, wherever a block or a shard ends, and while the index is behind."""
    for block in (7, 10, 13):
        directory = by_ten(tmp_path / str(block), 5)
        seal(directory, 20, 21, 22, 23)
        for suffix in (".jsonl.gz", ".manifest.json"):
            events(directory, day, suffix).rename(events(directory, to, suffix))
        builder = Builder(directory, sizes=Sizes(block, 2 * block))
        with Index.open(directory) as index:
            assert index.count("action:read") == 50
            assert builder.catch_up() == 50
            assert_covered(directory)
            assert index.status().gaps == 0
            assert index.count("action:read") == 50
            assert len(index.search("action:read", limit=100).events) == 50
        builder.close()


def test_F47_an_archive_that_is_renamed_behind_an_index_is_indexed_anew(tmp_path: Path) -> None:
    """Its events are in every answer: before the next pass, and after it."""
    directory = by_ten(tmp_path, 5)
    seal(directory, 20, 21, 22, 23)
    builder = Builder(directory, sizes=Sizes(8, 16))
    assert builder.catch_up() == 50
    with Index.open(directory) as index:
        assert index.count("action:read") == 50
        for suffix in (".jsonl.gz", ".manifest.json"):
            events(directory, 21, suffix).rename(events(directory, 19, suffix))
        assert index.count("action:read") == 50
        assert builder.catch_up() == 50
        assert_covered(directory)
        assert index.count("action:read") == 50
        assert index.status().state == "ok"
    builder.close()
