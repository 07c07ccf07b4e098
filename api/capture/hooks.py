"""Doors for what nobody caught: warnings, and exceptions that end a program, a thread or a task.

Each stands before what was there, which is still called, and can be taken away again.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TextIO

from .crash import error_fields
from .failure import STACK_BYTES, type_name
from .given import completed
from .offer import offer
from .plain import plain

if TYPE_CHECKING:
    from stonelog.filestore import Level, Store

__all__ = ["Hooks", "capture_exceptions", "capture_warnings"]

CATEGORY: Final = "system_management"


class Hooks:
    """What was put in place; `undo`, or the end of a `with` block, takes it away."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def undo(self) -> None:
        """Nothing is captured any more, and what was there is back, if nobody put something else over it since."""
        while self._undo:
            self._undo.pop()()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.undo()

    def put(self, place: object, name: str, make: Callable[[Callable[..., None]], _Hook]) -> None:
        """The hook stands in `place.name`, before what is there; unless what is there is one of ours already."""
        before = getattr(place, name)
        if isinstance(before, _Hook) and before.active:
            return
        hook = make(before)
        setattr(place, name, hook)

        def undo() -> None:
            hook.active = False
            if getattr(place, name) is hook:
                setattr(place, name, before)

        self._undo.append(undo)

    def put_into_loop(self, loop: asyncio.AbstractEventLoop, store: Store | None) -> None:
        """The same for an event loop's exception handler."""
        before = loop.get_exception_handler()
        if isinstance(before, _LoopHook) and before.active:
            return
        hook = _LoopHook(store, before)
        loop.set_exception_handler(hook)

        def undo() -> None:
            hook.active = False
            if loop.get_exception_handler() is hook:
                loop.set_exception_handler(before)

        self._undo.append(undo)


def capture_warnings(store: Store | None = None) -> Hooks:
    """Warnings that are shown become events too, until `undo` of what is returned."""
    hooks = Hooks()
    hooks.put(warnings, "showwarning", lambda before: _Warnings(store, before))
    return hooks


def capture_exceptions(store: Store | None = None, *, loop: asyncio.AbstractEventLoop | None = None) -> Hooks:
    """Exceptions that nobody caught become events too, until `undo` of what is returned.

    Those that end the program or a thread; those that Python cannot raise, as in `__del__`; and those of the event
    loop that is given, or runs here, such as of a task that nobody awaited.
    """
    hooks = Hooks()
    hooks.put(sys, "excepthook", lambda before: _Program(store, before))
    hooks.put(threading, "excepthook", lambda before: _Thread(store, before))
    hooks.put(sys, "unraisablehook", lambda before: _Unraisable(store, before))
    if loop is None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return hooks
    hooks.put_into_loop(loop, store)
    return hooks


class _Hook(ABC):
    """Offers what it is called with, then calls what was there before with the same; never raises by itself."""

    def __init__(self, store: Store | None, before: Callable[..., Any] | None) -> None:
        self.active = True
        self._store = store
        self._before = before

    def __call__(self, *args: Any, **keywords: Any) -> None:
        if self.active:
            with contextlib.suppress(Exception):  # what was there before must be called, whatever came here
                self.capture(*args, **keywords)
        if self._before is not None:
            self._before(*args, **keywords)

    @abstractmethod
    def capture(self, *args: Any, **keywords: Any) -> None:
        """An event is offered for what the hook was called with."""

    def tell(
        self, where: str, kind: type[BaseException], error: BaseException | None, level: Level, **more: object
    ) -> None:
        """One event for the exception; Ctrl-C is none that anybody must look at."""
        if issubclass(kind, SystemExit):
            return
        stopped = issubclass(kind, KeyboardInterrupt)
        fields: dict[str, Any] = {"level": "notice" if stopped else level}
        if not stopped:
            fields["outcome"] = "failure"
        fields |= error_fields(error, STACK_BYTES) if error is not None else {"error_type": type_name(kind)}
        fields["message"] = f"{fields['error_type']}, which nobody caught"
        metadata = {"where": where, **{name: value for name, value in more.items() if value is not None}}
        offer(self._store, completed(fields, metadata, CATEGORY, "interrupted" if stopped else "uncaught_exception"))


class _Warnings(_Hook):
    def capture(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if file is not None:  # asked for in that file, and there only
            return
        fields = {"level": "warning", "message": str(message)}
        metadata = {"warning": type_name(category), "file": filename, "line": lineno}
        offer(self._store, completed(fields, metadata, CATEGORY, "warning"))


class _Program(_Hook):
    def capture(self, kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        self.tell("program", kind, error, "critical")


class _Thread(_Hook):
    def capture(self, args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread is not None else None
        self.tell("thread", args.exc_type, args.exc_value, "error", thread=name)


class _Unraisable(_Hook):
    def capture(self, args: sys.UnraisableHookArgs) -> None:
        # The object itself is not kept: it may be one that is being finalised.
        text = plain(args.err_msg or "Exception ignored in")
        self.tell("unraisable", args.exc_type, args.exc_value, "error", object=repr(args.object), text=text)


class _LoopHook(_Hook):
    """An exception handler of asyncio, before which none may be: then the loop's default one is called."""

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        super().__call__(loop, context)
        if self._before is None:
            loop.default_exception_handler(context)

    def capture(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        task = context.get("task") or context.get("future")
        name = task.get_name() if isinstance(task, asyncio.Task) else None
        text = context.get("message")
        if isinstance(error, BaseException):
            self.tell("event loop", type(error), error, "error", task=name, text=text)
        else:
            fields = {"level": "error", "message": str(text)}
            metadata = {"where": "event loop", **({"task": name} if name else {})}
            offer(self._store, completed(fields, metadata, CATEGORY, "uncaught_exception"))
