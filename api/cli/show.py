"""`show`, `cat` and `files`: one event, whole days, and what lies in the directory."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from .lines import block
from .options import nothing_found, output_option, scan_option, store_option
from .program import DONE, Problem
from .tables import table
from .terminal import is_terminal, put, put_line, report, visible

if TYPE_CHECKING:
    from stonelog.filestore import Hold, Reader, Segment

__all__ = ["cat", "files", "show"]

_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_SEQ: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SEGMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d(?:\.\d{3})?\.jsonl)(?:\.gz|\.zst)?", re.ASCII)


@click.command()
@click.argument("key", metavar="SEQ|ID")
@output_option("json", "raw", "text", help="The form of the output.  [default: text on a terminal, else raw]")
@scan_option
@store_option
def show(directory: Path, key: str, output: str | None, scan: bool) -> int:
    """Show one event, by its seq or its id."""
    from stonelog.indexer import Index

    if not (_SEQ.fullmatch(key) or _ID.fullmatch(key)):
        raise Problem(
            f"{key} is neither a seq (a whole number) nor an id (a UUID); `stonelog search -o short` shows seqs"
        )
    with Index.open(directory, scan=scan) as index:
        event = index.get(int(key) if _SEQ.fullmatch(key) else key.lower())
    if event is None:
        return nothing_found()
    form = output or ("text" if is_terminal(sys.stdout) else "raw")
    if form == "raw":
        put_line(event.line)
    elif form == "json":
        for line in json.dumps(json.loads(event.line), ensure_ascii=False, indent=2).split("\n"):
            put(visible(line))
    else:
        for line in block(json.loads(event.line)):
            put(line)
    return DONE


@click.command()
@click.argument("names", nargs=-1, metavar="[DAY|SEGMENT]...")
@store_option
def cat(directory: Path, names: Sequence[str]) -> int:
    """Print the stored lines of days or segments.

    A day is written 2026-11-23, a segment 2026-11-23.001.jsonl, sealed or not; without one, all lines are printed."""
    from stonelog.filestore import Reader

    wanted = {_wanted(name) for name in names}
    lines = 0
    for line in _lines(Reader(directory), wanted):
        put_line(line)
        lines += 1
    return DONE if lines else nothing_found()


def _wanted(name: str) -> str:
    """The day, or the name of the segment's plain file. Raises Problem for what has the form of neither."""
    segment = _SEGMENT.fullmatch(name)
    if segment is None and not _DAY.fullmatch(name):
        raise Problem(f"{name} is neither a day nor a segment; `stonelog files` lists them")
    return segment[1] if segment else name


def _lines(reader: Reader, wanted: set[str]) -> Iterator[bytes]:
    """The stored lines of the days and segments that are wanted, all if none is named, in the order of `seq`."""
    if not wanted:
        yield from (line.raw for line in reader.lines())
        return
    for segment in reader.segments():
        if segment.first_seq is not None and {segment.name, segment.day.isoformat()} & wanted:
            for line in reader.lines(segment.first_seq - 1, start=(segment.name, 0)):
                if line.seq > (segment.last_seq or 0):
                    break
                if line.segment == segment.name:  # lines of others come between where a file was renamed
                    yield line.raw


@click.command()
@output_option("text", "json", default="text")
@store_option
def files(directory: Path, output: str) -> int:
    """List the segments: file, events, bytes, seqs, holds."""
    from stonelog.filestore import Reader

    rows = _rows(Reader(directory).segments(), _holds(directory))
    if output == "json":
        put(json.dumps({"files": rows}))
    elif rows:
        heads = ("file", "day", "events", "bytes", "stored", "codec", "seqs", "held")
        cells = [
            (
                *(row[head] for head in ("file", "day", "events", "bytes", "stored_bytes")),
                row["codec"] or "-",
                f"{row['first_seq']}..{row['last_seq']}" if row["events"] else "-",
                "?" if row["held"] is None else ", ".join(row["held"]) or "-",
            )
            for row in rows
        ]
        for line in table(heads, cells):
            put(line)
    return DONE if rows else nothing_found()


def _holds(directory: Path) -> list[Hold] | None:
    """The holds in force; None, and a warning, if their record is damaged: the segments are listed all the same."""
    from stonelog.filestore import CorruptLine, UpkeepReader

    try:
        return UpkeepReader(directory).holds()
    except CorruptLine as error:
        report(f"warning: {error}")
        return None


def _rows(segments: Sequence[Segment], holds: list[Hold] | None) -> list[dict[str, Any]]:
    """What each segment holds. Between its first and last seq it has all, unless `verify` says otherwise."""
    following: int | None = None
    rows: list[dict[str, Any]] = []
    for segment in reversed(segments):
        first, last = segment.first_seq, segment.last_seq
        if last is not None and following is not None:
            last = min(last, following - 1)  # after a failed sync the next segment has its last lines again
        events = 0 if first is None or last is None else max(0, last - first + 1)
        rows.append(
            {
                "segment": segment.name,
                "file": segment.path.name,
                "day": segment.day.isoformat(),
                "events": events,
                "bytes": segment.size,
                "stored_bytes": segment.stored,
                "sealed": segment.codec is not None,
                "codec": segment.codec,
                "first_seq": first if events else None,
                "last_seq": last if events else None,
                "held": None if holds is None else [hold.id for hold in holds if hold.covers(segment.day, segment.day)],
            }
        )
        following = first or following
    return rows[::-1]
