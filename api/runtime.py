"""The composition root of `stonelog serve`: opens everything in order, closes it in reverse."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import socket
from types import FrameType
from typing import Final

import uvicorn

from stonelog.filestore import Store, load_section
from stonelog.indexer import Detector, DetectSettings, Worker, make_scheduler

from .app import create_app
from .listener import Listener, listen, listen_unix

__all__ = ["GRACE_SECONDS", "Stop", "serve"]

GRACE_SECONDS: Final = 10
"""How long requests that are being answered may go on after SIGTERM."""

LARGEST_REQUEST_HEAD: Final = 128 * 1024


class Stop:
    """A wish to stop: SIGTERM or SIGINT at any moment from opening to closing, or `request` from any thread."""

    def __init__(self) -> None:
        self._server: uvicorn.Server | None = None
        self._wished = threading.Event()

    def request(self) -> None:
        """The server stops accepting and ends soon; if it does not run yet, it will end at once."""
        self._wished.set()
        if self._server is not None:
            self._server.should_exit = True

    def watch(self, server: uvicorn.Server) -> None:
        """From now on the wish goes to this server; one that came before does too."""
        self._server = server
        server.should_exit = self._wished.is_set()

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Inside the block SIGTERM and SIGINT are this wish. Only the main thread can have it so."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def heard(_signal: int, _frame: FrameType | None) -> None:
            self.request()

        before = {number: signal.signal(number, heard) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Server(uvicorn.Server):
    """uvicorn, which would raise the signal again when done and so kill the process before the store is closed."""

    def __init__(self, config: uvicorn.Config, greeting: str) -> None:
        super().__init__(config)
        self._greeting = greeting

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to Stop."""
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """The server accepts requests, and a person who waits is told so."""
        await super().startup(sockets)
        print(self._greeting, file=sys.stderr, flush=True)  # noqa: T201 (the one line of a quiet server)


def serve(
    directory: str | Path,
    host: str = "127.0.0.1",
    port: int = 8321,
    uds: str | Path | None = None,
    *,
    stop: Stop | None = None,
) -> None:
    """Returns when the server was told to stop, has answered what was asked, and everything is closed.

    Opens, in this order: the socket, the store (which recovers), the indexer's thread, the detector's, the scheduler
    (which seals and prunes in a thread of its own), the application. Raises InvalidSetting if it cannot listen there or
    a time in `[jobs]` is none, what opening the store raises, and InvalidRule.
    """
    stop = stop or Stop()
    # Stopped while files change, watchdog calls it an error that its thread stopped; the indexer polls anyway.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
    with ExitStack() as opened:
        opened.enter_context(stop.on_signals())
        listener = opened.enter_context(listen(host, port) if uds is None else listen_unix(uds))
        store = opened.enter_context(Store.open(directory))
        worker = Worker(store.directory)
        opened.callback(worker.stop)
        worker.start()
        detecting = load_section(DetectSettings, store.directory, "detect")
        if detecting.enabled:
            detector = Detector(store, settings=detecting)
            opened.callback(detector.stop)
            detector.start()
        scheduler = make_scheduler(store)
        scheduler.start()
        opened.callback(scheduler.shutdown)
        app = create_app(store, worker=worker, loopback_only=uds is None)
        opened.callback(app.state.access.close)
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=LARGEST_REQUEST_HEAD,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        server = Server(config, _greeting(store, listener))
        stop.watch(server)
        server.run(sockets=[listener.socket])


def _greeting(store: Store, listener: Listener) -> str:
    return f"stonelog serving {store.directory} on {listener.address}"
