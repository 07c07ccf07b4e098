"""`seal`, `retain` and `hold`: the life of a day after it was written, for a person or a cron job."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import existing, group_directory_option, nothing_found, output_option, store_option
from .program import DONE, Problem
from .tables import table
from .terminal import Progress, put, show_warnings, visible

if TYPE_CHECKING:
    from stonelog.filestore import Hold, Manifest, Retained

__all__ = ["hold", "retain", "seal"]

_form = output_option("text", "json", default="text")


@click.command()
@click.option("--all", "everything", is_flag=True, help="Begin a new segment first, so that today's events are sealed.")
@_form
@store_option
def seal(directory: Path, everything: bool, output: str) -> int:
    """Compress the segments that are written no more.

    A day that is over is closed first. With nothing to seal the status is 0 too."""
    from stonelog.filestore import Store

    with Store.open(directory) as store, Progress("sealing") as progress:
        store.roll(early=everything)
        sealed = store.upkeep.seal(progress=progress)
    if output == "json":
        put(json.dumps({"sealed": [_sealed(manifest) for manifest in sealed]}))
    else:
        for line in _sealed_lines(sealed):
            put(line)
    return DONE


def _sealed(manifest: Manifest) -> dict[str, Any]:
    return {
        "file": manifest.file,
        "codec": manifest.codec,
        "events": manifest.events,
        "first_seq": manifest.first_seq,
        "last_seq": manifest.last_seq,
        "bytes": manifest.bytes,
        "stored_bytes": manifest.archive_bytes,
    }


def _sealed_lines(sealed: Sequence[Manifest]) -> list[str]:
    if not sealed:
        return ["nothing to seal: every segment that is written no more is sealed"]
    rows = [(each.file, each.events, each.bytes, each.archive_bytes, _share(each)) for each in sealed]
    lines = table(("file", "events", "bytes", "stored", "share"), rows)
    before, after = sum(each.bytes for each in sealed), sum(each.archive_bytes for each in sealed)
    return [*lines, f"{_segments(len(sealed))} sealed: {before:,} bytes take {after:,} ({after / before:.0%})"]


def _share(manifest: Manifest) -> str:
    return f"{manifest.archive_bytes / manifest.bytes:.0%}"


def _segments(number: int) -> str:
    return "1 segment" if number == 1 else f"{number:,} segments"


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would go and what must stay; write nothing.")
@_form
@store_option
def retain(directory: Path, dry_run: bool, output: str) -> int:
    """Remove the sealed segments that [retention] has go.

    Without settings nothing goes; with nothing to remove the status is 0 too."""
    from stonelog.filestore import Store, UpkeepReader

    if dry_run:
        retained = UpkeepReader(directory).plan()
    else:
        with Store.open(directory) as store:
            retained = store.upkeep.retain()
    if output == "json":
        removed = [
            {name: value for name, value in asdict(each).items() if name != "files"} for each in retained.removed
        ]
        kept = [asdict(each) for each in retained.kept]
        put(json.dumps({"dry_run": dry_run, "removed": removed, "kept": kept, "stored_bytes": retained.stored_bytes}))
    else:
        for line in _retained_lines(retained):
            put(line)
    return DONE


def _retained_lines(retained: Retained) -> list[str]:
    lines: list[str] = []
    if retained.removed:
        rows = [
            (each.segment, each.events, each.stored_bytes, f"{each.first_seq}..{each.last_seq}", each.reason)
            for each in retained.removed
        ]
        lines += table(("segment", "events", "bytes", "seqs", "reason"), rows)
    lines += [f"{each.segment} stays: {visible(each.reason)}" for each in retained.kept]
    if not retained.removed:
        return [*lines, "nothing to remove"]
    verb = "would be removed" if retained.dry_run else "removed"
    return [*lines, f"{_segments(len(retained.removed))} {verb}: {retained.stored_bytes:,} bytes on disk"]


@click.group(invoke_without_command=True)
@_form
@group_directory_option
@click.pass_context
def hold(context: click.Context, directory: Path | None, output: str) -> int:
    """List, place and release legal holds on days.

    Alone it lists the holds in force. Retention removes no segment of a day on hold."""
    if context.invoked_subcommand is not None:
        return DONE
    from stonelog.filestore import UpkeepReader

    show_warnings()
    holds = UpkeepReader(existing(directory)).holds()
    if output == "json":
        put(json.dumps({"holds": [_hold(each) for each in holds]}))
    elif holds:
        rows = [(each.id, each.first, each.last, each.placed_at[:19] + "Z", each.reason) for each in holds]
        for line in table(("hold", "first", "last", "placed", "reason"), rows):
            put(line)
    return DONE if holds else nothing_found()


def _hold(hold: Hold) -> dict[str, str]:
    return {**asdict(hold), "first": hold.first.isoformat(), "last": hold.last.isoformat()}


_day = click.DateTime(["%Y-%m-%d"])


@hold.command()
@click.argument("first", type=_day, metavar="FIRST")
@click.argument("last", type=_day, required=False, metavar="[LAST]")
@click.option("--reason", required=True, help="Why, for whoever releases it.")
@_form
@store_option
def add(directory: Path, first: datetime, last: datetime | None, reason: str, output: str) -> int:
    """Put the days FIRST to LAST (UTC) on hold.

    Days are written 2026-11-23; without LAST it is one day, and days to come may be held too."""
    from stonelog.filestore import Store

    begin, end = first.date(), (last or first).date()
    with Store.open(directory) as store:
        try:
            placed = store.upkeep.hold(begin, end, reason)
        except ValueError as error:
            raise Problem(str(error)) from None
    put(json.dumps(_hold(placed)) if output == "json" else f"{_days(placed)} on hold as {placed.id}")
    return DONE


@hold.command()
@click.argument("identity", metavar="ID")
@_form
@store_option
def release(directory: Path, identity: str, output: str) -> int:
    """Release a hold: its days may be removed again."""
    from stonelog.filestore import Store

    with Store.open(directory) as store:
        try:
            released = store.upkeep.release(identity)
        except KeyError:
            raise Problem(f"there is no hold {identity}; `stonelog hold` lists those in force") from None
    text = f"{released.id} released: {_days(released)} may be removed"
    put(json.dumps(_hold(released)) if output == "json" else text)
    return DONE


def _days(hold: Hold) -> str:
    first: date = hold.first
    return f"{first}" if first == hold.last else f"{first} to {hold.last}"
