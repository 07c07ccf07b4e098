"""The front of the index: questions to a store, answered from the index as far as it goes, then from the files."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar

from stonelog.filestore import Reader

from .cursor import Cursor, filter_key, read_cursor, write_cursor
from .errors import QueryError
from .find import find_event
from .handle import Handle
from .kept import Kept
from .opened import Outdated
from .patience import Patience
from .scanning import Scanning
from .span import step as read_step
from .status import IndexStatus, index_status
from .tail import Tail
from .trust import Trust
from .view import DAMAGE, Order, View, ask

if TYPE_CHECKING:
    from stonelog.filestore import Event

    from .aggregate import Bucket, FacetValue
    from .build import Builder
    from .stats import Stats

__all__ = ["Index", "IndexStatus", "Page"]

Time = str | datetime | None
Progress = Callable[[int, int], object]
Answer = TypeVar("Answer")

_TRIES: Final = 10
"""So often an answer is begun anew because the index became another one meanwhile; then the files are scanned."""

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


class Index:
    """Answers questions about the store in a directory; writes nothing but in `catch_up` and `rebuild`.

    An event is in the next answer once `append` has returned, whatever the indexer did: what the index does not cover
    is scanned. If the index cannot be used, everything is. Safe to use from several threads.

    Every question takes a `patience` of its own, else it may take `query_seconds` (None: as long as it takes), and
    raises QueryStopped when that is at its end; Ctrl-C ends it too.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        scan: bool = False,
        query_seconds: float | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._reader = Reader(directory)
        self._trust = Trust(self._reader)
        self._kept = Kept()
        self._tail = Tail()
        self._scan = scan
        self._query_seconds = query_seconds
        self._progress = progress
        self._idle: list[Handle] = []
        self._turn = threading.Lock()
        self._trouble = ""
        self._builder: Builder | None = None

    @classmethod
    def open(
        cls,
        directory: str | Path,
        *,
        scan: bool = False,
        query_seconds: float | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """The index of the store in `directory`, which need not have one yet; with `scan` it is never looked at.

        `progress` is told of each longer scan how many bytes are done, and about how many there are; as many as there
        are when it ends.
        """
        return cls(directory, scan=scan, query_seconds=query_seconds, progress=progress)

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
            question = replace(question, since=at.since, until=at.until)
            above, below = (at.seq, None) if order == "asc" else (0, at.seq)

        def page(view: View) -> Page:
            found = view.found(question, order=order, above=above, below=below, limit=limit + 1)
            lines = [line for _, line in zip(range(limit + 1), found, strict=False)]
            following = None
            if len(lines) > limit:
                following = write_cursor(Cursor(lines[limit - 1].seq, question.since, question.until), key)
            durable = self._reader.durable_seq(view.state)
            return Page([line.raw for line in lines[:limit]], following, view.indexed_seq, durable)

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
        from .aggregate import facets

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
        from .aggregate import histogram

        patience = self._patience(patience)
        question = ask(q, since, until)
        width = read_step(step)
        return self._answer(lambda view: histogram(view, question, width, by), patience)

    def stats(self, q: str = "", *, since: Time = None, until: Time = None, patience: Patience | None = None) -> Stats:
        """The figures of the matching events. Raises QueryError."""
        from .stats import stats

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

    def rebuild(self, progress: Progress | None = None, *, workers: int | None = None) -> int:
        """The index is built anew from the files, by so many processes (None: one for each core). As `catch_up`.

        What was there is thrown away first. Interrupted, it goes on where it was, when it is called again.
        """
        return self._writer().rebuild(progress, workers=workers)

    def status(self) -> IndexStatus:
        """How the index stands to the files now."""
        return index_status(self._reader, self._trust)

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
            from .build import Builder

            self._builder = Builder(self.directory)
        return self._builder

    def _patience(self, given: Patience | None) -> Patience:
        return Patience(self._query_seconds) if given is None else given

    def _answer(self, question: Callable[[View], Answer], patience: Patience) -> Answer:
        """The answer; how far a scan for it has come is told."""
        if self._progress is None:
            return self._answered(question, patience)
        scanning = Scanning(self._progress)

        def followed(view: View) -> Answer:
            scanning.follow(view)
            return question(view)

        try:
            return self._answered(followed, patience)
        finally:
            scanning.end()

    def _answered(self, question: Callable[[View], Answer], patience: Patience) -> Answer:
        """The answer, without the shards that cannot be read; without any, if nobody knows which one that is."""
        doubted: frozenset[str] = frozenset()
        tries = 0
        while not self._scan:
            touched = None
            patience.check()
            try:
                with self._view(False, patience, doubted) as view:
                    try:
                        return question(view)
                    finally:
                        touched = view.touched
            except Outdated as error:
                tries += 1
                if tries < _TRIES:
                    continue
                self._doubt(str(error))
                break
            except FileNotFoundError as error:
                if touched is None:
                    break  # there is no index, or it was made anew while it was being opened
                found: Exception = error
            except DAMAGE as error:
                found = error
            if touched is None or touched in doubted:
                self._doubt(str(found))
                break
            self._trust.doubt(touched, found)
            doubted |= {touched}
        with self._view(True, patience, doubted) as view:
            return question(view)

    def _doubt(self, why: str) -> None:
        if why != self._trouble:
            log.warning("%s: the index cannot be used, the files are scanned: %s", self.directory, why)
        self._trouble = why

    @contextmanager
    def _view(self, scan: bool, patience: Patience, doubted: frozenset[str]) -> Iterator[View]:
        with self._turn:
            handle = self._idle.pop() if self._idle else None
        handle = handle or Handle(self._reader, self._trust, self._tail)
        good = False
        try:
            if scan:
                yield handle.scanning(patience)
            else:
                with handle.view(patience, doubted, self._kept) as view:
                    yield view
                self._trouble = ""
            good = True
        finally:
            if good:
                with self._turn:
                    self._idle.append(handle)
            else:
                handle.close()
