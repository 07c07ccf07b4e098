"""Handing an event over: it is repaired where that can be, and nothing is ever raised."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from stonelog.api.capture import bound, failures, use
from stonelog.api.capture import offer as offering
from stonelog.api.capture.offer import offer, store_in_use
from stonelog.filestore import FIELDS, EventTooLarge, Reader, Store


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
    """The event is there, and what was given for them too."""
    (event,) = stored(
        {"category": "api", "action": "read", "status_code": "many", "ip_address": "nowhere", "metadata": {"a": 1}}
    )
    assert event["metadata"] == {"a": 1, "invalid": {"status_code": "many", "ip_address": "nowhere"}}


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        ({"invalid": 5}, {"invalid": {"invalid": 5, "level": "loud"}}),
        ("text", {"invalid": {"metadata": "text", "level": "loud"}}),
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


def test_what_stays_too_large_is_given_up_at_once(tmp_path: Path) -> None:
    """It is not tried again for each field that could be wrong."""
    tried: list[int] = []

    class Small:
        def emit(self, fields: dict[str, Any]) -> bool:
            tried.append(len(fields))
            raise EventTooLarge(70_000, 65_536)

    assert not offer(Small(), {"category": "api", "action": "read", "metadata": {}})  # type: ignore[arg-type]
    assert len(tried) == 2


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


def test_what_is_no_field_goes_to_the_metadata(stored: Callable[..., list[dict[str, Any]]]) -> None:
    """However many there are, as values; what stands there already stays."""
    strange = {f"k{number}": number for number in range(30)}
    events = [{"metadata": {"k1": "own"}}, {}, {"metadata": 5}]
    first, second, third = stored(*({"category": "api", "action": "read", **strange, **each} for each in events))
    assert first["metadata"] == {**strange, "k1": "own"}
    assert second["metadata"] == strange
    assert third["metadata"] == {**strange, "invalid": {"metadata": 5}}


def test_every_field_may_be_wrong(stored: Callable[..., list[dict[str, Any]]]) -> None:
    """The event is there all the same."""
    wrong = {name: {"n": 1} for name in FIELDS if name not in ("category", "action", "metadata")}
    (event,) = stored({"category": "api", "action": "read", **wrong})
    assert event["metadata"]["invalid"].keys() >= {"username", "level", "seq", "tags"}


def test_what_is_set_aside_keeps_its_names(stored: Callable[..., list[dict[str, Any]]]) -> None:
    """So that what is secret is redacted by name there too."""
    (event,) = stored({"category": "api", "action": "read", "username": {"password": "hunter2-zz", "n": 1}})
    aside = event["metadata"]["invalid"]["username"]
    assert aside["n"] == 1
    assert "hunter2" not in str(event)


def test_metadata_that_is_refused_is_made_plain(stored: Callable[..., list[dict[str, Any]]]) -> None:
    """One odd value costs none of the others."""
    (event,) = stored({"category": "api", "action": "read", "metadata": {"when": date(2026, 1, 2), "a": 1}})
    assert event["metadata"] == {"when": "2026-01-02", "a": 1}


def test_a_failure_may_happen_while_one_is_counted() -> None:
    """A `__del__` or a signal handler in the same thread waits for no lock that this thread holds."""
    before = failures()
    with offering._turn:
        assert not offer(None, {"category": "api", "action": "read"})
    assert failures() == before + 1


FORKING = """
import os, sys
from stonelog.api.capture.offer import failures, offer, store_here
from stonelog.filestore import Reader, Store
store, closed = Store.open(sys.argv[1]), Store.open(sys.argv[1] + "/closed")
closed.close()
child = os.fork()
if not child:
    taken = [offer(store, {"category": "api", "action": "child"}) for _ in range(3)]
    own = store_here(store)
    own.close()
    os._exit(taken != [True] * 3 or own is store or store_here(closed) is not closed or failures())
assert os.waitpid(child, 0)[1] == 0
assert offer(store, {"category": "api", "action": "parent"}) and store_here(store) is store
store.close()
print(*(event.action for event in Reader(sys.argv[1]).read() if event.category == "api"))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_has_a_store_of_its_own(tmp_path: Path) -> None:
    """A server may open the store before it forks its workers; one that was closed then stays closed."""
    environment = {"PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", FORKING, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert (done.stdout, done.stderr) == ("child child child parent\n", "")
