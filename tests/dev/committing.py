"""Appends that queue up behind an operation that a test holds."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from stonelog.filestore import StonelogError, Store, batch, files

__all__ = ["EVENT", "Gate", "append", "queue_up", "raising", "result", "seqs"]

EVENT = {"category": "api", "action": "read"}


class Gate:
    """Holds a file operation until it is opened, so that requests queue up behind it."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()
        self.calls = 0
        real = getattr(files, name)

        def call(*given: object) -> object:
            self.calls += 1
            self.reached.set()
            self.open.wait()
            return real(*given)

        monkeypatch.setattr(files, name, call)


def append(store: Store) -> int:
    """The `seq` of one more event."""
    return store.append(EVENT).seq


def seqs(store: Store) -> list[int | None]:
    """The `seq`s of all events."""
    return [event.seq for event in store.read()]


def raising(code: int) -> Callable[..., None]:
    """An operation that fails with this error."""

    def fail(*given: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def queue_up(store: Store, pool: ThreadPoolExecutor, count: int) -> list[object]:
    """So many appends from threads, all of them waiting in the committer's queue when this returns."""
    queued = threading.Semaphore(0)
    committer = store._committer
    real = committer._put

    def put(request: batch.Request) -> None:
        real(request)
        queued.release()

    committer._put = put  # type: ignore[assignment, method-assign]
    futures: list[object] = [pool.submit(append, store) for _ in range(count)]
    for _ in range(count):
        queued.acquire()
    committer._put = real  # type: ignore[method-assign]
    return futures


def result(future: object) -> object:
    """What a call gave, or the error it raised."""
    try:
        return future.result()  # type: ignore[attr-defined]
    except StonelogError as error:
        return error
