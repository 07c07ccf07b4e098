"""Appending while questions are asked: what is promised is appended, and what is acknowledged is asked for."""

import multiprocessing

import pytest

from stonelog.api.bench.load import appending, probe
from stonelog.filestore import Reader, StonelogError, Store
from stonelog.indexer import Index


def test_events_are_appended_by_another_process_until_the_block_ends(tmp_path):
    """The store grows while the block runs; what the process says it appended is there, and it is gone."""
    with Index(tmp_path) as index, appending(tmp_path, 1_000) as appended:
        probes = probe(tmp_path, index, 5)
    (sample,) = appended.result()
    assert (probes.number, probes.missed, len(probes.seconds)) == (5, 0, 5)
    assert len([line for line in Reader(tmp_path).lines() if b'"action":"probe"' in line.raw]) == 5
    assert Reader(tmp_path).last_seq >= sample.events + 10 + 5  # the first batch is not counted
    assert multiprocessing.active_children() == []


def test_an_event_that_is_not_found_is_counted(tmp_path, monkeypatch):
    """Had the next query missed an acknowledged event, that would be seen."""
    Store.open(tmp_path).close()
    with Index(tmp_path) as index:
        nothing = index.search("action:nothing")
        monkeypatch.setattr(index, "search", lambda *args, **more: nothing)
        assert probe(tmp_path, index, 3).missed == 3


def test_a_process_that_cannot_append_is_an_error(tmp_path):
    """If the store cannot be opened the block is not entered."""
    (tmp_path / "events").touch()
    with pytest.raises(StonelogError), appending(tmp_path, 100):
        raise AssertionError("entered")
