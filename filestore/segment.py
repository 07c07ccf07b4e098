"""The newest segment of a store, as the committer holds it: attach under the lock, append, roll, sync."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from . import files
from .layout import LAST_NUMBER, Layout, SegmentName
from .lock import StoreLock
from .recovery import Recovery, recover_store
from .scan import items
from .settings import StoreSettings

__all__ = ["ActiveSegment"]


class ActiveSegment:
    """One open segment and what is known of it. `last_seq` and `durable_seq` span the whole store.

    Invariant while the lock is held: the file is the newest segment, its length is `end`, and its last line is whole
    and has `last_seq` (or the segment is empty).
    """

    def __init__(self, layout: Layout, settings: StoreSettings) -> None:
        self._layout = layout
        self._settings = settings
        files.make_directory(layout.events)
        self._lock = StoreLock(layout.lock, settings.lock_seconds)
        self._name: SegmentName | None = None
        self._fd = -1
        self._report = Recovery()
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

    def close(self) -> None:
        """Nothing is held any more."""
        self._let_go()
        self._lock.close()

    @contextmanager
    def attached(self, day: date) -> Iterator[None]:
        """Inside the block the store's lock is held and the segment is the one to append to on `day`."""
        with self._lock.held():
            self._attach()
            name = self._name
            if name is None or name.day < day:
                self._begin(SegmentName(max(day, name.day) if name else day))
            elif self.end >= self._settings.segment_bytes and name.number < LAST_NUMBER:
                self._begin(name.next())
            yield

    def append(self, data: bytes, last_seq: int) -> None:
        """The lines stand whole at the segment's end, not yet synced; on any error nothing of them does."""
        try:
            files.write_all(self._fd, data)
        except BaseException:
            files.truncate(self._fd, self.end)
            raise
        self.end += len(data)
        self.last_seq = last_seq

    def sync(self) -> None:
        """All that this process appended is on stable storage."""
        if self._name is not None:
            last = self.last_seq
            files.sync_data(self._fd)
            self.durable_seq = max(self.durable_seq, last)

    def roll_day(self, day: date) -> str | None:
        """The name of the new, empty segment of `day` if the newest one is of a day before, else None."""
        with self._lock.held():
            self._attach()
            if self._name is None or self._name.day >= day:
                return None
            self._begin(SegmentName(day))
            return self._name.file

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
        """The new segment is open, its name durable, and every event before it on stable storage.

        Without the last, a cut could keep the first events of the new segment and lose the last ones of the old.
        """
        if self._name is not None and self._settings.durability != "none":
            files.fsync(self._fd)
            self.durable_seq = self.last_seq
        place = self._layout.segment(name)
        fd = files.create(place)
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
