"""The front of the index: questions to a store, answered from the index as far as it goes, then from the files."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar

from stonelog.filestore import Reader

from .aggregate import Bucket, FacetValue, Stats, facets, histogram, stats
from .build import NOWHERE, Builder, Position, read_position, stands
from .cursor import Cursor, filter_key, read_cursor, write_cursor
from .errors import IndexUnavailable, QueryError
from .find import find_event
from .patience import Patience
from .schema import connect_reader, index_file
from .span import step as read_step
from .view import Order, Question, View, ask

if TYPE_CHECKING:
    from stonelog.filestore import Event

__all__ = ["Index", "IndexStatus", "Page"]

Time = str | datetime | None
Progress = Callable[[int, int], object]
Answer = TypeVar("Answer")

log = logging.getLogger("stonelog")


@dataclass(frozen=True)
class Page:
    """The stored lines of one page, and how to get the next: `next_cursor` is None on the last.

    `indexed_seq` is how far the index went, `durable_seq` how far events were on stable storage.
    """

    lines: list[bytes]
    next_cursor: str | None
    indexed_seq: int
    durable_seq: int

    @cached_property
    def events(self) -> list[Event]:
        """The lines as events: made when they are first asked for, as that loads pydantic."""
        from stonelog.filestore import Event

        return [Event.stored(line) for line in self.lines]


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """How the index stands to the files: `behind_bytes` are scanned by every query until they are indexed."""

    indexed_seq: int
    durable_seq: int
    last_seq: int
    behind_bytes: int
    state: str
    """`ok`, `behind`, `absent`, or `unusable: ` and why."""


_DAMAGE: Final = (IndexUnavailable, sqlite3.Error, OSError, ValueError, TypeError, OverflowError)
"""What comes of reading an index that was damaged: anything may stand in it."""


def _marks(path: Path) -> tuple[int, int, bool]:
    """What changes when somebody begins to write the index."""
    there = path.stat()
    return there.st_mtime_ns, there.st_size, path.with_name(path.name + "-wal").exists()


class _Handle:
    """One connection and the open segments; used by one thread at a time."""

    def __init__(self, reader: Reader, path: Path) -> None:
        there = path.stat()
        self.inode = (there.st_dev, there.st_ino)
        self._path = path
        before = _marks(path)
        self.connection, alone = connect_reader(path)
        self._alone = before if alone else None
        self.fetch = reader.fetcher()

    def current(self) -> bool:
        """Whether it can be believed: opened as a file that nobody writes, it cannot see that somebody does."""
        return self._alone is None or self._alone == _marks(self._path)

    def close(self) -> None:
        self.connection.close()
        self.fetch.close()


class Index:
    """Answers questions about the store in a directory; writes nothing but in `catch_up` and `rebuild`.

    An event is in the next answer once `append` has returned, whatever the indexer did: what the index does not cover
    is scanned. If the index cannot be used, everything is. Safe to use from several threads.

    Every question takes a `patience` of its own, else it may take `query_seconds` (None: as long as it takes), and
    raises QueryStopped when that is at its end; Ctrl-C ends it too.
    """

    def __init__(self, directory: str | Path, *, scan: bool = False, query_seconds: float | None = None) -> None:
        self._reader = Reader(directory)
        self._path = index_file(self._reader.directory)
        self._scan = scan
        self._query_seconds = query_seconds
        self._idle: list[_Handle] = []
        self._turn = threading.Lock()
        self._trouble = ""
        self._builder: Builder | None = None

    @classmethod
    def open(cls, directory: str | Path, *, scan: bool = False, query_seconds: float | None = None) -> Self:
        """The index of the store in `directory`, which need not have one yet; with `scan` it is never looked at."""
        return cls(directory, scan=scan, query_seconds=query_seconds)

    @property
    def directory(self) -> Path:
        """The store's directory, absolute."""
        return self._reader.directory

    def search(
        self,
        q: str = "",
        *,
        since: Time = None,
        until: Time = None,
        limit: int = 50,
        cursor: str | None = None,
        order: Order = "desc",
        patience: Patience | None = None,
    ) -> Page:
        """The next `limit` (1 to 1000) events that match `q`, newest first or (order `asc`) oldest first, by `seq`.

        `since` and `until` bound the time of the events: the first is within, the second without. Raises QueryError.
        """
        if not 1 <= limit <= 1000:
            raise QueryError(
                f"limit {limit}: from 1 to 1000 events are given at a time", suggestion="the cursor for more"
            )
        if order not in ("asc", "desc"):
            raise QueryError(f"order {order!r}: either desc (newest first) or asc", suggestion="desc")
        patience = self._patience(patience)
        key = filter_key(q, since, until, order)
        question = ask(q, since, until)
        above, below = 0, None
        if cursor is not None:
            at = read_cursor(cursor, key)
            question = Question(q, question.plan, question.matches, at.since, at.until)
            above, below = (at.seq, None) if order == "asc" else (0, at.seq)

        def page(view: View) -> Page:
            found = view.found(question, order=order, above=above, below=below, limit=limit + 1)
            lines = [line for _, line in zip(range(limit + 1), found, strict=False)]
            following = None
            if len(lines) > limit:
                following = write_cursor(Cursor(lines[limit - 1].seq, question.since, question.until), key)
            return Page([line.raw for line in lines[:limit]], following, view.position.seq, self._reader.durable_seq())

        return self._answer(page, patience)

    def count(self, q: str = "", *, since: Time = None, until: Time = None, patience: Patience | None = None) -> int:
        """How many events match. Raises QueryError."""
        patience = self._patience(patience)
        question = ask(q, since, until)
        return self._answer(lambda view: view.count(question), patience)

    def facets(
        self,
        q: str,
        fields: Sequence[str],
        *,
        limit: int = 10,
        since: Time = None,
        until: Time = None,
        patience: Patience | None = None,
    ) -> dict[str, list[tuple[FacetValue, int]]]:
        """For each field its `limit` most frequent values among the matching events, with counts, highest first.

        An event counts once for each distinct element of a list. Values in metadata are given as text. Raises
        QueryError.
        """
        patience = self._patience(patience)
        question = ask(q, since, until)
        return self._answer(lambda view: facets(view, question, fields, limit), patience)

    def histogram(
        self,
        q: str = "",
        *,
        step: str = "1h",
        by: str | None = None,
        since: Time = None,
        until: Time = None,
        patience: Patience | None = None,
    ) -> list[Bucket]:
        """The number of matching events in each `step` of time (`1m`, `1h`, `1d`, ...), with `by` for each value.

        A step is given by its start (UTC); empty ones between others are included. Raises QueryError.
        """
        patience = self._patience(patience)
        question = ask(q, since, until)
        width = read_step(step)
        return self._answer(lambda view: histogram(view, question, width, by), patience)

    def stats(self, q: str = "", *, since: Time = None, until: Time = None, patience: Patience | None = None) -> Stats:
        """The figures of the matching events. Raises QueryError."""
        patience = self._patience(patience)
        question = ask(q, since, until)
        return self._answer(lambda view: stats(view, question), patience)

    def get(self, key: int | str, *, patience: Patience | None = None) -> Event | None:
        """The event of this `seq` (a number, or its digits) or `id`; None if there is none. Raises QueryError."""
        from stonelog.filestore import Event

        line = find_event(self._reader, key, self._patience(patience))
        return None if line is None else Event.stored(line.raw)

    def catch_up(self, progress: Progress | None = None) -> int:
        """The index covers what is in the files now; gives its last `seq`.

        Raises IndexUnavailable if it cannot be written, or another process keeps it busy.
        """
        return self._writer().catch_up(progress)

    def rebuild(self, progress: Progress | None = None) -> int:
        """The index is built anew from the files. As `catch_up`."""
        return self._writer().rebuild(progress)

    def status(self) -> IndexStatus:
        """How the index stands to the files now."""
        position, state = NOWHERE, "absent"
        if self._path.exists():
            try:
                with self._view(self._scan, Patience()) as view:
                    position = view.position
                    if view.connection is not None:
                        state = "ok"
                    elif self._trouble:
                        state = f"unusable: {self._trouble}"
            except _DAMAGE as error:
                self._doubt(str(error))
                state = f"unusable: {error}"
        segments = self._reader.segments()
        names = [segment.name for segment in segments]
        covered = names.index(position.segment) if position.segment in names else -1
        behind = sum(segment.size for segment in segments[max(covered, 0) :])
        behind -= position.next_offset if covered >= 0 else 0
        if state == "ok" and behind:
            state = "behind"
        return IndexStatus(position.seq, self._reader.durable_seq(), self._reader.last_seq, behind, state)

    def close(self) -> None:
        """Nothing is open any more."""
        with self._turn:
            while self._idle:
                self._idle.pop().close()
        if self._builder is not None:
            self._builder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _writer(self) -> Builder:
        if self._builder is None:
            self._builder = Builder(self.directory)
        return self._builder

    def _patience(self, given: Patience | None) -> Patience:
        return Patience(self._query_seconds) if given is None else given

    def _answer(self, question: Callable[[View], Answer], patience: Patience) -> Answer:
        patience.check()
        if not self._scan:
            try:
                with self._view(False, patience) as view:
                    return question(view)
            except _DAMAGE as error:
                self._doubt(str(error))
        with self._view(True, patience) as view:
            return question(view)

    def _doubt(self, why: str) -> None:
        if why != self._trouble:
            log.warning("%s: the index cannot be used, the files are scanned: %s", self._path, why)
        self._trouble = why

    @contextmanager
    def _view(self, scan: bool, patience: Patience) -> Iterator[View]:
        handle = None if scan else self._borrow()
        if handle is None:
            with self._reader.fetcher() as fetch:
                yield View(self._reader, fetch, None, NOWHERE, patience)
            return
        good = False
        try:
            with patience.within(handle.connection):
                handle.connection.execute("BEGIN")
                position = self._checked(handle)
                if position is None:
                    yield View(self._reader, handle.fetch, None, NOWHERE, patience)
                    return
                yield View(self._reader, handle.fetch, handle.connection, position, patience)
            if not handle.current():
                raise IndexUnavailable("somebody began to write it meanwhile")
            good = True
            self._trouble = ""
        finally:
            if good:
                handle.connection.execute("ROLLBACK")
                with self._turn:
                    self._idle.append(handle)
            else:
                handle.close()

    def _checked(self, handle: _Handle) -> Position | None:
        """The position, if the files still hold its line: an index that tells of lost lines is not believed."""
        position = read_position(handle.connection)
        if stands(self._reader, handle.connection, position):
            return position
        self._doubt("the files no longer hold what it tells of")
        return None

    def _borrow(self) -> _Handle | None:
        """A handle on the index file that is there now, None if there is none that can be used."""
        try:
            there = self._path.stat()
            while True:
                with self._turn:
                    handle = self._idle.pop() if self._idle else None
                if handle is None:
                    return _Handle(self._reader, self._path)
                if handle.inode == (there.st_dev, there.st_ino) and handle.current():
                    return handle
                handle.close()
        except FileNotFoundError:
            self._trouble = ""
            return None
        except (sqlite3.Error, OSError) as error:
            self._doubt(str(error))
            return None
