"""The store's lock: `flock` on a permanent file of its own, so that several processes append to one directory.

The file carries a note of the newest segment's name: whoever holds the lock sees at once that another process rolled.
The note is a hint among living processes, never needed after a restart.
"""

from __future__ import annotations

import contextlib
import os
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from . import files
from .errors import StoreLocked

__all__ = ["FAILED", "StoreLock", "is_marked_failed", "mark_failed", "note_of"]

FAILED: Final = "!"
"""Ends the note when a sync of the named segment failed, and its lines could not be written again."""

_NOTE: Final = 32
_FIRST_PAUSE: Final = 0.00005
_LONGEST_PAUSE: Final = 0.001  # others write for less than that, so that longer pauses leave the lock unused
_GROWTH: Final = 1.5


_open_locks: weakref.WeakSet[StoreLock] = weakref.WeakSet()


def _let_go_in_child() -> None:
    """A descriptor that a forked child keeps would keep the lock, should the parent die while it holds it."""
    for lock in list(_open_locks):
        lock.close()


os.register_at_fork(after_in_child=_let_go_in_child)


def note_of(fd: int) -> str:
    """The note in the open lock file, or ''."""
    return files.read_at(fd, 0, _NOTE).rstrip(b"\n\0 ").decode("ascii", "replace")


def mark_failed(path: Path, segment: str) -> None:
    """The note of the lock file at `path` says that a sync of the segment failed, if it can be written; never raises.

    The system tells one process of it, and to all others the next sync says that all is well: they see the note.
    """
    with contextlib.suppress(OSError):
        if files.look(str(path)) is None:
            return  # a copy of the files alone
        with StoreLock.opened(path, 0) as lock:
            lock.write_note(f"{segment}{FAILED}")


def is_marked_failed(path: Path) -> bool:
    """Whether the note of the lock file at `path` says that a sync failed."""
    try:
        fd = files.open_read(path)
    except OSError:
        return False
    try:
        return note_of(fd).endswith(FAILED)
    finally:
        files.close(fd)


class StoreLock:
    """One descriptor on the lock file. Not for two threads at once: the writer uses it from one at a time."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._name = str(path)
        self._seconds = seconds
        self._fd = files.open_lock(path)
        self._identity = files.identity(self._fd)
        _open_locks.add(self)

    @classmethod
    @contextmanager
    def opened(cls, path: Path, seconds: float) -> Iterator[Self]:
        """A handle on the lock, not taken; closed after the block."""
        lock = cls(path, seconds)
        try:
            yield lock
        finally:
            lock.close()

    @contextmanager
    def held(self) -> Iterator[None]:
        """The lock is this process's inside the block. Raises StoreLocked when another kept it too long."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def acquire(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """The lock is this process's until `release`. Raises StoreLocked when another kept it too long.

        While another has it, `meanwhile` is called now and then, for work that needs no lock, as long as it is likely
        to be had soon: a few milliseconds.
        """
        deadline, pause = 0.0, _FIRST_PAUSE
        while not self._take():
            deadline = deadline or time.monotonic() + self._seconds
            if time.monotonic() > deadline:
                raise StoreLocked(
                    f"{self._path}: another process has held the store's lock for {self._seconds:g} s",
                    hint="nothing was written; try again, or see which process has the file open",
                )
            if pause < _LONGEST_PAUSE:
                meanwhile()
            time.sleep(pause)
            pause = min(_GROWTH * pause, _LONGEST_PAUSE)

    def release(self) -> None:
        """The lock is free for others."""
        files.unlock(self._fd)

    def _take(self) -> bool:
        if not files.lock(self._fd):
            return False
        try:
            there = files.look(self._name)
        except BaseException:
            files.unlock(self._fd)  # nobody is told that it is held, so nobody would let it go
            raise
        if there is not None and there[0] == self._identity:
            return True
        # Someone removed or replaced the file: two processes could each hold "the" lock. Take the one at the path.
        # Open before closing: if that fails, the number of a closed descriptor could soon be another file's.
        replaced, self._fd = self._fd, files.open_lock(self._path)
        files.close(replaced)
        self._identity = files.identity(self._fd)
        return False

    def note_is(self, text: str) -> bool:
        """Whether this is the note that the last holder left."""
        return files.read_at(self._fd, 0, _NOTE) == text.encode("ascii").ljust(_NOTE)

    def read_note(self) -> str:
        """The note that the last holder left, or ''."""
        return note_of(self._fd)

    def write_note(self, text: str) -> None:
        """The note for the next holder; at most 32 ASCII characters."""
        files.write_at(self._fd, 0, text.encode("ascii").ljust(_NOTE))

    def close(self) -> None:
        """The descriptor is closed; a lock it held is free, unless a forked process has it open too."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1  # first: whatever closing says, the number is free and may be another's next
            files.close(fd)
