"""Programs of the tests in processes of their own, and what must hold for a store when they are gone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from stonelog.filestore import Reader, Store, stamp

__all__ = ["ENVIRONMENT", "Ack", "Appender", "Nursery", "check", "need", "nursery", "run", "whole_lines"]

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    "PYTHONDONTWRITEBYTECODE": "1",
}

# Imports once, then forks an appender for each line it is told, with no store open in it yet. An appender appends from
# several threads, and prints "nanoseconds seq id" for each event after its receipt, in whole lines, by the monotonic
# clock, which all processes share.
_NURSERY = """
import os, signal, sys, threading, time
from stonelog.filestore import StonelogError, Store
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
def work(store, name, count, pad):
    turn = 0
    while not count or turn < count:
        turn += 1
        event = dict(category="api", action="create", message=f"{name} {turn} {pad}")
        try:
            receipts = [store.append(event)] if turn % 4 else store.append_many([event] * 5)
        except StonelogError as error:
            os.write(1, f"! {type(error).__name__}: {error}\\n".encode())
            return
        now = time.monotonic_ns()
        os.write(1, "".join(f"{now} {each.seq} {each.id}\\n" for each in receipts).encode())
for line in sys.stdin:
    directory, fifo, threads, count, pad = line.rstrip("\\n").split("\\t")
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(os.open(fifo, os.O_WRONLY), 1)
        try:
            store = Store.open(directory)
        except StonelogError as error:
            os.write(1, f"! {type(error).__name__}: {error}\\n".encode())
            os._exit(1)
        workers = [threading.Thread(target=work, args=(store, name, int(count), pad)) for name in range(int(threads))]
        for worker in workers: worker.start()
        for worker in workers: worker.join()
        try: store.close()
        except StonelogError as error: os.write(1, f"! {type(error).__name__}: {error}\\n".encode())
        os._exit(0)
    print(pid, flush=True)
"""


class Ack(NamedTuple):
    """An acknowledgement as its caller had it, stamped with the monotonic clock after `append` had returned."""

    nanoseconds: int
    seq: int
    id: str


class Appender:
    """A process that appends until it has done its share or is killed; what it prints is collected by a thread."""

    def __init__(self, pid: int, fifo: Path) -> None:
        self.pid = pid
        self._fifo = fifo
        self._text = bytearray()
        self._more = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def wait_for(self, lines: int, *, seconds: float = 60.0) -> None:
        """So many lines were printed, or the process has ended; fails if neither happens in time."""
        with self._more:
            assert self._more.wait_for(lambda: self._ended or self._text.count(b"\n") >= lines, seconds), "too slow"

    def signal(self, number: int) -> None:
        """The process was sent the signal."""
        os.kill(self.pid, number)

    def finish(self, *, seconds: float = 120.0) -> list[Ack]:
        """All that it acknowledged, when the process has ended."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"process {self.pid} does not end"
        lines = self._text[: self._text.rfind(b"\n") + 1].decode().splitlines()
        fields = [line.split() for line in lines if not line.startswith("!")]
        return [Ack(int(at), int(seq), identity) for at, seq, identity in fields]

    @property
    def errors(self) -> list[str]:
        """The errors it printed, class first."""
        return [line[2:] for line in self._text.decode().splitlines() if line.startswith("!")]

    def _collect(self) -> None:
        with self._fifo.open("rb", buffering=0) as file:
            while data := file.read(65536):
                with self._more:
                    self._text += data
                    self._more.notify_all()
        with self._more:
            self._ended = True
            self._more.notify_all()


class Nursery:
    """Starts appenders at once: its process has imported the store already."""

    def __init__(self, process: subprocess.Popen[str], pipes: Path) -> None:
        self._process = process
        self._pipes = pipes
        self._numbers = count()

    def start(self, directory: Path, *, threads: int = 1, events: int = 0, pad: str = "x" * 100) -> Appender:
        """A process whose threads append to the store; `events` calls each, for ever if 0."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        fifo = self._pipes / f"pipe{next(self._numbers)}"
        os.mkfifo(fifo)
        self._process.stdin.write(f"{directory}\t{fifo}\t{threads}\t{events}\t{pad}\n")
        return Appender(int(self._process.stdout.readline()), fifo)


@contextmanager
def nursery(pipes: Path, environment: Mapping[str, str] | None = None) -> Iterator[Nursery]:
    """A nursery whose pipes lie in the directory, which is made; its appenders see the environment."""
    pipes.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", _NURSERY],
        env={**ENVIRONMENT, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        yield Nursery(process, pipes)
        assert process.stdin is not None
        process.stdin.close()


def run(code: str, *given: object, wrap: tuple[str, ...] = (), **environment: str) -> str:
    """What a Python program with these arguments prints; fails unless it ends well."""
    command = [*wrap, sys.executable, "-c", code, *map(str, given)]
    done = subprocess.run(command, env={**ENVIRONMENT, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def need(*programs: str) -> None:
    """The programs are there; otherwise the test is skipped and says which is missing."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"needs the program {program}")


def whole_lines(directory: Path) -> Iterator[tuple[int, str]]:
    """`seq` and id of every line of every segment, each checked."""
    for segment in Reader(directory).segments():
        data = segment.path.read_bytes()
        assert data.endswith(b"\n") or not data
        for line in data.split(b"\n")[:-1]:
            known = stamp(line)
            assert known is not None, (segment.name, line[:80])
            yield known.seq, line.partition(b'"id":"')[2][:36].decode()


def check(directory: Path, acknowledged: Mapping[int, str]) -> int:
    """After opening again: acknowledged events once, dense `seq`s, whole lines, and an append that works; its `seq`."""
    with Store.open(directory) as store:
        assert [str(fault) for fault in store.recovered.faults] == []
        receipt = store.append(category="api", action="read")
        read = [event.seq for event in store.read()]
    stored = list(whole_lines(directory))
    assert [seq for seq, _ in stored] == list(range(1, len(stored) + 1))
    assert read[: receipt.seq] == list(range(1, receipt.seq + 1))
    by_seq = dict(stored)
    wanted = {**acknowledged, receipt.seq: receipt.id}
    assert {seq: by_seq.get(seq) for seq in wanted} == wanted
    assert len(set(by_seq.values())) == len(stored)
    return receipt.seq
