"""The command line as tests run it: in this process, as a process of its own, and on a terminal."""

import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

from stonelog.api.cli import program
from stonelog.filestore import Store

Run = Callable[..., Result]
DATA = Path(__file__).parents[3] / "../shared/data"


class Ended(NamedTuple):
    """How a process ended, and what it wrote."""

    code: int
    out: bytes
    err: bytes


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what would steer the program, and with what finds the packages under test."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("STONELOG_") and key != "NO_COLOR"}
    kept["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return kept | {"PYTHONUTF8": "1", "TERM": "xterm", "COLUMNS": "100"} | more


COMMAND = [sys.executable, "-m", "stonelog.api.cli"]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for key in os.environ:
        if key.startswith("STONELOG_") or key == "NO_COLOR":
            monkeypatch.delenv(key)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run() -> Run:
    """Runs a command in this process; neither stream is a terminal."""

    def run(*args: object, **options: object) -> Result:
        return CliRunner().invoke(program, [str(arg) for arg in args], **options)

    return run


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., Ended]:
    """Runs a command as a process of its own, in an empty directory."""

    def process(*args: object, env: dict[str, str] | None = None, input: bytes = b"", **options: object) -> Ended:
        ended = subprocess.run(
            [*COMMAND, *map(os.fsencode, args)],
            input=input,
            capture_output=True,
            env=environment(**(env or {})),
            cwd=tmp_path,
            timeout=60,
            **options,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return process


@pytest.fixture
def terminal(tmp_path: Path) -> Callable[..., Ended]:
    """Runs a command with a terminal as standard output and standard error; what it wrote to either is `out`."""

    def terminal(*args: object, env: dict[str, str] | None = None) -> Ended:
        ours, theirs = pty.openpty()
        child = subprocess.Popen(
            [*COMMAND, *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env=environment(**(env or {})),
            cwd=tmp_path,
        )
        os.close(theirs)
        out = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                out += (more := os.read(ours, 65536))
            except OSError:  # on Linux the end of a terminal is EIO
                break
            if not more:
                break
        os.close(ours)
        return Ended(child.wait(60), out.replace(b"\r\n", b"\n"), b"")

    return terminal


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of five events that differ in what matters here."""
    directory = tmp_path / "store"
    with Store.open(directory) as store:
        store.append_many(
            [
                {"category": "authentication", "action": "login", "username": "ada", "ip_address": "203.0.113.7"},
                {
                    "category": "authentication",
                    "action": "login_failed",
                    "level": "warning",
                    "outcome": "failure",
                    "username": "grace",
                    "message": "wrong password",
                },
                {
                    "category": "api",
                    "action": "api_call",
                    "level": "error",
                    "method": "GET",
                    "path": "/v1/orders",
                    "status_code": 500,
                    "response_time_ms": 12.5,
                    "username": "ada",
                },
                {"category": "api", "action": "api_call", "tags": ["web", "eu"], "metadata": {"order": {"id": 17}}},
                {"category": "system_management", "action": "system_event", "level": "debug", "message": "größe 自由"},
            ]
        )
    return directory


class Running:
    """A process that goes on: its lines as they come, and its end."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self.child = child

    def line(self) -> bytes:
        """The next line of standard output; fails after 30 s."""
        assert self.child.stdout is not None
        assert select.select([self.child.stdout], [], [], 30)[0], "the process has written nothing for 30 s"
        return self.child.stdout.readline()

    def end(self, number: int) -> Ended:
        """Sends the signal and waits for the end."""
        self.child.send_signal(number)
        out, err = self.child.communicate(timeout=30)
        return Ended(self.child.returncode, out, err)


@pytest.fixture
def running(tmp_path: Path):
    """Starts commands that do not end by themselves."""
    children: list[subprocess.Popen[bytes]] = []

    def running(*args: object) -> Running:
        child = subprocess.Popen(
            [*COMMAND, *map(str, args)],
            bufsize=0,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            cwd=tmp_path,
        )
        children.append(child)
        return Running(child)

    yield running
    for child in children:
        if child.poll() is None:
            child.kill()
        child.communicate()
