"""strace at a running process: calls that fail, wait or kill it, and a record of the calls in their order."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import pytest

from programs import ENVIRONMENT, need

__all__ = ["Call", "Program", "calls", "traced"]

_LINE = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>|\()(.*)")
_RESULT = re.compile(r"\) += (-?\d+)\b[^\n\"]*$")


class Program:
    """A Python program that waits for a line on its standard input, and what it prints."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def tell(self, text: object = "") -> None:
        """The program got the line, unless it has ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{text}\n".encode())

    def line(self) -> str:
        """The next line that it prints, '' when it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().rstrip("\n")

    def rest(self) -> list[str]:
        """The lines that it prints until it ends."""
        assert self._process.stdout is not None
        return self._process.stdout.read().decode().splitlines()


@contextmanager
def traced(
    code: str, *given: object, options: Sequence[str], environment: dict[str, str] | None = None
) -> Iterator[Program]:
    """The program has printed `ready`, and strace with these options has all its threads, present and to come.

    Skips the test where strace is missing or may not trace.
    """
    need("strace")
    command = [sys.executable, "-c", code, *map(str, given)]
    with subprocess.Popen(
        command,
        env={**ENVIRONMENT, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as process:
        program = Program(process)
        try:
            assert program.line() == "ready"
            with _attached(process.pid, options):
                yield program
        finally:
            process.kill()


@contextmanager
def _attached(pid: int, options: Sequence[str]) -> Iterator[None]:
    tracer = subprocess.Popen(["strace", "-f", "-p", str(pid), *options], stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    if "attached" not in said:
        tracer.wait()
        pytest.skip(f"strace: {said.strip()}")
    drain = threading.Thread(target=_read_away, args=(tracer.stderr,), daemon=True)
    drain.start()
    try:
        yield
    finally:
        if "-o" in options:
            tracer.wait(60)  # it ends with the program, having written all
        tracer.kill()  # after a program that it has killed it may wait for ever; others are let go and run on
        tracer.wait()
        drain.join()
        tracer.stderr.close()


def _read_away(stream: IO[str]) -> None:
    for _ in stream:
        pass


class Call(NamedTuple):
    """A system call: the places of its begin and its end in the record, its text, and its result."""

    begin: int
    end: int
    name: str
    text: str
    result: int


def calls(record: Path) -> list[Call]:
    """The calls in a record that `strace -f -o FILE` wrote, in the order of their ends."""
    found: list[Call] = []
    begun: dict[str, tuple[int, str]] = {}
    for place, line in enumerate(record.read_text(errors="replace").splitlines()):
        match = _LINE.match(line)
        if match is None:
            continue
        thread, name, text = match.groups()
        if line.endswith("<unfinished ...>"):
            begun[thread] = place, text
            continue
        begin, before = begun.pop(thread, (place, "")) if " resumed>" in line[:60] else (place, "")
        result = _RESULT.search(line)
        found.append(Call(begin, place, name, before + text, int(result[1]) if result else -1))
    return found
