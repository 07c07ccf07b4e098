"""Handing an event over: it is repaired where that can be, and nothing is ever raised."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stonelog.api.capture import bound, failures, use
from stonelog.api.capture.offer import offer, store_in_use
from stonelog.filestore import Reader, Store


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Offers events to a store, and gives what stands in it when it is closed."""

    def offered(*events: dict[str, Any]) -> list[dict[str, Any]]:
        with Store.open(tmp_path) as store:
            assert [offer(store, event) for event in events] == [True] * len(events)
        return [event.fields() for event in Reader(tmp_path).read()]

    yield offered
    use(None)


def test_what_is_bound_is_added(stored: Callable[..., list[dict[str, Any]]]) -> None:
    """The event's own fields go before it."""
    with bound(request_id="r1", username="ada"):
        (event,) = stored({"category": "api", "action": "read", "username": "grace"})
    assert (event["request_id"], event["username"]) == ("r1", "grace")


def test_fields_that_cannot_be_are_set_aside(stored: Callable[..., list[dict[str, Any]]]) -> None:
    """The event is there, and what was given for them too, as text."""
    (event,) = stored(
        {"category": "api", "action": "read", "status_code": "many", "ip_address": "nowhere", "metadata": {"a": 1}}
    )
    assert event["metadata"] == {"a": 1, "invalid": {"status_code": "many", "ip_address": "nowhere"}}


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        ({"invalid": 5}, {"invalid": {"invalid": 5, "level": "loud"}}),
        ("text", {"invalid": {"metadata": "'text'", "level": "loud"}}),
    ],
)
def test_what_stands_there_already_stays(
    stored: Callable[..., list[dict[str, Any]]], metadata: object, kept: dict[str, object]
) -> None:
    """Whatever a program itself has under that name."""
    (event,) = stored({"category": "api", "action": "read", "level": "loud", "metadata": metadata})
    assert event["metadata"] == kept


def test_an_event_that_is_too_large_goes_without_its_largest_fields(
    stored: Callable[..., list[dict[str, Any]]],
) -> None:
    """That it was so large is told."""
    (event,) = stored({"category": "api", "action": "read", "message": "m", "stack_trace": "x" * 70_000})
    assert (event["message"], event["metadata"]["too_large"]["left_out"]) == ("m", ["stack_trace"])
    assert "stack_trace" not in event


def test_nothing_is_raised(tmp_path: Path) -> None:
    """No store, a closed one, an event without a category: it is counted."""
    use(None)
    store = Store.open(tmp_path)
    store.close()
    before = failures()
    assert not offer(None, {"category": "api", "action": "read"})
    assert not offer(store, {"category": "api", "action": "read"})
    assert not offer(store, {"action": "read"})
    assert failures() == before + 3


def test_the_store_in_use(tmp_path: Path) -> None:
    """What is given no store goes into the one that was named."""
    with Store.open(tmp_path) as store:
        use(store)
        assert store_in_use() is store
        assert offer(None, {"category": "api", "action": "read"})
        use(None)
    assert [event.action for event in Reader(tmp_path).read()] == ["read"]
