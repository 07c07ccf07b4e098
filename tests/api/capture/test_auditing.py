"""`audited` as a decorator and around a block."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from stonelog.api.capture.auditing import audited
from stonelog.filestore import Store


def test_a_call_becomes_one_event_with_what_its_arguments_say(store: Store, written: Any) -> None:
    """Callables and templates are given arguments by name, defaults included; the result is the function's."""

    @audited(
        "delete",
        store=store,
        category="user_management",
        entity_type="user",
        entity_id=lambda user_id: user_id,
        message="user {user_id} deleted by {by}",
        reason="{by}",
    )
    def delete(user_id: int, by: str = "root") -> str:
        return "gone"

    assert delete(7) == "gone"
    (event,) = written()
    assert (event["category"], event["action"], event["outcome"]) == ("user_management", "delete", "success")
    assert (event["entity_type"], event["entity_id"], event["message"]) == ("user", "7", "user 7 deleted by root")
    assert event["metadata"] == {"reason": "root"}
    assert event["response_time_ms"] >= 0


def test_an_exception_is_told_and_goes_on(store: Store, written: Any) -> None:
    """The same exception reaches the caller; the event is a failure with its type, message and stack."""
    error = ValueError("bad")

    @audited("import", store=store, level="info")
    def work() -> None:
        raise error

    with pytest.raises(ValueError, match="bad") as raised:
        work()
    assert raised.value is error
    (event,) = written()
    assert (event["level"], event["outcome"], event["error_type"]) == ("error", "failure", "ValueError")
    assert "raise error" in event["stack_trace"]


def test_what_is_made_of_the_result_is_made_after(store: Store, written: Any) -> None:
    """`result` is what the function returned; other values are made before it can change its arguments."""

    @audited("create", store=store, entity_id="{result[id]}", rows=lambda items: items)
    def create(items: list[int]) -> dict[str, int]:
        items.clear()
        return {"id": 3}

    create([1, 2])
    (event,) = written()
    assert (event["entity_id"], event["metadata"]) == ("3", {"rows": [1, 2]})


def test_a_value_that_cannot_be_made_costs_itself_only(store: Store, written: Any) -> None:
    """The call is made, and the event tells which value is missing and why."""

    @audited("read", store=store, entity_id=lambda user: user.id, username="{user[name]}")
    def read(user: object) -> int:
        return 1

    assert read(None) == 1
    invalid = written()[0]["metadata"]["invalid"]
    assert invalid["entity_id"].startswith("AttributeError")
    assert invalid["username"].startswith("TypeError")


def test_braces_that_are_no_template_stay(store: Store, written: Any) -> None:
    """A text is taken as it is where it names no argument."""

    @audited("read", store=store, message='{"a": 1} {}')
    def read() -> None: ...

    read()
    assert written()[0]["message"] == '{"a": 1} {}'


def test_wrong_arguments_raise_what_they_always_do(store: Store, written: Any) -> None:
    """The function refuses them, and the event is a failure."""

    @audited("read", store=store, entity_id="{user_id}")
    def read(user_id: int) -> None: ...

    with pytest.raises(TypeError, match="user_id"):
        read()  # type: ignore[call-arg]
    assert written()[0]["error_type"] == "TypeError"


def test_coroutine_functions_stay_such(store: Store, written: Any) -> None:
    """The event is that of the awaited work, and tasks at once have one each."""

    @audited("read", store=store, entity_id="{number}")
    async def read(number: int) -> int:
        await asyncio.sleep(0)
        return number

    async def both() -> list[int]:
        return list(await asyncio.gather(read(1), read(2)))

    assert inspect.iscoroutinefunction(read)
    assert asyncio.run(both()) == [1, 2]
    assert {event["entity_id"] for event in written()} == {"1", "2"}


def test_a_cancelled_task_ended_nobody_knows_how(store: Store, written: Any) -> None:
    """Its outcome is unknown, and the cancellation goes on."""

    @audited("read", store=store)
    async def read() -> None:
        await asyncio.Event().wait()

    async def cancel() -> None:
        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    (event,) = written()
    assert (event["outcome"], event["error_type"]) == ("unknown", "asyncio.exceptions.CancelledError")


