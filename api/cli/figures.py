"""`count`, `stats`, `facets` and `histogram`: figures over the events that a query finds.

With `-o json` they print the documents that /v1/count, /v1/stats, /v1/facets and /v1/histogram answer with.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from .options import (
    nothing_found,
    opened_index,
    output_option,
    query_argument,
    scan_option,
    store_option,
    window_options,
)
from .program import DONE, NOTHING
from .tables import facet_lines, histogram_lines, stats_lines
from .terminal import columns, put

__all__ = ["count", "facets", "histogram", "stats"]

_form = output_option("text", "json", default="text")


def _put_json(document: object) -> None:
    put(json.dumps(document, ensure_ascii=True, default=_json_value))


def _json_value(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    raise TypeError(f"{type(value).__name__} has no JSON form")


@click.command()
@query_argument
@window_options
@_form
@scan_option
@store_option
def count(directory: Path, query: str, since: str | None, until: str | None, output: str, scan: bool) -> int:
    """Print how many events match: the number alone.

    The status is 1 if there are none.
    """
    with opened_index(directory, scan=scan) as index:
        number = index.count(query, since=since, until=until)
    if output == "json":
        _put_json({"count": number})
    else:
        put(str(number))
    return DONE if number else NOTHING


@click.command()
@query_argument
@window_options
@_form
@scan_option
@store_option
def stats(directory: Path, query: str, since: str | None, until: str | None, output: str, scan: bool) -> int:
    """Summarise levels, people, response time, risk."""
    with opened_index(directory, scan=scan) as index:
        summary = index.stats(query, since=since, until=until)
    if output == "json":
        _put_json(asdict(summary))
    else:
        for line in stats_lines(summary):
            put(line)
    return DONE if summary.events else nothing_found()


@click.command()
@click.argument("fields", nargs=-1, required=True, metavar="FIELD...")
@click.option("-q", "--query", default="", help="Count only the events that match.")
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=10, show_default=True, help="So many values of a field."
)
@window_options
@_form
@scan_option
@store_option
def facets(
    directory: Path,
    fields: Sequence[str],
    query: str,
    limit: int,
    since: str | None,
    until: str | None,
    output: str,
    scan: bool,
) -> int:
    """Count the events by the values of fields."""
    with opened_index(directory, scan=scan) as index:
        found = index.facets(query, fields, limit=limit, since=since, until=until)
    if output == "json":
        values = {name: [{"value": value, "count": times} for value, times in pairs] for name, pairs in found.items()}
        _put_json({"facets": values})
    else:
        for line in facet_lines(found):
            put(line)
    return DONE if any(found.values()) else nothing_found()


@click.command()
@query_argument
@click.option("--step", default="1h", show_default=True, help="The width of a bucket, such as 10s, 5m, 1h, 1d, 1w.")
@click.option("--by", metavar="FIELD", help="Split each bucket by the values of a field.")
@window_options
@_form
@scan_option
@store_option
def histogram(
    directory: Path,
    query: str,
    step: str,
    by: str | None,
    since: str | None,
    until: str | None,
    output: str,
    scan: bool,
) -> int:
    """Count the events over time, a bar for each step (UTC)."""
    with opened_index(directory, scan=scan) as index:
        buckets = index.histogram(query, step=step, by=by, since=since, until=until)
    if output == "json":
        split = {"by": by} if by else {}
        entries = [{"start": start, "counts" if by else "count": value} for start, value in buckets]
        _put_json({"step": step, **split, "buckets": entries})
    else:
        for line in histogram_lines(buckets, columns()):
            put(line)
    return DONE if buckets else nothing_found()
