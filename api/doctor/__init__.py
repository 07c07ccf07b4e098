"""Looking a store over: each check says in words what is there, whether it is right, and what to do if not.

Nothing is written, locked or repaired.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from stonelog.filestore import Reader, StonelogError

from .check import Check
from .contents import check_clock, check_lines
from .machine import check_disk, check_versions, file_system
from .places import check_index, check_lock, check_modes, check_quarantine, check_settings, processes_writing

__all__ = ["Check", "examine", "file_system", "processes_writing"]


def examine(
    directory: Path, *, progress: Callable[[int, int], object] | None = None, now: datetime | None = None
) -> list[Check]:
    """The checks of the store in `directory`, in an order to read them in; every line of every segment was read."""
    if not directory.is_dir():
        what = "is not a directory" if directory.exists() else "does not exist"
        advice = "`stonelog append` makes a store; name another with --dir or $STONELOG_DIR"
        return [Check("directory", "problem", f"{directory} {what}", advice), *check_versions()]
    reader = Reader(directory)
    now = now or datetime.now(UTC)
    checks = [*check_modes(directory), *check_settings(directory), *check_lock(directory)]
    try:
        checks += [*check_lines(reader, progress), *check_clock(reader, now)]
    except OSError as error:
        checks.append(
            Check("segments", "problem", f"{error.filename}: {error.strerror}", "make it readable for this user")
        )
    except StonelogError as error:
        checks.append(Check("segments", "problem", Exception.__str__(error), error.hint))
    checks += [*check_index(directory), *check_quarantine(directory), *check_disk(directory), *check_versions()]
    return checks
