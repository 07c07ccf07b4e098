"""The errors that callers get for what went wrong while writing."""

from __future__ import annotations

import errno
from collections.abc import Callable

from .errors import DiskFull, StonelogError, StoreReadOnly
from .layout import Layout

__all__ = ["explain", "explain_opening", "unknown"]


def explain(reason: BaseException) -> Callable[[], StonelogError]:
    """Makes the error that each waiting caller gets for what went wrong in the committer."""
    if isinstance(reason, StonelogError):
        kind, text, hint = type(reason), reason.args[0], reason.hint
        return lambda: kind(text, hint=hint)
    if isinstance(reason, OSError):
        text = f"{reason.filename or 'the segment'}: {reason.strerror}; nothing of the event is on disk"
        if reason.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return lambda: DiskFull(text, hint="make space; the next append tries again")
        return lambda: StoreReadOnly(text, hint="reading goes on; the next append tries again")
    return lambda: StonelogError(f"the event could not be written: {reason!r}")


def explain_opening(reason: OSError, layout: Layout) -> StonelogError:
    """The error for a store that cannot be opened for writing."""
    where = reason.filename or layout.directory
    if reason.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"{where}: {reason.strerror}", hint="make space, then open the store again")
    return StoreReadOnly(
        f"{where}: {reason.strerror}",
        hint="the store can be read with Reader or Index; writing needs the directory to be ours",
    )


def unknown() -> StonelogError:
    """The error when it could not even be found out what went wrong."""
    return StonelogError("the event could not be written, or was and this could not be told", hint="see the log")
