"""The functions that write one event of a kind."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from stonelog.api.capture import functions
from stonelog.api.capture.context import bound
from stonelog.api.capture.offer import use
from stonelog.filestore import InvalidEvent, Receipt, Store, StoreReadOnly

KINDS: dict[str, tuple[Any, ...]] = {
    "log_event": ("workflow", "order_paid", "paid"),
    "log_authentication_event": ("login", "ada"),
    "log_security_event": ("token_reused", "high"),
    "log_api_call": ("GET", "/v1/x", 200, 1.5),
    "log_data_operation": ("update", "order", 7),
}


@pytest.fixture(autouse=True)
def used(store: Store) -> Iterator[None]:
    """The store is the process's own."""
    use(store)
    yield
    use(None)


def test_any_event(written: Any) -> None:
    """Ids may be numbers, None is nothing, free data is what a program has."""
    metadata = {"total": Decimal("9.50"), "when": datetime(2026, 11, 23, tzinfo=UTC)}
    assert functions.log_event("workflow", "order_paid", "paid", user_id=7, username=None, metadata=metadata) is True
    assert written() == [
        {
            "level": "info",
            "category": "workflow",
            "action": "order_paid",
            "message": "paid",
            "user_id": "7",
            "metadata": {"total": "9.50", "when": "2026-11-23T00:00:00+00:00"},
        }
    ]


def test_a_login_that_failed(written: Any) -> None:
    """Is the action that detections and risk look for, a warning and a failure."""
    functions.log_authentication_event("login", "ada", False, reason="wrong password", ip_address="203.0.113.7")
    (event,) = written()
    assert (event["category"], event["action"], event["outcome"]) == ("authentication", "login_failed", "failure")
    assert (event["level"], event["username"], event["metadata"]) == ("warning", "ada", {"reason": "wrong password"})


@pytest.mark.parametrize(
    ("severity", "level"),
    [("low", "notice"), ("medium", "warning"), ("HIGH", "error"), ("critical", "critical"), ("info", "info")],
)
def test_severity_gives_the_level(severity: str, level: str, written: Any) -> None:
    """And is kept; a level that is given goes before."""
    functions.log_security_event("token_reused", severity)
    functions.log_security_event("token_reused", severity, level="debug")
    first, second = written()
    assert (first["level"], first["metadata"]) == (level, {"severity": severity.lower()})
    assert second["level"] == "debug"


@pytest.mark.parametrize(
    ("status", "level", "outcome"),
    [
        (200, "info", "success"),
        (404, "warning", "failure"),
        (503, "error", "failure"),
        (None, "info", "unknown"),
    ],
)
def test_the_status_gives_level_and_outcome(status: int | None, level: str, outcome: str, written: Any) -> None:
    """Of a call; without one it is not known how it ended."""
    functions.log_api_call("GET", "/v1/x", status, 1.5)
    (event,) = written()
    assert (event["level"], event["outcome"], event["response_time_ms"]) == (level, outcome, 1.5)


def test_of_old_and_new_values_what_differs_is_kept(written: Any) -> None:
    """With both; of what came or went, the one there is."""
    old = {"name": "Ada", "age": 36, "city": "London"}
    new = {"name": "Ada", "age": 37, "rank": {"grade": 1}}
    functions.log_data_operation("UPDATE", "user", 7, old_values=old, new_values=new)
    (event,) = written()
    assert (event["action"], event["entity_type"], event["entity_id"]) == ("update", "user", "7")
    assert event["metadata"]["changes"] == {
        "age": {"old": 36, "new": 37},
        "city": {"old": "London"},
        "rank": {"new": {"grade": 1}},
    }


def test_long_values_that_differ_past_what_is_kept_still_differ(written: Any) -> None:
    """The comparison is of the values, not of what is shown of them."""
    functions.log_data_operation("update", "page", 1, old_values={"t": "x" * 9999}, new_values={"t": "x" * 9998 + "y"})
    assert list(written()[0]["metadata"]["changes"]) == ["t"]


@pytest.mark.parametrize("name", KINDS)
def test_durable_waits_for_the_disk(name: str, store: Store, written: Any) -> None:
    """The receipt is of an event that is there; the same from asynchronous code, with what is bound."""
    with bound(request_id="r1"):
        receipt = getattr(functions, name)(*KINDS[name], durable=True)
        other = asyncio.run(getattr(functions, f"{name}_async")(*KINDS[name], durable=True))
    assert isinstance(receipt, Receipt)
    assert (receipt.seq, other.seq) == (1, 2)
    first, second = written()
    assert first == second
    assert first["request_id"] == "r1"


@pytest.mark.parametrize("name", KINDS)
def test_the_twins_hand_over_the_same(name: str, written: Any) -> None:
    """Without `durable` both return whether the event was taken."""
    assert getattr(functions, name)(*KINDS[name]) is True
    assert asyncio.run(getattr(functions, f"{name}_async")(*KINDS[name])) is True
    first, second = written()
    assert first == second


def test_wrong_fields_raise_only_where_one_waits(written: Any, lost: Callable[[], int]) -> None:
    """Otherwise they are kept in the metadata, and the event is written."""
    with pytest.raises(InvalidEvent, match="usr_id"):
        functions.log_event("api", "read", usr_id=7, durable=True)
    assert functions.log_event("Api Calls", "read", usr_id=7, ip_address="here", metadata="text")
    (event,) = written()
    assert event["category"] == "api_calls"
    invalid = event["metadata"]["invalid"]
    assert (event["metadata"]["usr_id"], invalid["ip_address"], invalid["metadata"]) == (7, "here", "text")
    assert lost() == 0


def test_a_queue_that_makes_callers_wait_makes_no_loop_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `emit_overflow = "block"` the twin hands over in another thread."""
    threads = []

    class Waiting:
        class settings:
            emit_overflow = "block"

        def emit(self, fields: object) -> bool:
            threads.append(threading.current_thread())
            return True

    assert asyncio.run(functions.log_event_async("api", "read", store=Waiting()))
    assert threads != [threading.current_thread()]


def test_secrets_go_to_the_store_as_they_are(keeping: Any) -> None:
    """Redaction is the store's: names of changed values stay names."""
    values = {"password": "s3cret"}
    functions.log_data_operation("create", "user", 7, new_values=values, metadata={"token": "t"}, store=keeping)
    assert keeping.seen[0]["metadata"] == {"token": "t", "changes": {"password": {"new": "s3cret"}}}


@pytest.mark.parametrize("name", KINDS)
def test_a_broken_store_raises_only_where_one_waits(name: str, broken: Any, lost: Callable[[], int]) -> None:
    """The caller who wants to know is told; others get False, and it is counted."""
    use(None)
    assert getattr(functions, name)(*KINDS[name], store=broken) is False
    assert asyncio.run(getattr(functions, f"{name}_async")(*KINDS[name], store=broken)) is False
    assert lost() == 2
    with pytest.raises((StoreReadOnly, RuntimeError, LookupError)):
        getattr(functions, name)(*KINDS[name], store=broken, durable=True)
