"""Processes of the benchmark: their answers, their failures, their end."""

import multiprocessing
import os

import pytest

from stonelog.api.bench.children import Children
from stonelog.api.bench.emit import flood
from stonelog.api.bench.processes import append_in_processes
from stonelog.api.bench.workload import generate, to_fields
from stonelog.filestore import Reader, StonelogError

EVENTS = [to_fields(event) for event in generate(50)]


def test_several_processes_append_to_one_store(tmp_path):
    """Two processes with three threads append at one time; what they say they appended is in the store."""
    sample = append_in_processes(tmp_path / "data", EVENTS, 60, processes=2, threads=3)
    stored = [line.raw for line in Reader(tmp_path / "data").lines()]
    assert sample.events >= 30
    assert len(stored) == 2 + sample.events  # each process appends one before the start
    assert sample.ended > sample.began
    assert multiprocessing.active_children() == []


def test_a_flood_is_written_or_counted_as_dropped(tmp_path, monkeypatch):
    """Emitted events are in the store or counted, and the growth of memory is told in bytes."""
    monkeypatch.setenv("STONELOG_STORE_EMIT_EVENTS", "10")
    dropped, growth = flood(tmp_path / "data", EVENTS, 500)
    own = b'"category":"system_management"'
    stored = [line.raw for line in Reader(tmp_path / "data").lines() if own not in line.raw]
    assert len(stored) + dropped == len(EVENTS) + 500
    assert growth >= 0


def test_a_child_that_ends_without_an_answer_is_an_error():
    """The others are ended too, and none is waited for for ever."""
    with pytest.raises(StonelogError, match="ended before it was done"):
        Children().ask(os._exit, [(3,)])
    assert multiprocessing.active_children() == []
