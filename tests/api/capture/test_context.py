"""Fields that hold for everything captured inside a block."""

import asyncio
import contextvars
import threading

from stonelog.api.capture.context import bound, bound_fields


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
