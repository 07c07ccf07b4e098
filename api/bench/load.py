"""Events that are appended while questions are asked: at a rate, in a process of their own that indexes them too."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle, islice
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final, NamedTuple

from stonelog.filestore import StonelogError, Store
from stonelog.indexer import Index, Worker

from .children import Answer, Children
from .rounds import Flag, Sample
from .workload import generate, to_fields

__all__ = ["Probes", "appending", "probe"]

_BATCHES: Final = 100
"""Batches a second, each made durable by one sync."""
_DIFFERENT: Final = 2_000
"""More events than these are the same ones again."""
_START_SECONDS: Final = 120.0


class Probes(NamedTuple):
    """Of so many events that were acknowledged, how many the next query did not find, and the seconds of each query."""

    number: int
    missed: int
    seconds: list[float]


@contextmanager
def appending(directory: Path, rate: int) -> Iterator[Future[list[Sample]]]:
    """Inside the block `rate` durable events a second are appended to the store, and indexed, by another process.

    After it the future has what that process did. Raises StonelogError if it ended early.
    """
    children = Children[Sample]()
    ready, ends = children.context.Event(), children.context.RawValue("b", 0)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(children.ask, _append, [(directory, rate, ready, ends)])
        try:
            waited = time.monotonic() + _START_SECONDS
            while not ready.wait(0.1):
                if running.done() or time.monotonic() > waited:
                    raise StonelogError(f"{directory}: no process came to append", hint="see its error")
            yield running
        finally:
            ends.value = 1
        running.result()


def _append(directory: Path, rate: int, ready: Event, ends: Flag, answer: Answer) -> None:
    """In the child: batch after batch was appended, each at its time if the one before was durable by then."""
    number = max(1, rate // _BATCHES)
    events = cycle([to_fields(event) for event in generate(_DIFFERENT)])
    worker = Worker(directory)
    with Store.open(directory, durability="fsync") as store:
        worker.start()
        try:
            store.append_many(islice(events, number))
            ready.set()
            cpu, began, done = time.process_time(), time.monotonic(), 0
            while not ends.value:
                store.append_many(islice(events, number))
                done += number
                time.sleep(max(0.0, began + done / rate - time.monotonic()))
            sample = Sample(done, began, time.monotonic(), time.process_time() - cpu)
        finally:
            worker.stop()
    answer.send(sample)


def probe(directory: Path, index: Index, number: int) -> Probes:
    """So many events were appended one after the other, and after each acknowledgement it was asked for by a query."""
    missed = 0
    seconds: list[float] = []
    with Store.open(directory, durability="fsync") as store:
        for place in range(number):
            seq = store.append(category="api", action="probe", request_id=f"probe{place}").seq
            before = time.perf_counter()
            page = index.search(f"request_id:probe{place}", limit=1)
            seconds.append(time.perf_counter() - before)
            missed += [event.seq for event in page.events] != [seq]
    return Probes(number, missed, seconds)
