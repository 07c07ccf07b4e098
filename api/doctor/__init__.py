"""Looking a store over: each check says in words what is there, whether it is right, and what to do if not.

`examine` writes, locks and repairs nothing; `repair` does what the checks offer, and nothing that touches an event
that was acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from stonelog.filestore import Reader, StonelogError

from .check import ORDER, Check, Repair
from .contents import check_clock, check_contents
from .machine import check_disk, check_versions, file_system
from .places import check_index, check_lock, check_modes, check_quarantine, check_settings, processes_writing

__all__ = ["Check", "Done", "Repair", "examine", "file_system", "processes_writing", "repair"]


class Done(NamedTuple):
    """What a repair did, or why it could not."""

    kind: str
    ok: bool
    text: str


def examine(
    directory: Path, *, progress: Callable[[int, int], object] | None = None, now: datetime | None = None
) -> list[Check]:
    """The checks of the store in `directory`, in an order to read them in; every byte of every segment was read."""
    if not directory.is_dir():
        what = "is not a directory" if directory.exists() else "does not exist"
        advice = "`stonelog append` makes a store; name another with --dir or $STONELOG_DIR"
        return [Check("directory", "problem", f"{directory} {what}", advice), *check_versions()]
    now = now or datetime.now(UTC)
    checks = [*check_modes(directory), *check_settings(directory), *check_lock(directory)]
    checks += check_contents(directory, progress)
    try:
        checks += check_clock(Reader(directory), now)
    except OSError as error:
        where = error.filename or directory
        checks.append(Check("clock", "warn", f"{where}: {error.strerror}", "make it readable for this user"))
    except StonelogError as error:
        checks.append(Check("clock", "warn", Exception.__str__(error), error.hint))
    checks += [*check_index(directory), *check_quarantine(directory), *check_disk(directory), *check_versions()]
    return checks


def repair(checks: Iterable[Check]) -> list[Done]:
    """Each repair that the checks offer was tried once, in an order in which one may rely on those before it."""
    offered = {(check.repair.kind, check.repair.subject): check.repair for check in checks if check.repair}
    done: list[Done] = []
    for each in sorted(offered.values(), key=lambda one: ORDER.index(one.kind)):
        if each.kind == "open" and any(one.kind == "pruned" and not one.ok for one in done):
            # Without the record, recovery would take what was removed for lost.
            done.append(Done(each.kind, False, "the store was not opened, for pruned.json is still damaged"))
            continue
        try:
            done.append(Done(each.kind, True, each.act()))
        except StonelogError as error:
            done.append(Done(each.kind, False, str(error)))
        except OSError as error:
            done.append(Done(each.kind, False, f"{error.filename or each.subject or each.kind}: {error.strerror}"))
    return done
