"""Telling others of a finding: a webhook, a command, a syslog line. Nobody waits for it; what fails is counted."""

from __future__ import annotations

import logging
import logging.handlers
import os
import queue
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Final

from stonelog.filestore import dumps

from .finding import SEVERITIES, Finding, Severity
from .settings import DetectSettings

__all__ = ["Notifier"]

log = logging.getLogger("stonelog")

_WAITING: Final = 1_000
"""So many findings may wait to be told; more are not told, and counted."""
_LOG_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 5.0
_PRIORITY: Final[dict[Severity, int]] = {
    "low": logging.handlers.SysLogHandler.LOG_NOTICE,
    "medium": logging.handlers.SysLogHandler.LOG_WARNING,
    "high": logging.handlers.SysLogHandler.LOG_ERR,
    "critical": logging.handlers.SysLogHandler.LOG_CRIT,
}
Way = Callable[[Finding, bytes], None]


class Notifier:
    """Tells of findings in a thread of its own, which is started with the first one. Safe to use from any thread."""

    def __init__(self, settings: DetectSettings) -> None:
        self._seconds = settings.notify_seconds
        self._least = SEVERITIES.index(settings.notify_from)
        self._webhook, self._command, self._syslog = settings.webhook, list(settings.command), settings.syslog
        self._ways: list[tuple[str, Way]] = []
        if self._webhook:
            self._ways.append(("webhook", self._post))
        if self._command:
            self._ways.append(("command", self._start))
        if self._syslog:
            self._ways.append(("syslog", self._line))
        self._queue: queue.Queue[Finding | None] = queue.Queue(_WAITING)
        self._thread: threading.Thread | None = None
        self._turn = threading.Lock()
        self._handler: _Syslog | None = None
        self._told = -_LOG_SECONDS
        self.failures = 0
        """How often one of the ways failed, or there was no room for a finding, since the start."""

    def tell(self, finding: Finding) -> None:
        """The finding will be told soon, if it is severe enough and there is room. Waits for nothing."""
        if not self._ways or SEVERITIES.index(finding.severity) < self._least:
            return
        with self._turn:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="stonelog-notify", daemon=True)
                self._thread.start()
        try:
            self._queue.put_nowait(finding)
        except queue.Full:
            self._failed("queue", "too many findings wait to be told")

    def stop(self, seconds: float = _STOP_SECONDS) -> None:
        """What waited has been told, as far as that took no longer than `seconds`; the thread ends."""
        with self._turn:
            thread, self._thread = self._thread, None
        if thread is None:
            return
        end = time.monotonic() + seconds
        try:
            self._queue.put(None, timeout=seconds)
        except queue.Full:
            return
        thread.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        while (finding := self._queue.get()) is not None:
            body = dumps({**finding.fields(), "message": finding.message})
            for name, way in self._ways:
                try:
                    way(finding, body)
                except Exception as error:  # noqa: BLE001 (whatever it is, the others are told)
                    self._failed(name, str(error) or type(error).__name__)
        if self._handler is not None:
            self._handler.close()
            self._handler = None

    def _failed(self, name: str, reason: str) -> None:
        """It is counted, and once a minute told in the program's own log."""
        with self._turn:
            self.failures += 1
            now = time.monotonic()
            quiet = now - self._told < _LOG_SECONDS
            if not quiet:
                self._told = now
        if not quiet:
            log.warning("a finding could not be told by %s (%d failures so far): %s", name, self.failures, reason[:300])

    def _post(self, finding: Finding, body: bytes) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": "stonelog"}
        request = urllib.request.Request(self._webhook, body, headers, method="POST")  # noqa: S310 (http or https)
        with urllib.request.urlopen(request, timeout=self._seconds) as answer:  # noqa: S310
            answer.read(1)

    def _start(self, finding: Finding, body: bytes) -> None:
        nowhere = subprocess.DEVNULL
        subprocess.run(  # noqa: S603 (the program is the setting's; what is untrusted goes to its standard input)
            self._command, input=body, stdout=nowhere, stderr=nowhere, timeout=self._seconds, check=True
        )

    def _line(self, finding: Finding, body: bytes) -> None:
        """A line as in RFC 5424, the finding as JSON its message."""
        if self._handler is None:
            self._handler = _syslog_handler(self._syslog)
        priority = self._handler.encodePriority(
            logging.handlers.SysLogHandler.LOG_AUTHPRIV, _PRIORITY[finding.severity]
        )
        stamp = finding.fields()["time"]
        head = f"<{priority}>1 {stamp} {socket.gethostname() or '-'} stonelog {os.getpid()} finding - "
        self._handler.send(head.encode("ascii", "replace") + body)


class _Syslog(logging.handlers.SysLogHandler):
    """The standard library's connection to a syslog, for lines that are whole already."""

    socket: socket.socket

    def send(self, line: bytes) -> None:
        """The line is with the system. Raises OSError."""
        if self.unixsocket:
            self.socket.send(line)
        else:
            self.socket.sendto(line, self.address)


def _syslog_handler(address: str) -> _Syslog:
    if address.startswith("/"):
        return _Syslog(address)
    host, _, port = address.rpartition(":")
    return _Syslog((host.strip("[]"), int(port)) if host else (address, 514))
