"""What is written in one piece: requests in their order, checked on the way, and everyone told once."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stonelog.filestore import InvalidEvent, Store, StoreReadOnly, StoreSettings, batch
from stonelog.filestore.amend import unchanged
from stonelog.filestore.batch import Batch, Request
from stonelog.filestore.layout import Layout
from stonelog.filestore.room import Room
from stonelog.filestore.space import Space

EVENT = {"category": "api", "action": "read"}
NOW = 1_795_435_200_000_000_000
"""2026-11-23T12:00:00Z."""


@pytest.fixture
def room(directory: Path) -> Room:
    settings = StoreSettings(emit_events=4)
    return Room(settings, Space(Layout(directory), settings.reserve_bytes))


def draft(event: object = EVENT) -> Request:
    return Request.draft(event, {}, NOW, unchanged)  # type: ignore[arg-type]


def waiting(number: int, *, chained: bool = True) -> list[Request]:
    """So many drafts as they are while their callers wait; in the main thread if not `chained`."""
    requests = [draft() for _ in range(number)]
    for request in requests:
        request.turn = threading.Lock()
        request.turn.acquire()
        request.chained = chained
    return requests


def woken(request: Request) -> None:
    """Its turn has come, and the caller does what it then does."""
    assert request.turn is not None
    assert request.turn.acquire(timeout=30)
    request.wake()


def released(requests: list[Request]) -> list[int]:
    """The places of those whose turn has come."""
    return [number for number, each in enumerate(requests) if each.turn is not None and not each.turn.locked()]


def test_a_draft_happened_when_the_caller_asked() -> None:
    """Time and id are those of the call, however long the event waited to be checked."""
    request = draft()
    request.draw()
    fields = json.loads(b"{%b}" % request.bodies[0])
    assert fields["time"] == "2026-11-23T12:00:00.000000Z"
    assert fields["id"] == request.identity
    assert int(request.identity.replace("-", "")[:12], 16) == NOW // 1_000_000


def test_a_draft_is_drawn_once() -> None:
    """The event has one id."""
    request = draft()
    request.draw()
    before = request.identity, request.bodies
    request.draw()
    assert (request.identity, request.bodies) == before


def test_what_is_refused_is_in_no_line_and_the_others_are(room: Room) -> None:
    """An event that cannot be taken has its own error; those around it keep their order and places."""
    made = Batch()
    good, bad, last = draft(), draft({"category": "api"}), Request([b'"a":1', b'"b":2'])
    made.take(deque([good, bad, b'"c":3', last]))
    lines = made.lines(7, 6, "file", 100).split(b"\n")
    assert [json.loads(line)["seq"] for line in lines[:-1]] == [7, 8, 9, 10]
    assert lines[-1] == b""
    made.answer(None, room)
    assert good.error is None
    assert last.error is None
    assert bad.error is not None
    assert isinstance(bad.error(), InvalidEvent)
    assert (good.seq, good.offsets) == (7, [100])
    second = 100 + len(lines[0]) + 1 + len(lines[1]) + 1
    assert (last.seq, last.offsets) == (9, [second, second + len(lines[2]) + 1])


def test_what_was_never_answered_is_no_success() -> None:
    """A request that was lost on the way has an error."""
    error = draft().error
    assert error is not None
    assert "could not" in str(error())


def test_a_batch_ends_where_the_order_matters() -> None:
    """What is neither request nor event stays in the queue, and all behind it."""
    queue: deque[Any] = deque([b'"a":1', None, b'"b":2'])
    made = Batch()
    made.take(queue)
    assert made.bodies == [b'"a":1']
    assert list(queue) == [None, b'"b":2']


def test_a_batch_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes no more than so many events, or bytes."""
    monkeypatch.setattr(batch, "_MOST_EVENTS", 3)
    queue: deque[Any] = deque([b"x" * 10] * 10)
    made = Batch()
    made.take(queue)
    assert (len(made.bodies), made.size, len(queue)) == (3, 30, 7)
    monkeypatch.setattr(batch, "_MOST_BYTES", 15)
    made = Batch()
    made.take(queue)
    assert (len(made.bodies), len(queue)) == (2, 5)


