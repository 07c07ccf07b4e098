"""Reading a store from its files alone, in any process, while others append."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple, Self

from . import files
from .errors import CorruptLine, StonelogError
from .event import Event
from .layout import Layout, SegmentName, segment_names
from .scan import first_stamp, items, last_stamp, line_number, place_of

__all__ = ["Fetcher", "Line", "Reader", "Segment"]

_BLOCK: Final = 1 << 20
_POLL_SECONDS: Final = 0.025
_SETTLE_SECONDS: Final = 1.0
_SETTLE_PAUSE: Final = 0.0005
_OPEN_SEGMENTS: Final = 32
_NOTHING_TO_SYNC: Final = frozenset({errno.EROFS, errno.EINVAL, errno.ENOTSUP})
"""What a sync on a file system says that is mounted read-only or knows no sync."""

log = logging.getLogger("stonelog")


class Line(NamedTuple):
    """A good line: its place in the order, its bytes without line end, and where they stand."""

    seq: int
    raw: bytes
    segment: str
    offset: int


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of events as it is now. `first_seq` is None while it has no good line."""

    name: str
    day: date
    number: int
    path: Path
    size: int
    first_seq: int | None


def _warn(error: CorruptLine) -> None:
    log.error("%s", error)


class Fetcher:
    """Reads lines by segment, offset and length, keeping the segments open. For one thread."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._fds: dict[str, int] = {}

    def __call__(self, segment: str, offset: int, length: int) -> bytes:
        """The bytes there; fewer if the file ends before. Raises OSError, ValueError for a name that is not ours."""
        fd = self._fds.get(segment)
        if fd is None:
            name = SegmentName.parse(segment)
            if name is None:
                raise ValueError(f"{segment}: not the name of a segment")
            if len(self._fds) >= _OPEN_SEGMENTS:
                files.close(self._fds.pop(next(iter(self._fds))))
            fd = self._fds[segment] = files.open_read(self._layout.segment(name))
        return files.read_at(fd, offset, length)

    def close(self) -> None:
        """No segment is open any more."""
        for fd in self._fds.values():
            files.close(fd)
        self._fds.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Reader:
    """Reads the store in `directory`, which need not exist yet. Safe to use from several threads."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory).absolute()
        self._layout = Layout(self.directory)
        self._first: dict[SegmentName, int] = {}
        self._synced: tuple[SegmentName, int, int] | None = None

    def segments(self) -> list[Segment]:
        """The segments, oldest first."""
        described = (self._describe(name) for name in self._names())
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
        segment's name and an offset at which a line starts) saves looking for the place of `after`. Bad bytes are
        stepped over and told to `on_corrupt`.
        """
        names = self._names()
        firsts = [self._first_seq(name) for name in names]
        begin = SegmentName.parse(start[0]) if start is not None else None
        for place, name in enumerate(names):
            following = next((first for first in firsts[place + 1 :] if first is not None), None)
            if following is not None and following <= after + 1:
                continue
            if begin is not None and name < begin:
                continue
            newest = place == len(names) - 1
            offset = start[1] if start is not None and name == begin else None
            for line in self._segment_lines(name, after, offset, newest, durable, on_corrupt):
                if following is not None and line.seq >= following:
                    break  # written again in the next segment after a failed sync
                after = line.seq
                yield line

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
        line = next(self.lines(seq - 1), None) if seq > 0 else None
        return line if line is not None and line.seq == seq else None

    @property
    def last_seq(self) -> int:
        """The `seq` of the newest good line, 0 if there is none. It may not be on stable storage yet."""
        return self._last()[1]

    def durable_seq(self) -> int:
        """The highest `seq` that is on stable storage now; what was only in the cache is synced first."""
        name, last, end = self._last()
        if name is not None and self._synced != (name, end, last):
            fd = self._open(name)
            try:
                self._sync(fd, name)
            finally:
                files.close(fd)
            self._synced = (name, end, last)
        return last

    def _names(self) -> list[SegmentName]:
        return segment_names(files.list_names(self._layout.events))

    def _describe(self, name: SegmentName) -> Segment | None:
        path = self._layout.segment(name)
        try:
            return Segment(name.file, name.day, name.number, path, path.stat().st_size, self._first_seq(name))
        except (FileNotFoundError, StonelogError):
            if path.exists():
                raise
            return None  # removed since the names were listed

    def _first_seq(self, name: SegmentName) -> int | None:
        if name not in self._first:
            fd = self._open(name)
            try:
                found = first_stamp(fd, files.size(fd))
            finally:
                files.close(fd)
            if found is None:
                return None
            self._first[name] = found[1].seq
        return self._first[name]

    def _extent(self) -> tuple[SegmentName | None, int]:
        """Something that changes when lines are added."""
        names = self._names()
        if not names:
            return None, 0
        return names[-1], self._layout.segment(names[-1]).stat().st_size

    def _last(self) -> tuple[SegmentName | None, int, int]:
        for name in reversed(self._names()):
            fd = self._open(name)
            try:
                end = files.size(fd)
                found = last_stamp(fd, end)
            finally:
                files.close(fd)
            if found:
                return name, found.seq, end
        return None, 0, 0

    def _sync(self, fd: int, name: SegmentName) -> None:
        try:
            files.sync_data(fd)
        except OSError as error:
            if error.errno not in _NOTHING_TO_SYNC:
                raise StonelogError(
                    f"{self._layout.segment(name)}: cannot be synced: {error.strerror}",
                    hint="what may not be on stable storage is not given out; look at the disk",
                ) from error
            log.debug("%s: cannot be synced by a reader: %s", name.file, error)

    def _settled_size(self, fd: int) -> int:
        """The size at a moment when no write is under way.

        A write that fails is taken back, and its `seq`s are given to other events: nobody may have been given those.
        """
        try:
            lock = files.open_read(self._layout.lock)
        except OSError:
            return files.size(fd)  # a copy of the files alone: nobody writes to it
        try:
            deadline = time.monotonic() + _SETTLE_SECONDS
            while not files.lock(lock) and time.monotonic() < deadline:
                time.sleep(_SETTLE_PAUSE)
            return files.size(fd)
        finally:
            files.close(lock)

    def _open(self, name: SegmentName) -> int:
        path = self._layout.segment(name)
        try:
            return files.open_read(path)
        except OSError as error:
            raise StonelogError(
                f"{path}: cannot be read: {error.strerror}", hint="a segment is a regular file that may be read"
            ) from error

    def _segment_lines(
        self,
        name: SegmentName,
        after: int,
        offset: int | None,
        newest: bool,
        durable: bool,
        on_corrupt: Callable[[CorruptLine], None],
    ) -> Iterator[Line]:
        fd = self._open(name)
        try:
            end = self._settled_size(fd) if durable and newest else files.size(fd)
            if durable:
                self._sync(fd, name)
            counted = 0, 1
            at = place_of(fd, end, after + 1) if offset is None else offset
            while at < end:
                data = files.read_at(fd, at, min(_BLOCK, end - at))
                if not data:
                    return
                whole = data.rfind(b"\n") + 1
                if not whole and len(data) == _BLOCK:
                    whole = len(data)  # no line is that long: bad bytes, taken as they come
                if not whole:
                    if not newest:
                        on_corrupt(CorruptLine(name.file, line_number(fd, at), at, end - at, "no line end"))
                    return
                for item in items(data[:whole], at):
                    if item.stamp is None or not item.whole:
                        reason = "not a line as the store wrote it"
                        where = line_number(fd, item.offset, counted)
                        counted = item.offset, where  # to count all from the start for each would take for ever
                        on_corrupt(CorruptLine(name.file, where, item.offset, len(item.data) + 1, reason))
                    elif item.stamp.seq > after:
                        after = item.stamp.seq
                        yield Line(after, item.data, name.file, item.offset)
                at += whole
        finally:
            files.close(fd)
