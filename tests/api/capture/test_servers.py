"""Under a real server, two workers, 200 clients at once: every request is one event, the right one."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asking import written

CLIENTS = 200


@contextmanager
def serving(app: str, store: Path) -> Iterator[int]:
    """The port at which two worker processes serve; afterwards they have ended, and written all."""
    with socket.create_server(("127.0.0.1", 0), backlog=2 * CLIENTS) as listening:
        command = [sys.executable, "-m", "uvicorn", f"served:{app}", "--factory", "--workers", "2", "--lifespan", "off"]
        command += ["--fd", str(listening.fileno()), "--no-access-log", "--log-level", "critical"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "SERVED_STORE": str(store)}
        server = subprocess.Popen(command, env=environment, pass_fds=[listening.fileno()])
        try:
            yield listening.getsockname()[1]
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(30) == 0


async def get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, name: str) -> int:
    """The status of the answer, whose body was read unless it has no end."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: {name}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), None)
    await (reader.readline() if length is None else reader.readexactly(length))
    return int(head.split()[1])


async def client(port: int, number: int) -> dict[str, tuple[int, str | None, str | None]]:
    """What a client's requests are to leave, by request id: status, route, user. At the end it goes from a stream."""
    expected = {}
    for kind in ("users", "none", "crash", "stream"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for turn in range(2 if kind == "users" else 1):
            name = f"{kind}-{number}-{turn}"
            status = await get(reader, writer, f"/{kind}/{number}", name)
            known = kind != "none"
            expected[name] = status, f"/{kind}/{{uid}}" if known else None, f"user{number}" if known else None
        writer.close()
    return expected


async def all_clients(port: int) -> dict[str, tuple[int, str | None, str | None]]:
    found = await asyncio.gather(*(client(port, number) for number in range(1, CLIENTS + 1)))
    return {name: each for expected in found for name, each in expected.items()}


@pytest.mark.parametrize("app", ["fastapi_app", "starlette_app", "django_app"])
def test_each_request_is_exactly_one_event(tmp_path: Path, app: str) -> None:
    """With the right user, status and route; a crash has its error, and who left in the middle is said to have left."""
    if app == "django_app":
        pytest.importorskip("django", reason="django is not installed")
    with serving(app, tmp_path / "data") as port:
        expected = asyncio.run(all_clients(port))
    events = written(tmp_path / "data")
    seen = {event["request_id"]: event for event in events}
    assert len(events) == len(seen) == 5 * CLIENTS
    told = {
        name: (event["status_code"], event.get("metadata", {}).get("route"), event.get("username"))
        for name, event in seen.items()
    }
    assert told == expected
    for name, event in seen.items():
        kind, number, _ = name.split("-")
        assert event.get("error_message") == (f"crash {number}" if kind == "crash" else None)
        assert event.get("metadata", {}).get("disconnected", False) == (kind == "stream")
        assert event["status_code"] == {"users": 200, "none": 404, "crash": 500, "stream": 200}[kind]
