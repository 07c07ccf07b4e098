"""Whatever the index covers, its answers are those of a plain look at every line."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from answers import Expected, walk, write_lines
from shards import lose, shard_by_shard
from stonelog.indexer import Index
from stonelog.indexer.planning import Sizes
from stonelog.indexer.tree import Node
from strategies import render, stored_fields, trees

BASE = datetime(2026, 11, 23, tzinfo=UTC)
STEPS = {"1s": 1, "7m": 420, "1h": 3600, "1d": 86_400, "1w": 604_800}
FIELDS = [
    *("level", "category", "action", "outcome", "username", "ip_address", "status_code", "response_time_ms"),
    *("risk_score", "tags", "message", "path", "country", "asn", "time", "seq", "metadata.a", "metadata.a.b"),
    *("risk_reasons", "redacted", "service", "metadata.", "metadata.b"),
]
events = st.lists(stored_fields(), max_size=12)
bounds = st.none() | st.integers(0, 3 * 86_400).map(lambda seconds: BASE + timedelta(seconds=seconds))


@contextmanager
def views(lines: list[dict[str, Any]], split: int, new_day: bool, lost: int) -> Iterator[list[Index]]:
    """The lines in a store as six indexes see them: none there, half of it, all of it, many shards, many shards of
    which one is `lost`, and told not to look."""
    with tempfile.TemporaryDirectory() as parent:
        names = ("whole", "partly", "bare", "shards", "gaps")
        whole, partly, _, shards, gaps = directories = [Path(parent) / name for name in names]
        later = "2026-11-24" if new_day else "2026-11-23"
        for directory in directories:
            write_lines(directory, lines[:split])
            if directory == partly:
                assert shard_by_shard(directory, Sizes()) == split
            if directory in (shards, gaps):
                assert shard_by_shard(directory) == split
            write_lines(directory, lines[split:], first=split + 1, day=later)
        assert shard_by_shard(whole, Sizes()) == shard_by_shard(shards) == len(lines)
        lose(gaps, lost)
        with ExitStack() as stack:
            opened = [stack.enter_context(Index.open(directory)) for directory in directories]
            yield [*opened, stack.enter_context(Index.open(whole, scan=True))]


@given(lines=events, asked=st.lists(trees, min_size=1, max_size=5), data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_pages_and_counts_agree(lines: list[dict[str, Any]], asked: list[Node], data: st.DataObject) -> None:
    """Every way to page through a query's answers gives the same events, each once, and their count."""
    split = data.draw(st.integers(0, len(lines)))
    limit = data.draw(st.integers(1, 9))
    since, until = data.draw(bounds), data.draw(bounds)
    with views(lines, split, data.draw(st.booleans()), data.draw(st.integers(0, 2))) as indexes:
        for q in map(render, asked):
            expected = Expected(indexes[0].directory, q, since=since, until=until).seqs
            for index in indexes:
                assert walk(index, q, order="asc", limit=limit, since=since, until=until) == expected, q
                assert walk(index, q, order="desc", limit=limit, since=since, until=until) == expected[::-1], q
                assert index.count(q, since=since, until=until) == len(expected), q


@given(lines=events, asked=st.none() | trees, data=st.data())
@settings(max_examples=70, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_figures_agree(lines: list[dict[str, Any]], asked: Node | None, data: st.DataObject) -> None:
    """Facets, histograms and statistics are those that plain counting gives."""
    q = "" if asked is None else render(asked)
    split, limit = data.draw(st.integers(0, len(lines))), data.draw(st.integers(1, 9))
    since, until = data.draw(bounds), data.draw(bounds)
    fields = data.draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=6, unique=True))
    by = data.draw(st.none() | st.sampled_from(FIELDS))
    step = data.draw(st.sampled_from(list(STEPS)))
    with views(lines, split, data.draw(st.booleans()), data.draw(st.integers(0, 2))) as indexes:
        for start, end in ((None, None), (since, until)):
            expected = Expected(indexes[0].directory, q, since=start, until=end)
            width = timedelta(seconds=STEPS[step])
            for index in indexes:
                facets = index.facets(q, fields, limit=limit, since=start, until=end)
                assert facets == {field: expected.facet(field, limit) for field in fields}
                assert all(
                    type(value) is type(other)
                    for field in fields
                    for (value, _), (other, _) in zip(facets[field], expected.facet(field, limit), strict=True)
                )
                if step != "1s" and by is None:
                    assert index.histogram(q, step=step, since=start, until=end) == expected.histogram(width)
                elif step != "1s":
                    assert index.histogram(q, step=step, by=by, since=start, until=end) == expected.histogram(width, by)
                assert dataclasses.asdict(index.stats(q, since=start, until=end)) == expected.stats()
