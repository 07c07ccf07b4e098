"""Several processes that append to one store at once, each with several threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Final

from stonelog.filestore import Store

from .children import Answer, Children
from .rounds import Flag, Sample, in_threads

__all__ = ["append_in_processes"]

_START_SECONDS: Final = 120.0
"""How long all may take to be ready: interpreters start, the store is opened."""


def append_in_processes(
    directory: Path, events: Sequence[Mapping[str, Any]], number: int, *, processes: int, threads: int
) -> Sample:
    """About `number` of the events were appended by so many processes with so many threads each, at one time.

    All stop when the first of them has done its share, so that all are busy to the end. Raises StonelogError if one
    ends early.
    """
    children = Children[Sample]()
    ready, ends = children.context.Barrier(processes), children.context.RawValue("b", 0)
    share = max(threads, number // processes)
    samples = children.ask(_append, [(directory, events, share, threads, ready, ends)] * processes)
    return Sample(
        sum(each.events for each in samples),
        min(each.began for each in samples),
        max(each.ended for each in samples),
        sum(each.cpu for each in samples),
    )


def _append(
    directory: Path,
    events: Sequence[Mapping[str, Any]],
    share: int,
    threads: int,
    ready: Barrier,
    ends: Flag,
    answer: Answer,
) -> None:
    """In the child: its share was appended, and the sample sent."""
    with Store.open(directory, durability="fsync") as store:
        store.append(events[0])
        ready.wait(_START_SECONDS)
        sample = in_threads([store.append] * threads, islice(cycle(events), share), ends=ends)
    answer.send(sample._replace(latencies=()))
