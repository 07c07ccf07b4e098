"""The references do the work that they are said to do."""

import json
import sqlite3
from pathlib import Path

import pytest

from stonelog.api.bench.references import log_events, write_and_sync, write_batches, write_rows
from stonelog.api.bench.workload import generate, to_fields

EVENTS = [to_fields(event) for event in generate(40)]


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The descriptors that were synced."""
    import os

    seen: list[int] = []
    sync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: (seen.append(descriptor), sync(descriptor)))
    return seen


def test_the_bare_loop_syncs_every_line(tmp_path: Path, syncs: list[int]):
    """As many syncs as lines (the first line is written once more, to begin the file), each with its time."""
    lines = [b"one\n", b"two\n", b"three\n"]
    sample, seconds = write_and_sync(tmp_path, lines)
    assert (tmp_path / "bare.jsonl").read_bytes() == b"one\n" + b"".join(lines)
    assert len(syncs) == 1 + len(lines)
    assert sample.events == len(seconds) == len(lines)


def test_a_batch_is_one_sync(tmp_path: Path, syncs: list[int]):
    """Two batches are two syncs, and all their events are in the file."""
    write_batches(tmp_path, [EVENTS[:10], EVENTS[10:20]])
    assert len(syncs) == 2
    lines = (tmp_path / "batches.jsonl").read_text().strip().split("\n")
    assert [json.loads(line) for line in lines] == EVENTS[:20]


@pytest.mark.parametrize("shared", [False, True])
def test_sqlite_gets_a_row_for_each_event(tmp_path: Path, shared: bool):
    """Every event is a row with all its fields, in a database in WAL mode."""
    assert write_rows(tmp_path, EVENTS, 4, shared=shared).events == len(EVENTS)
    connection = sqlite3.connect(tmp_path / "events.sqlite")
    try:
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
        columns = [name for _, name, *_ in connection.execute("pragma table_info(events)")][1:]
        rows = connection.execute(f"select {','.join(columns)} from events order by time").fetchall()
    finally:
        connection.close()
    stored = [dict(zip(columns, row, strict=True)) for row in rows]
    assert [{**row, "metadata": json.loads(row["metadata"])} for row in stored] == EVENTS


def test_logging_writes_each_event_as_json(tmp_path: Path):
    """The log has a line of JSON an event, with the same fields."""
    assert log_events(tmp_path, EVENTS, json.dumps) > 0
    lines = (tmp_path / "log.jsonl").read_text().strip().split("\n")
    assert [json.loads(line) for line in lines] == EVENTS
