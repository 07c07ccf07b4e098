"""The index of a store in which another hand renamed a file."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sealed import by_ten, events, seal
from stonelog.indexer import Builder, Index


@pytest.mark.parametrize(("day", "to"), [(20, 25), (22, 19)])
def test_F47_an_archive_under_another_days_name_is_indexed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, day: int, to: int
) -> None:
    """All its events are found, wherever a batch ends."""
    stop = threading.Event()
    stop.set()  # after each batch: the next begins at the position of the one before
    for batch in (7, 10, 13):
        directory = by_ten(tmp_path / str(batch), 5)
        seal(directory, 20, 21, 22, 23)
        for suffix in (".jsonl.gz", ".manifest.json"):
            events(directory, day, suffix).rename(events(directory, to, suffix))
        monkeypatch.setattr("stonelog.indexer.build._BATCH", batch)
        builder = Builder(directory)
        with Index.open(directory) as index:
            covered = 0
            while covered < 50:
                before, covered = covered, builder.catch_up(stop=stop)
                assert covered > before
                assert index.count("action:read") == 50
            assert len(index.search("action:read", limit=100).events) == 50
        builder.close()
