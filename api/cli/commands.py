"""The program `stonelog`: all commands under one name."""

from __future__ import annotations

from typing import NoReturn

import click

from .append import append
from .bench import bench
from .config import config
from .figures import count, facets, histogram, stats
from .ingest import ingest
from .maintain import demo, doctor, reindex, serve
from .options import root_directory_option
from .program import Program
from .search import search, tail
from .show import cat, files, show
from .terminal import put
from .upkeep import hold, retain, seal
from .verify import verify

__all__ = ["main", "program"]


def _version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        put(f"stonelog {version('stonelog')}")
    except PackageNotFoundError:
        put("stonelog, from a checkout that is not installed")
    context.exit()


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@root_directory_option
@click.pass_context
def program(context: click.Context, directory: object) -> None:
    """An append-only, file-first event store.

    Days of JSON lines in DIR/events are the truth; everything else is made from them. The exit status is 0 for done or
    found, 1 for nothing found, 2 for an error.
    """
    if context.invoked_subcommand is None:
        put(context.get_help())


for command in (
    append,
    ingest,
    search,
    tail,
    count,
    stats,
    facets,
    histogram,
    show,
    cat,
    files,
    seal,
    retain,
    hold,
    reindex,
    serve,
    verify,
    doctor,
    config,
    demo,
    bench,
):
    program.add_command(command)


def main() -> NoReturn:
    """The command line has been carried out; the process exits with its status."""
    program.main()
