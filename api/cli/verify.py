"""`verify`: every byte of the store read, and each fault named by its place."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from .options import output_option, store_option
from .program import DONE, ERROR
from .terminal import Progress, coloured, flush, put, report, visible, without_warnings

__all__ = ["verify"]


@click.command()
@output_option("text", "json", default="text")
@store_option
def verify(directory: Path, output: str) -> int:
    """Read everything, and name each fault by file:line:offset.

    The status is 0 if there is none (notes are none), else 2.
    """
    from stonelog.filestore import verify as read_all

    found = {"faults": 0, "notes": 0}
    with without_warnings(), Progress("reading") as progress:
        verification = read_all(directory, progress)
        if output == "json":
            put('{"found": [')
        for fault in verification:
            found["notes" if fault.note else "faults"] += 1
            if output == "json":
                comma = ", " if sum(found.values()) > 1 else ""
                put(comma + json.dumps({"place": fault.place, **asdict(fault)}))
            else:
                kind = coloured("note: ", "notice") if fault.note else ""
                advice = f"; {fault.advice}" if fault.advice else ""
                put(f"{visible(fault.place)}: {kind}{visible(fault.reason + advice)}")
    counts = {"segments": verification.segments, "events": verification.events, "bytes": verification.bytes, **found}
    if output == "json":
        put("], " + json.dumps({"ok": not found["faults"], **counts})[1:])
    else:
        put(", ".join(_counted(name, count) for name, count in counts.items()))
    if found["faults"]:
        flush()
        report(f"{_counted('faults', found['faults'])} in {directory}; `stonelog doctor` says what can be done")
        return ERROR
    return DONE


def _counted(name: str, count: int) -> str:
    return f"{count:,} {name[:-1] if count == 1 else name}"
