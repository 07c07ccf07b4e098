import json
from collections import Counter

import pytest

from stonelog.api.ingest import Rejected
from stonelog.api.ingest.suricata import Suricata


def event(**record):
    (made,) = Suricata().events(json.dumps(record).encode())
    return made


def test_an_alert_is_a_security_event():
    """Signature, severity, source and the HTTP request have fields; the rest stands under metadata."""
    made = event(
        timestamp="2015-03-26T18:49:46.900254-0600", event_type="alert", src_ip="192.0.2.1", src_port=1, host="sensor",
        alert={"severity": 1, "signature": "bad"},
        http={"http_method": "GET", "url": "/x", "status": 200, "http_user_agent": "ua", "hostname": "h"},
    )  # fmt: skip
    assert made.pop("time").isoformat() == "2015-03-27T00:49:46.900254+00:00"
    assert made == {
        "category": "security", "action": "security_event", "level": "error", "message": "bad", "host": "sensor",
        "ip_address": "192.0.2.1", "method": "GET", "path": "/x", "status_code": 200, "user_agent": "ua",
        "metadata": {
            "event_type": "alert", "src_port": 1, "alert": {"severity": 1, "signature": "bad"},
            "http": {"hostname": "h"},
        },
    }  # fmt: skip


def test_other_event_types_are_their_own_actions():
    """dns, flow and the like give the action; a time without offset is UTC."""
    made = event(timestamp="2019-01-02T03:50:11", event_type="Anomaly-X", src_ip="no")
    assert (made["action"], made["time"].isoformat()) == ("anomaly_x", "2019-01-02T03:50:11+00:00")
    assert made["metadata"]["src_ip"] == "no"


@pytest.mark.parametrize(
    ("severity", "level"), [(1, "error"), (2, "warning"), (3, "notice"), (4, "info"), ("2", "warning"), (None, "info")]
)
def test_severity_gives_the_level(severity, level):
    """1 is the worst."""
    assert event(timestamp="2019-01-02T03:50:11", event_type="alert", alert={"severity": severity})["level"] == level


@pytest.mark.parametrize(
    ("record", "field"),
    [({}, "timestamp"), ({"timestamp": "2019-01-02T03:50:11"}, "event_type"), ({"timestamp": 5}, "timestamp")],
)
def test_what_is_no_eve_record_is_rejected_by_name(record, field):
    """A record without time or type is refused."""
    with pytest.raises(Rejected, match=f"^{field}: "):
        event(**record)


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("honeypot-2018", {"warning": 43, "notice": 1}),
        ("first-org-conf-2015", {"error": 71, "warning": 42, "notice": 23}),
    ],
)
def test_every_real_alert_goes_in(intake, shared, name, levels):
    """None of the samples' alerts is rejected, and their severities are as known."""
    result = intake(shared(f"suricata/{name}.jsonl.gz"), format="suricata")
    assert (result.read, result.appended, result.rejected) == (sum(levels.values()), sum(levels.values()), 0)
    assert Counter(event["level"] for event in intake.events()) == levels


def test_a_record_without_time_or_type_says_so():
    """What is not there is missing, not a value called None."""
    for record, missing in (
        ({"event_type": "dns"}, "timestamp"),
        ({"timestamp": "2026-11-23T12:00:00Z"}, "event_type"),
    ):
        with pytest.raises(Rejected, match=f"^{missing}: missing; "):
            list(Suricata().events(json.dumps(record).encode()))
