"""The errors that callers get for what went wrong while writing."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import DiskFull, StonelogError, StoreReadOnly
from .layout import Layout

__all__ = ["explain", "explain_opening", "naming", "unknown"]


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError of the block says that it is about this file, unless it names another; descriptors have no names."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


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
    if reason.errno in (errno.EMFILE, errno.ENFILE):
        hint = "let the process (ulimit -n) or the machine have more open files, then open the store again"
        return StoreReadOnly(f"{where}: {reason.strerror}", hint=hint)
    if reason.errno == errno.EIO:
        return StoreReadOnly(
            f"{where}: {reason.strerror}: the disk does not give all of it, or does not take more",
            hint="look at the disk; put a copy in the file's place, from a backup or made with "
            "`dd bs=4096 conv=noerror,sync`, then open the store again; what can be read of it is read meanwhile",
        )
    return StoreReadOnly(
        f"{where}: {reason.strerror}",
        hint="the store can be read with Reader or Index; writing needs the directory to be ours",
    )


def unknown() -> StonelogError:
    """The error when it could not even be found out what went wrong."""
    return StonelogError("the event could not be written, or was and this could not be told", hint="see the log")
