"""How things are timed: contestants in turn, round after round, and one call repeated by one or many threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple, Protocol, TypeVar

__all__ = ["ROUNDS", "Flag", "Notice", "Sample", "alternate", "in_threads", "in_turn", "quiet"]

ROUNDS: Final = 5
"""Rounds that count: the median of fewer says little on a disk that is shared."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Notice = Callable[[str, int, int], object]
"""Told what is being measured, in which round, of how many; round 0 is the one for warming up."""


class Sample(NamedTuple):
    """What one contestant did in one round. Times are in seconds; `began` and `ended` by `time.monotonic`."""

    events: int
    began: float
    ended: float
    cpu: float
    """Of the whole process, all its threads."""
    latencies: Sequence[float] = ()

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / (self.ended - self.began)


class Flag(Protocol):
    """A number that several threads or processes see; 0 means go on."""

    value: Any


def quiet(name: str, number: int, rounds: int) -> None:
    """Nobody is told."""


def alternate(
    contestants: Mapping[str, Callable[[Path], Result]],
    place: Path,
    *,
    rounds: int,
    name: str,
    tell: Notice = quiet,
    warm_up: bool = True,
) -> dict[str, list[Result]]:
    """What each contestant gave in each round, after one round that does not count (without `warm_up` there is none).

    They take turns, in the opposite order in every other round, each in an empty directory under `place`; all are
    removed at the end, not between, because removing files keeps the disk busy.
    """
    results: dict[str, list[Result]] = {key: [] for key in contestants}
    with TemporaryDirectory(dir=place) as within:
        for number in range(0 if warm_up else 1, rounds + 1):
            tell(name, number, rounds)
            for key in sorted(contestants, key=list(contestants).index, reverse=number % 2 == 1):
                fresh = Path(within, f"{number}-{key}")
                fresh.mkdir()
                result = contestants[key](fresh)
                if number:
                    results[key].append(result)
    return results


def in_turn(call: Callable[[Item], object], items: Iterable[Item]) -> Sample:
    """`call` was made with one item after the other."""
    latencies: list[float] = []
    cpu = time.process_time()
    began = time.monotonic()
    for item in items:
        before = time.perf_counter()
        call(item)
        latencies.append(time.perf_counter() - before)
    ended = time.monotonic()
    return Sample(len(latencies), began, ended, time.process_time() - cpu, latencies)


def in_threads(calls: Sequence[Callable[[Item], object]], items: Iterable[Item], *, ends: Flag | None = None) -> Sample:
    """A thread for each of `calls` called it with an item, and again, until the items they share were used up.

    So all are busy to the end. With `ends`, whoever finds no more items sets it, and all who see it set stop. What a
    call raises is raised.
    """
    waiting = iter(list(items))  # of a list: taking the next is one step of the interpreter
    ready = threading.Barrier(len(calls))

    def loop(call: Callable[[Item], object]) -> tuple[float, float, list[float]]:
        latencies: list[float] = []
        ready.wait()
        began = time.monotonic()
        for item in waiting:
            if ends is not None and ends.value:
                break
            before = time.perf_counter()
            call(item)
            latencies.append(time.perf_counter() - before)
        if ends is not None:
            ends.value = 1
        return began, time.monotonic(), latencies

    cpu = time.process_time()
    with ThreadPoolExecutor(len(calls)) as pool:
        loops = [running.result() for running in [pool.submit(loop, call) for call in calls]]
    cpu = time.process_time() - cpu
    latencies = [seconds for _, _, each in loops for seconds in each]
    return Sample(len(latencies), min(each[0] for each in loops), max(each[1] for each in loops), cpu, latencies)
