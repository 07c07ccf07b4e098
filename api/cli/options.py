"""The arguments and options that several commands share, and the index as a query command opens it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from .program import NOTHING, Problem
from .terminal import Progress, is_terminal, show_warnings, visible

if TYPE_CHECKING:
    from stonelog.indexer import Index

__all__ = [
    "directory_option",
    "existing",
    "given_directory",
    "group_directory_option",
    "nothing_found",
    "opened_index",
    "output_option",
    "query_argument",
    "root_directory_option",
    "scan_option",
    "store_option",
    "window_options",
]

CATCH_UP_BYTES: Final = 4 * 1024 * 1024
"""With more than this to scan, a query indexes first: the scan would cost each query what indexing costs once."""

Function = TypeVar("Function", bound=Callable[..., Any])
_HELP: Final = "The store.  [default: $STONELOG_DIR, else ./data]"


def _given(context: click.Context, parameter: click.Parameter, value: str | None) -> Path | None:
    if value == "":
        raise click.BadParameter("a directory is expected, found nothing", context, parameter)
    return None if value is None else Path(value)


def given_directory(context: click.Context, parameter: click.Parameter, value: str | None) -> Path | None:
    """The --dir of the command, else the nearest one before the command, else None."""
    own = _given(context, parameter, value)
    above = context.parent
    while own is None and above is not None:
        own, above = above.params.get("directory"), above.parent
    return own


def _directory(context: click.Context, parameter: click.Parameter, value: str | None) -> Path:
    if not context.resilient_parsing:
        show_warnings()
    return _or_default(given_directory(context, parameter, value))


def _or_default(given: Path | None) -> Path:
    return given if given is not None else Path(os.environ.get("STONELOG_DIR") or "data")


def _store(context: click.Context, parameter: click.Parameter, value: str | None) -> Path:
    directory = _directory(context, parameter, value)
    return directory if context.resilient_parsing else existing(directory)


def existing(given: Path | None) -> Path:
    """The store's directory, that of the default if none is given; raises Problem if it is not there."""
    directory = _or_default(given)
    if directory.is_dir():
        return directory
    what = "is not a directory" if directory.exists() else "does not exist"
    raise Problem(f"there is no store at {directory}: it {what}; name one with --dir or $STONELOG_DIR")


def _query(context: click.Context, parameter: click.Parameter, words: Sequence[str]) -> str:
    query = " ".join(words)
    try:
        query.encode()
    except UnicodeEncodeError as error:
        raise click.BadParameter(f"byte {error.start} is not UTF-8", context, parameter) from None
    return query


def root_directory_option(function: Function) -> Function:
    """Before the command: the --dir that the command takes if it has none of its own."""
    return click.option("--dir", "directory", metavar="DIR", callback=_given, help=_HELP)(function)


def group_directory_option(function: Function) -> Function:
    """Between a group's name and its command: the --dir that the command takes if it has none of its own."""
    return click.option("--dir", "directory", metavar="DIR", callback=given_directory, help=_HELP)(function)


def directory_option(function: Function) -> Function:
    """The store's directory, which need not exist."""
    return click.option("--dir", "directory", metavar="DIR", callback=_directory, help=_HELP)(function)


def store_option(function: Function) -> Function:
    """The store's directory, which must exist: asking makes nothing."""
    return click.option("--dir", "directory", metavar="DIR", callback=_store, help=_HELP)(function)


def query_argument(function: Function) -> Function:
    """The query; several words are joined, none is every event."""
    return click.argument("query", nargs=-1, callback=_query, metavar="[QUERY]")(function)


def window_options(function: Function) -> Function:
    """`since` and `until`: RFC 3339, a date, or a span back from now."""
    until = click.option("-U", "--until", metavar="TIME", help="Only events before this time.")
    since = click.option(
        "-S", "--since", metavar="TIME", help="Only events from this time on: RFC 3339, a date, or a span such as 24h."
    )
    return since(until(function))


def scan_option(function: Function) -> Function:
    """Whether to leave the index alone and read the files."""
    return click.option("--scan", is_flag=True, help="Read the files instead of the index.")(function)


def output_option(
    *choices: str, default: str | None = None, help: str = "The form of the output."
) -> Callable[[Function], Function]:
    """`-o`, one of the choices; None where the command decides by where the output goes."""
    return click.option("-o", "--output", type=click.Choice(choices), default=default, show_default=True, help=help)


@contextmanager
def opened_index(directory: Path, *, scan: bool) -> Iterator[Index]:
    """The index of the store; one that is far behind catches up first, unless another process is at it.

    A person is told when the files are scanned: that it is so, and if it takes long, how far it has come.
    """
    from stonelog.indexer import Index

    with Progress("scanning") as progress, Index.open(directory, scan=scan, progress=progress) as index:
        why = "--scan" if scan else _behind(index)
        if why and is_terminal(sys.stderr):
            sys.stderr.write(f"the files are scanned: {visible(why)}\n")
        yield index


def _behind(index: Index) -> str:
    """Why files have to be scanned: there is no index, and a small store gets none; or it cannot be written."""
    from stonelog.indexer import IndexUnavailable

    status = index.status()
    if status.behind_bytes <= CATCH_UP_BYTES:
        return "there is no index" if status.state == "absent" and status.last_seq else ""
    try:
        with Progress("indexing") as progress:
            index.catch_up(progress)
    except IndexUnavailable as error:
        return str(error)  # slower, and as right
    return ""


def nothing_found() -> int:
    """The status for an answer that is empty; a person at a terminal is told."""
    if is_terminal(sys.stderr):
        sys.stderr.write("nothing found\n")
    return NOTHING
