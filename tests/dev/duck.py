"""What DuckDB answers, straight from a store's files: a reference in which no code of ours reads, parses or decides.

Of each line it makes rows of `leaves`: a path (`username`, `tags`, `metadata.a.b`; lists are looked through) and its
value as text, and as an integer or a double if it is one. What is asked of them is `asked.Asked`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from asked import Asked, utc

__all__ = ["Duck", "Found"]

_SETUP = r"""
CREATE MACRO v4(given) AS CASE WHEN regexp_full_match(given, '\d+\.\d+\.\d+\.\d+') THEN
    list_reduce(list_transform(string_split(given, '.'), lambda part: TRY_CAST(part AS BIGINT)),
                lambda high, low: high * 256 + low) END;
CREATE MACRO groups(given) AS list_filter(string_split(given, ':'), lambda part: part <> '');
CREATE MACRO zeros(given) AS list_transform(range(8 - len(groups(given))), lambda place: '0');
CREATE MACRO v6(given) AS CASE WHEN contains(given, ':') THEN
    array_to_string(list_transform(
        groups(split_part(given, '::', 1)) || zeros(given) || groups(split_part(given, '::', 2)),
        lambda part: lpad(part, 4, '0')), '') END;
CREATE MACRO plain(given) AS lower(strip_accents(given));
"""
_READ = """
CREATE OR REPLACE TEMP TABLE lines AS
    SELECT (json->>'$.seq')::BIGINT AS seq, (json->>'$.time')::TIMESTAMP AS time, json FROM read_ndjson_objects(?);
"""
_LEAVES = """
CREATE OR REPLACE TEMP TABLE leaves AS
WITH RECURSIVE tree(seq, trail, node) AS (
    SELECT seq, NULL::VARCHAR, json FROM lines
    UNION ALL
    SELECT seq, CASE json_type(node) WHEN 'OBJECT' THEN coalesce(trail || '.', '') || e.key ELSE trail END, e.value
    FROM tree, json_each(node) AS e WHERE json_type(node) IN ('OBJECT', 'ARRAY')
)
SELECT seq, trail AS path, json_type(node) AS kind, node->>'$' AS text,
    CASE WHEN kind IN ('BIGINT', 'UBIGINT') THEN node::HUGEINT END AS whole,
    CASE WHEN kind = 'DOUBLE' THEN node::DOUBLE END AS real
FROM tree WHERE kind NOT IN ('OBJECT', 'ARRAY', 'NULL');
"""
_RENAME = """
UPDATE leaves SET text = shown
FROM (SELECT unnest(?) AS known, unnest(?) AS shown) WHERE kind = 'DOUBLE' AND text = known;
"""
_STATS = """
SELECT count(*), count(*) FILTER (json->>'$.level' IN ('error', 'critical')),
    count(DISTINCT coalesce(nullif(json->>'$.user_id', ''), nullif(json->>'$.username', ''))),
    count(DISTINCT json->>'$.session_id'), count(DISTINCT json->>'$.ip_address'),
    quantile_disc((json->'$.response_time_ms')::DOUBLE, [0.5, 0.95, 0.99]),
    avg((json->'$.risk_score')::INTEGER), max((json->'$.risk_score')::INTEGER), min(time), max(time)
