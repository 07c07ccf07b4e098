"""What stands before every request."""

import pytest

from stonelog.api.app import create_app
from stonelog.api.guard import HEADERS, MAX_QUERY_BYTES, is_loopback


@pytest.fixture
def guarded(store):
    app = create_app(store, loopback_only=True)
    yield app
    app.state.access.close()


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8321", "LocalHost.", "127.0.0.1", "127.0.0.1:8321", "127.3.2.1", "[::1]", "[::1]:8321"],
)
def test_loopback_hosts_are_answered(get, guarded, host):
    """Bound to loopback, the server answers for every name of this machine's loopback."""
    assert get("/v1/count", app=guarded, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8321",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "192.0.2.1",
        "0.0.0.0",
        "[::]",
        "2130706433",
        "127.1",
        "localhost:http",
        "localhost, evil.example",
        "",
        "[::1",
        "::1",
        "localhost\u00e9",
    ],
)
@pytest.mark.parametrize("path", ["/v1/count", "/livez", "/openapi.json", "/nope"])
def test_S14_other_hosts_are_refused(get, guarded, host, path):
    """A page whose name was made to resolve to 127.0.0.1 gets 421 and no data, whatever it asks for."""
    answer = get(path, app=guarded, headers={"Host": host.encode("latin-1")})
    assert answer.status_code == 421
    assert answer.json()["type"] == "urn:stonelog:problem:foreign-host"


def test_two_hosts_are_refused(get, guarded):
    """A request with two Host headers is refused, since they may be read differently."""
    headers = [("Host", "localhost"), ("Host", "evil.example")]
    assert get("/v1/count", app=guarded, headers=headers).status_code == 421


def test_any_host_is_answered_unless_told(get, store):
    """Mounted or behind a proxy, the application answers for the names that they let through."""
    assert get("/v1/count", headers={"Host": "log.example.org"}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/events", "/v1/count?x=1", "/nope", "/livez", "/openapi.json"])
def test_headers_stand_on_every_answer(get, store, path):
    """Good answers and bad ones are not stored, not sniffed, and may load nothing; no other origin may read them."""
    answer = get(path, headers={"Origin": "http://evil.example"})
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert len(answer.headers["x-request-id"]) == 32
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_too_long_a_query_string_is_refused(ask_raw):
    """A query string beyond any that the language allows is 414 before it is parsed."""
    status, headers, _ = ask_raw("/v1/count", b"q=" + b"a" * MAX_QUERY_BYTES)
    assert status == 414
    assert headers[b"content-type"] == b"application/problem+json"


def test_the_longest_query_fits():
    """8,192 characters of four bytes each are a query, not too long a request."""
    length = len("q=") + 8192 * len("%F0%90%8D%88")
    assert length <= MAX_QUERY_BYTES


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)]
)
def test_what_is_loopback(host, loopback):
    """Only addresses and names that cannot mean another machine are loopback."""
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://localhost.evil.example", "null", "file://localhost", ""]
)
def test_S14_pages_from_elsewhere_are_refused(get, guarded, origin):
    """A foreign page that sends a request to the right address gets 421 and makes the server do nothing."""
    answer = get("/v1/count", app=guarded, headers={"Host": "localhost:8321", "Origin": origin})
    assert answer.status_code == 421
    assert answer.json()["type"] == "urn:stonelog:problem:foreign-host"


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:8321"])
def test_pages_of_this_machine_are_answered(get, guarded, origin):
    """A page that a program on this machine serves on loopback may ask."""
    assert get("/v1/count", app=guarded, headers={"Host": "localhost", "Origin": origin}).status_code == 200
