"""One event for a piece of work, written when it ends: around a function as decorator, around a block with `with`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from .work import AuditedEvent, Work

if TYPE_CHECKING:
    from stonelog.filestore import Level, Store

__all__ = ["AuditedEvent", "audited"]

Function = TypeVar("Function", bound=Callable[..., Any])


class audited:
    """Work under this becomes one event when it ends, with outcome, duration and the exception it raised, if any.

    Values may be given as they are, and around a function also as a callable or a template of its arguments:
    `entity_id=lambda user_id: user_id`, `entity_id="{user_id}"`; `result` is what it returned. Other names than those
    of fields go to `metadata`. Neither the result nor the exception is changed. A generator's work goes from its first
    step to its end; one that is never begun is no work. For a block, `with audited(...) as event` gives an
    AuditedEvent; make one `audited` for each block.
    """

    def __init__(
        self,
        action: str,
        *,
        store: Store | None = None,
        category: str = "data_management",
        level: Level = "info",
        **fields: Any,
    ) -> None:
        self._store = store
        self._action = action
        self._fields = {"category": category, "level": level, **fields}
        self._open: list[AuditedEvent] = []

    def __enter__(self) -> AuditedEvent:
        event = AuditedEvent(self._store, self._action, self._fields)
        self._open.append(event)
        return event

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._open.pop().end(error)

    async def __aenter__(self) -> AuditedEvent:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: Function) -> Function:
        """The function, each call of which is audited; it is of the same kind: plain, async, a generator of either."""
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"{function!r}: audited stands on a function, below @classmethod and @staticmethod")
        work = Work(self._store, self._action, self._fields, function)
        made: Callable[..., Any]
        if inspect.isasyncgenfunction(function):
            made = _around_async_generator(function, work)
        elif inspect.isgeneratorfunction(function):
            made = _around_generator(function, work)
        elif inspect.iscoroutinefunction(function):
            made = _around_async(function, work)
        else:
            made = _around(function, work)
        return functools.wraps(function)(made)  # type: ignore[return-value]


def _around(function: Callable[..., Any], work: Work) -> Callable[..., Any]:
    def call(*args: Any, **keywords: Any) -> Any:
        with work.begin(args, keywords) as begun:
            begun.result = function(*args, **keywords)
        return begun.result

    return call


def _around_async(function: Callable[..., Any], work: Work) -> Callable[..., Any]:
    async def call(*args: Any, **keywords: Any) -> Any:
        with work.begin(args, keywords) as begun:
            begun.result = await function(*args, **keywords)
        return begun.result

    return call


def _around_generator(function: Callable[..., Any], work: Work) -> Callable[..., Any]:
    def call(*args: Any, **keywords: Any) -> Any:
        with work.begin(args, keywords) as begun:
            begun.result = yield from function(*args, **keywords)
        return begun.result

    return call


def _around_async_generator(function: Callable[..., Any], work: Work) -> Callable[..., Any]:
    async def call(*args: Any, **keywords: Any) -> Any:
        with work.begin(args, keywords):
            steps = function(*args, **keywords)
            step = steps.__anext__()
            while True:  # `yield from`, which there is none of here
                try:
                    value = await step
                except StopAsyncIteration:
                    break
                try:
                    step = steps.asend((yield value))
                except GeneratorExit:
                    await steps.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 (thrown in from outside, and passed on)
                    step = steps.athrow(error)

    return call
