"""The whole server, as a process: it starts, answers, and stops without losing what was acknowledged."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from freezegun import freeze_time

from stonelog.api import runtime
from stonelog.filestore import Reader, Store, StoreReadOnly
from stonelog.indexer import Index, Page, Patience

SERVE = """
import sys
from stonelog.api.runtime import serve
from stonelog.filestore import StonelogError
directory, host, port, *uds = sys.argv[1:]
try:
    serve(directory, host, int(port), *uds)
except StonelogError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
"""
DEADLINE = 60

Start = Callable[..., subprocess.Popen]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server of `tmp_path`/data; all of them are gone at the end."""
    running: list[subprocess.Popen] = []

    def begin(*, host: str = "127.0.0.1", port: int = 0, uds: Path | None = None) -> subprocess.Popen:
        arguments = [str(tmp_path / "data"), host, str(port), *([str(uds)] if uds else [])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, *arguments], env=environment, stderr=subprocess.PIPE, text=True
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def address(process: subprocess.Popen) -> str:
    """Where the server says that it listens; returns when it does."""
    line = process.stderr.readline()
    assert line.startswith("stonelog serving "), line + process.stderr.read()
    return line.split()[-1]


def ask(url: str, **headers: str) -> dict:
    with urlopen(Request(url, headers=headers), timeout=DEADLINE) as answer:
        return json.load(answer)


def stop(process: subprocess.Popen, number: int = signal.SIGTERM) -> tuple[int, str]:
    """The exit status and what was said on stderr since the greeting."""
    process.send_signal(number)
    _, said = process.communicate(timeout=DEADLINE)
    return process.returncode, said


def test_it_starts_answers_and_stops(start, tmp_path):
    """One line says where it serves; it makes the store, answers, is ready, and ends with 0 and silence on SIGTERM."""
    process = start()
    line = process.stderr.readline()
    assert line.startswith(f"stonelog serving {tmp_path / 'data'} on http://127.0.0.1:")
    base = line.split()[-1]
    assert ask(f"{base}/livez") == {"status": "alive"}
    assert ask(f"{base}/v1/count") == {"count": 0}
    ready = ask(f"{base}/readyz")
    assert set(ready["checks"]) == {"directory", "store", "index_worker", "index_lag"}
    assert stop(process) == (0, "")


def test_interrupt_is_a_clean_stop(start):
    """Ctrl-C in a terminal ends it as SIGTERM does."""
    process = start()
    address(process)
    assert stop(process, signal.SIGINT) == (0, "")


def test_S14_foreign_host_is_refused(start):
    """The running server answers for localhost only."""
    base = address(start())
    with pytest.raises(HTTPError, match="421"):
        ask(f"{base}/v1/count", Host="evil.example")


def test_its_indexer_works(start, tmp_path):
    """Events that another process appends get into the index without being asked for."""
    base = address(start())
    with Store.open(tmp_path / "data") as store:
        store.append_many({"category": "api", "action": "read"} for _ in range(10))
    while ask(f"{base}/v1/events?limit=1")["indexed_seq"] < 10:
        pass  # each answer is already right; the deadline is the test run's
    assert ask(f"{base}/v1/count") == {"count": 10}


def test_F50_a_server_catches_up(start, tmp_path):
    """Days that went by while no server ran are sealed soon after it has started, and are asked as before."""
    for day in (1, 2):
        with freeze_time(f"2020-06-0{day}T12:00:00Z"), Store.open(tmp_path / "data") as store:
            store.append_many({"category": "api", "action": "read"} for _ in range(10))
    process = start()
    base = address(process)
    while ask(f"{base}/v1/count?q=action:store_sealed")["count"] < 1:
        pass  # the deadline is the test run's
    assert ask(f"{base}/v1/count?q=action:read") == {"count": 20}
    code, said = stop(process)
    assert (code, said) == (0, "")
    assert [segment.codec for segment in Reader(tmp_path / "data").segments()] == ["gzip", "gzip", None]


def test_a_time_of_a_job_that_is_none_is_one_clear_error(start, tmp_path, monkeypatch):
    """A mistake in [jobs] ends the start with 2 and one line."""
    monkeypatch.setenv("STONELOG_JOBS_SEAL", "noon")
    process = start()
    _, said = process.communicate(timeout=DEADLINE)
    assert (process.returncode, said.count("\n")) == (2, 1)
    assert said.startswith("STONELOG_JOBS_SEAL = noon: ")


def test_F22_nothing_acknowledged_is_lost(start, tmp_path):
    """Stopped and started again while another writer appends, it has every acknowledged event, once, in order."""
    acknowledged: list[int] = []
    enough, done = threading.Event(), threading.Event()

    def append() -> None:
        with Store.open(tmp_path / "data") as store:
            while not done.is_set():
                acknowledged.append(store.append(category="api", action="create").seq)
                if len(acknowledged) % 100 == 0:
                    enough.set()

    writer = threading.Thread(target=append)
    writer.start()
    try:
        for _ in range(3):
            process = start()
            base = address(process)
            enough.clear()
            assert enough.wait(DEADLINE)
            known = len(acknowledged)
            assert ask(f"{base}/v1/count")["count"] >= known
            assert stop(process) == (0, "")
    finally:
        done.set()
        writer.join()
    assert acknowledged == list(range(1, len(acknowledged) + 1))
    assert [line.seq for line in Reader(tmp_path / "data").lines()] == acknowledged
    assert ask(f"{address(start())}/v1/count") == {"count": len(acknowledged)}


