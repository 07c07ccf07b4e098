"""What the store is compared with: the bare system calls, SQLite, the standard library's logging."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from stonelog.filestore import dumps

from .rounds import Sample, in_threads, in_turn

__all__ = ["COLUMNS", "INSERT", "TABLE", "log_events", "write_and_sync", "write_batches", "write_rows"]

COLUMNS: Final = {
    "time": "text",
    "category": "text",
    "action": "text",
    "level": "text",
    "username": "text",
    "ip_address": "text",
    "method": "text",
    "path": "text",
    "status_code": "int",
    "response_time_ms": "real",
    "risk_score": "int",
    "country": "text",
    "session_id": "text",
    "message": "text",
    "metadata": "text",
}
TABLE: Final = f"create table events(id integer primary key, {', '.join(map(' '.join, COLUMNS.items()))})"
INSERT: Final = f"insert into events({', '.join(COLUMNS)}) values ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
_BUSY_SECONDS: Final = 120.0


@contextmanager
def _appending(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def write_and_sync(directory: Path, lines: Sequence[bytes]) -> tuple[Sample, list[float]]:
    """Each of the lines was written and synced before the next, by bare system calls; and how long each sync took."""
    syncs: list[float] = []
    with _appending(directory / "bare.jsonl") as descriptor:

        def append(line: bytes) -> None:
            os.write(descriptor, line)
            before = time.perf_counter()
            os.fdatasync(descriptor)
            syncs.append(time.perf_counter() - before)

        append(lines[0])  # the file's first block is not what is measured
        syncs.clear()
        return in_turn(append, lines), syncs


def write_batches(directory: Path, batches: Sequence[Sequence[Mapping[str, Any]]]) -> Sample:
    """Each batch was made JSON with orjson, written in one piece and synced; nothing was looked at."""
    with _appending(directory / "batches.jsonl") as descriptor:

        def append(batch: Sequence[Mapping[str, Any]]) -> None:
            os.write(descriptor, b"\n".join([dumps(event) for event in batch]) + b"\n")
            os.fdatasync(descriptor)

        return in_turn(append, batches)


def write_rows(directory: Path, events: Sequence[Mapping[str, Any]], threads: int, *, shared: bool) -> Sample:
    """Each event is a row of a SQLite table, committed by itself, in WAL mode with synchronous=FULL.

    The table has no index and no full text, which spares SQLite the work. The threads have a connection each, or
    `shared`: one behind a lock.
    """
    path = directory / "events.sqlite"
    connections = [_connect(path) for _ in range(1 if shared else threads)]
    try:
        connections[0].execute(TABLE)
        if not shared:
            return in_threads([_insertion(each) for each in connections], events)
        insert, lock = _insertion(connections[0]), threading.Lock()

        def append(event: Mapping[str, Any]) -> None:
            with lock:
                insert(event)

        return in_threads([append] * threads, events)
    finally:
        for each in connections:
            each.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    return connection


def _insertion(connection: sqlite3.Connection) -> Callable[[Mapping[str, Any]], None]:
    def insert(event: Mapping[str, Any]) -> None:
        row = [event[name] for name in COLUMNS]
        row[-1] = dumps(row[-1]).decode()
        connection.execute(INSERT, row)  # outside a transaction: it is one by itself

    return insert


def log_events(directory: Path, events: Sequence[Mapping[str, Any]], encode: Callable[[object], str]) -> float:
    """Seconds a call of `logging` takes that formats the event as JSON into a file, which is never synced."""

    class AsJson(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return encode(record.__dict__["event"])

    logger = logging.Logger("bench")
    with closing(logging.FileHandler(directory / "log.jsonl", encoding="utf-8")) as handler:
        handler.setFormatter(AsJson())
        logger.addHandler(handler)
        began = time.perf_counter()
        for event in events:
            logger.info("event", extra={"event": event})
        return (time.perf_counter() - began) / len(events)
