"""How far a segment may be given to whoever must not be told of what a power cut can take back."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from typing import Final

from . import files
from .errors import StonelogError
from .layout import Layout
from .lock import FAILED, mark_failed, note_of
from .places import ITS_FAULT
from .scan import items
from .stored import PlainFile, SealedFile

__all__ = ["Settled"]

_SETTLE_SECONDS: Final = 1.0
_SETTLE_PAUSE: Final = 0.0005
_NOTHING_TO_SYNC: Final = frozenset({errno.EROFS, errno.EINVAL, errno.ENOTSUP})
"""What a sync on a file system says that is mounted read-only or knows no sync."""

log = logging.getLogger("stonelog")


class Settled:
    """Ends of segments, up to which all is on stable storage and stays. Raises OSError and StonelogError."""

    def __init__(self, layout: Layout, known_durable: Callable[[], int]) -> None:
        self._layout = layout
        self._known_durable = known_durable

    def end(self, stored: PlainFile | SealedFile, *, newest: bool) -> int:
        """How far the segment is on stable storage, after a sync if need be; all of a sealed one is."""
        if isinstance(stored, SealedFile):
            return stored.size
        if newest:
            stored.size = self._size(stored)  # when it was opened a write may have been under way
        end = stored.size
        self.sync(stored)
        return end

    def sync(self, plain: PlainFile) -> None:
        """The segment's bytes are on stable storage, or cannot be told from those that are."""
        try:
            files.sync_data(plain.fd)
        except OSError as error:
            if error.errno not in _NOTHING_TO_SYNC:
                mark_failed(self._layout.lock, plain.file)
                raise StonelogError(
                    f"{self._layout.events / plain.file}: cannot be synced: {error.strerror}",
                    hint="what may not be on stable storage is not given out; look at the disk",
                ) from error
            log.debug("%s: cannot be synced by a reader: %s", plain.file, error)
            # A file system that went read-only after an error may still show from the cache what it never wrote.
            files.forget_cached(plain.fd)

    def _size(self, plain: PlainFile) -> int:
        """The size at a moment when no write is under way.

        A write that fails is taken back, and its `seq`s are given to other events: nobody may have been given those.
        Nor what stands there after a sync that failed, which the cache still shows: StonelogError.
        """
        try:
            lock = files.open_read(self._layout.lock)
        except OSError as error:
            if error.errno not in ITS_FAULT:
                raise
            return files.size(plain.fd)  # a copy of the files alone: nobody writes to it
        held = False
        try:
            deadline = time.monotonic() + _SETTLE_SECONDS
            while not (held := files.lock(lock)) and time.monotonic() < deadline:
                time.sleep(_SETTLE_PAUSE)
            if not held:
                return self._sure_size(plain)
            if note_of(lock).endswith(FAILED):
                text = f"{self._layout.events / note_of(lock)[: -len(FAILED)]}: a sync failed, its end may not be there"
                raise StonelogError(
                    text, hint="look at the disk, then open the store to write: that tells what is there"
                )
            return files.size(plain.fd)
        finally:
            if held:
                files.unlock(lock)  # closing does not, if a child that was forked meanwhile has it open too
            files.close(lock)

    def _sure_size(self, plain: PlainFile) -> int:
        """Where the lines end that are known to be on stable storage, though a writer keeps the lock."""
        last = plain.last_stamp()
        durable = max(last.synced if last else 0, self._known_durable())
        at = plain.place_of(durable + 1)
        for item in items(plain.read_at(at, plain.size - at), at):
            if item.stamp is not None and item.stamp.seq > durable:
                break
            at = item.offset + len(item.data) + item.whole
        return at
