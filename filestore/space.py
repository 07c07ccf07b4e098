"""How much room the file system has left, and what follows from it.

A file of `reserve_bytes` is kept beside the events, so that on a full disk there is room for one thing: the record of
what retention removes. The same number is the mark below which space is low. Then events given to `emit` are shed, the
lowest levels first; `append` goes on until the disk is really full.
"""

from __future__ import annotations

import contextlib
import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from . import files
from .layout import Layout
from .names import LEVELS

__all__ = ["Space"]

_SHARE: Final = 32
"""On a small file system the mark is this part of it at most."""
_ROOM: Final = 2
"""The reserve is made when so many times its size is free, and space is no longer low from a quarter above the mark."""
_TAKEN: Final = frozenset({errno.EEXIST, errno.ELOOP, errno.EINVAL, errno.EISDIR})
"""What the system, or `files.reserve`, says where something that is not the reserve has its name."""
_LEVEL: Final = b'"level":"'
SECONDS: Final = 0.1
"""How old what is known may be when something is written, as long as that is little against the mark."""
_PART: Final = 8
"""Little is this part of it, or less."""

log = logging.getLogger("stonelog")


class Space:
    """What is known of the space of one store's file system; looked at before each write, which costs microseconds."""

    def __init__(self, layout: Layout, reserve_bytes: int) -> None:
        self._layout = layout
        self._events = str(layout.events)  # looked at often
        self._wanted = reserve_bytes
        self.mark = 0
        """Below so many free bytes space is low; 0: the policy is off."""
        self.free = 0
        self.low = False
        self._shed = 0
        self._looked = float("-inf")
        self._written = 0

    def look_again(self, elapsed: float, size: int) -> bool:
        """Whether it was looked, because the last time was long before `elapsed` (see clock) or much was written since.

        `size` bytes are going to be written.
        """
        self._written += size
        if 0 <= elapsed - self._looked < SECONDS and self._written <= self.mark // _PART:
            return False
        self._looked, self._written = elapsed, 0
        self.look()
        return True

    def look(self) -> None:
        """`free`, `mark` and `low` are those of now; as they were if the system does not tell."""
        if not self._wanted:
            return
        try:
            self.free, total = files.space(self._events)
            lent = self.low and not files.size_at(self._layout.reserve)
        except OSError:
            return  # the write itself will say what is wrong
        self.mark = min(self._wanted, total // _SHARE)
        bound = self.mark
        if self.low:
            # What the reserve takes, when it is made again, is not free: lending it is no end of the shortage.
            bound += self.mark // 4 + (self.mark if lent else 0)
        self.low = self.free < bound
        missing = max(0, self.mark - self.free)
        # Of the six levels the lowest goes first; the highest is never shed.
        self._shed = -(-missing * (len(LEVELS) - 1) // self.mark) if self.low and self.mark else 0

    def sheds(self, body: bytes) -> bool:
        """Whether an event given to `emit` is not to be written now, by its level."""
        if not self._shed:
            return False
        self.look()
        start = body.index(_LEVEL) + len(_LEVEL)
        level = body[start : body.index(b'"', start)].decode()
        return any(level == each for each in LEVELS[: self._shed])

    def set_aside(self) -> None:
        """The reserve is there, if there is room for it; never raises."""
        self.look()
        if not self.mark or self.free < _ROOM * self.mark:
            return
        try:
            files.reserve(self._layout.reserve, self.mark)
        except OSError as error:
            level = logging.WARNING if error.errno in _TAKEN else logging.DEBUG
            log.log(level, "%s: the reserve cannot be made: %s", self._layout.reserve, error.strerror)

    @contextmanager
    def lent(self) -> Iterator[None]:
        """If space is low, that of the reserve is free within the block. Raises OSError."""
        self.look()
        if self.low:
            with contextlib.suppress(FileNotFoundError):
                files.unreserve(self._layout.reserve)
        try:
            yield
        finally:
            self.set_aside()
