"""Telling others: webhook, command, syslog."""

import json
import logging
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from answers import wait_until
from stonelog.indexer.detect import DetectSettings, Finding, Notifier
from stonelog.indexer.detect import notify as module


def finding(severity="high", title="A thing\nhappened"):
    return Finding("r", title, severity, {"username": "ada"}, 3, 1, 3, (1, 2, 3), 60.0, 1_790_000_000_000_000)


@pytest.fixture
def web() -> Iterator[tuple[str, list[dict]]]:
    """A server and what was posted to it; /bad answers with an error."""
    posted: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append({"type": self.headers["Content-Type"], **json.loads(body)})
            self.send_response(500 if self.path == "/bad" else 204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", posted
        server.shutdown()
        thread.join()


def test_a_webhook_gets_the_finding(web):
    """JSON by POST, with the fields of the event."""
    address, posted = web
    notifier = Notifier(DetectSettings(webhook=f"{address}/hook"))
    notifier.tell(finding())
    notifier.stop()
    assert [each["type"] for each in posted] == ["application/json"]
    assert (posted[0]["category"], posted[0]["metadata"]["rule"]) == ("security", "r")
    assert notifier.failures == 0


def test_a_command_gets_json_and_no_shell(tmp_path):
    """The arguments are given as they are, and the finding on standard input."""
    program = "import sys; open(sys.argv[1], 'w').write(sys.argv[2] + sys.stdin.read())"
    notifier = Notifier(DetectSettings(command=(sys.executable, "-c", program, str(tmp_path / "out"), "$(id)|")))
    notifier.tell(finding())
    notifier.stop()
    head, _, body = (tmp_path / "out").read_text().partition("|")
    assert head == "$(id)"
    assert json.loads(body)["username"] == "ada"


def test_a_syslog_gets_one_line():
    """Priority, version, time, host, program as in RFC 5424, then JSON; controls of the title are escaped."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        notifier = Notifier(DetectSettings(syslog=f"127.0.0.1:{receiver.getsockname()[1]}"))
        notifier.tell(finding("critical"))
        notifier.stop()
        line = receiver.recv(65_536)
    head, _, body = line.partition(b" finding - ")
    assert head.startswith(b"<82>1 2026-")
    assert b" stonelog " in head
    assert b"\n" not in line
    assert json.loads(body)["metadata"]["severity"] == "critical"


def test_failures_are_counted_and_told_once_a_minute(web, caplog):
    """A webhook that answers with an error and a program that is not there fail, and the others still work."""
    address, posted = web
    notifier = Notifier(DetectSettings(webhook=f"{address}/bad", command=("/nowhere/at/all",)))
    with caplog.at_level(logging.WARNING, "stonelog"):
        for _ in range(3):
            notifier.tell(finding())
        notifier.stop()
    assert (len(posted), notifier.failures) == (3, 6)
    assert len([record for record in caplog.records if "could not be told" in record.message]) == 1


def test_a_program_that_hangs_is_ended(tmp_path):
    """After the setting's seconds it counts as a failure."""
    command = (sys.executable, "-c", "import time; time.sleep(60)")
    notifier = Notifier(DetectSettings(command=command, notify_seconds=0.2))
    notifier.tell(finding())
    wait_until(lambda: notifier.failures == 1)
    notifier.stop()


def test_severity_decides_and_nobody_waits(web, monkeypatch):
    """What is below `notify_from` is not told; what finds no room is counted."""
    address, posted = web
    notifier = Notifier(DetectSettings(webhook=address, notify_from="high"))
    for severity in ("low", "medium", "high", "critical"):
        notifier.tell(finding(severity))
    notifier.stop()
    assert [each["metadata"]["severity"] for each in posted] == ["high", "critical"]
    monkeypatch.setattr(module, "_WAITING", 1)
    hold = threading.Event()
    notifier = Notifier(DetectSettings(webhook=address))
    monkeypatch.setattr(notifier, "_ways", [("webhook", lambda *_: hold.wait())])
    for _ in range(10):
        notifier.tell(finding())
    assert notifier.failures >= 8
    hold.set()
    notifier.stop()


def test_without_ways_there_is_no_thread():
    """Nothing is set: nothing is started."""
    before = threading.active_count()
    notifier = Notifier(DetectSettings())
    notifier.tell(finding())
    assert threading.active_count() == before
    notifier.stop()
