"""`ingest`: log files of other programs become events."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from .options import directory_option
from .program import DONE, ERROR
from .terminal import Progress, flush, put, report

if TYPE_CHECKING:
    from ..ingest import IngestResult

__all__ = ["FORMATS", "ingest"]

FORMATS: Final = ("ndjson", "nginx-json", "combined", "auth", "cloudtrail", "suricata", "otlp-json")
"""The names of the formats, known here too so that `--help` need not load them."""


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE|-]...")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="ndjson", show_default=True, help="What the lines are."
)
@click.option(
    "--map", "mapping", metavar="MAP.toml", type=click.Path(path_type=Path), help="For ndjson: our fields from theirs."
)
@click.option("--year", type=click.IntRange(1970, 9999), help="For auth: the year of times that have none.")
@directory_option
def ingest(directory: Path, files: Sequence[str], form: str, mapping: Path | None, year: int | None) -> int:
    """Append the events of log files or standard input.

    Files may be .gz or .zst. Lines that cannot be taken go to quarantine with their numbers and reasons. The last
    line printed is JSON: read, appended, rejected, seconds, quarantine.
    """
    from stonelog.filestore import Quarantine, Store

    from .. import ingest as door

    sources = list(files) or ["-"]
    _check_readable(sources)
    with Store.open(directory) as store, Progress("ingesting") as progress:
        result = door.ingest(
            store,
            sources,
            format=form,
            mapping=mapping,
            year=year,
            progress=progress,
            quarantine=Quarantine(directory),
        )
    return _summarise(result, sources)


def _check_readable(sources: Sequence[str]) -> None:
    """Raises OSError for the first source that cannot be read, before the store is made; a pipe is not touched."""
    for source in sources:
        if source == "-":
            continue
        if Path(source).is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), source)
        if not os.access(source, os.R_OK):
            number = errno.EACCES if os.path.lexists(source) else errno.ENOENT
            raise OSError(number, os.strerror(number), source)


def _summarise(result: IngestResult, sources: Sequence[str]) -> int:
    """The summary is printed, and a line for a person if something was refused."""
    summary = {
        "read": result.read,
        "appended": result.appended,
        "rejected": result.rejected,
        "seconds": round(result.seconds, 3),
        "quarantine": list(result.quarantined),
    }
    put(json.dumps(summary))
    flush()
    kept = f"; kept in quarantine/{', '.join(result.quarantined)}" if result.quarantined else ""
    if result.rejected:
        verdict = "nothing was appended: all" if not result.appended else "warning:"
        lines = f"{'line' if result.read == 1 else 'lines'} {'was' if result.rejected == 1 else 'were'}"
        report(f"{verdict} {result.rejected:,} of {result.read:,} {lines} refused, first {result.first_reason}{kept}")
    elif not result.appended:
        names = ", ".join("standard input" if source == "-" else source for source in sources)
        report(f"nothing was appended: there are no events in {names}; is it the right file, and is --format right?")
    return DONE if result.appended else ERROR