def test_an_answer_under_way_is_finished(start, tmp_path):
    """After SIGTERM no connection is accepted any more, and an answer that had begun comes to its end."""
    with Store.open(tmp_path / "data") as store:
        store.append_many({"category": "api", "action": "read", "message": "x" * 2000} for _ in range(1500))
    process = start()
    port = int(address(process).rpartition(":")[2])
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n")
        answer = client.recv(1000)
        process.send_signal(signal.SIGTERM)
        while True:
            with socket.socket() as late:
                if late.connect_ex(("127.0.0.1", port)) != 0:
                    break
        while more := client.recv(1 << 20):
            answer += more
    assert answer.endswith(b"\r\n0\r\n\r\n")
    assert answer.count(b'"seq":') == 1500
    assert process.wait(DEADLINE) == 0


def test_port_in_use_is_one_clear_error(start, tmp_path):
    """A second server on the same port ends with 2 and one line, and leaves the first alone."""
    base = address(start())
    second = start(port=int(base.rpartition(":")[2]))
    _, said = second.communicate(timeout=DEADLINE)
    assert second.returncode == 2
    assert said.count("\n") == 1
    assert "in use" in said
    assert ask(f"{base}/livez")


def test_S15_no_start_beyond_loopback(start, tmp_path):
    """Asked to listen for other machines it ends with 2 before it has made anything."""
    process = start(host="0.0.0.0")
    _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 2
    assert "not a loopback address" in said
    assert not (tmp_path / "data").exists()


def test_unix_socket(start, tmp_path):
    """On a Unix socket it answers whatever Host a proxy passes on, and takes the socket away at the end."""
    path = tmp_path / "s"
    process = start(uds=path)
    assert address(process) == f"unix:{path}"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /v1/count HTTP/1.1\r\nHost: log.example\r\nConnection: close\r\n\r\n")
        answer = b""
        while more := client.recv(1 << 16):
            answer += more
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b'{"count":0}')
    assert stop(process) == (0, "")
    assert not path.exists()


def test_killed_server_is_replaced(start, tmp_path):
    """After kill -9 the next server takes the stale socket and the store over."""
    path = tmp_path / "s"
    first = start(uds=path)
    address(first)
    with Store.open(tmp_path / "data") as store:
        receipt = store.append(category="api", action="read")
    first.kill()
    first.wait(DEADLINE)
    assert path.exists()
    second = start(uds=path)
    address(second)
    assert stop(second) == (0, "")
    assert [line.seq for line in Reader(tmp_path / "data").lines()] == [receipt.seq]


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
def test_a_client_that_hangs_up_ends_its_query(tmp_path, monkeypatch, caplog, accept):
    """The question is stopped when the connection is closed, in the midst of a listing too, and no error is logged."""
    asked, ended = threading.Event(), threading.Event()
    searching = Index.search

    def search(index: Index, *args: object, patience: Patience, **more: object) -> Page:
        if accept != "application/json" and not more["cursor"]:
            return searching(index, *args, patience=patience, **more)
        asked.set()
        try:
            while True:
                patience.check()
        finally:
            ended.set()

    with Store.open(tmp_path / "data") as store:
        store.append_many([{"category": "api", "action": "read"}] * 300)
    monkeypatch.setenv("STONELOG_HTTP_QUERY_SECONDS", "0")
    monkeypatch.setattr(Index, "search", search)
    path, wish = tmp_path / "s", runtime.Stop()
    server = threading.Thread(target=runtime.serve, args=(tmp_path / "data",), kwargs={"uds": path, "stop": wish})
    server.start()
    try:
        with socket.socket(socket.AF_UNIX) as client:
            while client.connect_ex(str(path)) != 0:
                pass
            client.sendall(f"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n".encode())
            assert asked.wait(DEADLINE)
        assert ended.wait(DEADLINE)
    finally:
        wish.request()
        server.join(DEADLINE)
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


def test_an_endless_query_does_not_hold_the_stop(tmp_path, monkeypatch, capsys):
    """When an answer takes longer than the grace, everything is closed without it."""
    asked, release = threading.Event(), threading.Event()
    stores: list[Store] = []
    opening = Store.open

    def count(*_args: object, **_bounds: object) -> int:
        asked.set()
        release.wait(DEADLINE)
        return 0

    def remembered(directory: Path) -> Store:
        stores.append(opening(directory))
        return stores[-1]

    monkeypatch.setattr(runtime, "GRACE_SECONDS", 0)
    monkeypatch.setattr(runtime.Store, "open", remembered)
    monkeypatch.setattr(Index, "count", count)
    path, wish = tmp_path / "s", runtime.Stop()
    server = threading.Thread(target=runtime.serve, args=(tmp_path / "data",), kwargs={"uds": path, "stop": wish})
    server.start()
    with socket.socket(socket.AF_UNIX) as client:
        while client.connect_ex(str(path)) != 0:
            pass
        client.sendall(b"GET /v1/count HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert asked.wait(DEADLINE)
        wish.request()
        server.join(DEADLINE)
        assert not server.is_alive()
        assert not release.is_set()
    release.set()
    with pytest.raises(StoreReadOnly):
        stores[0].append(category="api", action="read")
