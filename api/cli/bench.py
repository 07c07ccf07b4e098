"""`bench`: how fast the store is here, beside references measured in the same run."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .options import given_directory
from .program import DONE, Problem
from .terminal import is_terminal, put, show_warnings

if TYPE_CHECKING:
    from ..bench import Figure, Notice

__all__ = ["bench"]

Command = TypeVar("Command", bound=Callable[..., Any])


def _place(context: click.Context, parameter: click.Parameter, value: str | None) -> Path:
    # Not $STONELOG_DIR: what that names is somebody's store.
    place = given_directory(context, parameter, value) or Path(tempfile.gettempdir())
    if not place.is_dir() and not context.resilient_parsing:
        raise Problem(f"{place} is not a directory; name one on the disk to be measured with --dir")
    return place


def _document(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and not context.resilient_parsing and (value.is_dir() or not value.parent.is_dir()):
        raise click.BadParameter(f"{value} cannot be a file", context, parameter)  # before minutes of work, not after
    return value


@click.group()
def bench() -> None:
    """Measure how fast the store is on this machine.

    Each figure stands beside a reference from the same run, with their ratio and the target. A target that is missed is
    shown; it is no error.
    """


def _events(number: int) -> Callable[[Command], Command]:
    return click.option(
        "--events",
        type=click.IntRange(min=1),
        default=number,
        show_default=True,
        help="The size of the run: fewer events, less time, coarser figures.",
    )


_output = click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    callback=_document,
    help="Write the figures to a file too, as JSON.",
)
_dir = click.option(
    "--dir",
    "place",
    metavar="DIR",
    callback=_place,
    help="Where to make, and remove, the stores of the run.  [default: the system's directory for temporary files]",
)
_keep = click.option(
    "--keep", is_flag=True, help="Leave the events of the workload in --dir, and take them from there if they are."
)
_against = click.option(
    "--against",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Show too how the figures have grown since the run that wrote FILE with -o.",
)


@bench.command()
@_events(100_000)
@_output
@_dir
def append(place: Path, events: int, output: Path | None) -> int:
    """How fast events become durable, what emit costs, how long opening takes."""
    from .. import bench as measuring

    rounds = measuring.ROUNDS
    measure = partial(measuring.measure_append, events=events, rounds=rounds)
    return _measured("append", measure, place, events, rounds, output, _in_turns(rounds))


@bench.command()
@_events(1_000_000)
@_output
@_dir
@_keep
@_against
def index(place: Path, events: int, output: Path | None, keep: bool, against: Path | None) -> int:
    """How fast events are indexed, what the index and sealed days take.

    Beside SQLite, and DuckDB where it is installed.
    """
    from .. import bench as measuring

    rounds = measuring.index_rounds(events)
    measure = partial(measuring.measure_index, events=events, rounds=rounds, keep=place if keep else None)
    return _measured("index", measure, place, events, rounds, output, _in_turns(rounds), against)


@bench.command()
@_events(1_000_000)
@_output
@_dir
@_keep
@_against
def query(place: Path, events: int, output: Path | None, keep: bool, against: Path | None) -> int:
    """How long answers take: warm, cold, while events are appended, and from sealed days.

    Beside SQLite, and DuckDB where it is installed. Each answer is compared with the files before it is timed.
    """
    from .. import bench as measuring

    runs = measuring.RUNS
    measure = partial(measuring.measure_query, events=events, keep=place if keep else None)
    method = f"p95 of {runs} runs of each question, after one that does not count, one at a time, with warm caches."
    return _measured("query", measure, place, events, runs, output, method, against)


@bench.command()
@click.option(
    "--requests",
    type=click.IntRange(min=1),
    default=2_000,
    show_default=True,
    help="The requests of a round: fewer, less time, coarser figures.",
)
@_output
@_dir
def capture(place: Path, requests: int, output: Path | None) -> int:
    """What the middleware costs a web application under uvicorn, and that a slow disk does not reach it."""
    from .. import bench as measuring

    rounds = measuring.ROUNDS
    measure = partial(measuring.measure_capture, requests=requests, rounds=rounds)
    return _measured("capture", measure, place, requests, rounds, output, _in_turns(rounds))


def _in_turns(rounds: int) -> str:
    """How a run with rounds got its figures."""
    return f"Medians of {rounds} rounds, in which ours and the reference took turns; ratios are within a round."


def _measured(
    benchmark: str,
    measure: Callable[..., Iterator[Figure]],
    place: Path,
    events: int,
    rounds: int,
    output: Path | None,
    method: str,
    against: Path | None = None,
) -> int:
    """The figures that `measure` gives are printed, and written to `output`."""
    from .. import bench as measuring

    show_warnings()
    earlier = None if against is None else measuring.Earlier.read(against, benchmark)
    machine, began = measuring.Machine.of(place), time.monotonic()
    with _removed_at_the_end(place) as directory, _shown() as tell:
        figures = list(measure(directory, tell=tell))
    for line in measuring.as_lines(machine, figures, method):
        put(line)
    found = measuring.verdicts(figures, measuring.PEERS)
    for line in measuring.verdict_lines(found):
        put(line)
    for line in earlier.lines(figures, events) if earlier else ():
        put(line)
    if output is not None:
        seconds = time.monotonic() - began
        document = measuring.as_document(benchmark, machine, figures, events=events, rounds=rounds, seconds=seconds)
        document["verdicts"] = [{**each._asdict(), "ahead": each.ahead} for each in found]
        output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return DONE


@contextmanager
def _removed_at_the_end(place: Path) -> Iterator[Path]:
    """A new directory in `place`, which is gone after the block, also if SIGTERM or Ctrl-C ends it."""

    def stop(number: int, frame: object) -> None:
        sys.exit(128 + number)  # as a shell tells of a program that a signal ended

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with tempfile.TemporaryDirectory(prefix="stonelog-bench-", dir=place) as directory:
            yield Path(directory)
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _shown() -> Iterator[Notice]:
    """Something to be told what is being measured, which a person at a terminal sees."""
    shown = is_terminal(sys.stderr)

    def tell(name: str, number: int, rounds: int) -> None:
        if shown:
            sys.stderr.write(f"\r\x1b[K{name}: {f'round {number} of {rounds}' if number else 'warming up'}")
            sys.stderr.flush()

    try:
        yield tell
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