def test_one_wakes_the_next(room: Room) -> None:
    """Of every four callers the first is woken, and each wakes the one behind it."""
    requests = waiting(7)
    made = Batch()
    made.take(deque(requests))
    made.answer(None, room)
    order = []
    for _ in range(4):
        ready = released(requests)
        order.append(ready)
        for number in ready:
            woken(requests[number])
    assert order == [[0, 3], [1, 4], [2, 5], [6]]
    assert released(requests) == []


def test_who_is_in_the_main_thread_wakes_nobody(room: Room) -> None:
    """Ctrl-C may take the main thread away while it waits; the others are told all the same."""
    requests = waiting(4)
    requests[2:2] = waiting(1, chained=False)
    made = Batch()
    made.take(deque(requests))
    made.answer(None, room)
    assert list(requests[2].following) == []
    for request in (requests[0], requests[1], requests[3], requests[4]):
        woken(request)


def test_F40_who_is_gone_before_the_answer_leaves_nobody_waiting(room: Room) -> None:
    """A caller that an error took away after its event was in the queue: those whom it was to wake are woken."""
    requests = waiting(1)
    queue: deque[Any] = deque(requests)

    def put(request: Request) -> None:
        queue.append(request)
        raise MemoryError

    def ask() -> None:
        request = draft()
        requests.append(request)
        with pytest.raises(MemoryError):
            request.wait(put)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    requests += waiting(2)
    queue.extend(requests[2:])
    made = Batch()
    made.take(queue)
    made.answer(None, room)
    assert requests[1].gone
    assert requests[1].chained
    for request in (requests[0], requests[2], requests[3]):
        woken(request)


def test_who_goes_between_the_answer_and_its_turn_still_wakes_the_next(room: Room) -> None:
    """Whoever of the two threads is first wakes the next caller, and once."""
    requests = waiting(2)
    made = Batch()
    made.take(deque(requests))
    made.answer(None, room)
    requests[0].wake()
    requests[0].wake()
    woken(requests[1])


def test_F40_telling_goes_on_where_it_was_cut_off(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of memory in the middle of telling: told again, everyone is told, and once."""
    told: list[int] = []
    requests = [Request([b'"a":1'], lambda number=number: told.append(number)) for number in range(3)]  # type: ignore[misc]
    requests[1:1] = waiting(2)
    made = Batch()
    made.take(deque(requests))
    real, calls = batch._tell, []

    def tell(request: Request) -> None:
        calls.append(request)
        if len(calls) == 2:
            raise MemoryError
        real(request)

    monkeypatch.setattr(batch, "_tell", tell)
    with pytest.raises(MemoryError):
        made.answer(None, room)
    made.answer(None, room)
    assert told == [2, 1, 0]
    for request in requests[1:3]:
        woken(request)


def test_what_was_emitted_leaves_its_room_once(room: Room) -> None:
    """Written or not, the events wait no more; only what was not written is counted as dropped."""
    for written in (True, False):
        queue: deque[Any] = deque()
        while room.enter(b'"level":"info"', may_wait=False):
            queue.append(b'"level":"info"')
        assert len(queue) == 4
        before = room.dropped
        made = Batch()
        made.take(queue)
        made.answer(None if written else lambda: StoreReadOnly("no", hint="none"), room)
        made.answer(None, room)
        assert room.dropped - before == (0 if written else 4)


def test_a_mapping_of_another_type_is_asked_in_its_callers_thread(store: Store) -> None:
    """What a mapping does when it is read may depend on the thread, or append by itself."""
    asked: list[str] = []

    class Lazy(dict[str, Any]):
        def __iter__(self) -> Iterator[str]:
            asked.append(threading.current_thread().name)
            return super().__iter__()

        def keys(self) -> Any:
            asked.append(threading.current_thread().name)
            return super().keys()

    assert store.append(Lazy(EVENT)).seq == 1
    assert asked
    assert set(asked) == {threading.current_thread().name}
