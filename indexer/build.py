"""Filling the index: the gaps that no shard covers, newest first, and the newest lines as they come."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from stonelog.filestore import Reader, Segment, StoreLock, StoreLocked

from .active import LEFT_FREE
from .bulk import Stopped
from .catalog import ShardInfo, remove_strays
from .errors import IndexUnavailable
from .keeper import DISK_TROUBLE, Keeper, code_of
from .planning import Gap, Sizes, gaps, pieces, plain_bytes
from .trust import index_directory

__all__ = ["Builder"]

_SHARE_OF_RAW: Final = 0.8
"""The size of a shard and what it takes to make it, at most, as a share of the lines."""
_LINE_BYTES: Final = 2048
"""A line has fewer on average, where nothing tells more."""
Progress = Callable[[int, int], object]


class _Told:
    """Bytes that are done, of all there are."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self.done = 0
        self.total = 1

    @property
    def wanted(self) -> bool:
        """Whether anybody wants to know."""
        return self._progress is not None

    def __call__(self, size: int) -> None:
        self.done += size
        if self._progress is not None:
            self._progress(min(self.done, self.total), self.total)

    def end(self) -> None:
        """All is done."""
        if self._progress is not None:
            self._progress(self.total, self.total)


class Builder:
    """Writes the index of one store. One at a time works on it, across processes; safe to use from several threads."""

    def __init__(self, directory: Path, *, lock_seconds: float = 10.0, sizes: Sizes | None = None) -> None:
        self._reader = Reader(directory)
        self._directory = index_directory(self._reader.directory)
        self._lock_path = self._reader.directory / "index.lock"
        self._lock_seconds = lock_seconds
        self._sizes = sizes or Sizes()
        self._token = os.urandom(15).hex()
        self._keeper = Keeper(self._reader, self._sizes)
        self._turn = threading.Lock()

    def catch_up(self, progress: Progress | None = None, *, stop: threading.Event | None = None) -> int:
        """The index covers what was in the files when this was called (less, if `stop` was set).

        Gives the last `seq` up to which it covers all. `progress` is told how many bytes are done and how many there
        are. A shard that cannot be used is made anew. Everything is done in this process. Raises IndexUnavailable
        when another process keeps the lock, or the index cannot be written.
        """
        return self._locked(progress, stop, workers=1)

    def rebuild(self, progress: Progress | None = None, *, workers: int | None = None) -> int:
        """The index is built from the files, by so many processes (None: one for each core this one may use).

        What was there is gone from the beginning on. One that was interrupted goes on where it was, as `catch_up`
        does too. As `catch_up`.
        """
        count = len(os.sched_getaffinity(0)) if workers is None else workers
        return self._locked(progress, None, workers=max(count, 1), anew=True)

    def close(self) -> None:
        """The files of the index are closed."""
        with self._turn:
            self._keeper.forget()

    def _locked(
        self, progress: Progress | None, stop: threading.Event | None, *, workers: int, anew: bool = False
    ) -> int:
        with self._turn:
            try:
                lock = StoreLock(self._lock_path, self._lock_seconds)
            except OSError as error:
                raise IndexUnavailable(f"{self._lock_path}: {error.strerror}") from error
            try:
                with lock.held():
                    if not lock.note_is(self._token):
                        self._keeper.forget()  # another one may have worked on it
                        lock.write_note(self._token)
                    try:
                        return self._work(_Told(progress), stop, workers, anew)
                    except BaseException:
                        self._keeper.forget()  # whatever was half done is looked at anew
                        raise
            except StoreLocked as error:
                raise IndexUnavailable(f"{self._directory}: another process is indexing this store") from error
            except (sqlite3.Error, OSError) as error:
                raise IndexUnavailable(f"{self._directory}: {error}") from error
            finally:
                lock.close()

    def _work(self, told: _Told, stop: threading.Event | None, workers: int, anew: bool) -> int:
        self._keeper.load()
        if anew and not self._keeper.catalog.rebuilding:
            self._keeper.restart()
        for attempt in range(2):
            try:
                self._keeper.settle()
                self._fill(told, stop, workers)
                break
            except Stopped:
                break
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter: a damaged error message
                if code_of(error) == sqlite3.SQLITE_FULL:
                    self._give_back()
                if code_of(error) in DISK_TROUBLE or attempt or self._keeper.catalog.active is None:
                    raise
                self._keeper.drop([self._keeper.catalog.active], str(error))
        return self._keeper.indexed()

    def _fill(self, told: _Told, stop: threading.Event | None, workers: int) -> None:
        last = self._reader.last_seq
        missing = gaps(self._keeper.covered(), last)
        segments: list[Segment] = []
        if told.wanted or sum(gap.width for gap in missing) > self._sizes.block:
            segments = self._reader.segments()
            told.total = max(sum(segment.size for segment in segments), 1)
            left = sum(plain_bytes(segments, *gap) for gap in missing)
            told.done = max(told.total - left, 0)
        else:
            left = sum(gap.width for gap in missing) * _LINE_BYTES
        self._require_space(left)
        rest = self._rest(missing, workers)
        if rest is not None and self._keeper.active is None:
            self._keeper.begin(rest.first)
        if not self._follow(told, stop):
            self._fill(told, stop, workers)
            return
        ends = sorted(segment.last_seq for segment in segments if segment.last_seq)
        work = [piece for gap in missing for piece in pieces(gap, ends, self._sizes, workers)]
        self._bulk(work[::-1], told, stop, workers)  # the newest first: they are asked for most
        if stop is None or not stop.is_set():
            self._keeper.done()
            told.end()

    def _rest(self, missing: list[Gap], workers: int) -> Gap | None:
        """What the active shard takes of the missing, which is taken off it: the end, if it is no whole shard."""
        after = max((last for _, last in self._keeper.covered()), default=0)
        if not missing or missing[-1].first <= after:
            return None
        tail = missing.pop()
        if self._keeper.active is not None:
            return tail
        several = workers > 1 and tail.width >= workers * self._sizes.shard // 4
        whole = tail.width // (self._sizes.block if several else self._sizes.shard)
        first = tail.first + whole * (self._sizes.block if several else self._sizes.shard)
        if first > tail.first:
            missing.append(Gap(tail.first, first - 1))
        return Gap(first, tail.last) if first <= tail.last else None

    def _follow(self, told: Callable[[int], object], stop: threading.Event | None) -> bool:
        """The active shard covers what is in the files; when it is full another one follows it.

        False if so much is left then that whole shards are to be made of it, or none of its lines are there any more;
        there is no active one then.
        """
        while (active := self._keeper.active) is not None:
            active.extend(told, stop)
            if not active.full:
                break
            if active.empty:
                self._keeper.drop([active.shard], "there is no line that it could cover")
                return False
            sealed = active.seal(self._keeper.number())
            if sealed is None:
                break
            self._keeper.adopt(sealed, instead=active.shard)
            if self._reader.last_seq - sealed.last_seq >= self._sizes.shard:
                return False
            self._keeper.begin(sealed.last_seq + 1)
        return True

    def _bulk(self, work: list[Gap], told: Callable[[int], object], stop: threading.Event | None, workers: int) -> None:
        """Each of the gaps has its shard."""
        if not work:
            return
        from .crew import Crew  # which loads what starts processes; most passes have nothing of this kind to do

        empty: list[Gap] = []

        def made(gap: Gap, shard: ShardInfo | None) -> None:
            if shard is None:
                empty.append(gap)
            else:
                self._keeper.adopt(shard)
            self._follow(told, stop)

        try:
            Crew(self._reader, self._sizes, workers, self._keeper.number).make(work, made, told, stop)
        finally:
            remove_strays(self._directory, self._keeper.catalog)
            self._keeper.absorb(empty)

    def _give_back(self) -> None:
        """The space that an unfinished block took is free for events again, as is that of a shard of none."""
        if self._keeper.active is not None and self._keeper.active.empty:
            self._keeper.drop([self._keeper.active.shard], "there is no space for it")
        with contextlib.suppress(OSError):
            remove_strays(self._directory, self._keeper.catalog)
        self._keeper.forget()  # closed, the active shard has no write-ahead log

    def _require_space(self, raw: int) -> None:
        """Raises OSError if the index of so many bytes of lines could leave no room for the next events."""
        needed = int(raw * _SHARE_OF_RAW) + LEFT_FREE
        free = shutil.disk_usage(self._directory).free
        if raw > 0 and free < needed:
            why = f"the disk has {free:,} bytes free, and indexing takes up to {needed:,} with what must stay free"
            raise OSError(errno.ENOSPC, why)
