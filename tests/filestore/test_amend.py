"""What becomes of an event between its check and its line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from stonelog.filestore import Event, Reader, Store
from stonelog.filestore.amend import Amendments, unchanged
from stonelog.filestore.names import FIELDS

LOGIN = {"category": "authentication", "action": "login", "outcome": "success", "username": "ada"}
FAILED = {**LOGIN, "action": "login_failed", "outcome": "failure"}
SECRET = "hunter2"


def stored(directory: Path) -> list[dict[str, Any]]:
    return [event.fields() for event in Reader(directory).read()]


def test_S05_no_way_into_the_store_lets_a_secret_through(directory: Path) -> None:
    """Whichever call is given it, and as whatever it is given, no byte of the store has it."""
    event = {"category": "api", "action": "read", "metadata": {"password": SECRET}}
    with Store.open(directory) as store:
        store.append(event)
        store.append(**event)
        store.append(Event.check(event))
        store.append_many([event, Event.check(event)])
        asyncio.run(store.append_async(event))
        assert store.emit(event)
    found = stored(directory)
    assert [each["metadata"] for each in found] == [{"password": "[redacted:password]"}] * 7
    assert all(each["redacted"] == ["$.metadata.password"] for each in found)
    assert all(SECRET.encode() not in path.read_bytes() for path in directory.rglob("*") if path.is_file())


def test_a_score_stands_with_its_reasons(directory: Path) -> None:
    """In the order of the fields; where nothing speaks for risk there is neither, and a score that is brought stays."""
    with Store.open(directory) as store:
        store.append(FAILED)
        store.append(category="api", action="read")
        store.append(FAILED, risk_score=3)
    failed, ordinary, brought = stored(directory)
    assert (failed["risk_score"], failed["risk_reasons"]) == (15, ["failed_login"])
    assert list(failed) == [name for name in FIELDS if name in failed]
    assert {"risk_score", "risk_reasons"}.isdisjoint(ordinary)
    assert (brought["risk_score"], "risk_reasons" in brought) == (3, False)


def test_failures_count_by_when_they_happened(directory: Path) -> None:
    """What is told of other months does not add up, though it is told within a second."""
    with Store.open(directory) as store:
        for month in range(1, 12):
            store.append(FAILED, time=f"2025-{month:02}-01T00:00:00Z")
        store.append(LOGIN, time="2025-12-01T00:00:00Z")
    assert {each.get("risk_score") for each in stored(directory)} == {15, None}


def test_a_place_is_added_where_none_is_given() -> None:
    """What the event says of itself goes before; what was given is not changed."""
    amend = Amendments(place=lambda address: {"country": "DE", "city": "Ulm", "asn": 7})
    fields = {"category": "api", "action": "read", "ip_address": "203.0.113.7", "country": "FR"}
    assert amend(fields, 0.0) == {**fields, "city": "Ulm", "asn": 7}
    assert "city" not in fields
    ordinary = {"category": "api", "action": "read"}
    assert amend(ordinary, 0.0) is ordinary
    assert unchanged(ordinary, 0.0) is ordinary


@pytest.mark.parametrize("section", ["redaction", "risk"])
def test_it_can_be_switched_off(directory: Path, monkeypatch: pytest.MonkeyPatch, section: str) -> None:
    """By the settings of the store, when it is opened."""
    monkeypatch.setenv(f"STONELOG_{section.upper()}_ENABLED", "false")
    with Store.open(directory) as store:
        store.append(FAILED, message="password=hunter2")
    (event,) = stored(directory)
    assert ("redacted" in event, "risk_score" in event) == (section != "redaction", section != "risk")


def test_a_destructor_that_logs_does_not_wait_for_its_own_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the counters are at work the same thread may come again: that event is not counted."""
    from stonelog.filestore import RiskMeter, RiskSettings, risk_recent

    meter = RiskMeter(RiskSettings())
    before, again = risk_recent._Failures.before, list[tuple[int, list[str]]]()

    def interrupted(self: Any, *given: Any) -> int:
        if not again:
            again.append((0, []))
            again.append(meter(FAILED, 1.0))
        return before(self, *given)

    monkeypatch.setattr(risk_recent._Failures, "before", interrupted)
    assert meter(FAILED, 1.0) == again[1] == (15, ["failed_login"])
