"""The workload: the same bytes for the same seed, and events that the store takes."""

import hashlib
import json

import pytest

from stonelog.api.bench.workload import generate, to_fields
from stonelog.filestore import FIELDS, Event

# SHA-256 of a thousand events as compact JSON lines, as the generator gave them when the first figures were taken.
THOUSAND = "3e4fd30706ee8b1f1e6debc78a9f7fd34e8c3371985a491abc7682b1659b5aa7"


def as_lines(events) -> bytes:
    encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
    return "".join(encode(event) + "\n" for event in events).encode()


def test_the_same_arguments_give_the_same_bytes():
    """A thousand events of seed 7 are, byte for byte, those of every other run: figures can be compared."""
    assert hashlib.sha256(as_lines(generate(1000))).hexdigest() == THOUSAND


@pytest.mark.parametrize("other", [{"seed": 8}, {"days": 1}, {"start": "2026-02-01"}], ids=str)
def test_other_arguments_give_other_bytes(other):
    """Seed, days and start each make a difference."""
    assert as_lines(generate(20, **other)) != as_lines(generate(20))


def test_an_event_is_about_390_bytes():
    """The mean size of the events is what the documents say."""
    assert len(as_lines(generate(1000))) / 1000 == pytest.approx(390, abs=5)


def test_events_are_in_the_order_of_their_times_within_their_days():
    """Times rise, from the first day to the last."""
    times = [event["timestamp"] for event in generate(500, days=3, start="2026-05-01")]
    assert times == sorted(times)
    assert {time[:10] for time in times} == {"2026-05-01", "2026-05-02", "2026-05-03"}


def test_the_store_takes_every_event():
    """Under our names each event passes the check, with all its fields."""
    for event in map(to_fields, generate(200)):
        assert set(event) <= set(FIELDS)
        checked = Event.check(event).fields()
        assert {"username", "ip_address", "status_code", "risk_score", "session_id", "message"} <= set(checked)
        assert checked["metadata"] == event["metadata"]


def test_there_may_be_no_events():
    """None is a number of events."""
    assert list(generate(0)) == []
