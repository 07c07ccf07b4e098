"""Facets, histograms and statistics: small stores with known answers. tests/property compares them at random."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonelog.filestore import Store
from stonelog.indexer import Index, QueryError
from stonelog.indexer.stats import percentile


@pytest.fixture(params=["indexed", "partly", "scan"])
def index(request: pytest.FixtureRequest, store: Store, directory: Path):
    """Ten events of the fixture and three more, seen through the index, partly through it, and without it."""
    with Index.open(directory, scan=request.param == "scan") as index:
        if request.param == "partly":
            index.catch_up()
        store.append_many(
            {"category": "security", "action": "read", "time": "2026-11-24T00:00:00Z", **more}
            for more in (
                {"level": "error", "tags": ["a", "b", "a"], "response_time_ms": 5, "risk_score": 1, "user_id": "u"},
                {"level": "critical", "tags": ["b"], "response_time_ms": 7.5, "risk_score": 2, "session_id": "s"},
                {"ip_address": "2001:DB8::0:1", "username": "ada", "metadata": {"number": "3", "x": [1, 1.0, True]}},
            )
        )
        if request.param == "indexed":
            index.catch_up()
        yield index


def test_facets_rank_by_count_then_value(index: Index) -> None:
    """The most frequent come first, equals by value; an absent field counts nothing."""
    assert index.facets("", ["username", "level", "host"]) == {
        "username": [("ada", 6), ("grace", 5)],
        "level": [("info", 11), ("critical", 1), ("error", 1)],
        "host": [],
    }
    assert index.facets("", ["level"], limit=2) == {"level": [("info", 11), ("critical", 1)]}


def test_facets_count_an_event_once_for_each_distinct_element(index: Index) -> None:
    """A tag that stands twice on an event counts once."""
    assert index.facets("", ["tags"])["tags"] == [("b", 2), ("a", 1)]


def test_facets_of_metadata_are_texts(index: Index) -> None:
    """A number and a text that writes it are one value; integers, floats and booleans are told apart as JSON does."""
    found = index.facets("", ["metadata.number", "metadata.x"], limit=20)
    assert dict(found["metadata.number"]) == {str(number): 1 + (number == 3) for number in range(1, 11)}
    assert found["metadata.x"] == [("1", 1), ("1.0", 1), ("true", 1)]


def test_facets_of_numbers_are_numbers(index: Index) -> None:
    """Values have the type they have on the line."""
    assert index.facets("", ["response_time_ms", "risk_score", "ip_address"]) == {
        "response_time_ms": [(5.0, 1), (7.5, 1)],
        "risk_score": [(1, 1), (10, 1), (2, 1)],  # an event of security without a score of its own
        "ip_address": [("2001:db8::1", 1)],
    }


def test_facets_keep_to_the_question(index: Index) -> None:
    """Query and bounds hold for facets too."""
    assert index.facets("ada", ["username"], until="2026-11-24") == {"username": [("ada", 5)]}


@pytest.mark.parametrize(
    ("field", "meant"), [("usernme", "username"), ("metadata", "metadata"), ("nothing", "metadata")]
)
def test_an_unknown_field_is_refused(index: Index, field: str, meant: str) -> None:
    """The error names what was meant."""
    with pytest.raises(QueryError, match=field) as caught:
        index.facets("", [field])
    assert meant in caught.value.suggestion
    with pytest.raises(QueryError, match=field):
        index.histogram("", by=field)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_of_nothing_is_refused(index: Index, limit: int) -> None:
    """Cutting the list from behind would be no answer."""
    with pytest.raises(QueryError, match="limit"):
        index.facets("", ["level"], limit=limit)


def test_a_histogram_has_no_gaps(index: Index) -> None:
    """Empty steps between others are there, none before the first or after the last."""
    found = index.histogram("level:error OR number", step="1h")
    assert found[0] == (datetime(2026, 11, 23, 1, tzinfo=UTC), 1)
    assert found[-1] == (datetime(2026, 11, 24, 0, tzinfo=UTC), 1)
    assert [count for _, count in found] == [1] * 10 + [0] * 13 + [1]
    assert index.histogram("nothing") == []


def test_a_histogram_is_split_by_a_field(index: Index) -> None:
    """With `by` each step has a count for each of its values; events without the field keep their step."""
    found = index.histogram("", step="1d", by="level")
    assert found == [
        (datetime(2026, 11, 23, tzinfo=UTC), {"info": 10}),
        (datetime(2026, 11, 24, tzinfo=UTC), {"error": 1, "critical": 1, "info": 1}),
    ]
    assert index.histogram("level:error", step="1d", by="host") == [(datetime(2026, 11, 24, tzinfo=UTC), {})]


def test_weeks_begin_on_mondays(index: Index) -> None:
    """2026-11-23 is one."""
    assert index.histogram("", step="1w") == [(datetime(2026, 11, 23, tzinfo=UTC), 13)]


@pytest.mark.parametrize("step", ["999999999w", "99999999w", "9999999d"])
def test_a_step_longer_than_all_time_is_one_bucket(index: Index, step: str) -> None:
    """A step need not be a number that SQLite can hold."""
    assert index.histogram("", step=step) == [(datetime(1, 1, 1, tzinfo=UTC), 13)]


def test_too_many_steps_are_refused(store: Store, directory: Path) -> None:
    """A histogram that nobody can read is refused, with what to do."""
    store.append(category="api", action="read", time="1970-01-01T00:00:00Z")
    with Index.open(directory) as index:
        for _ in range(2):
            with pytest.raises(QueryError, match="at most 100,000") as caught:
                index.histogram("", step="1s")
            assert "longer step" in caught.value.suggestion
            index.catch_up()


@pytest.mark.parametrize("step", ["", "0s", "1", "h", "-1h", "1.5h", "1y", "1h "[::-1] + "x"])
def test_a_step_that_is_none_is_refused(index: Index, step: str) -> None:
    """A step is a whole number above 0 and a unit."""
    with pytest.raises(QueryError, match="is no step"):
        index.histogram("", step=step)


def test_statistics(index: Index) -> None:
    """Every figure of a store that can be counted by hand."""
    found = index.stats()
    assert (found.events, found.errors) == (13, 2)
    assert found.by_level == {"info": 11, "error": 1, "critical": 1}
    assert found.by_category == {"api": 10, "security": 3}
    assert (found.users, found.sessions, found.addresses) == (3, 1, 1)
    assert found.response_time_ms == {"p50": 5.0, "p95": 7.5, "p99": 7.5}
    assert found.risk_score == {"mean": 4.333, "max": 10}
    assert found.first_time == datetime(2026, 11, 23, 1, 30, tzinfo=UTC)
    assert found.last_time == datetime(2026, 11, 24, tzinfo=UTC)
    assert found.within == {}


def test_statistics_of_nothing(index: Index) -> None:
    """Nothing found is zeros and None, never an error."""
    found = index.stats("nothing")
    assert (found.events, found.by_level, found.response_time_ms, found.first_time) == (0, {}, None, None)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=250), st.sampled_from([50, 95, 99]))
def test_percentiles_are_of_the_nearest_rank(values: list[int], percent: int) -> None:
    """The percentile is the smallest value that at least so many percent of all do not exceed."""
    found = percentile(Counter(values), percent)
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)
