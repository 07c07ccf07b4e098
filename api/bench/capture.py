"""What the middleware costs: latency and throughput of an application with and without it, and the event loop while
the disk stalls."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from .figure import Figure, Target, percentile
from .rounds import ROUNDS, Notice, quiet
from .server import STALL_SECONDS, Serving, serving
from .whole import measure_whole

__all__ = ["measure_capture"]

CLIENTS: Final = 32
_TURN: Final = 50
"""So many requests one after the other are made of one server before it is the other's turn."""
_EVENTS_A_REQUEST: Final = 25
"""Where all that is done for an event is measured, there are so many times as many."""
_LEAST: Final = "/users/7"
_PAGE: Final = "/users?page=2"
_REQUEST: Final = (
    b"GET %b HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0\r\n"
    b"Cookie: theme=dark; sid=0f8fad5bd9cb469fa16570867728950e\r\n"
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"
)


def measure_capture(place: Path, requests: int, *, rounds: int = ROUNDS, tell: Notice = quiet) -> Iterator[Figure]:
    """The figures, as they become known; `place` is an empty directory, and is left empty.

    A round makes `requests` requests of each server. Raises StonelogError, OSError.
    """
    with TemporaryDirectory(dir=place) as within, ExitStack() as opened:
        plain = opened.enter_context(serving(None))
        ours = opened.enter_context(serving(Path(within, "data")))
        for server in (plain, ours):
            _rate(server, _PAGE, max(requests // 4, CLIENTS))  # what both load once
        yield _latency(plain, ours, requests, rounds, tell)
        for target, path, what in ((Target("least", 0.9), _PAGE, "a page of JSON"), (None, _LEAST, "the least answer")):
            clock, core = _rates(plain, ours, path, requests, rounds, tell)
            name, against = f"requests, {CLIENTS} clients, {what}", "without the middleware"
            yield Figure.of(name, "events/s", clock[ours], against, clock[plain], target)
            yield Figure.of(f"{name}, a core", "events/s", core[ours], against, core[plain])
        yield _lateness(plain, ours, rounds, tell)
    yield measure_whole(place, _EVENTS_A_REQUEST * requests, rounds=rounds, tell=tell)


def _latency(plain: Serving, ours: Serving, requests: int, rounds: int, tell: Notice) -> Figure:
    """One client, one request after the other; the two servers in short turns, so that both have the same weather."""
    added, without = [], []
    with _Client(plain, _LEAST) as one, _Client(ours, _LEAST) as other:
        for number in range(1, rounds + 1):
            tell("request", number, rounds)
            bare: list[float] = []
            captured: list[float] = []
            for _ in range(max(1, requests // _TURN)):
                bare += [one.timed() for _ in range(_TURN)]
                captured += [other.timed() for _ in range(_TURN)]
            without.append(percentile(bare, 0.5))
            added.append(percentile(captured, 0.5) - without[-1])
    target = Target("most", 0.00015, of="ours")
    return Figure.of("added to a request, p50", "s", added, "request without it, p50", without, target)


def _rates(
    plain: Serving, ours: Serving, path: str, requests: int, rounds: int, tell: Notice
) -> tuple[dict[Serving, list[float]], dict[Serving, list[float]]]:
    """Requests a second by the clock, and by the processor time of the server, which other processes do not change."""
    clock: dict[Serving, list[float]] = {plain: [], ours: []}
    core: dict[Serving, list[float]] = {plain: [], ours: []}
    for number in range(1, rounds + 1):
        tell(f"{CLIENTS} clients, {path}", number, rounds)
        for server in (plain, ours) if number % 2 else (ours, plain):
            before = server.cpu()
            clock[server].append(_rate(server, path, requests))
            core[server].append(requests / (server.cpu() - before))
    return clock, core


def _lateness(plain: Serving, ours: Serving, rounds: int, tell: Notice) -> Figure:
    """Requests come one after the other, while a sync takes a second longer."""
    late: dict[Serving, list[float]] = {plain: [], ours: []}
    served = []
    for number in range(1, rounds + 1):
        tell("disk stalled", number, rounds)
        for server in (plain, ours):
            server.watch(STALL_SECONDS * 1.5, stall=server is ours)
            served.append(_busy(server, STALL_SECONDS * 1.5))
            late[server].append(server.latest())
    note = f"the worst moment of {STALL_SECONDS * 1.5:g} s, in which {min(served):,} requests or more were answered"
    target = Target("most", 0.005, of="ours")
    name = "event loop late, disk stalled"
    return Figure.of(name, "s", late[ours], "without the middleware", late[plain], target, note)


def _busy(server: Serving, seconds: float) -> int:
    """How many requests one client had answered in that time."""
    end, number = time.monotonic() + seconds, 0
    with _Client(server, _LEAST) as client:
        while time.monotonic() < end:
            client.timed()
            number += 1
    return number


class _Client:
    """A connection on which one request follows the other."""

    def __init__(self, server: Serving, path: str) -> None:
        self._request = _REQUEST % path.encode()
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.waits = 0
        self._size = 0

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def ask(self) -> None:
        """The request is sent."""
        self.socket.sendall(self._request)
        self.waits = self._size

    def hear(self) -> bool:
        """Whether the answer is complete, after what has come of it now. All answers are of the same length."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        if not self._size:
            while b"\r\n\r\n" not in data or len(data) < _whole(data):
                data += self.socket.recv(65536)
            self._size = self.waits = len(data)
        self.waits -= len(data)
        return self.waits <= 0

    def timed(self) -> float:
        """Seconds from sending a request to having its answer."""
        began = time.perf_counter()
        self.ask()
        while not self.hear():
            pass
        return time.perf_counter() - began


def _whole(data: bytes) -> int:
    """The length of the answer that begins so."""
    head, _, _ = data.partition(b"\r\n\r\n")
    lines: Sequence[bytes] = head.lower().split(b"\r\n")
    length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
    return len(head) + 4 + length


def _rate(server: Serving, path: str, requests: int) -> float:
    """Requests a second of many clients, each of which asks again as soon as it has its answer."""
    with ExitStack() as opened, selectors.DefaultSelector() as selector:
        clients = [opened.enter_context(_Client(server, path)) for _ in range(CLIENTS)]
        for client in clients:
            client.timed()
            selector.register(client.socket, selectors.EVENT_READ, client)
        began, answered = time.perf_counter(), 0
        for client in clients:
            client.ask()
        while answered < requests:
            for key, _ in selector.select():
                client = key.data
                if client.hear():
                    answered += 1
                    client.ask()
        return answered / (time.perf_counter() - began)
