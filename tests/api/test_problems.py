"""Every error is a problem document, and none says more than the caller may know."""

import json
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stonelog.api.problems import KINDS
from stonelog.indexer import Index, IndexUnavailable


def problem_of(answer):
    """The document, after what RFC 9457 asks of every one."""
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert {"type", "title", "status", "detail"} <= found.keys()
    assert found["status"] == answer.status_code
    kind = next(kind for kind in KINDS if kind.type == found["type"])
    assert (kind.status, kind.title) == (found["status"], found["title"])
    return found


def test_bad_query_has_position_and_suggestion(get, store):
    """A query error says where in the query, and what was probably meant."""
    found = problem_of(get("/v1/events", params={"q": "hello usernam:ada"}))
    assert found["type"].endswith(":bad-query")
    assert found["position"] == 6
    assert "username" in found["suggestion"]


@pytest.mark.parametrize("q", ['"open', "((", "status_code:abc", "level:>=loud", "ip_address:10.0.0.0/99", "NOT"])
def test_query_that_cannot_be_understood(get, store, q):
    """Whatever is wrong with a query, it is 400 with a position inside it or at its end."""
    found = problem_of(get("/v1/count", params={"q": q}))
    assert 0 <= found["position"] <= len(q)


def test_too_long_a_query(get, store):
    """A query beyond the language's limit is 400."""
    assert problem_of(get("/v1/count", params={"q": "a" * 8193}))["status"] == 400


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v1/events/", "/v2/events", "/docs", "/redoc", "/v1/events/1/2"])
def test_unknown_path(get, store, path):
    """A path that there is not is 404; nothing is redirected, and no page loads scripts from elsewhere."""
    assert problem_of(get(path))["type"].endswith(":no-such-path")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", ["/v1/events", "/v1/count", "/livez"])
def test_wrong_method(get, store, method, path):
    """A method that the path does not take is 405, and Allow says which it does."""
    answer = get(path, method=method)
    assert problem_of(answer)["type"].endswith(":method-not-allowed")
    assert answer.headers["allow"] == "GET"


def test_internal_error_tells_only_its_number(get, app, store, monkeypatch, caplog):
    """An error that nobody foresaw is 500 without its cause; the log has the cause beside the same number."""

    def broken(index):
        raise RuntimeError("secret cause")

    monkeypatch.setattr(app.state.access, "_opened", lambda: broken(None))
    answer = get("/v1/count")
    found = problem_of(answer)
    assert found["status"] == 500
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] == found["request_id"]
    assert found["request_id"] in caplog.text
    assert "secret cause" in caplog.text


def test_index_unavailable(get, app, store, monkeypatch, caplog):
    """When neither index nor files can answer it is 503, without saying where they lie."""

    def broken():
        raise IndexUnavailable("/secret/place: no")

    monkeypatch.setattr(app.state.access, "_opened", broken)
    answer = get("/v1/count")
    assert problem_of(answer)["status"] == 503
    assert "secret" not in answer.text
    assert "secret" in caplog.text


def test_F52_broken_index_is_answered_by_scan(get, seven, caplog):
    """An index whose files are overwritten changes no answer; it is told in the log."""
    with Index.open(seven.directory) as index:
        index.catch_up()
    paths = ["/v1/events", "/v1/count?q=caf%C3%A9", "/v1/facets?field=username", "/v1/histogram", "/v1/stats"]
    before = [get(path) for path in paths]
    assert before[0].json()["indexed_seq"] == 7
    for file in (seven.directory / "index").iterdir():
        file.write_bytes(b"no database" * 1000)
    after = [get(path) for path in paths]
    assert [answer.status_code for answer in after] == [200] * len(paths)
    assert after[0].json()["items"] == before[0].json()["items"]
    assert [answer.content for answer in after[1:]] == [answer.content for answer in before[1:]]


def test_problems_of_a_mounted_application_stay_ours(get, app, store):
    """Mounted in another application, errors below the prefix are still problem documents."""
    host = FastAPI()
    host.mount("/log", app)
    assert problem_of(get("/log/nope", app=host))["status"] == 404
    assert problem_of(get("/log/v1/count?x=1", app=host))["status"] == 400
    assert problem_of(get("/log/v1/count", app=host, method="POST"))["status"] == 405


def test_nothing_of_a_request_breaks_the_document(get, store):
    """Control and direction-changing characters of a request come back escaped."""
    answer = get("/v1/count", params={"\x1b[31m\u202e": "1"})
    assert "\x1b" not in json.loads(answer.text)["detail"]
    assert "\u202e" not in json.loads(answer.text)["detail"]


PATHS = ["/v1/events", "/v1/events/1", "/v1/count", "/v1/facets", "/v1/histogram", "/v1/stats", "/readyz"]
NAMES = ["q", "since", "until", "limit", "cursor", "order", "field", "step", "by"]
VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", "24h", "asc", "5", "level", "metadata.x", "level:info OR -ada", "(", '"', "*", "::", "time:>2026"]
    ),
)
STRINGS = st.one_of(
    st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=4).map(
        lambda pairs: urlencode(pairs, errors="replace")
    ),
    st.binary(max_size=40).map(lambda data: data.decode("latin-1")),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(path=st.sampled_from(PATHS), query=STRINGS, lines=st.booleans())
def test_S18_any_query_string_is_answered_or_refused(ask_raw, seven, path, query, lines):
    """Whatever stands in a query string, the answer is 200, or a problem document that blames the request."""
    accept = {b"accept": b"application/x-ndjson"} if lines else {}
    status, headers, body = ask_raw(path, query.encode("latin-1"), accept)
    assert status in (200, 400)
    if status == 400:
        assert headers[b"content-type"] == b"application/problem+json"
        assert json.loads(body)["detail"]
