"""A small application under uvicorn in a process of its own, with or without the middleware, for `bench capture`."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from stonelog.filestore import StonelogError, Store

from ..capture.asgi import AuditMiddleware

__all__ = ["STALL_SECONDS", "Serving", "serving"]

STALL_SECONDS: Final = 1.0
_TICK: Final = 0.001
_READY_SECONDS: Final = 30


class Serving:
    """A server that runs."""

    def __init__(self, port: int, control: Connection) -> None:
        self.port = port
        self._control = control

    def watch(self, seconds: float, *, stall: bool) -> None:
        """From now on it is watched how late the event loop is; with `stall` the next sync takes a second longer."""
        self._control.send((seconds, stall))

    def latest(self) -> float:
        """By how many seconds the event loop was late at worst; waits until the watch is over."""
        return float(self._control.recv())

    def cpu(self) -> float:
        """Seconds of processor time that the server has used so far, in all its threads."""
        self._control.send(None)
        return float(self._control.recv())


@contextmanager
def serving(directory: Path | None) -> Iterator[Serving]:
    """Inside the block the application is served: with the middleware if there is a directory for its store.

    Raises StonelogError if it does not start.
    """
    context = get_context("spawn")  # an open store must not be forked
    ours, theirs = context.Pipe()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        # Accepted connections take it over; or each answer, head and body apart, would wait for a delayed ACK.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        child = context.Process(target=_serve, args=(listening, directory, theirs), daemon=True)
        child.start()
        theirs.close()
        try:
            try:
                if not ours.poll(_READY_SECONDS):
                    raise StonelogError("the server of the benchmark did not start in time")
                ours.recv()
            except EOFError:
                raise StonelogError("the server of the benchmark ended", hint="see its error") from None
            yield Serving(listening.getsockname()[1], ours)
        finally:
            ours.close()  # that is what it stops at
            child.join(_READY_SECONDS)
            if child.is_alive():
                child.kill()
                child.join()


class User(BaseModel):
    """What the application answers with."""

    id: int
    name: str
    email: str
    created: datetime
    roles: list[str]


def make_app(store: Store | None) -> FastAPI:
    """What is served: `/users`, a page of 25 of them as validated JSON, and `/users/{uid}`, the least there can be."""
    app = FastAPI()
    created = datetime(2026, 11, 23, 14, 5, 6, tzinfo=UTC)

    @app.get("/users")
    async def users(page: int = 1) -> list[User]:
        first = page * 25
        return [
            User(
                id=uid, name=f"user {uid}", email=f"user{uid}@example.org", created=created, roles=["reader", "editor"]
            )
            for uid in range(first, first + 25)
        ]

    @app.get("/users/{uid}")
    async def user(uid: int) -> dict[str, int]:
        return {"id": uid}

    if store is not None:
        app.add_middleware(AuditMiddleware, store=store, user=_user)
    return app


def _user(scope: Any) -> tuple[str, str]:
    return "7", "ada"


def _serve(listening: socket.socket, directory: Path | None, control: Connection) -> None:
    store = None if directory is None else Store.open(directory, durability="fsync")
    config = uvicorn.Config(
        make_app(store), http="h11", ws="none", lifespan="off", log_config=None, log_level="critical", access_log=False
    )
    server = uvicorn.Server(config)
    stall = _stallable()

    async def run() -> None:
        loop = asyncio.get_running_loop()

        def obey() -> None:
            try:
                while True:
                    asked = control.recv()
                    if asked is None:
                        control.send(time.process_time())
                        continue
                    seconds, wanted = asked
                    if wanted:
                        stall.set()
                    control.send(asyncio.run_coroutine_threadsafe(_lateness(seconds), loop).result())
            except (EOFError, OSError):
                server.should_exit = True

        gc.freeze()  # or one of the two, by chance, would once look through all that was imported, for 0.1 s
        threading.Thread(target=obey, daemon=True).start()
        control.send(True)
        await server.serve(sockets=[listening])

    asyncio.run(run())
    if store is not None:
        store.close()


async def _lateness(seconds: float) -> float:
    """By how much a timer was late at worst, which is how long the loop was kept from its work.

    What the loop waited for a core, because other processes had them all, is not counted.
    """
    worst = 0.0
    end = time.perf_counter() + seconds
    queued = _queued()
    while (began := time.perf_counter()) < end:
        await asyncio.sleep(_TICK)
        late = time.perf_counter() - began - _TICK
        before, queued = queued, _queued()
        worst = max(worst, late - (queued - before))
    return worst


def _queued() -> float:
    """For how many seconds this thread has waited for a core (sched-stats); 0 where the system does not tell."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def _stallable() -> threading.Event:
    """What makes the next sync of this process take a second longer when it is set; nothing else does."""
    files = sys.modules[f"{Store.__module__.rpartition('.')[0]}.files"]
    synced = files.sync_data
    stall = threading.Event()

    def sync(fd: int) -> None:
        if stall.is_set():
            stall.clear()
            time.sleep(STALL_SECONDS)  # as a disk does, without the interpreter's lock
        synced(fd)

    files.sync_data = sync  # type: ignore[attr-defined]
    return stall
