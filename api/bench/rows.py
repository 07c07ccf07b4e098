"""SQLite as a peer of the index: typed columns, four indexes, full text by FTS5: what one would write first."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

from stonelog.filestore import dumps, loads

from .days import event_lines
from .questions import LIMIT, MOST, QUESTIONS, Ask, Asked
from .references import COLUMNS, INSERT, TABLE

__all__ = ["NAME", "asked_rows", "build_rows", "fill_rows"]

NAME: Final = "SQLite rows + FTS5"
_FILE: Final = "rows.sqlite"
_BATCH: Final = 5_000
_INDEXES: Final = """
create index by_time on events(time);
create index by_category on events(category, level, time);
create index by_user on events(username, time);
create index by_session on events(session_id);
"""
_TEXT: Final = """
create virtual table texts using fts5(message, path, username, content='events', content_rowid='id');
"""
_TRIGGER: Final = """
create trigger inserted after insert on events begin
  insert into texts(rowid, message, path, username) values (new.id, new.message, new.path, new.username);
end;
"""
_CACHE: Final = "pragma cache_size = -200000"
"""200 MB."""


def fill_rows(store: Path, directory: Path) -> None:
    """The events of the store are rows in a database in `directory`, indexed as each came, its text by a trigger."""
    with closing(_connect(directory)) as connection:
        connection.executescript(TABLE + ";" + _INDEXES + _TEXT + _TRIGGER)
        _insert(connection, store)
        connection.execute("pragma wal_checkpoint(truncate)")


def build_rows(store: Path, directory: Path) -> None:
    """The same rows, indexes and text, these made at the end, which is quicker to build and no slower to ask."""
    with closing(_connect(directory)) as connection:
        connection.execute(_CACHE)
        connection.execute(TABLE)
        _insert(connection, store)
        connection.executescript(_INDEXES + _TEXT)
        connection.execute("insert into texts(texts) values ('rebuild')")
        connection.execute("analyze")
        connection.execute("pragma wal_checkpoint(truncate)")


def _connect(directory: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(directory / _FILE, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    return connection


def _insert(connection: sqlite3.Connection, store: Path) -> None:
    rows = _rows(store)
    while batch := list(islice(rows, _BATCH)):
        connection.execute("begin")
        connection.executemany(INSERT, batch)
        connection.execute("commit")


def _rows(store: Path) -> Iterator[list[Any]]:
    """A row for each event; the first gets the id 1, so that an id is a `seq`."""
    for line in event_lines(store):
        fields = loads(line)
        fields["metadata"] = dumps(fields["metadata"]).decode()
        yield [fields[name] for name in COLUMNS]


@contextmanager
def asked_rows(directory: Path, asked: Asked, events: int) -> Iterator[dict[str, Ask]]:
    """Inside the block the questions can be asked, by name, of the database in `directory`, with a generous cache."""

    def ids(rows: list[tuple[Any, ...]]) -> list[int]:
        return [row[0] for row in rows]

    def number(rows: list[tuple[int]]) -> int:
        return rows[0][0]

    by_word = (
        "select * from events where id in "
        "(select rowid from texts where texts match ? order by rowid desc limit ?) order by id desc"
    )
    users = "select username, count(*) n from events group by username order by n desc, username limit 10"
    p95 = "select response_time_ms from events order by response_time_ms limit 1 offset ?"
    with closing(sqlite3.connect(f"{(directory / _FILE).as_uri()}?mode=ro", uri=True)) as connection:
        connection.execute("pragma mmap_size = 2000000000")
        connection.execute(_CACHE)

        def all_of(sql: str, *values: object) -> Any:
            return lambda: connection.execute(sql, values).fetchall()

        fields = "select * from events where category = ? and level = ? order by time desc limit ?"
        request = "select * from events where metadata->>'req' = ?"
        in_range = "select count(*) from events where time >= ? and time < ?"
        asks = (
            Ask(all_of(fields, asked.category, asked.level, LIMIT), ids),
            Ask(all_of(by_word, f"message:{asked.rare}", MOST), ids),
            Ask(all_of(by_word, f"message:{asked.common}", LIMIT), ids),
            Ask(all_of("select count(*) from texts where texts match ?", f"message:{asked.common}"), number),
            Ask(all_of(request, asked.request), ids),
            Ask(all_of(in_range, asked.since, asked.until), number),
            Ask(all_of("select category, count(*) from events group by category"), dict),
            Ask(all_of("select substr(time, 1, 13), count(*) from events group by 1"), dict),
            Ask(all_of(users), list),
            Ask(all_of(p95, math.ceil(events * 95 / 100) - 1), number),
        )
        yield {question.name: ask for question, ask in zip(QUESTIONS, asks, strict=True)}
