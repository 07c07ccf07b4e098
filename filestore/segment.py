"""The newest segment of a store, as the committer holds it: attach under the lock, append, roll, sync."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from typing import Final

from . import files
from .codec import stamp
from .errors import StoreLocked, StoreReadOnly
from .ids import time_of
from .layout import LAST_NUMBER, Layout, Listing, SegmentName
from .lock import FAILED, StoreLock
from .recovery import Recovery, recover_store
from .scan import items, last_line, place_of
from .settings import StoreSettings

__all__ = ["NO_ROOM", "REOPEN", "ActiveSegment"]

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE})
"""Where a new file cannot be made for want of space, inodes or descriptors, the open one takes the events."""

_MOST_TAKEN_IN: Final = 4 * 1024 * 1024
"""Bytes of others that are read under the lock; where there are more, recovery looks at the tail alone."""

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
        self._newest: SegmentName | None = None  # the same, or a sealed one when there is no plain one after it
        self._note = ""
        self._identity = (0, 0)
        self._fd = -1
        self._report = Recovery()
        self.abandoned: list[str] = []
        """The segments whose sync failed, and from which what was not durable was written again in the next."""
        self.failed = ""
        """Says which sync failed, once one did: the pages may be lost although a second sync would say all is well."""
        self.written_at: datetime | None = None
        """When the newest event was written, as the clock then said; known after `open`, None if there is none."""
        self.path = ""
        """The absolute path of the segment."""
        self.last_seq = 0
        self.durable_seq = 0
        self.end = 0
        self._durable_end = 0
        self._appended = (0, b"")

    def open(self, report: Recovery) -> None:
        """The store's files are recovered and on stable storage; the newest segment is open, if there is one."""
        self._report = report
        with self._lock.held():
            self._recover()
            # A process that was killed while it made these directories may not have come to sync their names.
            for place in (self._layout.events, self._layout.directory, self._layout.directory.parent):
                with contextlib.suppress(PermissionError):
                    files.fsync_directory(place)
            if self._name is not None:
                line = last_line(partial(files.read_at, self._fd), self.end)
                self.written_at = time_of(line) if line else None

    def close(self) -> None:
        """Nothing is held any more; in a forked child neither by it, so that it does not keep the parent's lock."""
        self._let_go()
        self._lock.close()

    def attach(self, day: date, *, anew: bool = False, meanwhile: Callable[[], object] = lambda: None) -> None:
        """The store's lock is held until `release`, and the segment is the one to append to on `day`.

        With `anew` a further segment begins, unless the open one has nothing in it. While another process has the lock
        `meanwhile` is called. Raises StoreLocked, StoreReadOnly, OSError; the lock is not held then.
        """
        self._lock.acquire(meanwhile)
        try:
            self._attach()
            if anew and self._name is not None and self.end:
                self._begin_or_stay(self._name.next())
            while (following := self._following(day)) is not None and self._begin_or_stay(following):
                pass
        except BaseException:
            self._lock.release()
            raise

    def release(self) -> None:
        """Other processes may append."""
        self._lock.release()

    def append(self, data: bytes, last_seq: int) -> None:
        """The lines stand whole at the segment's end, not yet synced; on any error nothing of them does."""
        try:
            files.write_all(self._fd, data)
        except BaseException as reason:
            if isinstance(reason, OSError):
                reason.filename = self.path
            try:
                files.truncate(self._fd, self.end)
            except OSError as worse:
                raise StoreReadOnly(
                    f"{self.path}: {reason}; what was written could not be taken back: {worse.strerror}",
                    hint="the event may be in the file or not; the next append tries again",
                ) from reason
            raise
        self._appended, self.end, self.last_seq = (self.end, data), self.end + len(data), last_seq

    def sync(self) -> int | None:
        """All that this process appended is on stable storage; gives None, or how far its lines moved to the front.

        They move when the sync fails: the pages may be lost although a second sync would say that all is well, so what
        is not known to be durable is written again, in a new segment, with the same `seq`s. Raises StoreReadOnly if
        that fails too, for good.
        """
        if self._name is None:
            return None
        try:
            self._sync(files.sync_data)
        except StoreReadOnly as error:
            return self._write_again(error)
        return None

    def roll(self, day: date, *, early: bool = False) -> str | None:
        """The name of the new, empty segment of `day` if the newest one is of a day before, else None.

        `early` begins a further segment of the same day too, unless the newest has nothing in it.
        """
        begun: str | None = None
        with self._lock.held():
            self._attach()
            # More than once if a sync fails: then the first one holds what was written again.
            while (name := self._name) is not None and (name.day < day or (early and self.end)):
                self._begin(SegmentName(day) if name.day < day else name.next())
                begun = self._note
        return begun

    def _following(self, day: date) -> SegmentName | None:
        """The segment to begin before appending on `day`, None if the open one is the one to append to."""
        name = self._name
        if name is None and self._newest is not None:
            return max(self._newest.next(), SegmentName(day))
        if name is None or name.day < day:
            return SegmentName(day)
        if self.end >= self._settings.segment_bytes and name.number < LAST_NUMBER:
            return name.next()
        return None

    def _sync(self, call: Callable[[int], None]) -> None:
        """All that stands in the segment is on stable storage; a failure is final, see `failed`."""
        if self.failed:
            raise StoreReadOnly(self.failed, hint=REOPEN)
        last, end = self.last_seq, self.end
        try:
            call(self._fd)
        except OSError as reason:
            self.failed = f"{self.path}: sync failed: {reason.strerror}"
            raise StoreReadOnly(self.failed, hint=REOPEN) from reason
        self.durable_seq, self._durable_end = max(self.durable_seq, last), end

    def _write_again(self, error: StoreReadOnly) -> int:
        """What is not known to be durable stands durably in a new segment; see `sync`. Raises `error` if it cannot."""
        try:
            with self._lock.held():
                if self._name is not None and self._lock.note_is(self._name.file):
                    return self._rewrite(self._name, error)
                return self._find_again(error)
        except (OSError, StoreLocked):
            with contextlib.suppress(OSError):  # without the lock, if need be: at worst others look once more
                self._lock.write_note(f"{self._note}{FAILED}")
            raise error from None

    def _rewrite(self, name: SegmentName, error: StoreReadOnly) -> int:
        """As `_write_again`, when nobody went on to another segment since. To be called with the lock held."""
        unsynced = self._unsynced()
        place = self._layout.segment(name.next())
        if name.number >= LAST_NUMBER or unsynced is None or place.name in files.list_names(self._layout.events):
            self._lock.write_note(f"{name.file}{FAILED}")
            raise error
        # The note first: whoever comes after this process must look, however far it came. And under its name the
        # segment is there whole or not at all: one with less would say that what stands before it had been synced.
        offset, data = unsynced
        self._lock.write_note(f"{name.file}{FAILED}")
        try:
            files.write_whole(place, data)
            fd = files.open_append(place)
        except OSError:
            raise error from None
        self._take_up(fd, name.next(), len(data))
        self.durable_seq, self._durable_end = self.last_seq, self.end
        self.failed = ""
        self.abandoned.append(name.file)
        return offset

    def _find_again(self, error: StoreReadOnly) -> int:
        """As `_write_again`, when another process went on: its own sync failed as ours did, and it wrote our lines too.

        The kernel tells every open descriptor of the failure once. Recovery makes durable what is there.
        """
        (at, own), failed = self._appended, self.failed
        first = items(own, 0)
        seq = next((item.stamp.seq for item in first if item.stamp), 0)
        self._recover()
        place = place_of(partial(files.read_at, self._fd), self.end, seq) if self._name is not None else 0
        data = files.read_at(self._fd, place, self.end - place) if self._name is not None else b""
        found = data.find(own)
        if not own or found < 0:
            self.failed = failed
            raise error
        self.failed = ""
        return at - (place + found)

    def _unsynced(self) -> tuple[int, bytes] | None:
        """The offset where the lines above `durable_seq` begin, and the lines; None if they cannot all be had.

        Those of other processes are read back, which their hashes vouch for; our own are still in memory.
        """
        base, (at, own) = self._durable_end, self._appended
        size = files.size(self._fd)
        if not self._take_in(size):
            return None
        data = bytearray(files.read_at(self._fd, base, size - base))
        if at >= base:
            data[at - base : at - base + len(own)] = own
        seq, start = self.durable_seq, size
        for item in items(bytes(data), base):
            if item.stamp is None or not item.whole:
                return None
            if item.stamp.seq == seq + 1:
                start, seq = min(start, item.offset), seq + 1
            elif item.stamp.seq > seq:
                return None
        return (start, bytes(data[start - base :])) if seq == self.last_seq else None

    def _attach(self) -> None:
        """The invariant holds again, whatever other processes and hands did since the lock was last ours."""
        if self._name is not None and (self._lock.note_is(self._note) or self._follow_on(self._lock.read_note())):
            there = files.look(self.path)
            if there is not None and there[0] == self._identity and self._take_in(there[1]):
                return
        self._recover()

    def _follow_on(self, note: str) -> bool:
        """Whether the segment that others began after ours is open, and between them nothing is out of order.

        They synced all that stood before it: to recover the whole store at each of their rolls would take too long.
        """
        name, begun = self._name, SegmentName.parse(note)
        there = files.look(self.path)
        if name is None or begun not in (name.next(), SegmentName(begun.day) if begun else None) or begun is None:
            return False
        if begun <= name or there is None or there[0] != self._identity or not self._take_in(there[1]):
            return False
        if len([each for each in Listing(files.list_names(self._layout.events)) if each.name > name]) != 1:
            return False
        try:
            fd = files.open_append(self._layout.segment(begun))
        except FileNotFoundError:
            return False
        if files.size(fd):  # a sync of it may have failed, which a descriptor opened after that is not told
            files.close(fd)
            return False
        try:
            files.fsync(self._fd)  # whoever began it has done so, unless its durability asks for none
            # Nor may it have lived to make the name durable.
            files.fsync_directory(self._layout.events)
        except OSError:
            files.close(fd)
            return False
        self._let_go()
        self._hold(fd, begun)
        self.durable_seq, self.end, self._durable_end = self.last_seq, 0, 0
        return True

    def _take_in(self, size: int) -> bool:
        """Whether the bytes after `end` are lines in order, as other processes append them; if so they count.

        The hash of the last one is checked, and that all begin and end where they should: what was written whole under
        the lock needs no more, and a write that was cut off ends otherwise.
        """
        if size <= self.end or size - self.end > _MOST_TAKEN_IN:
            return size == self.end
        data = files.read_at(self._fd, self.end, size - self.end)
        last = stamp(data[data.rfind(b"\n", 0, -1) + 1 : -1])
        if last is None or not data.endswith(b"\n") or not data.startswith(b'{"seq":%d,' % (self.last_seq + 1)):
            return False
        if last.seq - self.last_seq != data.count(b"\n"):
            return False
        self.last_seq, self.durable_seq, self.end = last.seq, max(self.durable_seq, last.synced), size
        return True

    def _recover(self) -> None:
        self._newest, is_plain, tail = recover_store(self._layout, self._report)
        name = self._newest if is_plain else None
        self._let_go()
        if name is not None:
            self._hold(files.open_append(self._layout.segment(name)), name)
        self.end = self._durable_end = tail.end
        # A `seq` that may have been acknowledged is never given again, even if its line is lost.
        self.last_seq = max(self.last_seq, tail.last_seq, tail.watermark)
        self.durable_seq = self.last_seq  # recovery has synced every segment
        self._lock.write_note(name.file if name else "")

    def _begin(self, name: SegmentName) -> None:
        """The segment, or a newer one, is open, its name durable, and every event before it on stable storage.

        Without the last, a cut could keep the first events of the new segment and lose the last ones of the old.
        """
        before = self._note if self._name is not None else ""
        if self._name is not None and self._settings.durability != "none":
            try:
                self._sync(files.fsync)
            except StoreReadOnly as error:
                self._rewrite(self._name, error)
                return
        self._lock.write_note(name.file)  # first: should this process die here, others see that they must look
        try:
            fd = self._create(name)
        except FileExistsError:
            # Another process began it and ended before it could say so in the note.
            self._recover()
            if self._name is None or self._name < name:
                raise
            return
        except BaseException:
            self._lock.write_note(before)
            raise
        self._take_up(fd, name, 0)

    def _begin_or_stay(self, name: SegmentName) -> bool:
        """Whether the segment was begun; if there is no room for a new file, events go on into the open one."""
        try:
            self._begin(name)
        except OSError as error:
            if self._name is None or error.errno not in NO_ROOM:
                raise
            return False
        return True

    def _create(self, name: SegmentName) -> int:
        """A descriptor of the new, empty segment, whose name is durable; on any error there is no such segment."""
        place = self._layout.segment(name)
        fd = files.create(place)
        try:
            if self._settings.durability != "none":
                files.fsync(fd)
            files.fsync_directory(self._layout.events)
        except BaseException:
            files.close(fd)
            files.remove(place)  # nothing in it was acknowledged; the next attempt makes it again
            raise
        return fd

    def _take_up(self, fd: int, name: SegmentName, end: int) -> None:
        self._let_go()
        self._hold(fd, name)
        self.end, self._durable_end = end, 0
        self._lock.write_note(name.file)

    def _hold(self, fd: int, name: SegmentName) -> None:
        self._fd = fd
        self._identity = files.identity(fd)
        self._name, self._note, self.path = name, name.file, str(self._layout.segment(name))

    def _let_go(self) -> None:
        self._name, self._appended = None, (0, b"")
        if self._fd >= 0:
            fd, self._fd = self._fd, -1  # first: whatever closing says, the number is free and may be another's next
            files.close(fd)
