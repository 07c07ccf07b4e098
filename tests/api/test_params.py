"""Parameters are taken strictly, and what is wrong with one is named."""

import inspect

import pytest

from stonelog.api import params
from stonelog.api.params import MAX_FACET_FIELDS, Parameters

PATHS = ["/v1/events", "/v1/events/1", "/v1/count", "/v1/facets?field=level", "/v1/histogram", "/v1/stats"]


def refused(answer):
    """The problem document of an answer, which must be 400."""
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


@pytest.mark.parametrize("path", PATHS)
def test_unknown_parameter_is_refused_and_named(get, store, path):
    """A parameter that the path does not know is 400: ignored, a mistyped filter would widen the answer."""
    found = refused(get(path + ("&" if "?" in path else "?") + "usr=ada"))
    assert found["parameter"] == "usr"
    assert "'usr'" in found["detail"]


def test_near_miss_is_suggested(get, store):
    """A mistyped name is answered with the one that was probably meant."""
    assert refused(get("/v1/count?sicne=24h"))["suggestion"] == "since"


@pytest.mark.parametrize("query", ["q=a&q=b", "limit=5&limit=5", "x=1&x=1"])
def test_repeated_parameter_is_refused(get, store, query):
    """A parameter given twice is 400: which one should win?"""
    assert refused(get(f"/v1/events?{query}"))["parameter"] == query[: query.index("=")]


def test_field_may_be_repeated(get, store):
    """`field` is the one parameter that stands several times, and at least once."""
    assert get("/v1/facets?field=level&field=action").status_code == 200
    assert refused(get("/v1/facets"))["parameter"] == "field"
    many = "&".join("field=level" for _ in range(MAX_FACET_FIELDS + 1))
    assert refused(get(f"/v1/facets?{many}"))["parameter"] == "field"


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "1.5", "1e2", "%2B5", "%205", "1_0", "٣", "9" * 400])
@pytest.mark.parametrize("path", ["/v1/events?", "/v1/facets?field=level&"])
def test_bad_limit_is_refused(get, store, path, limit):
    """A limit that is not a whole number from 1 to 1000, in digits, is 400."""
    found = refused(get(f"{path}limit={limit}"))
    assert found["parameter"] == "limit"
    assert "from 1 to 1000" in found["detail"]


@pytest.mark.parametrize("limit", ["1", "1000", ""])
def test_good_limit_is_taken(get, store, limit):
    """1 and 1000 are limits, and an empty one is none."""
    assert get(f"/v1/events?limit={limit}").status_code == 200


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", "2026-11-23T10:00:00", "5y"])
def test_bad_time_is_refused(get, store, name, value):
    """A time that is none is 400, and names the parameter it stood in."""
    assert refused(get("/v1/events", params={name: value}))["parameter"] == name


def test_bad_order_is_refused(get, store):
    """An order that is neither desc nor asc is 400."""
    assert refused(get("/v1/events?order=up"))["parameter"] == "order"


@pytest.mark.parametrize("query", ["q=%ff", "q=%c3", "%e2%82=1", "q=%ed%a0%80"])
def test_query_string_that_is_not_utf8_is_refused(get, store, query):
    """Bytes that are no UTF-8 are 400, not looked for as replacement characters."""
    assert "UTF-8" in refused(get(f"/v1/count?{query}"))["detail"]


def test_every_model_is_strict():
    """No path can forget to be strict: all parameter models have one base."""
    models = [
        model
        for name, model in vars(params).items()
        if name.endswith("Parameters") and inspect.isclass(model) and model is not Parameters
    ]
    assert len(models) >= 6
    assert all(issubclass(model, Parameters) for model in models)


def test_a_plus_that_became_a_space_is_explained(get, store):
    """An offset such as +02:00 sent as it is arrives as a space; the answer says how to write it."""
    answer = get("/v1/count?since=2026-11-23T12:00:00+02:00")
    assert answer.status_code == 400
    assert answer.json()["detail"].endswith("; write + as %2B")
    assert get("/v1/count?since=2026-11-23T12:00:00%2B02:00").status_code == 200
