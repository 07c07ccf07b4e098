"""Fields that hold for everything captured inside a block."""

import asyncio
import contextvars
import threading

from stonelog.api.capture.context import Fields, bound, bound_fields, fields_here
from stonelog.api.capture.exchange import Inside


def test_fields_hold_inside_the_block_only() -> None:
    """Blocks nest: what is inside wins, and what is outside is as it was when they end."""
    assert bound_fields() == {}
    with bound(request_id="a", user_id="7"):
        with bound(request_id="b", session_id=None, user_id=None):
            assert bound_fields() == {"request_id": "b"}
        assert bound_fields() == {"request_id": "a", "user_id": "7"}
    assert bound_fields() == {}


def test_tasks_and_threads_have_their_own() -> None:
    """Two requests at once do not see each other's; a thread sees what it was given with its context."""
    seen: dict[str, object] = {}

    async def request(name: str, other: asyncio.Event, mine: asyncio.Event) -> None:
        with bound(request_id=name):
            mine.set()
            await other.wait()
            seen[name] = dict(bound_fields())
            context = contextvars.copy_context()
            thread = threading.Thread(target=lambda: seen.update({f"thread {name}": context.run(bound_fields)}))
            thread.start()
            thread.join()

    async def both() -> None:
        one, two = asyncio.Event(), asyncio.Event()
        await asyncio.gather(request("one", two, one), request("two", one, two))

    asyncio.run(both())
    assert seen == {name: {"request_id": name.split()[-1]} for name in ("one", "two", "thread one", "thread two")}


def test_what_is_around_goes_on_changing() -> None:
    """A block inside a request does not hold the user of its beginning, and who it is is asked once an event."""
    asked: list[int] = []

    def who() -> dict[str, str]:
        asked.append(1)
        return {"user_id": "7"} if len(asked) > 1 else {}

    token = fields_here.set(Inside({"request_id": "a"}, who, Fields()))
    with bound(tags=["t"]):
        assert bound_fields() == {"request_id": "a", "tags": ["t"]}
        assert len(asked) == 1
        assert bound_fields() == {"request_id": "a", "tags": ["t"], "user_id": "7"}
    fields_here.reset(token)


def test_what_is_outside_of_a_request_has_nothing_of_it() -> None:
    """Neither its fields, nor what was bound inside."""
    with bound(service="shop"):
        outside = fields_here.get().outside()
        token = fields_here.set(Inside({"user_id": "7"}, dict, outside))
        with bound(tags=["t"]):
            assert fields_here.get().outside().flat() == {"service": "shop"}
        fields_here.reset(token)
