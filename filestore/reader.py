"""Reading a store from its files alone, in any process, while others append."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from . import files
from .codec import parsed
from .errors import CorruptLine, StonelogError
from .fetch import Fetcher, Line
from .layout import Codec, Layout, Listing, SegmentName
from .lock import is_marked_failed
from .places import ITS_FAULT, Places, last_of
from .pruned import known_pruned
from .reading import Reading, Run
from .settled import Settled
from .state import Remembered, StoreState
from .stored import PlainFile, SealedFile, open_stored

if TYPE_CHECKING:
    from .event import Event

__all__ = ["Reader", "Segment"]

_POLL_SECONDS: Final = 0.025

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
        self._settled = Settled(self._layout, known_durable)
        self._places = Places(self._layout)
        self._sealed: dict[SegmentName, Segment] = {}
        self._synced: tuple[SegmentName, int, int] | None = None
        self._listed: Remembered[list[SegmentName]] = Remembered()
        self._end: Remembered[tuple[SegmentName | None, int, int]] = Remembered()
        self._files: tuple[list[SegmentName], tuple[str, ...]] = [], ()

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
        for run in self._runs(after, durable, start, on_corrupt):
            offset = run.offset
            for seq, raw in enumerate(run.lines, run.first_seq):
                yield Line(seq, raw, run.segment, offset)
                offset += len(raw) + 1

    def runs(
        self,
        after: int = 0,
        *,
        start: tuple[str, int] | None = None,
        on_corrupt: Callable[[CorruptLine], None] = _warn,
        most: int = 4096,
    ) -> Iterator[Run]:
        """The same lines as `lines` gives, at most `most` (some hundreds, unless they are short) at a time, parsed.

        `fields` holds those of each line, {} where a line by another hand has a good hash and is not JSON.
        """
        for run in self._runs(after, False, start, on_corrupt):
            for part in run.parts(most):
                yield part._replace(fields=parsed(part.lines))

    def _runs(
        self, after: int, durable: bool, start: tuple[str, int] | None, on_corrupt: Callable[[CorruptLine], None]
    ) -> Iterator[Run]:
        after = max(after, 0)
        with _told(self._layout):
            ended = False
            while not ended:
                after, ended = yield from self._pass(after, durable, start, on_corrupt)
                start = None

    def _pass(
        self, after: int, durable: bool, start: tuple[str, int] | None, on_corrupt: Callable[[CorruptLine], None]
    ) -> Generator[Run, None, tuple[int, bool]]:
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
                end = self._settled.end(stored, newest=newest) if durable else stored.size
                for whole in reading.runs(offset, end, newest=newest):
                    run = whole if following is None else whole.within(whole.first_seq, following - 1)
                    if not run.lines:
                        break  # written again in the next segment after a failed sync
                    missing = self._missing(after, run.first_seq) if run.first_seq > after + 1 else None
                    if missing and self._names() != names:
                        # Listing is no snapshot: a segment that changed its form meanwhile may have been left out.
                        return after, False
                    if missing:
                        others = self._elsewhere(names, name, missing, durable, on_corrupt)
                        for found in others:
                            self._tell_missing(after, found.first_seq, reading, run, on_corrupt)
                            after = found.last_seq
                            yield found
                        self._tell_missing(after, run.first_seq, reading, run, on_corrupt)
                    after = run.last_seq
                    yield run
                    if len(run.lines) < len(whole.lines):
                        break
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
    ) -> Iterator[Run]:
        """The lines that are missing before one in the segment `here`, from where another hand put them."""
        after, last = missing[0] - 1, missing[1]
        for name in self._places.holders([each for each in names if each != here], *missing):
            try:
                stored = open_stored(self._layout, name)
            except FileNotFoundError:
                continue
            try:
                newest = name == names[-1]
                end = self._settled.end(stored, newest=newest) if durable else stored.size
                told = False
                for whole in Reading(stored, name, after, _ignore).runs(None, end, newest=newest):
                    run = whole.within(whole.first_seq, last)
                    if not run.lines:
                        break
                    if not told:
                        first = run.first_seq
                        reason = f"seq {first} and on are given from here, out of order: a file was renamed or copied"
                        on_corrupt(CorruptLine(stored.file, None, run.offset, 0, reason))
                    told, after = True, run.last_seq
                    yield run
            finally:
                stored.close()

    def _tell_missing(
        self, after: int, seq: int, reading: Reading, run: Run, on_corrupt: Callable[[CorruptLine], None]
    ) -> None:
        """The `seq`s between the two that are missing, if any, are told where `run` begins."""
        missing = self._missing(after, seq)
        if missing:
            reason = f"seq {missing[0]} to {missing[1]} missing before this line"
            at = run.offset
            on_corrupt(CorruptLine(reading.file, reading.number(at), at, 0, reason, missing=missing))

    def read(self, after: int = 0) -> Iterator[Event]:
        """The events with a `seq` above `after`, in order, each on stable storage before it is given."""
        from .event import Event  # whoever wants lines alone need not load pydantic

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
            return self._last(self._names())[1]

    def durable_seq(self, state: StoreState | None = None) -> int:
        """The highest `seq` known to be on stable storage: what is in the files, or was at that `state`, is synced."""
        with _told(self._layout):
            if state is None:
                return self._durable(*self._last(self._names()))
            name = SegmentName.parse(state.segment) if state.segment is not None else None
            return self._durable(name, state.last_seq, state.size)

    def state(self) -> StoreState:
        """How far the store goes now.

        While nothing changes, that is two looks at the metadata of files: nothing is listed, opened or read.
        """
        with _told(self._layout):
            names = self._names()
            name, last, end = self._last(names)
            if names is not self._files[0]:
                self._files = names, tuple(each.file for each in names)
            return StoreState(self._files[1], name.file if name is not None else None, end, last)

    def _names(self) -> list[SegmentName]:
        return self._listed.get(files.mark(self._layout.events), self._list)

    def _list(self) -> list[SegmentName]:
        return Listing(files.list_names(self._layout.events)).readable()

    def _durable(self, name: SegmentName | None, last: int, end: int) -> int:
        if name is not None and self._synced != (name, end, last):
            with contextlib.suppress(FileNotFoundError):  # sealed meanwhile, and so synced
                plain = PlainFile(self._layout, name)
                try:
                    self._settled.sync(plain)
                    if is_marked_failed(self._layout.lock):
                        stamp = plain.last_stamp()
                        return max(stamp.synced if stamp else 0, self._known_durable())
                finally:
                    plain.close()
            self._synced = (name, end, last)
        return last

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

    def _last(self, names: list[SegmentName]) -> tuple[SegmentName | None, int, int]:
        """The segment with the newest good line, the `seq` of that, and the plain bytes of the segment."""
        forms = self._layout.forms(names[-1]) if names else ()
        mark = next(filter(None, map(files.mark, forms)), None)
        if mark is None:
            return self._find_last(names)
        return self._end.get((mark, names[-2:]), partial(self._find_last, names))

    def _find_last(self, names: list[SegmentName]) -> tuple[SegmentName | None, int, int]:
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

    def _missing(self, after: int, seq: int) -> tuple[int, int] | None:
        """The `seq`s between the two that retention did not remove."""
        return known_pruned(self._layout).without(after + 1, seq - 1)
