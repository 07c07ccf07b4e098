"""`Store.emit`: what it costs its caller, and how much memory it takes when the disk cannot keep up."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

from stonelog.filestore import StonelogError, Store, StoreSettings, load_section

from .children import Answer, Children
from .usage import peak_memory

__all__ = ["Flood", "burst_size", "emit_burst", "flood"]


class Flood(NamedTuple):
    """What emitting more than the queue holds did: events that were dropped, bytes that the process grew by."""

    dropped: int
    growth: int


def burst_size(directory: Path, wanted: int) -> int:
    """So many events, or as many as certainly find room in the queue if that is less."""
    settings = load_section(StoreSettings, directory, "store")
    return max(1, min(wanted, settings.emit_events // 2, settings.emit_bytes // 2048))


def emit_burst(directory: Path, events: Sequence[Mapping[str, Any]]) -> float:
    """Seconds a call of `emit` took in a burst that the queue had room for; all of it is written.

    Raises StonelogError if anything was dropped: the figure would be of something else.
    """
    with Store.open(directory, durability="fsync") as store:
        store.append(events[0])
        began = time.perf_counter()
        for event in events:
            store.emit(event)
        seconds = time.perf_counter() - began
    if store.dropped:
        raise StonelogError(f"{directory}: {store.dropped} of {len(events)} emitted events were dropped")
    return seconds / len(events)


def flood(directory: Path, events: Sequence[Mapping[str, Any]], number: int) -> Flood:
    """So many events were emitted as fast as a process of its own can, whatever became of them.

    They are `events` again and again. The process is a new one, in which no memory is free that was used before.
    """
    return Children[Flood]().ask(_pour, [(directory, events, number)])[0]


def _pour(directory: Path, events: Sequence[Mapping[str, Any]], number: int, answer: Answer) -> None:
    with Store.open(directory, durability="fsync") as store:
        for event in events[:100]:
            store.append(event)
        before = peak_memory()
        for event in islice(cycle(events), number):
            store.emit(event)
        growth = peak_memory() - before
    answer.send(Flood(store.dropped, growth))
