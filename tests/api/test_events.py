"""Pages of events, all of them as lines, and one alone."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI

from stonelog.api.events import LINES_A_STEP, NDJSON, prefers_lines
from stonelog.filestore import Reader, Store


def seqs(response: Any) -> list[int]:
    return [item["seq"] for item in response.json()["items"]]


def stored(store: Store) -> list[bytes]:
    return [line.raw for line in Reader(store.directory).lines()]


def test_newest_come_first(get, seven):
    """Without parameters the newest events come first, with what the index covers and what is durable."""
    answer = get("/v1/events")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert seqs(answer) == [7, 6, 5, 4, 3, 2, 1]
    body = answer.json()
    assert list(body) == ["items", "next_cursor", "indexed_seq", "durable_seq"]
    assert body["next_cursor"] is None
    assert body["durable_seq"] >= 6
    assert "link" not in answer.headers


def test_items_are_the_stored_bytes(get, seven):
    """An item stands in the answer byte for byte as in the file, integers beyond 2^53 included."""
    assert b",".join(reversed(stored(seven))) in get("/v1/events").content
    assert get("/v1/events/3").content == stored(seven)[2]


def test_an_acknowledged_event_is_in_the_next_answer(get, store):
    """An event whose append has returned is found by the next request, with no indexer running."""
    for _ in range(3):
        receipt = store.append(category="api", action="read")
        assert seqs(get("/v1/events?limit=1")) == [receipt.seq]


@pytest.mark.parametrize(("order", "expected"), [("desc", [7, 6, 5, 4, 3, 2, 1]), ("asc", [1, 2, 3, 4, 5, 6, 7])])
def test_cursor_pages_through_everything_once(get, seven, order, expected):
    """Following next_cursor gives each matching event once, in order."""
    found, cursor = [], ""
    while cursor is not None:
        answer = get("/v1/events", params={"limit": 3, "order": order, "cursor": cursor})
        found += seqs(answer)
        cursor = answer.json()["next_cursor"]
    assert found == expected


def test_link_leads_to_the_next_page(get, seven):
    """The Link header holds the address of the next page, filter and all."""
    first = get("/v1/events", params={"q": "username:ada café", "limit": 2})
    following = first.links["next"]["url"]
    assert following.startswith("http://localhost/v1/events?q=username%3Aada")
    assert seqs(first) + seqs(get(following)) == [7, 5, 3, 1]


@pytest.mark.parametrize("prefix", ["/events", "/a/b"])
def test_link_is_right_under_a_prefix(get, seven, app, prefix):
    """Mounted in another application, links keep the prefix, though no lifespan event ever reaches ours."""
    host = FastAPI()
    host.mount(prefix, app)
    first = get(f"{prefix}/v1/events?limit=4", app=host)
    following = first.links["next"]["url"]
    assert urlsplit(following).path == f"{prefix}/v1/events"
    assert seqs(first) + seqs(get(following, app=host)) == [7, 6, 5, 4, 3, 2, 1]


def test_link_is_right_behind_a_root_path(get, seven, app):
    """Behind a proxy that takes a prefix off and names it as root_path, links have the prefix again."""

    async def proxied(scope, receive, send):
        await app({**scope, "root_path": "/log", "path": "/log" + scope["path"]}, receive, send)

    assert urlsplit(get("/v1/events?limit=1", app=proxied).links["next"]["url"]).path == "/log/v1/events"


def test_since_and_until_bound_the_time(get, seven):
    """`since` is within, `until` without."""
    bounds = "since=2026-11-23T11:00:03Z&until=2026-11-23T12:00:06Z"
    assert seqs(get(f"/v1/events?{bounds}")) == [5, 4, 3]


def test_empty_parameters_are_absent_ones(get, seven):
    """The template of the documentation, with nothing filled in, is a valid request."""
    assert len(seqs(get("/v1/events?q=&since=&until=&limit=50&cursor=&order=desc"))) == 7


def test_cursor_of_another_filter_is_refused(get, seven):
    """A cursor belongs to its filter and order; with another it is 400."""
    cursor = get("/v1/events?limit=2&q=username:ada").json()["next_cursor"]
    for other in ({"q": "username:bob"}, {"q": "username:ada", "order": "asc"}, {"q": "username:ada", "since": "7d"}):
        refused = get("/v1/events", params={**other, "cursor": cursor})
        assert refused.status_code == 400
        assert "cursor" in refused.json()["detail"]


@pytest.mark.parametrize("cursor", ["x", "é", "A" * 5000, "e30", "bnVsbA"])
def test_made_up_cursor_is_refused(get, seven, cursor):
    """What is not a cursor is 400, whatever it is."""
    assert get("/v1/events", params={"cursor": cursor}).status_code == 400


def test_lines_are_the_file(get, seven):
    """With Accept: application/x-ndjson, oldest first, the answer is what the file holds."""
    answer = get("/v1/events?order=asc", headers={"Accept": NDJSON})
    assert answer.headers["content-type"] == NDJSON
    assert answer.content == b"".join(line + b"\n" for line in stored(seven))
    assert "accept" in answer.headers["vary"].lower()


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_lines_are_all_matches(get, store, order):
    """A stream of lines goes over as many pages as there are, each event once, whatever `limit` says."""
    events = LINES_A_STEP * 2 + 7
    store.append_many({"category": "api", "action": "read", "message": "x"} for _ in range(events))
    answer = get(f"/v1/events?order={order}&limit=5&q=x", headers={"Accept": NDJSON})
    found = [json.loads(line)["seq"] for line in answer.text.splitlines()]
    assert sorted(found) == list(range(1, events + 1))
    assert found == sorted(found, reverse=order == "desc")


def test_lines_oldest_first_end_though_events_keep_coming(ask_raw, store):
    """A stream of lines ends with the event that was the newest when it began."""

    def more() -> None:
        store.append_many({"category": "api", "action": "create"} for _ in range(LINES_A_STEP + 1))

    more()
    _, _, body = ask_raw("/v1/events", b"order=asc", {b"accept": NDJSON.encode()}, between=more)
    assert body.count(b"\n") == LINES_A_STEP + 1


def test_bad_query_is_refused_before_lines_begin(get, seven):
    """A query that cannot be understood is 400 for a stream of lines too."""
    refused = get("/v1/events?q=nosuchfield:1", headers={"Accept": NDJSON})
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("accept", "lines"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        (NDJSON, True),
        ("Application/X-NDJSON", True),
        (f"{NDJSON}, */*;q=0.5", True),
        (f"{NDJSON}, */*", True),
        (f"{NDJSON};q=0", False),
        (f"{NDJSON};q=0.5, application/json", False),
        (f"{NDJSON}, application/json;q=0.9", True),
        (f"{NDJSON};q=nonsense", False),
    ],
)
def test_accept_chooses_lines(accept, lines):
    """Lines are sent to who names them and does not rank JSON as high."""
    assert prefers_lines(accept) is lines


def test_one_event_by_id(get, seven):
    """An event is found by its id, in capitals too."""
    line = stored(seven)[4]
    identity = json.loads(line)["id"]
    assert get(f"/v1/events/{identity}").content == line
    assert get(f"/v1/events/{identity.upper()}").content == line


@pytest.mark.parametrize(
    "key", ["0", "8", "99999999999999999", "-1", "1.0", "x", "٣", "00000000-0000-7000-8000-000000000000", "%00", "1%20"]
)
def test_no_such_event(get, seven, key):
    """What no event is called is 404, as a problem document."""
    refused = get(f"/v1/events/{key}")
    assert refused.status_code == 404
    assert refused.json()["type"] == "urn:stonelog:problem:no-such-event"
