import json

import pytest

from stonelog.api.ingest import Rejected
from stonelog.api.ingest.otlp_json import OtlpJson


def document(*logs, resource=()):
    return json.dumps(
        {"resourceLogs": [{"resource": {"attributes": list(resource)}, "scopeLogs": [{"logRecords": logs}]}]}
    )


def attribute(key, value, kind="stringValue"):
    return {"key": key, "value": {kind: value}}


def event(**log):
    (made,) = OtlpJson().events(document(log).encode())
    return made


def test_well_known_attributes_have_fields():
    """Semantic conventions become our fields; what does not fit its field stays an attribute."""
    made = event(
        timeUnixNano="1544712660300000123",
        severityNumber=17,
        traceId="5B8EFFF798038103D269B633813FC60C",
        spanId="0000000000000000",
        body={"stringValue": "hello"},
        attributes=[
            attribute("http.request.method", "GET"), attribute("url.path", "/x"),
            attribute("http.response.status_code", "503", "intValue"), attribute("client.address", "client.example"),
            attribute("user_agent.original", "ua"), attribute("enduser.id", "u1"), attribute("session.id", "s1"),
            attribute("exception.type", "E"), attribute("exception.message", "m"),
            attribute("exception.stacktrace", "t"),
            attribute("n", "9007199254740993", "intValue"), attribute("category", "security"),
            attribute("action", "Not one"),
        ],
    )  # fmt: skip
    assert made.pop("time").isoformat() == "2018-12-13T14:51:00.300000+00:00"
    assert made == {
        "level": "error", "category": "security", "action": "system_event", "message": "hello", "method": "GET",
        "path": "/x", "status_code": 503, "user_agent": "ua", "user_id": "u1", "session_id": "s1", "error_type": "E",
        "error_message": "m", "stack_trace": "t", "trace_id": "5b8efff798038103d269b633813fc60c",
        "metadata": {"client.address": "client.example", "n": 9007199254740993, "action": "Not one"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (1, "debug"),
        (8, "debug"),
        (9, "info"),
        (12, "info"),
        (13, "warning"),
        (17, "error"),
        (20, "error"),
        (21, "critical"),
        (24, "critical"),
    ],
)
def test_severity_numbers_give_levels(number, level):
    """Each range of four is a level."""
    assert event(severityNumber=number)["level"] == level


def test_severity_text_stands_in_for_the_number():
    """Without a number, a known name counts; an unknown one is info and kept."""
    assert event(severityText="WARN")["level"] == "warning"
    made = event(severityText="odd", severityNumber=0)
    assert (made["level"], made["metadata"]) == ("info", {"severity_text": "odd"})


def test_the_observed_time_stands_in_and_zero_is_no_time():
    """timeUnixNano 0 means unknown; without either the time of writing is taken."""
    assert event(timeUnixNano="0", observedTimeUnixNano="1000000000")["time"].isoformat() == "1970-01-01T00:00:01+00:00"
    assert "time" not in event(timeUnixNano="0")
    with pytest.raises(Rejected, match=r"^timeUnixNano: "):
        event(timeUnixNano="soon")


def test_attributes_never_overwrite_what_else_stands_in_metadata():
    """An attribute named like a place of ours stands beside it."""
    made = event(body={"arrayValue": {"values": [{"boolValue": True}, {}]}}, attributes=[attribute("body", "mine")])
    assert made["metadata"] == {"body": [True, None], "body_": "mine"}


def test_ids_of_another_form_are_kept_in_metadata():
    """An id that is no hex of its length is not lost."""
    assert event(traceId="xyz")["metadata"] == {"trace_id": "xyz"}


def test_resource_and_scope_are_kept(intake):
    """service.name and host.name are fields, the other attributes metadata.resource; records count one each."""
    resource = [attribute("service.name", "shop"), attribute("host.name", "h"), attribute("k", 1.5, "doubleValue")]
    result = intake(document({"severityNumber": 9}, 5, {}, resource=resource).encode(), format="otlp-json")
    assert (result.read, result.appended, result.rejected) == (3, 2, 1)
    assert intake.rejects(result)[0][2] == "record 2: logRecords: expected an object, found a number"
    made = intake.events()[0]
    assert (made["service"], made["host"], made["metadata"]) == ("shop", "h", {"resource": {"k": 1.5}})


def test_a_document_of_another_kind_is_rejected():
    """resourceLogs must be there."""
    with pytest.raises(Rejected, match=r"^resourceLogs: "):
        list(OtlpJson().events(b'{"resourceSpans":[]}'))


def test_the_examples_of_the_specification_go_in(intake, shared):
    """Pretty-printed documents over many lines are read whole."""
    result = intake(shared("otlp/events.json"), shared("otlp/logs.json"), format="otlp-json")
    assert (result.read, result.appended, result.rejected) == (2, 2, 0)
    page, log = intake.events()
    assert (page["action"], page["service"], page["metadata"]["body"]["type"]) == ("browser.page_view", "my.service", 0)
    assert (log["message"], log["trace_id"], log["span_id"]) == (
        "Example log record", "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174",
    )  # fmt: skip
    assert log["metadata"]["map.attribute"] == {"some.map.key": "some value"}
    assert log["metadata"]["array.attribute"] == ["many", "values"]
