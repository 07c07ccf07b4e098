"""`reindex`, `serve`, `doctor` and `demo`: the store as a whole."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import directory_option, given_directory, output_option, store_option
from .program import DONE, ERROR
from .terminal import Progress, coloured, columns, flush, put, report, show_warnings, visible, without_warnings

if TYPE_CHECKING:
    from ..doctor import Check

__all__ = ["demo", "doctor", "reindex", "serve"]

_LEVEL_OF = {"ok": "", "warn": "warning", "problem": "error"}


@click.command()
@store_option
def reindex(directory: Path) -> int:
    """Throw the index away and build it anew from the files."""
    from stonelog.indexer import Index

    began = time.monotonic()
    with Index.open(directory) as index, Progress("indexing") as progress:
        seq = index.rebuild(progress)
    put(f"indexed to seq {seq} in {time.monotonic() - began:.1f} s")
    return DONE


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8321, show_default=True, help="The port; 0 takes a free one."
)
@click.option("--uds", metavar="PATH", type=click.Path(path_type=Path), help="Listen on a Unix socket instead.")
@directory_option
def serve(directory: Path, host: str, port: int, uds: Path | None) -> int:
    """Serve the HTTP API until Ctrl-C or SIGTERM.

    The indexer and the scheduler run in the same process."""
    from ..runtime import serve as run

    run(directory, host=host, port=port, uds=uds)
    return DONE


@click.command()
@click.option("--fix", is_flag=True, help="Do what the checks offer; without it nothing is written.")
@output_option("text", "json", default="text")
@directory_option
def doctor(directory: Path, output: str, fix: bool) -> int:
    """Say in words how the store is, and mend it with --fix.

    Without --fix nothing is written. The status is 0 if there is no problem (warnings are none), else 2.
    """
    from ..doctor import examine, repair

    with without_warnings():
        with Progress("reading") as progress:
            checks = examine(directory, progress=progress)
        if output == "text":
            _put_checks(checks, fixing=fix)
        done = repair(checks) if fix else []
        if done:
            with Progress("reading again") as progress:
                checks = examine(directory, progress=progress)
    if output == "json":
        repairs = {"repairs": [each._asdict() for each in done]} if fix else {}
        put(json.dumps({"ok": not _problems(checks), "checks": list(map(_as_json, checks)), **repairs}))
    else:
        for each in done:
            put(f"{coloured('done' if each.ok else 'failed', '' if each.ok else 'error'):<8}{visible(each.text)}")
        if done:
            _put_checks(checks, fixing=False)
        elif fix:
            put("nothing to repair")
    if problems := _problems(checks):
        flush()
        names = ", ".join(dict.fromkeys(check.name for check in problems))
        amount = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        report(f"{amount} in {directory}: {names}; see above for what to do")
        return ERROR
    return DONE


def _put_checks(checks: list[Check], *, fixing: bool) -> None:
    for check in checks:
        advice = f"; {check.advice}" if check.advice else ""
        offer = f"; --fix {check.repair.text}" if check.repair and not fixing else ""
        state = coloured(f"{check.state:<8}", _LEVEL_OF[check.state])
        put(f"{state}{check.name}: {visible(check.text + advice + offer)}")


def _as_json(check: Check) -> dict[str, str | None]:
    return {**check._asdict(), "repair": check.repair.text if check.repair else None}


def _problems(checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.state == "problem"]


def _demo_directory(context: click.Context, parameter: click.Parameter, value: str | None) -> Path:
    # Not $STONELOG_DIR: what that names is somebody's store, and a demonstration begins with an empty one.
    return given_directory(context, parameter, value) or Path("demo")


@click.command()
@click.option(
    "--dir", "directory", metavar="DIR", callback=_demo_directory, help="The store to make.  [default: ./demo]"
)
def demo(directory: Path) -> int:
    """Show what stonelog does, on sample logs.

    Makes a store, asks it, and compares counts with those of the files. A directory that an earlier demo made is made
    anew; any other that is not empty is refused.
    """
    from ..demo import demonstrate

    os.environ.pop("STONELOG_STORE_DURABILITY", None)
    show_warnings()
    differing = 0
    for line in demonstrate(directory, width=columns()):
        put(line.text)
        flush()
        differing += line.differs
    if differing:
        report(f"{differing} counts differ from the files in {directory}; please report it")
        return ERROR
    return DONE
