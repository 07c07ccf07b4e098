"""`search` and `tail`: events as lines, newest first or as they come."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from .lines import ShortLines, csv_row
from .options import (
    nothing_found,
    opened_index,
    output_option,
    query_argument,
    scan_option,
    store_option,
    window_options,
)
from .program import DONE
from .terminal import flush, is_terminal, put, put_line

if TYPE_CHECKING:
    from stonelog.indexer import Index, Page

__all__ = ["search", "tail"]

PAGE: Final = 500
"""Events asked of the index at a time, so that a long listing takes the memory of one page."""


@click.command()
@query_argument
@window_options
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many events."
)
@click.option(
    "--order", type=click.Choice(["desc", "asc"]), default="desc", help="Newest or oldest first.  [default: desc]"
)
@click.option("--after-cursor", metavar="CURSOR", help="Go on where an earlier search of the same query ended.")
@output_option(
    "json", "jsonl", "csv", "short", help="The form of the output.  [default: short on a terminal, else jsonl]"
)
@scan_option
@store_option
def search(
    directory: Path,
    query: str,
    since: str | None,
    until: str | None,
    limit: int,
    order: str,
    after_cursor: str | None,
    output: str | None,
    scan: bool,
) -> int:
    """Find events.

    QUERY is words, "phrases", field:value, risk_score:>=70, -not, OR, ( ); without one, every event. A query that
    begins with - comes after --.
    """
    with opened_index(directory, scan=scan) as index:
        pages = _pages(index, query, since=since, until=until, limit=limit, cursor=after_cursor, order=order)
        form = output or ("short" if is_terminal(sys.stdout) else "jsonl")
        found, last = _WRITERS[form](pages)
    if last.next_cursor and is_terminal(sys.stderr):
        flush()
        sys.stderr.write(f"there are more: --after-cursor {last.next_cursor}\n")
    return DONE if found else nothing_found()


def _pages(index: Index, query: str, *, limit: int, cursor: str | None, **window: Any) -> Iterator[Page]:
    """The pages that together hold at most `limit` events."""
    while True:
        page = index.search(query, limit=min(limit, PAGE), cursor=cursor, **window)
        yield page
        limit -= len(page.lines)
        cursor = page.next_cursor
        if limit <= 0 or cursor is None:
            return


def _write_short(pages: Iterable[Page]) -> tuple[int, Page]:
    found, short = 0, ShortLines()
    for page in pages:
        found += len(page.lines)
        for line in short.lines([json.loads(each) for each in page.lines]):
            put(line)
    return found, page


def _write_lines(pages: Iterable[Page]) -> tuple[int, Page]:
    found = 0
    for page in pages:
        found += len(page.lines)
        for line in page.lines:
            put_line(line)
    return found, page


def _write_json(pages: Iterable[Page]) -> tuple[int, Page]:
    """One document with the stored lines in it, byte for byte."""
    found = 0
    before = b'{"items":['
    for page in pages:
        for line in page.lines:
            put_line(before + line)
            before = b","
            found += 1
    end = {"next_cursor": page.next_cursor, "indexed_seq": page.indexed_seq, "durable_seq": page.durable_seq}
    put_line((before if not found else b"") + b"]," + json.dumps(end)[1:].encode())
    return found, page


def _write_csv(pages: Iterable[Page]) -> tuple[int, Page]:
    from stonelog.filestore import FIELDS

    end = b"" if is_terminal(sys.stdout) else b"\r"
    found = 0
    put_line(csv_row(FIELDS).encode() + end)
    for page in pages:
        found += len(page.lines)
        for line in page.lines:
            put_line(csv_row(FIELDS, json.loads(line)).encode() + end)
    return found, page


_WRITERS: Final = {"short": _write_short, "jsonl": _write_lines, "json": _write_json, "csv": _write_csv}


@click.command()
@query_argument
@click.option("-f", "--follow", is_flag=True, help="Go on with events as they are written, until Ctrl-C or SIGTERM.")
@click.option(
    "-n", "--limit", type=click.IntRange(min=0), default=10, show_default=True, help="Begin with so many events."
)
@output_option("jsonl", "short", help="The form of the output.  [default: short on a terminal, else jsonl]")
@scan_option
@store_option
def tail(directory: Path, query: str, follow: bool, limit: int, output: str | None, scan: bool) -> int:
    """Show the newest events, and with -f those that come.

    The oldest of them comes first. What -f shows is on stable storage: no power cut takes back what was seen.
    """
    write = _writer(output or ("short" if is_terminal(sys.stdout) else "jsonl"))
    if not follow:
        lines = _newest(directory, query, limit, scan=scan)
        write(lines)
        return DONE if lines else nothing_found()
    from stonelog.filestore import Reader
    from stonelog.indexer import line_filter

    with _quiet_end():
        matches = line_filter(query)
        durable = Reader(directory).durable_seq()
        write(_newest(directory, query, limit, scan=scan, up_to=durable))
        flush()
        for event in Reader(directory).follow(durable):
            if matches(event.line):
                write([event.line])
                flush()
    return DONE


def _newest(directory: Path, query: str, limit: int, *, scan: bool, up_to: int | None = None) -> list[bytes]:
    """The newest matching lines, the oldest of them first; with `up_to`, those of a `seq` above it left out."""
    if not limit:
        return []
    with opened_index(directory, scan=scan) as index:
        pages = _pages(index, query, limit=limit, cursor=None, order="desc")
        found = [line for page in pages for line in page.lines]
    return [line for line in reversed(found) if up_to is None or _seq(line) <= up_to]


def _seq(line: bytes) -> int:
    from stonelog.filestore import stamp

    mark = stamp(line)
    return mark.seq if mark else 0


@contextmanager
def _quiet_end() -> Iterator[None]:
    """Inside the block SIGTERM ends the program with status 0, as what never ends by itself is ended."""

    def stop(number: int, frame: object) -> None:
        sys.exit(DONE)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _writer(form: str) -> Callable[[Sequence[bytes]], None]:
    """A function that writes stored lines, in their order, in the form."""
    short = ShortLines()

    def write_short(lines: Sequence[bytes]) -> None:
        for text in short.lines([json.loads(line) for line in lines]):
            put(text)

    def write_lines(lines: Sequence[bytes]) -> None:
        for line in lines:
            put_line(line)

    return write_lines if form == "jsonl" else write_short
