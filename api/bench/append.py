"""`stonelog bench append`: how fast events become durable, what `emit` costs, how long opening takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from stonelog.filestore import Reader, Store, StoreSettings, dumps, load_section

from .emit import burst_size, emit_burst, flood
from .figure import Figure, Target, percentile
from .opening import build_store, open_once
from .processes import append_in_processes
from .references import log_events, write_and_sync, write_batches, write_rows
from .rounds import ROUNDS, Notice, Sample, alternate, in_threads, in_turn, quiet
from .workload import generate, to_fields

__all__ = ["measure_append"]

THREADS: Final = 64
PROCESSES: Final = 4
BATCH: Final = 1_000
_DIFFERENT: Final = 10_000
"""More events than these are the same ones again."""

# What the large store of the last measure has in a run of _FULL events or more; in a smaller one, its share.
_FULL: Final = 100_000
_DAYS: Final = 1_000
_ACTIVE_BYTES: Final = 1 << 30
_YOUNG_BYTES: Final = 1 << 19


class Workload(NamedTuple):
    """The events as `append` takes them, the lines with line ends that the store makes of them, the size of the run."""

    events: Sequence[Mapping[str, Any]]
    lines: Sequence[bytes]
    scale: int

    def some(self, number: int) -> list[Mapping[str, Any]]:
        """So many events, at least one."""
        return list(islice(cycle(self.events), max(1, number)))


def measure_append(place: Path, events: int, *, rounds: int = ROUNDS, tell: Notice = quiet) -> Iterator[Figure]:
    """The figures, as they become known; `place` is an empty directory, and is left empty.

    `events`, from 1, scales everything: a round of 64 threads appends a fifth of them. Raises StonelogError, OSError.
    """
    workload = _workload(place, events)
    for measure in (_durable, _batches, _processes, _emit, _memory, _opening):
        yield from measure(place, workload, rounds, tell)


def _workload(place: Path, scale: int) -> Workload:
    events = [to_fields(event) for event in generate(min(scale, _DIFFERENT))]
    with TemporaryDirectory(dir=place) as directory:
        with Store.open(directory, durability="none") as store:
            store.append_many(events)
        return Workload(events, [line.raw + b"\n" for line in Reader(directory).lines()], scale)


def _append(directory: Path, events: Sequence[Mapping[str, Any]], threads: int) -> Sample:
    with Store.open(directory, durability="fsync") as store:
        store.append(events[0])  # the first makes the segment
        return in_turn(store.append, events) if threads == 1 else in_threads([store.append] * threads, events)


def _durable(place: Path, workload: Workload, rounds: int, tell: Notice) -> Iterator[Figure]:
    """One thread and 64, against bare calls and SQLite, all in the same rounds; then how long a call takes at worst."""
    one, many = workload.some(workload.scale // 100), workload.some(workload.scale // 5)
    rows = workload.some(workload.scale // 50)
    lines = list(islice(cycle(workload.lines), len(one)))
    found: dict[str, list[Any]] = alternate(
        {
            "bare": partial(write_and_sync, lines=lines),
            "one": partial(_append, events=one, threads=1),
            "many": partial(_append, events=many, threads=THREADS),
            "sqlite": partial(write_rows, events=rows, threads=THREADS, shared=False),
            "sqlite-shared": partial(write_rows, events=rows, threads=THREADS, shared=True),
        },
        place,
        rounds=rounds,
        name=f"append, 1 and {THREADS} threads",
        tell=tell,
    )
    bare = [sample.rate for sample, _ in found["bare"]]
    rates = {name: [sample.rate for sample in samples] for name, samples in found.items() if name != "bare"}
    sqlite = list(map(max, rates["sqlite"], rates["sqlite-shared"]))
    crowd = f"append, {THREADS} threads"
    yield Figure.of("append, 1 thread", "events/s", rates["one"], "write + fdatasync", bare, Target("least", 0.6))
    yield Figure.of(crowd, "events/s", rates["many"], "write + fdatasync", bare, Target("least", 5))
    yield Figure.of(crowd, "events/s", rates["many"], "SQLite, commit a row", sqlite, Target("least", 8))
    syncs = [seconds for _, each in found["bare"] for seconds in each]
    sync = [percentile(syncs, 0.99)]
    for key, threads, target in (("one", "1 thread", None), ("many", f"{THREADS} threads", Target("most", 4))):
        call = [percentile([seconds for sample in found[key] for seconds in sample.latencies], 0.99)]
        yield Figure.of(f"acknowledged after, p99, {threads}", "s", call, "p99 of one fdatasync", sync, target)


def _append_batches(directory: Path, batches: Sequence[Sequence[Mapping[str, Any]]]) -> Sample:
    with Store.open(directory, durability="fsync") as store:
        store.append(batches[0][0])
        return in_turn(store.append_many, batches)


def _batches(place: Path, workload: Workload, rounds: int, tell: Notice) -> Iterator[Figure]:
    """Batches of 1,000, by processor time and by the clock."""
    events = workload.some(max(BATCH, workload.scale // 2 // BATCH * BATCH))
    batches = [events[first : first + BATCH] for first in range(0, len(events), BATCH)]
    name = f"batches of {BATCH:,}"
    contestants = {
        "raw": partial(write_batches, batches=batches),
        "ours": partial(_append_batches, batches=batches),
    }
    found = alternate(contestants, place, rounds=rounds, name=name, tell=tell)
    cpu = {key: [len(events) / sample.cpu for sample in samples] for key, samples in found.items()}
    clock = {key: [len(events) / (each.ended - each.began) for each in samples] for key, samples in found.items()}
    against = "orjson + write + fdatasync"
    target = Target("least", 120_000, of="ours")
    yield Figure.of(f"{name}, a core", "events/s", cpu["ours"], against, cpu["raw"], target)
    yield Figure.of(f"{name}, by the clock", "events/s", clock["ours"], against, clock["raw"])


def _processes(place: Path, workload: Workload, rounds: int, tell: Notice) -> Iterator[Figure]:
    """The same number of threads in four processes and in one."""
    events = workload.some(min(workload.scale // 5, 2_000))  # each process is handed them
    appending = partial(append_in_processes, events=events, number=workload.scale // 5)
    contestants = {
        "one": partial(appending, processes=1, threads=THREADS),
        "several": partial(appending, processes=PROCESSES, threads=THREADS // PROCESSES),
    }
    name = f"append, {PROCESSES} processes x {THREADS // PROCESSES} threads"
    found = alternate(contestants, place, rounds=rounds, name=name, tell=tell)
    rates = {key: [sample.rate for sample in samples] for key, samples in found.items()}
    against = f"1 process x {THREADS} threads"
    yield Figure.of(name, "events/s", rates["several"], against, rates["one"], Target("least", 1))


def _emit(place: Path, workload: Workload, rounds: int, tell: Notice) -> Iterator[Figure]:
    """What a call of `emit` costs its caller, and one of `logging` with the same fields to a file without a sync."""
    events = workload.some(burst_size(place, workload.scale // 20))
    contestants = {
        "orjson": partial(log_events, events=events, encode=lambda event: dumps(event).decode()),
        "emit": partial(emit_burst, events=events),
        "json": partial(log_events, events=events, encode=json.dumps),
    }
    found = alternate(contestants, place, rounds=rounds, name="emit", tell=tell)
    yield Figure.of("emit, a call", "s", found["emit"], "logging, orjson", found["orjson"], Target("most", 1))
    yield Figure.of("emit, a call", "s", found["emit"], "logging, json", found["json"])


def _memory(place: Path, workload: Workload, rounds: int, tell: Notice) -> Iterator[Figure]:
    """How much a process grows that emits more than the queue holds, once: memory does not drift as a disk does."""
    number = 2 * workload.scale
    tell(f"emit {number:,}", 1, 1)
    with TemporaryDirectory(dir=place) as directory:
        dropped, growth = flood(Path(directory), workload.some(min(workload.scale, 2_000)), number)
        limit = load_section(StoreSettings, Path(directory), "store").emit_bytes
    note = f"{number:,} events emitted at once, {dropped:,} of them dropped"
    yield Figure.of("emit, memory grown", "B", [growth], "emit_bytes", [limit], Target("most", 1), note)


def _opening(place: Path, workload: Workload, rounds: int, tell: Notice) -> Iterator[Figure]:
    """Opening a store of 1,000 days with a large active segment, and one of a day, all of it in the page cache."""
    share = min(1.0, workload.scale / _FULL)
    days, size = max(1, int(_DAYS * share)), int(_ACTIVE_BYTES * share)
    name = f"open, {days:,} sealed days + {size / (1 << 20):,.0f} MiB"
    tell(f"making {name.removeprefix('open, ')}", 1, 1)
    with TemporaryDirectory(dir=place) as within:
        old, young = Path(within, "old"), Path(within, "young")
        build_store(old, workload.lines, days=days, active_bytes=size)
        build_store(young, workload.lines, days=0, active_bytes=_YOUNG_BYTES)
        contestants = {"young": lambda _: open_once(young), "old": lambda _: open_once(old)}
        found = alternate(contestants, place, rounds=rounds, name=name, tell=tell)
    yield Figure.of(name, "s", found["old"], "open, one day", found["young"], Target("most", 1.2))
