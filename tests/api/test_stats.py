"""Counts, facets, histogram and summary over HTTP."""

import pytest


def test_count(get, seven):
    """The count of a query is its number alone."""
    assert get("/v1/count?q=username:ada").json() == {"count": 4}
    assert get("/v1/count?q=caf%C3%A9&since=2026-11-23T12:00:00Z").json() == {"count": 2}
    assert get("/v1/count?q=nothinglikeit").json() == {"count": 0}


def test_count_of_an_empty_store(get, store):
    """A store without events counts nothing, and that is no error."""
    assert get("/v1/count").json() == {"count": 0}


def test_facets(get, seven):
    """Each field asked for has its values, the most frequent first."""
    assert get("/v1/facets?field=username&field=action").json() == {
        "facets": {
            "username": [{"value": "ada", "count": 4}, {"value": "bob", "count": 3}],
            "action": [{"value": "login", "count": 5}, {"value": "login_failed", "count": 2}],
        }
    }


def test_facets_limit_and_filter(get, seven):
    """`limit` bounds the values of a field, `q` the events."""
    answer = get("/v1/facets?field=username&limit=1&q=action:login_failed").json()
    assert [len(values) for values in answer["facets"].values()] == [1]
    assert answer["facets"]["username"][0]["count"] == 1


def test_facet_of_an_unknown_field_is_refused(get, seven):
    """A field that there is not is 400, and named."""
    refused = get("/v1/facets?field=usernam")
    assert refused.status_code == 400
    assert "usernam" in refused.json()["detail"]


def test_histogram(get, seven):
    """Buckets have their start in UTC and their count, oldest first."""
    answer = get("/v1/histogram?step=1h").json()
    assert answer == {
        "step": "1h",
        "buckets": [
            {"start": "2026-11-23T10:00:00.000000Z", "count": 2},
            {"start": "2026-11-23T11:00:00.000000Z", "count": 3},
            {"start": "2026-11-23T12:00:00.000000Z", "count": 2},
        ],
    }


def test_histogram_by_field(get, seven):
    """Split by a field, a bucket has a count for each value; one without events is still there."""
    answer = get("/v1/histogram?step=1h&by=level&q=action:login_failed%20OR%20number%201").json()
    assert answer["by"] == "level"
    assert [bucket["counts"] for bucket in answer["buckets"]] == [{"info": 1}, {"warning": 1}, {"warning": 1}]


@pytest.mark.parametrize("step", ["0s", "1y", "h", "-1h"])
def test_bad_step_is_refused(get, seven, step):
    """A step that is none is 400."""
    assert get("/v1/histogram", params={"step": step}).status_code == 400


def test_histogram_of_too_many_buckets_is_refused(get, seven):
    """A step so short that the answer would have no bound is 400, not an endless answer."""
    seven.append(category="api", action="read", time="1999-01-01T00:00:00Z")
    assert get("/v1/histogram?step=1s").status_code == 400


def test_summary(get, seven):
    """The summary has the totals, response times and the times of the first and the last event."""
    answer = get("/v1/stats?q=username:ada").json()
    assert answer["events"] == 4
    assert answer["by_level"] == {"info": 3, "warning": 1}
    assert answer["by_category"] == {"authentication": 4}
    assert answer["users"] == 1
    assert answer["response_time_ms"]["p99"] == 10.5
    assert answer["risk_score"] == {"mean": 15.0, "max": 15}  # the failed login
    assert answer["first_time"] == "2026-11-23T10:00:01.000000Z"
    assert answer["last_time"] == "2026-11-23T12:00:07.000000Z"


def test_summary_of_nothing(get, store):
    """The summary of no events has nulls where there is nothing to say."""
    answer = get("/v1/stats").json()
    assert answer["events"] == 0
    assert answer["first_time"] is None
    assert answer["response_time_ms"] is None
