"""Shards made by several processes, which this one starts and which end when it does."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, Final

from stonelog.filestore import Reader, dumps, loads

from .bulk import Stopped, make_shard
from .catalog import ShardInfo, shard_of
from .errors import IndexUnavailable
from .planning import Gap, Sizes

__all__ = ["Crew"]

_COMMAND: Final = "from stonelog.indexer.bulk import main; main()"

log = logging.getLogger("stonelog")

Made = Callable[[Gap, ShardInfo | None], object]


class _Hand:
    """One worker process."""

    def __init__(self, directory: Path, sizes: Sizes) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [sys.executable, "-P", "-c", _COMMAND, str(directory), *map(str, sizes)]
        self.process = subprocess.Popen(  # noqa: S603 (this interpreter, our own text)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0
        )
        self.gap: Gap | None = None
        self._half = b""

    @property
    def output(self) -> IO[bytes]:
        """Where its answers come from."""
        assert self.process.stdout is not None  # noqa: S101 (it was asked for)
        return self.process.stdout

    def give(self, number: int, gap: Gap) -> None:
        """It makes this shard. Raises OSError if it is gone."""
        self.gap = gap
        assert self.process.stdin is not None  # noqa: S101 (it was asked for)
        self.process.stdin.write(dumps({"number": number, "first": gap.first, "last": gap.last}) + b"\n")

    def answers(self) -> list[dict[str, Any]] | None:
        """What it said; None if it has ended."""
        data = os.read(self.output.fileno(), 65_536)
        if not data:
            return None
        *whole, self._half = (self._half + data).split(b"\n")
        answers = []
        for each in whole:
            with contextlib.suppress(ValueError):  # printed by somebody's startup file
                answers.append(loads(each))
        return answers

    def end(self) -> None:
        """It has ended; what it was at is given up."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Crew:
    """Worker processes, up to `workers`, that make shards of one store; with one, this process does it itself.

    What a process was at that ends before it is done, and all if none can be started, is made in this one.
    """

    def __init__(self, reader: Reader, sizes: Sizes, workers: int, numbers: Callable[[], int]) -> None:
        """`numbers` gives the number of each next shard."""
        self._reader = reader
        self._sizes = sizes
        self._workers = workers
        self._numbers = numbers

    def make(
        self,
        gaps: Iterable[Gap],
        made: Made,
        told: Callable[[int], object] = lambda size: None,
        stop: threading.Event | None = None,
    ) -> None:
        """Shards of all gaps are there; `made` is called in this thread with each and its gap, as it comes.

        Raises Stopped, and what `make_shard` raises; IndexUnavailable for what a worker could not do.
        """
        left = deque(gaps)
        hands = self._start(len(left))
        try:
            self._lead(hands, left, made, told, stop)
        finally:
            for hand in hands:
                hand.end()
        while left:
            gap = left.popleft()
            made(gap, make_shard(self._reader, self._numbers(), gap, self._sizes, told, stop))

    def _start(self, work: int) -> list[_Hand]:
        hands: list[_Hand] = []
        wanted = min(self._workers, work)
        try:
            while wanted > 1 and len(hands) < wanted:
                hands.append(_Hand(self._reader.directory, self._sizes))
        except OSError as error:
            log.info("no more processes to index with can be started: %s", error)
        return hands

    def _lead(
        self,
        hands: list[_Hand],
        left: deque[Gap],
        made: Made,
        told: Callable[[int], object],
        stop: threading.Event | None,
    ) -> None:
        """The workers make what is left, until nothing is, or all have ended."""
        lost: list[Gap] = []
        with selectors.DefaultSelector() as selector:
            for hand in hands:
                selector.register(hand.output, selectors.EVENT_READ, hand)
                self._next(hand, left)
            while any(hand.gap for hand in hands):
                for key, _ in selector.select(timeout=0.2):
                    hand = key.data
                    answers = hand.answers()
                    if answers is None:
                        selector.unregister(hand.output)
                        lost += [hand.gap] if hand.gap else []
                        hand.gap = None
                        continue
                    for answer in answers:
                        self._hear(hand, answer, made, told)
                        if hand.gap is None:
                            self._next(hand, left)
                if stop is not None and stop.is_set():
                    raise Stopped
        if lost:
            log.warning("%d processes that indexed have ended before they were done", len(lost))
        left.extend(lost)

    def _hear(self, hand: _Hand, answer: dict[str, Any], made: Made, told: Callable[[int], object]) -> None:
        if "bytes" in answer:
            told(answer["bytes"])
        elif "error" in answer:
            raise IndexUnavailable(answer["error"])
        elif hand.gap is not None:
            gap, hand.gap = hand.gap, None
            made(gap, answer["shard"] and shard_of(answer["shard"]))

    def _next(self, hand: _Hand, left: deque[Gap]) -> None:
        if left:
            gap = left.popleft()
            with contextlib.suppress(OSError):  # its output ends too, and what it was given comes back by that
                hand.give(self._numbers(), gap)
