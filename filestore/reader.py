"""Reading a store from its files alone, in any process, while others append."""

from __future__ import annotations

import contextlib
import errno
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from . import files
from .errors import CorruptLine, StonelogError
from .event import Event
from .fetch import Fetcher, Line
from .layout import Codec, Layout, Listing, SegmentName
from .lock import FAILED, is_marked_failed, mark_failed, note_of
from .places import ITS_FAULT, Places, last_of
from .pruned import known_pruned
from .reading import Reading
from .scan import items
from .stored import PlainFile, SealedFile, open_stored

__all__ = ["Reader", "Segment"]

_POLL_SECONDS: Final = 0.025
_SETTLE_SECONDS: Final = 1.0
_SETTLE_PAUSE: Final = 0.0005
_NOTHING_TO_SYNC: Final = frozenset({errno.EROFS, errno.EINVAL, errno.ENOTSUP})
"""What a sync on a file system says that is mounted read-only or knows no sync."""

log = logging.getLogger("stonelog")


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment as it is now. `first_seq` and `last_seq` are None while it has no good line.

    `name` is that of the plain file, sealed or not; `path` the file that is there, `codec` how it is sealed, None for
    a plain one; `size` the plain bytes, `stored` those the file has.
    """

    name: str
    day: date
    number: int
    path: Path
    size: int
    stored: int
    first_seq: int | None
    last_seq: int | None
    codec: Codec | None


def _warn(error: CorruptLine) -> None:
    log.error("%s", error)


def _ignore(error: CorruptLine) -> None:
    """Nobody is told."""


@contextmanager
def _told(layout: Layout) -> Iterator[None]:
    """What the system refuses within the block is a StonelogError."""
    try:
        yield
    except OSError as error:
        raise StonelogError(
            f"{error.filename or layout.events}: cannot be read: {error.strerror}",
            hint="look at the disk, the permissions, and how many files the process may have open",
        ) from error


class Reader:
    """Reads the store in `directory`, which need not exist yet. Safe to use from several threads."""

    def __init__(self, directory: str | Path, *, known_durable: Callable[[], int] = int) -> None:
        """`known_durable` gives a `seq` up to which its owner knows all to be on stable storage."""
        self._known_durable = known_durable
        self.directory = Path(directory).absolute()
        self._layout = Layout(self.directory)
        self._places = Places(self._layout)
        self._sealed: dict[SegmentName, Segment] = {}
        self._synced: tuple[SegmentName, int, int] | None = None

    def names(self) -> list[str]:
        """The names of the segments, oldest first: those of their plain files, also of the sealed ones."""
        with _told(self._layout):
            return [name.file for name in self._names()]

    def segments(self) -> list[Segment]:
        """The segments, oldest first. Raises StonelogError if one cannot be read."""
        with _told(self._layout):
            described = map(self._describe, self._names())
            return [segment for segment in described if segment is not None]

    def lines(
        self,
        after: int = 0,
        *,
        durable: bool = False,
        start: tuple[str, int] | None = None,
        on_corrupt: Callable[[CorruptLine], None] = _warn,
    ) -> Iterator[Line]:
        """The good lines with a `seq` above `after`, in order, up to what is there when each segment is reached.

        With `durable`, what is given is on stable storage first and not part of a write under way. `start` (a
        segment's name and an offset at which a line starts) saves looking for the place of `after`. What is not as it
        was written is stepped over and told to `on_corrupt`: bad bytes, files that cannot be read, lines out of
        order, and `seq`s that are missing although retention did not remove them. Raises StonelogError if the system
        does not let us read.
        """
        after = max(after, 0)
        with _told(self._layout):
            ended = False
            while not ended:
                after, ended = yield from self._pass(after, durable, start, on_corrupt)
                start = None

    def _pass(
        self, after: int, durable: bool, start: tuple[str, int] | None, on_corrupt: Callable[[CorruptLine], None]
    ) -> Generator[Line, None, tuple[int, bool]]:
        """The lines of the segments that are listed now; returns the last `seq`, and whether that was all."""
        names = self._names()
        begin = SegmentName.parse(start[0]) if start is not None else None
        if begin is not None and not self._places.goes_on(names, begin, after):
            begin = None  # a renamed segment: what follows `after` stands before it
        for place in range(self._places.place(names, after), len(names)):
            name = names[place]
            if begin is not None and name < begin:
                continue
            following = self._places.following(names, place)
            if following is not None and following <= after + 1:
                continue
            try:
                stored = open_stored(self._layout, name)
            except FileNotFoundError:
                continue  # removed since the names were listed: the `seq`s tell whether it was retention
            except OSError as error:
                if error.errno not in ITS_FAULT:
                    raise
                on_corrupt(CorruptLine(name.file, None, 0, 0, f"the file cannot be read: {error.strerror}"))
                continue
            try:
                offset = start[1] if start is not None and name == begin else None
                newest = place == len(names) - 1
                reading = Reading(stored, name, after, on_corrupt)
                end = self._end(stored, name, durable=durable, newest=newest)
                for line in reading.lines(offset, end, newest=newest):
                    if following is not None and line.seq >= following:
                        break  # written again in the next segment after a failed sync
                    missing = self._missing(after, line.seq) if line.seq > after + 1 else None
                    if missing and self._names() != names:
                        # Listing is no snapshot: a segment that changed its form meanwhile may have been left out.
                        return after, False
                    if missing:
                        others = self._elsewhere(names, name, missing, durable, on_corrupt)
                        for found in others:
                            self._tell_missing(after, found.seq, reading, line, on_corrupt)
                            after = found.seq
                            yield found
                        self._tell_missing(after, line.seq, reading, line, on_corrupt)
                    after = line.seq
                    yield line
            finally:
                stored.close()
        # What stood at the end may have been written again in a segment that was begun meanwhile.
        return after, self._names()[-1:] == names[-1:]

    def _elsewhere(
        self,
        names: list[SegmentName],
        here: SegmentName,
        missing: tuple[int, int],
        durable: bool,
        on_corrupt: Callable[[CorruptLine], None],
    ) -> Iterator[Line]:
        """The lines that are missing before one in the segment `here`, from where another hand put them."""
        after, last = missing[0] - 1, missing[1]
        for name in self._places.holders([each for each in names if each != here], *missing):
            try:
                stored = open_stored(self._layout, name)
            except FileNotFoundError:
                continue
            try:
                newest = name == names[-1]
                end = self._end(stored, name, durable=durable, newest=newest)
                told = False
                for line in Reading(stored, name, after, _ignore).lines(None, end, newest=newest):
                    if line.seq > last:
                        break
                    if not told:
                        reason = (
                            f"seq {line.seq} and on are given from here, out of order: a file was renamed or copied"
                        )
                        on_corrupt(CorruptLine(stored.file, None, line.offset, 0, reason))
                    told, after = True, line.seq
                    yield line
            finally:
                stored.close()

    def _tell_missing(
        self, after: int, seq: int, reading: Reading, line: Line, on_corrupt: Callable[[CorruptLine], None]
    ) -> None:
        """The `seq`s between the two that are missing, if any, are told at the place of `line`."""
        missing = self._missing(after, seq)
        if missing:
            reason = f"seq {missing[0]} to {missing[1]} missing before this line"
            at = line.offset
            on_corrupt(CorruptLine(reading.file, reading.number(at), at, 0, reason, missing=missing))

    def read(self, after: int = 0) -> Iterator[Event]:
        """The events with a `seq` above `after`, in order, each on stable storage before it is given."""
        for line in self.lines(after, durable=True):
            yield Event.stored(line.raw)

    def follow(
        self,
        after: int = 0,
        *,
        stop: threading.Event | None = None,
        wait: Callable[[float], bool] | None = None,
    ) -> Iterator[Event]:
        """The events above `after`, then new ones as they come to stable storage, until `stop` is set.

        `wait` is called with a number of seconds when there is nothing new; it may return earlier when there is, and
        returns whether this is the end: what stands in the files then is still given.
        """
        stop = stop or threading.Event()
        wait = wait or stop.wait
        ended = False
        while not stop.is_set():
            seen = self._extent()
            for event in self.read(after):
                after = event.seq or after
                yield event
                if stop.is_set():
                    return
            if ended:
                return
            while self._extent() == seen and not stop.is_set() and not ended:
                ended = wait(_POLL_SECONDS)

    def fetcher(self) -> Fetcher:
        """Reads single lines by their place; close it (or use it in a `with`)."""
        return Fetcher(self._layout)

    def get(self, seq: int) -> Line | None:
        """The line of this `seq`, None if there is none."""
        line = next(self.lines(seq - 1, on_corrupt=_ignore), None) if seq > 0 else None
        return line if line is not None and line.seq == seq else None

    @property
    def last_seq(self) -> int:
        """The `seq` of the newest good line, 0 if there is none. It may not be on stable storage yet."""
        with _told(self._layout):
            return self._last()[1]

    def durable_seq(self) -> int:
        """The highest `seq` known to be on stable storage now; what was only in the cache is synced first."""
        with _told(self._layout):
            name, last, end = self._last()
            if name is not None and self._synced != (name, end, last):
                with contextlib.suppress(FileNotFoundError):  # sealed meanwhile, and so synced
                    plain = PlainFile(self._layout, name)
                    try:
                        self._sync(plain)
                        if is_marked_failed(self._layout.lock):
                            stamp = plain.last_stamp()
                            return max(stamp.synced if stamp else 0, self._known_durable())
                    finally:
                        plain.close()
                self._synced = (name, end, last)
            return last

    def _names(self) -> list[SegmentName]:
        return [each.name for each in Listing(files.list_names(self._layout.events)) if each.plain or each.archives]

    def _describe(self, name: SegmentName) -> Segment | None:
        known = self._sealed.get(name)
        if known is not None and known.path.exists():
            return known
        try:
            stored = open_stored(self._layout, name)
        except FileNotFoundError:
            return None  # removed since the names were listed
        try:
            codec = stored.codec if isinstance(stored, SealedFile) else None
            path = self._layout.events / stored.file
            size = files.size(stored.fd)
            manifest = stored.manifest if isinstance(stored, SealedFile) else None
            first = (manifest.first_seq or None) if manifest else self._places.first_seq(name)
            last = last_of(stored)
            segment = Segment(name.file, name.day, name.number, path, stored.size, size, first, last, codec)
        finally:
            stored.close()
        if codec is not None:
            self._sealed[name] = segment
        return segment

    def _extent(self) -> tuple[SegmentName | None, int]:
        """Something that changes when lines are added."""
        names = self._names()
        if not names:
            return None, 0
        return names[-1], files.size_at(self._layout.segment(names[-1]))

    def _last(self) -> tuple[SegmentName | None, int, int]:
        names = self._names()
        for place in range(len(names) - 1, -1, -1):
            try:
                stored = open_stored(self._layout, names[place])
            except FileNotFoundError:
                continue
            try:
                found = stored.last_stamp()
            finally:
                stored.close()
            renamed = place and found and (self._places.first_seq(names[place - 1]) or 0) > found.seq
            if found and not renamed:
                return names[place], found.seq, stored.size
        return None, 0, 0

    def _sync(self, plain: PlainFile) -> None:
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

    def _end(self, stored: PlainFile | SealedFile, name: SegmentName, *, durable: bool, newest: bool) -> int:
        """How far the segment is read; with `durable` that is on stable storage, as all of a sealed one is."""
        if isinstance(stored, SealedFile) or not durable:
            return stored.size
        if newest:
            stored.size = self._settled_size(stored)  # when it was opened a write may have been under way
        end = stored.size
        self._sync(stored)
        return end

    def _settled_size(self, plain: PlainFile) -> int:
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

    def _missing(self, after: int, seq: int) -> tuple[int, int] | None:
        """The `seq`s between the two that retention did not remove."""
        return known_pruned(self._layout).without(after + 1, seq - 1)
