"""`bench`: how fast the store is here, beside references measured in the same run."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import given_directory
from .program import DONE, Problem
from .terminal import is_terminal, put, show_warnings

if TYPE_CHECKING:
    from ..bench import Notice

__all__ = ["bench"]


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


@bench.command()
@click.option(
    "--events",
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="The size of the run: fewer events, less time, coarser figures.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    callback=_document,
    help="Write the figures to a file too, as JSON.",
)
@click.option(
    "--dir",
    "place",
    metavar="DIR",
    callback=_place,
    help="Where to make, and remove, the stores of the run.  [default: the system's directory for temporary files]",
)
def append(place: Path, events: int, output: Path | None) -> int:
    """How fast events become durable, what emit costs, how long opening takes."""
    from .. import bench as measuring

    show_warnings()
    rounds, began = measuring.ROUNDS, time.monotonic()
    machine = measuring.Machine.of(place)
    with _removed_at_the_end(place) as directory, _shown() as tell:
        figures = list(measuring.measure_append(directory, events, rounds=rounds, tell=tell))
    for line in measuring.as_lines(machine, figures, rounds):
        put(line)
    if output is not None:
        seconds = time.monotonic() - began
        document = measuring.as_document("append", machine, figures, events=events, rounds=rounds, seconds=seconds)
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