def test_generators_are_audited_to_their_end(store: Store, written: Any) -> None:
    """What is sent in, and what they return, goes through; one event at the end."""

    @audited("export", store=store)
    def export() -> Any:
        sent = yield 1
        yield sent
        return "done"

    def drive() -> Any:
        steps = export()
        seen = [next(steps), steps.send("two")]
        seen.append((yield from steps))
        return seen

    with pytest.raises(StopIteration) as stopped:
        next(drive())
    assert stopped.value.value == [1, "two", "done"]
    assert [event["outcome"] for event in written()] == ["success"]


def test_a_generator_that_is_left_early_says_so(store: Store, written: Any) -> None:
    """How much of it was used is not known; the generator's own clean-up runs."""
    cleaned = []

    @audited("export", store=store)
    def export() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            cleaned.append(True)

    steps = export()
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert cleaned
    (event,) = written()
    assert (event["outcome"], event["error_type"]) == ("unknown", "GeneratorExit")


def test_async_generators_take_what_is_sent_and_thrown(store: Store, written: Any) -> None:
    """As the function itself would."""

    @audited("export", store=store)
    async def export() -> Any:
        sent = yield 1
        try:
            yield sent
        except KeyError as error:
            yield error

    async def drive() -> list[Any]:
        steps = export()
        thrown = KeyError("k")
        seen = [await steps.__anext__(), await steps.asend("two"), await steps.athrow(thrown) is thrown]
        return seen + [left async for left in steps]

    assert asyncio.run(drive()) == [1, "two", True]
    assert [event["outcome"] for event in written()] == ["success"]


def test_an_async_generator_that_fails_or_is_closed_is_told(store: Store, written: Any) -> None:
    """One event each: failure, and unknown."""

    @audited("export", store=store)
    async def export(fail: bool) -> AsyncIterator[int]:
        yield 1
        if fail:
            raise ValueError

    async def drive() -> None:
        with pytest.raises(ValueError):
            async for _ in export(True):
                pass
        steps = export(False)
        await steps.__anext__()
        await steps.aclose()  # type: ignore[attr-defined]

    asyncio.run(drive())
    assert [event["outcome"] for event in written()] == ["failure", "unknown"]


def test_a_block_can_say_more_while_it_runs(store: Store, written: Any) -> None:
    """Fields by name, and places in the metadata; what is set over rules what was given."""
    with audited("import", store=store, entity_type="file", message="begun") as event:
        event["metadata.rows"] = 5
        event["metadata.file.name"] = "a.csv"
        event.set(message="read", outcome="failure", user_id=7, odd=True)
    (event,) = written()
    assert (event["message"], event["outcome"], event["user_id"], event["entity_type"]) == (
        "read",
        "failure",
        "7",
        "file",
    )
    assert event["metadata"] == {"odd": True, "rows": 5, "file": {"name": "a.csv"}}


def test_a_block_that_raises_is_a_failure_whatever_was_said(store: Store, written: Any) -> None:
    """Also with `async with`."""

    async def work() -> None:
        async with audited("import", store=store) as event:
            event.set(outcome="success", level="critical")
            raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        asyncio.run(work())
    (event,) = written()
    assert (event["outcome"], event["level"], event["error_message"]) == ("failure", "critical", "bad")


def test_methods_are_audited_and_classes_are_refused(store: Store, written: Any) -> None:
    """`self` is an argument like others; a class would no longer be one."""

    class User:
        id = "u7"

        @audited("read", store=store, entity_id=lambda self: self.id)
        def read(self) -> str:
            return self.id

    assert User().read() == "u7"
    assert written()[0]["entity_id"] == "u7"
    with pytest.raises(TypeError, match="stands on a function"):
        audited("read")(User)


def test_secrets_go_to_the_store_as_they_are(keeping: Any) -> None:
    """Under the names that they are given; arguments that nobody names are not in the event."""

    @audited("update", store=keeping, password="{new}")
    def update(new: str, old: str) -> None: ...

    update("s3cret", "hunter2")
    assert keeping.seen[0]["metadata"] == {"password": "s3cret"}
    assert "hunter2" not in str(keeping.seen)


def test_a_broken_store_breaks_no_work(broken: Any, lost: Callable[[], int]) -> None:
    """Results and exceptions are those of the work; what cannot be taken is counted."""

    @audited("read", store=broken)
    def read(fail: bool) -> str:
        if fail:
            raise ValueError("bad")
        return "x"

    assert read(False) == "x"
    with pytest.raises(ValueError, match="bad"):
        read(True)
    with audited("read", store=broken):
        pass
    assert lost() == 3
