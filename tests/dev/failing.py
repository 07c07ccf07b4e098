"""Errors from the operating system at a chosen call, through the seam: a stand-in for `os` within filestore.files."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["FailingSystem", "in_time"]

T = TypeVar("T")

_DONE_ALL_THE_SAME = frozenset({"close"})
"""Calls that have done their work when they report an error: a descriptor is closed whatever `close` says."""


class FailingSystem:
    """Passes each call on, but the nth of one name raises; with `lasting` all after it too."""

    def __init__(self, name: str, nth: int, error: Callable[[], BaseException], *, lasting: bool = False) -> None:
        self.reached = False
        self.armed = True
        self._name = name
        self._left = nth
        self._error = error
        self._lasting = lasting
        self._counting = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name != self._name:
            return real

        def call(*given: Any, **named: Any) -> Any:
            if not self._fails():
                return real(*given, **named)
            if name in _DONE_ALL_THE_SAME:
                real(*given, **named)
            raise self._error()

        return call

    def _fails(self) -> bool:
        with self._counting:
            if not self.armed:
                return False
            self._left -= 1
            fails = self._left == 0 or (self._lasting and self._left < 0)
            self.reached = self.reached or fails
            return fails


def in_time(work: Callable[[], T], *, seconds: float = 20.0) -> T:
    """What the call gives or raises; fails if it does not come back, so that a hang is not one of the whole run."""
    given: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            given.append(work())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "the call does not come back"
    if raised:
        raise raised[0]
    return given[0]
