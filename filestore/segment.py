"""The newest segment of a store, as the committer holds it: attach under the lock, append, roll, sync."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Final

from . import files
from .errors import StoreReadOnly
from .layout import LAST_NUMBER, Layout, SegmentName
from .lock import StoreLock
from .recovery import Recovery, recover_store
from .scan import items
from .settings import StoreSettings

__all__ = ["REOPEN", "ActiveSegment"]

REOPEN: Final = "look at the disk, then open the store again: opening tells what is really there"


class ActiveSegment:
    """One open segment and what is known of it. `last_seq` and `durable_seq` span the whole store.

    Invariant while the lock is held: the file is the newest segment, its length is `end`, and its last line is whole
    and has `last_seq` (or the segment is empty).
    """

    def __init__(self, layout: Layout, settings: StoreSettings) -> None:
        self._layout = layout
        self._settings = settings
        files.make_directory(layout.events)
        for place in (layout.directory, layout.events):
            if files.is_writable_by_all(place):
                raise StoreReadOnly(
                    f"{place}: every user of the machine may write there", hint=f"chmod o-w {place}, then open it again"
                )
        self._lock = StoreLock(layout.lock, settings.lock_seconds)
        self._name: SegmentName | None = None
        self._fd = -1
        self._report = Recovery()
        self.failed = ""
        """Says which sync failed, once one did: the pages may be lost although a second sync would say all is well."""
        self.last_seq = 0
        self.durable_seq = 0
        self.end = 0

    @property
    def path(self) -> str:
        """The absolute path of the segment."""
        return str(self._place)

    @property
    def _place(self) -> Path:
        if self._name is None:
            raise ValueError("no segment is open")
        return self._layout.segment(self._name)

    def open(self, report: Recovery) -> None:
        """The store's files are recovered and on stable storage; the newest segment is open, if there is one."""
        self._report = report
        with self._lock.held():
            self._recover()
            # A process that was killed while it made these directories may not have come to sync their names.
            for place in (self._layout.events, self._layout.directory, self._layout.directory.parent):
                with contextlib.suppress(PermissionError):
                    files.fsync_directory(place)

    def close(self) -> None:
        """Nothing is held any more."""
        self._let_go()
        self._lock.close()

    @contextmanager
    def attached(self, day: date) -> Iterator[None]:
        """Inside the block the store's lock is held and the segment is the one to append to on `day`."""
        with self._lock.held():
            self._attach()
            while (following := self._following(day)) is not None:
                self._begin(following)
            yield

    def append(self, data: bytes, last_seq: int) -> None:
        """The lines stand whole at the segment's end, not yet synced; on any error nothing of them does."""
        try:
            files.write_all(self._fd, data)
        except BaseException as reason:
            try:
                files.truncate(self._fd, self.end)
            except OSError as worse:
                raise StoreReadOnly(
                    f"{self.path}: {reason}; what was written could not be taken back: {worse.strerror}",
                    hint="the event may be in the file or not; the next append tries again",
                ) from reason
            raise
        self.end += len(data)
        self.last_seq = last_seq

    def sync(self) -> None:
        """All that this process appended is on stable storage."""
        if self._name is not None:
            self._sync(files.sync_data)

    def roll_day(self, day: date) -> str | None:
        """The name of the new, empty segment of `day` if the newest one is of a day before, else None."""
        with self._lock.held():
            self._attach()
            if self._name is None or self._name.day >= day:
                return None
            self._begin(SegmentName(day))
            return self._name.file

    def _following(self, day: date) -> SegmentName | None:
        """The segment to begin before appending on `day`, None if the open one is the one to append to."""
        name = self._name
        if name is None or name.day < day:
            return SegmentName(day)
        if self.end >= self._settings.segment_bytes and name.number < LAST_NUMBER:
            return name.next()
        return None

    def _sync(self, call: Callable[[int], None]) -> None:
        """All that stands in the segment is on stable storage; a failure is final, see `failed`."""
        if self.failed:
            raise StoreReadOnly(self.failed, hint=REOPEN)
        last = self.last_seq
        try:
            call(self._fd)
        except OSError as reason:
            self.failed = f"{self.path}: sync failed: {reason.strerror}"
            raise StoreReadOnly(self.failed, hint=REOPEN) from reason
        self.durable_seq = max(self.durable_seq, last)

    def _attach(self) -> None:
        """The invariant holds again, whatever other processes and hands did since the lock was last ours."""
        if self._name is not None and self._lock.read_note() == self._name.file and files.is_at(self._fd, self._place):
            size = files.size(self._fd)
            if size == self.end or self._take_in(size):
                return
        self._recover()

    def _take_in(self, size: int) -> bool:
        """Whether the bytes after `end` are good lines in order, as other processes append them; if so they count."""
        if size < self.end:
            return False
        seq, synced = self.last_seq, self.durable_seq
        for item in items(files.read_at(self._fd, self.end, size - self.end), self.end):
            if item.stamp is None or item.stamp.seq != seq + 1:
                return False
            seq, synced = item.stamp.seq, max(synced, item.stamp.synced)
        self.last_seq, self.durable_seq, self.end = seq, synced, size
        return True

    def _recover(self) -> None:
        name, tail = recover_store(self._layout, self._report)
        self._let_go()
        if name is not None:
            self._fd = files.open_append(self._layout.segment(name))
        self._name = name
        self.end = tail.end
        # A `seq` that may have been acknowledged is never given again, even if its line is lost.
        self.last_seq = max(self.last_seq, tail.last_seq, tail.watermark)
        self.durable_seq = self.last_seq  # recovery has synced every segment
        self._lock.write_note(name.file if name else "")

    def _begin(self, name: SegmentName) -> None:
        """The segment, or a newer one, is open, its name durable, and every event before it on stable storage.

        Without the last, a cut could keep the first events of the new segment and lose the last ones of the old.
        """
        if self._name is not None and self._settings.durability != "none":
            self._sync(files.fsync)
        place = self._layout.segment(name)
        try:
            fd = files.create(place)
        except FileExistsError:
            # Another process began it and ended before it could say so in the note.
            self._recover()
            if self._name is None or self._name < name:
                raise
            return
        try:
            if self._settings.durability != "none":
                files.fsync(fd)
            files.fsync_directory(self._layout.events)
        except BaseException:
            files.close(fd)
            files.remove(place)  # it is empty; the next attempt makes it again
            raise
        self._let_go()
        self._fd, self._name, self.end = fd, name, 0
        self._lock.write_note(name.file)

    def _let_go(self) -> None:
        if self._fd >= 0:
            files.close(self._fd)
            self._fd = -1
