"""`show`, `cat` and `files`: one event, whole days, and what lies in the directory."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from .lines import block
from .options import nothing_found, output_option, scan_option, store_option
from .program import DONE, Problem
from .tables import table
from .terminal import is_terminal, put, put_line, visible

if TYPE_CHECKING:
    from stonelog.filestore import Reader, Segment

__all__ = ["cat", "files", "show"]

_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_SEQ: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SEGMENT: Final = re.compile(r"\d{4}-\d\d-\d\d(\.\d{3})?\.jsonl", re.ASCII)


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

    A day is written 2026-11-23, a segment 2026-11-23.001.jsonl; without one, all lines are printed."""
    from stonelog.filestore import Reader

    for name in names:
        if not (_DAY.fullmatch(name) or _SEGMENT.fullmatch(name)):
            raise Problem(f"{name} is neither a day nor a segment; `stonelog files` lists them")
    reader = Reader(directory)
    lines = 0
    for line in _lines(reader, names):
        put_line(line)
        lines += 1
    return DONE if lines else nothing_found()


def _lines(reader: Reader, names: Sequence[str]) -> Iterator[bytes]:
    """The stored lines of the segments that the names mean, in the order of `seq`."""
    if not names:
        yield from (line.raw for line in reader.lines())
        return
    for segment in reader.segments():
        if segment.first_seq is not None and {segment.name, segment.day.isoformat()} & set(names):
            for line in reader.lines(segment.first_seq - 1, start=(segment.name, 0)):
                if line.segment != segment.name:
                    break
                yield line.raw


@click.command()
@output_option("text", "json", default="text")
@store_option
def files(directory: Path, output: str) -> int:
    """List the segments: day, events, bytes, first and last seq."""
    from stonelog.filestore import Reader

    reader = Reader(directory)
    rows = list(_rows(reader.segments(), reader.last_seq))
    if output == "json":
        put(json.dumps({"files": rows}))
    elif rows:
        heads = ("segment", "day", "events", "bytes", "seqs")
        cells = [[*(row[head] for head in heads[:-1]), _range(row)] for row in rows]
        for line in table(heads, cells):
            put(line)
    return DONE if rows else nothing_found()


def _rows(segments: Iterable[Segment], last_seq: int) -> Iterator[dict[str, Any]]:
    """What each segment holds, by the seqs that begin it and the next: seqs are dense, so nothing need be read."""
    listed = list(segments)
    begin = last_seq + 1
    begins: list[int] = []
    for segment in reversed(listed):
        begin = segment.first_seq if segment.first_seq is not None else begin
        begins.insert(0, begin)
    for segment, (first, following) in zip(listed, pairwise([*begins, last_seq + 1]), strict=True):
        filled = following > first
        yield {
            "segment": segment.name,
            "day": segment.day.isoformat(),
            "events": following - first,
            "bytes": segment.size,
            "first_seq": first if filled else None,
            "last_seq": following - 1 if filled else None,
        }


def _range(row: dict[str, Any]) -> str:
    return f"{row['first_seq']}..{row['last_seq']}" if row["events"] else "-"
