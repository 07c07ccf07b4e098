"""`stonelog bench index`: how fast the index is filled, what it takes of the machine, what sealed days take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from stonelog.filestore import Codec
from stonelog.indexer import Index

from . import columns, rows
from .children import Answer, Children
from .days import event_files, link_days, seal_days, written_days
from .figure import Figure, Target
from .rounds import Notice, alternate, quiet
from .usage import allocated, confine, cores, cpu_seconds, peak_memory

__all__ = ["index_rounds", "measure_index"]

_MANY: Final = 3_000_000
"""Events that the rounds of a run have together, about: a large run has one round, a small one five."""
_SEALED: Final[dict[Codec, float]] = {"gzip": 0.25, "zstd": 0.22}
"""What sealed days may take of their plain bytes, by codec."""
_PACKED: Final = 1_000_000
"""Events that are sealed, about."""

Fill = Callable[[Path, Path], None]
"""Takes the events of a store (the first) into something in an empty directory (the second)."""


class Filled(NamedTuple):
    """What filling took: seconds by the clock and of the processor, bytes of memory at the peak and on the disk."""

    seconds: float
    cpu: float
    memory: int
    disk: int


def index_rounds(events: int) -> int:
    """How many rounds a run of so many events has: one to five."""
    return max(1, min(5, _MANY // events))


def measure_index(
    place: Path, events: int, *, rounds: int, keep: Path | None = None, tell: Notice = quiet
) -> Iterator[Figure]:
    """The figures, as they become known; `place` is an empty directory, and is left empty.

    `events`, from 1, are indexed in each round. With `keep` the store that they are read from stays there, and is taken
    from there the next time. Raises StonelogError, OSError.
    """
    with written_days(place, events, keep=keep, tell=tell) as store:
        yield from _ingest(place, store, events, rounds, tell)
        yield from _sealed(place, store, events, tell)


def _ingest(place: Path, store: Path, events: int, rounds: int, tell: Notice) -> Iterator[Figure]:
    """Each contestant takes in the same files, in a new process, on one core; and the index anew on two."""
    fills: dict[str, tuple[Fill, int]] = {"ours": (_fill_index, 1), "rows": (rows.fill_rows, 1)}
    if columns.has_columns():
        fills["columns"] = (columns.fill_columns, 1)
    if cores() >= 2:
        fills["two cores"] = (_rebuild_index, 2)
    contestants = {key: partial(_in_a_process, fill, store, number) for key, (fill, number) in fills.items()}
    name = f"taking in {events:,} events"
    found = alternate(contestants, place, rounds=rounds, name=name, tell=tell, warm_up=False)
    rates = {key: [events / each.seconds for each in filled] for key, filled in found.items()}
    ours, reference = found["ours"], found["rows"]
    note = "" if columns.has_columns() else columns.ABSENT
    least = Target("least", 60_000, of="ours")
    yield Figure.of("ingest, one core", "events/s", rates["ours"], rows.NAME, rates["rows"], least, note)
    if "columns" in rates:
        yield Figure.of("ingest, one core", "events/s", rates["ours"], columns.NAME, rates["columns"])
    cpu = ([each.cpu / events * 1e6 for each in filled] for filled in (ours, reference))
    yield Figure.of("processor, a million", "s", next(cpu), rows.NAME, next(cpu), Target("most", 13, of="ours"))
    memory = ([each.memory for each in filled] for filled in (ours, reference))
    most = Target("most", 200e6, of="ours")
    yield Figure.of("ingest, peak memory", "B", next(memory), rows.NAME, next(memory), most)
    raw = sum(path.stat().st_size for path in event_files(store))
    disk = [each.disk for each in ours]
    yield Figure.of("index, on the disk", "B", disk, "the plain files", [raw] * rounds, Target("most", 0.4))
    yield Figure.of("index, on the disk", "B", disk, rows.NAME, [each.disk for each in reference])
    if "columns" in found:
        yield Figure.of("index, on the disk", "B", disk, columns.NAME, [each.disk for each in found["columns"]])
    if "two cores" in rates:
        target = Target("least", 1.7)
        yield Figure.of("rebuild, two cores", "events/s", rates["two cores"], "ingest, one core", rates["ours"], target)


def _sealed(place: Path, store: Path, events: int, tell: Notice) -> Iterator[Figure]:
    """What the days take when they are sealed, manifests included; once, it is the same every time.

    Of a large run some of the days: packing takes 40 s a million, and a day is like the next.
    """
    paths = event_files(store)
    most = max(1, len(paths) * _PACKED // max(_PACKED, events))
    raw = sum(path.stat().st_size for path in paths[:most])
    for number, (codec, limit) in enumerate(_SEALED.items(), 1):
        tell("sealing", number, len(_SEALED))
        with TemporaryDirectory(dir=place) as directory:
            linked = link_days(store, Path(directory), most=most)
            Path(linked, "stonelog.toml").write_text(f'[seal]\ncodec = "{codec}"\n', encoding="utf-8")
            taken = allocated(seal_days(linked))
        yield Figure.of(f"sealed, {codec}", "B", [taken], "the plain files", [raw], Target("most", limit))


def _in_a_process(fill: Fill, store: Path, number: int, directory: Path) -> Filled:
    """What it took to fill something in `directory` in a process of its own, which may use so many cores."""
    return Children[Filled]().ask(_fill, [(fill, store, number, directory)])[0]


def _fill(fill: Fill, store: Path, number: int, directory: Path, answer: Answer) -> None:
    """In the child: `fill` was done, and what it took is sent."""
    confine(number)
    cpu, began = cpu_seconds(), time.monotonic()
    fill(store, directory)
    seconds = time.monotonic() - began
    disk = allocated(path for path in directory.iterdir() if path.name != "events")
    answer.send(Filled(seconds, cpu_seconds() - cpu, peak_memory(), disk))


def _fill_index(store: Path, directory: Path) -> None:
    with Index(link_days(store, directory)) as index:
        index.catch_up()


def _rebuild_index(store: Path, directory: Path) -> None:
    with Index(link_days(store, directory)) as index:
        index.rebuild()
