"""Facets, histograms and figures from blocks agree with a plain loop over the events, whatever the blocks hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from answers import Expected
from blocks import Asked, PlainShard, PlainView
from fakeblock import block_of
from stonelog.indexer import kept as kept_module
from stonelog.indexer import stats as stats_module
from stonelog.indexer.aggregate import facets, histogram
from stonelog.indexer.span import instant
from stonelog.indexer.stats import stats
from strategies import stored_fields

DAY = 86_400_000_000
_START = instant("2026-11-23")
FIELDS = [
    *("level", "category", "outcome", "status_code", "risk_score", "response_time_ms", "ip_address", "username"),
    *("tags", "message", "session_id", "time", "seq", "metadata.a", "metadata.b", "metadata.a.b", "metadata.b.c"),
]


@pytest.fixture(autouse=True, scope="module")
def blocks_are_large() -> Iterator[None]:
    """Those of four events are, so that their sums are kept; smaller ones are not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_module, "_LARGE", 4)
        yield


def expected(events: list[dict[str, Any]]) -> Expected:
    found = object.__new__(Expected)
    found.events = events
    return found


@st.composite
def views(draw: st.DrawFn) -> PlainView:
    """Up to three shards of up to two blocks, with missing `seq`s and segments, and a few events behind them."""
    shards = []
    seq = 1
    for identity in range(draw(st.integers(0, 3))):
        blocks = []
        for _ in range(draw(st.integers(1, 2))):
            events = []
            for _ in range(draw(st.integers(1, 8))):
                seq += draw(st.sampled_from([1, 1, 1, 3]))
                events.append(draw(stored_fields(seq=seq)))
            rows = [event["seq"] - events[0]["seq"] for event in events]
            gone = draw(st.just([]) | st.lists(st.sampled_from(rows), max_size=2))
            blocks.append(block_of(events, gone, draw(st.sampled_from([1, 2, 7]))))
            seq += 1
        shards.append(PlainShard(identity, draw(st.booleans()), blocks))
    tail = [draw(stored_fields(seq=seq + number)) for number in range(draw(st.integers(0, 3)))]
    return PlainView(shards, tail)


asked = st.builds(
    Asked,
    st.sampled_from([None, None, lambda event: event["level"] in ("info", "error"), lambda event: event["seq"] % 2]),
    st.none() | st.integers(0, 3 * DAY).map(lambda after: _START + after),
    st.none() | st.integers(0, 3 * DAY).map(lambda after: _START + after),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(views(), asked, st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3, unique=True))
def test_facets_are_those_of_the_events(view: PlainView, question: Asked, names: list[str]) -> None:
    """Asked twice, since sums of sealed shards are kept."""
    events = expected(view.answers(question))
    for _ in range(2):
        assert facets(view, question, names, 5) == {name: events.facet(name, 5) for name in names}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    views(),
    asked,
    st.sampled_from(
        [timedelta(minutes=1), timedelta(hours=1), timedelta(hours=7), timedelta(days=1), timedelta(days=7)]
    ),
    st.none() | st.sampled_from(FIELDS),
)
def test_a_histogram_is_that_of_the_events(view: PlainView, question: Asked, step: timedelta, by: str | None) -> None:
    """By rollups, by spans and by rows the answer is the same."""
    width = step // timedelta(microseconds=1)
    assert histogram(view, question, width, by) == expected(view.answers(question)).histogram(step, by)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(views(), asked, st.sampled_from([0, 5, 20_000]))
def test_figures_are_those_of_the_events(view: PlainView, question: Asked, exact: int) -> None:
    """Exact for few events; for many the response times are near, and so few different users are still exact."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stats_module, "EXACT", exact)
        events = view.answers(question)
        true = expected(events).stats()
        del true["within"]
        for _ in range(2):
            found = dataclasses.asdict(stats(view, question))
            within = found.pop("within")
            near = len(events) > exact and true["response_time_ms"] is not None
            assert within == ({"response_time_ms": 0.01} if near else {})
            if near:
                told, times = found.pop("response_time_ms"), true["response_time_ms"]
                assert told == pytest.approx(times, rel=0.01, abs=1e-3)
                assert found == {name: value for name, value in true.items() if name != "response_time_ms"}
            else:
                assert found == true


def test_kept_sums_are_not_changed_by_what_is_added() -> None:
    """What stands behind the sealed shards is not counted into what is kept of them."""
    event = {"time": "2026-11-23T00:00:00.000000Z", "level": "info", "category": "api", "action": "read"}
    shard = PlainShard(1, True, [block_of([{"seq": seq, **event} for seq in range(1, 6)])])
    view = PlainView([shard], [{"seq": 6, **event}])
    for _ in range(3):
        assert facets(view, Asked(), ["level"], 1) == {"level": [("info", 6)]}


def test_sealed_shards_are_counted_once_and_no_line_is_read() -> None:
    """What is stored with the blocks answers questions about all events."""
    event = {"time": "2026-11-23T00:00:00.000000Z", "level": "info", "category": "api", "action": "read"}
    block = block_of([{"seq": seq, **event, "username": f"u{seq}"} for seq in range(1, 30)])
    view = PlainView([PlainShard(1, True, [block])])
    facets(view, Asked(), ["username", "level"], 3)
    histogram(view, Asked(), DAY, "level")
    stats(view, Asked())
    assert block.lines_read == 0
    block.counts = block.postings = None
    assert facets(view, Asked(), ["level"], 3) == {"level": [("info", 29)]}