FROM lines SEMI JOIN found USING (seq);
"""
_FACETS = """
SELECT path, text, CASE WHEN free THEN NULL ELSE whole END, CASE WHEN free THEN NULL ELSE real END, count(DISTINCT seq)
FROM (SELECT *, starts_with(path, 'metadata.') AS free FROM leaves SEMI JOIN found USING (seq))
WHERE list_contains(?, path) GROUP BY ALL;
"""


def _where(asked: Asked, since: Any, until: Any) -> tuple[str, list[Any]]:
    period = [("time >= ?", since), ("time < ?", until)]
    given = [(sql, utc(bound)) for sql, bound in period if bound is not None]
    return " AND ".join([*(sql for sql, _ in given), f"({asked.sql})"]), [*(bound for _, bound in given), *asked.values]


class Duck:
    """A DuckDB of its own in memory, which has read the lines of a store."""

    def __init__(self) -> None:
        import duckdb

        self._db = duckdb.connect(config={"threads": 1})
        self._db.execute(_SETUP)

    def close(self) -> None:
        self._db.close()

    def read(self, directory: Path) -> int:
        """The lines are those of all segments, sealed ones too; gives their number."""
        segments = [str(path) for path in Path(directory, "events").glob("*.jsonl*") if path.stat().st_size]
        self._db.execute(_READ, [segments])
        self._db.execute(_LEAVES)
        # DuckDB writes some doubles in another notation than the line has: 10000000000000000.0 for 1e16.
        doubles = [text for (text,) in self._rows("SELECT DISTINCT text FROM leaves WHERE kind = 'DOUBLE'")]
        self._db.execute(_RENAME, [doubles, [orjson.dumps(float(text)).decode() for text in doubles]])
        return int(self._rows("SELECT count(*) FROM lines")[0][0])

    def leaves(self) -> list[tuple[str, str, int | float | None]]:
        """Each path and value that occurs, as text and, if it is one, as a number; in a fixed order."""
        rows = self._rows("SELECT DISTINCT path, text, whole, real FROM leaves ORDER BY ALL")
        return [(path, text, real if whole is None else whole) for path, text, whole, real in rows]

    def seqs(self, asked: Asked, *, since: Any = None, until: Any = None) -> list[int]:
        """The `seq`s of what is asked, in their order."""
        where, values = _where(asked, since, until)
        return [seq for (seq,) in self._rows(f"SELECT seq FROM lines WHERE {where} ORDER BY seq", *values)]

    def found(self, asked: Asked, *, since: Any = None, until: Any = None) -> Found:
        """The figures of what is asked."""
        where, values = _where(asked, since, until)
        self._rows(f"CREATE OR REPLACE TEMP TABLE found AS SELECT seq, time FROM lines WHERE {where}", *values)
        return Found(self)

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        return list(self._db.execute(sql, values).fetchall())


class Found:
    """What the last question found; holds until the next is asked."""

    def __init__(self, duck: Duck) -> None:
        self._rows = duck._rows

    def facets(self, fields: Sequence[str], limit: int) -> dict[str, list[tuple[Any, int]]]:
        """An event counts once for each distinct value; values of metadata are texts."""
        counts: dict[str, list[tuple[Any, int]]] = {field: [] for field in fields}
        for field, text, whole, real, events in self._rows(_FACETS, list(fields)):
            value = text if whole is None and real is None else real if whole is None else whole
            counts[field].append((value, events))
        return {
            field: sorted(some, key=lambda item: (-item[1], str(item[0])))[:limit] for field, some in counts.items()
        }

    def histogram(self, step: str, by: str | None = None) -> list[tuple[datetime, Any]]:
        """`step` is an interval such as `1 hour`; empty ones between others are there."""
        bucket = f"time_bucket(INTERVAL '{step}', time, TIMESTAMP '0001-01-01')"
        every = f"SELECT unnest(generate_series(min({bucket}), max({bucket}), INTERVAL '{step}')) AS start FROM found"
        if by is None:
            counts = f"SELECT {bucket} AS start, count(*) AS n FROM found GROUP BY ALL"
            rows = self._rows(
                f"SELECT start, coalesce(n, 0) FROM ({every}) LEFT JOIN ({counts}) USING (start) ORDER BY start"
            )
            return [(start.replace(tzinfo=UTC), n) for start, n in rows]
        split: dict[datetime, dict[str, int]] = {start: {} for (start,) in self._rows(f"{every} ORDER BY start")}
        counts = f"SELECT {bucket}, text, count(DISTINCT seq) FROM found JOIN leaves USING (seq)"
        for start, value, n in self._rows(f"{counts} WHERE path = ? GROUP BY ALL", by):
            split[start][value] = n
        return [(start.replace(tzinfo=UTC), counts) for start, counts in split.items()]

    def stats(self) -> dict[str, Any]:
        """The figures, all exact, in the form of `dataclasses.asdict(Stats)`."""
        (row,) = self._rows(_STATS)
        events, errors, users, sessions, addresses, percentiles, mean, most, first, last = row
        counts = self.facets(["level", "category"], events or 1)
        response = None if percentiles is None else dict(zip(("p50", "p95", "p99"), percentiles, strict=True))
        return {
            "events": events,
            "errors": errors,
            "by_level": dict(counts["level"]),
            "by_category": dict(counts["category"]),
            "users": users,
            "sessions": sessions,
            "addresses": addresses,
            "response_time_ms": response,
            "risk_score": None if mean is None else {"mean": round(mean, 3), "max": most},
            "first_time": None if first is None else first.replace(tzinfo=UTC),
            "last_time": None if last is None else last.replace(tzinfo=UTC),
            "within": {},
        }
