"""DuckDB as a peer of the index, where it is installed: columns in a file of its own. No dependency of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from .questions import LIMIT, MOST, QUESTIONS, Ask, Asked
from .references import COLUMNS

__all__ = ["ABSENT", "NAME", "asked_columns", "fill_columns", "has_columns"]

NAME: Final = "DuckDB, loaded"
ABSENT: Final = "DuckDB is not installed, and was not measured; `pip install duckdb` beside stonelog to have it"
_FILE: Final = "columns.duckdb"
_TYPES: Final = {"text": "VARCHAR", "int": "BIGINT", "real": "DOUBLE"}
_MEMORY: Final = "set memory_limit = '512MB'"
"""So that a run of ten million events is bounded; the file of one million takes a fifth of it."""


def has_columns() -> bool:
    """Whether DuckDB can be imported."""
    return find_spec("duckdb") is not None


def _connect(directory: Path) -> Any:
    connection = import_module("duckdb").connect(str(directory / _FILE))
    connection.execute(_MEMORY)
    connection.execute("set enable_progress_bar = false")  # it would be drawn over ours
    return connection


def fill_columns(store: Path, directory: Path) -> None:
    """The events of the store are in a database in `directory`."""
    types = {"seq": "BIGINT"} | {name: _TYPES[kind] for name, kind in COLUMNS.items()} | {"metadata": "JSON"}
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in types.items())
    source = str(store / "events" / "*.jsonl").replace("'", "''")
    lines = f"read_json('{source}', format='newline_delimited', columns={{{columns}}})"
    with closing(_connect(directory)) as connection:
        connection.execute(f"create table events as select * from {lines}")  # noqa: S608 (of this module and `store`)
        connection.execute("checkpoint")


@contextmanager
def asked_columns(directory: Path, asked: Asked) -> Iterator[dict[str, Ask]]:
    """Inside the block the questions can be asked, by name, of the database in `directory`."""

    def seqs(rows: list[tuple[Any, ...]]) -> list[int]:
        return [row[0] for row in rows]

    def number(rows: list[tuple[Any]]) -> Any:
        return rows[0][0]

    hits = r"from events where regexp_matches(message, '\b' || ? || '\b')"
    newest = f"select * {hits} order by seq desc limit ?"
    fields = "select * from events where category = ? and level = ? order by seq desc limit ?"
    in_range = "select count(*) from events where time >= ? and time < ?"
    users = "select username, count(*) n from events group by username order by n desc, username limit 10"
    with closing(_connect(directory)) as connection:

        def all_of(sql: str, *values: object) -> Any:
            return lambda: connection.execute(sql, list(values)).fetchall()

        asks = (
            Ask(all_of(fields, asked.category, asked.level, LIMIT), seqs),
            Ask(all_of(newest, asked.rare, MOST), seqs),
            Ask(all_of(newest, asked.common, LIMIT), seqs),
            Ask(all_of(f"select count(*) {hits}", asked.common), number),
            Ask(all_of("select * from events where metadata->>'req' = ?", asked.request), seqs),
            Ask(all_of(in_range, asked.since, asked.until), number),
            Ask(all_of("select category, count(*) from events group by category"), dict),
            Ask(all_of("select substr(time, 1, 13), count(*) from events group by 1"), dict),
            Ask(all_of(users), list),
            Ask(all_of("select quantile_disc(response_time_ms, 0.95) from events"), number),
        )
        yield {question.name: ask for question, ask in zip(QUESTIONS, asks, strict=True)}
