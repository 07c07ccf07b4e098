import json

import pytest

from stonelog.api.ingest import Rejected
from stonelog.api.ingest.nginx_json import NginxJson


def event(**fields):
    (made,) = NginxJson().events(json.dumps(fields).encode())
    return made


def test_nginx_variables_become_fields():
    """The usual log_format with escape=json: numbers in quotes become numbers, seconds milliseconds."""
    made = event(
        time_iso8601="2026-11-23T12:00:00+01:00", remote_addr="192.0.2.7", remote_user="", request_method="POST",
        request_uri="/v1/orders?x=1", status="502", body_bytes_sent="157", request_time="0.253", http_referer="-",
        http_user_agent="curl/8", request_id="abc", server_name="shop", http_x_forwarded_for="10.1.1.1",
        upstream_addr="10.0.0.2:80",
    )  # fmt: skip
    assert made.pop("time").isoformat() == "2026-11-23T11:00:00+00:00"
    assert made == {
        "category": "api", "action": "api_call", "ip_address": "192.0.2.7", "method": "POST", "path": "/v1/orders?x=1",
        "status_code": 502, "level": "error", "outcome": "failure", "response_time_ms": 253.0, "user_agent": "curl/8",
        "request_id": "abc", "host": "shop",
        "metadata": {"bytes": 157, "x_forwarded_for": "10.1.1.1", "upstream_addr": "10.0.0.2:80"},
    }  # fmt: skip


def test_the_keys_of_elastics_sample_become_the_same_fields():
    """time, remote_ip, request, response, bytes, referrer and agent are another spelling of the same."""
    made = event(
        time="17/May/2015:08:05:32 +0000", remote_ip="93.180.71.3", remote_user="-",
        request="GET /downloads/product_1 HTTP/1.1", response=304, bytes=0, referrer="-", agent="Debian APT-HTTP/1.3",
    )  # fmt: skip
    assert (made["ip_address"], made["method"], made["path"]) == ("93.180.71.3", "GET", "/downloads/product_1")
    assert (made["status_code"], made["user_agent"]) == (304, "Debian APT-HTTP/1.3")
    assert made["metadata"] == {"protocol": "HTTP/1.1", "bytes": 0}
    assert "username" not in made


@pytest.mark.parametrize(
    ("fields", "instant"),
    [({"msec": "1700000000.123"}, "2023-11-14T22:13:20.123000+00:00"),
     ({"msec": 1700000000}, "2023-11-14T22:13:20+00:00"),
     ({"time_local": "14/Nov/2023:22:13:20 +0000"}, "2023-11-14T22:13:20+00:00")],
)  # fmt: skip
def test_each_form_of_time_is_read(fields, instant):
    """Seconds with a fraction, ISO 8601 and nginx's local time name the same instant."""
    assert event(status=200, **fields)["time"].isoformat() == instant


def test_a_line_without_time_or_with_a_bad_one_is_rejected_by_name():
    """There is no event without the time when it happened."""
    with pytest.raises(Rejected, match="time_iso8601: missing"):
        event(status=200)
    with pytest.raises(Rejected, match="time_local: 'yesterday' is no time"):
        event(time_local="yesterday")


def test_two_keys_for_one_field_lose_neither():
    """What a field has no more room for stays in metadata."""
    made = event(
        msec=1, request="GET /a HTTP/1.1", uri="/index.html", http_referer="x", referrer="y", remote_addr="unix:"
    )
    assert made["path"] == "/a"
    assert made["metadata"] == {"protocol": "HTTP/1.1", "client": "unix:", "referrer": "x", "referrer_": "y"}


@pytest.mark.parametrize(
    "fields",
    [{"@timestamp": "2026-11-23T12:00:00Z", "EventID": 4624, "host": "dc1"}, {"msec": 1, "remote_addr": "::1"}],
)
def test_an_object_that_tells_of_no_request_is_rejected(fields):
    """A time alone makes no access log: other programs' JSON must not become calls that nobody made."""
    with pytest.raises(Rejected, match="request: missing"):
        event(**fields)


def test_a_request_that_is_no_text_stays_in_metadata():
    """An object under `request`, as some servers write it, is kept as it is."""
    made = event(msec=1, status=200, request={"method": "GET", "uri": "/a"})
    assert made["metadata"] == {"request": {"method": "GET", "uri": "/a"}}
