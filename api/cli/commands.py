"""The program `stonelog`: all commands under one name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Final, NoReturn, cast

import click

from .options import root_directory_option
from .program import Program
from .terminal import put

__all__ = ["main", "program"]

_MODULES: Final = {
    "append": "append",
    "ingest": "ingest",
    "search": "search",
    "tail": "search",
    "count": "figures",
    "stats": "figures",
    "facets": "figures",
    "histogram": "figures",
    "show": "show",
    "cat": "show",
    "files": "show",
    "seal": "upkeep",
    "retain": "upkeep",
    "hold": "upkeep",
    "reindex": "maintain",
    "serve": "maintain",
    "verify": "verify",
    "doctor": "maintain",
    "detect": "detect",
    "config": "config",
    "demo": "maintain",
    "bench": "bench",
}
"""The commands, in the order of their list, and the module that each is in."""


class _Commands(Mapping[str, click.Command]):
    """The commands by name. The module of one is loaded when it is asked for, so that a search starts quickly."""

    def __getitem__(self, name: str) -> click.Command:
        command: click.Command = getattr(import_module(f".{_MODULES[name]}", __package__), name)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


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


program.commands = cast(MutableMapping[str, click.Command], _Commands())  # nobody adds to them


def main() -> NoReturn:
    """The command line has been carried out; the process exits with its status."""
    program.main()
