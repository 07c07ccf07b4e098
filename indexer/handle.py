"""What one thread has open to answer questions: shards and segments, and the view of the store that they make."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final, TypeAlias

from stonelog.filestore import Reader

from .catalog import ShardInfo, shard_file, summary_file
from .kept import Kept
from .opened import Outdated, Shard
from .patience import Patience
from .summary import Summary, read_summary
from .tail import Tail
from .trust import Coverage, Trust, index_directory, stands
from .view import DAMAGE, Part, View

__all__ = ["Handle"]

_OPEN_SHARDS: Final = 64
_What: TypeAlias = tuple[bool, int, int, str]


class Handle:
    """Used by one thread at a time."""

    def __init__(self, reader: Reader, trust: Trust, tail: Tail) -> None:
        self._reader = reader
        self._tail = tail
        self._trust = trust
        self._directory = index_directory(reader.directory)
        self._fetch = reader.fetcher()
        self._shards: dict[int, tuple[_What, Shard]] = {}
        self._open: list[Shard] = []
        self._watch: Callable[[Shard], None] = lambda shard: None
        self._summaries: dict[int, tuple[_What, Summary | None]] = {}

    def scanning(self, patience: Patience) -> View:
        """The view of a store without an index."""
        return View(self._reader, [Part(None, 0, None)], self._none, frozenset(), patience, Kept())

    @contextmanager
    def view(self, patience: Patience, doubted: frozenset[str], cache: Kept) -> Iterator[View]:
        """The view of now, without the `doubted` shards, for as long as the block lasts.

        Raises FileNotFoundError if there is no index, one of view.DAMAGE if what there is cannot be used, Outdated if
        it has become another one meanwhile: asked again, it may answer.
        """
        state = self._reader.state()
        self._fetch.refresh()
        coverage = self._trust.look(self._fetch, state.names)
        infos = {str(shard.number): shard for shard in coverage.shards}
        with ExitStack() as stack:
            watched: set[sqlite3.Connection] = set()

            def watch(shard: Shard) -> None:
                connection = shard.connection
                if connection not in watched:
                    watched.add(connection)
                    stack.enter_context(patience.within(connection))
                    if not shard.sealed:
                        stack.callback(_end, connection)
                        shard.begin()

            def opened(key: str) -> Shard:
                shard = self._shard(infos[key])
                watch(shard)
                return shard

            stack.callback(self._settle)
            self._watch = watch
            view = View(self._reader, [], opened, self._dead(coverage), patience, cache, state)
            view.tail = lambda part: self._tail.read(
                self._reader, self._fetch, part.after, part.start, state.end, coverage.live, patience
            )
            try:
                view.parts = list(self._parts(coverage, view, doubted))
                yield view
            except DAMAGE as error:
                if not _is_interrupt(error) and self._trust.outdated(coverage):
                    raise Outdated(f"{self._directory}: a shard took another's place") from error
                raise
            for shard in self._open:
                if not shard.unwritten:
                    raise Outdated(f"{shard.path}: somebody began to write it meanwhile")

    def _parts(self, coverage: Coverage, view: View, doubted: frozenset[str]) -> Iterator[Part]:
        after, start = 0, None
        for info in coverage.shards:
            part = None if str(info.number) in doubted else self._part(info, view, coverage)
            if part is None:
                continue
            if part.after > after:
                yield Part(None, after, part.after + 1, start)
            yield part
            after, start = (part.below or 1) - 1, part.start
        yield Part(None, after, None, start)

    def _part(self, info: ShardInfo, view: View, coverage: Coverage) -> Part | None:
        """What the shard covers; None if the files no longer hold what it tells of."""
        key = str(info.number)
        if not info.active:
            place = info.end.segment, info.end.next_offset
            return Part(
                key, info.first_seq - 1, info.last_seq + 1, place, info.first_time, info.last_time, self._summary(info)
            )
        try:
            shard = view.opened(key)
            view.dead |= frozenset(shard.segments.values()) - coverage.live
            end, blocks = shard.position(), shard.blocks(view.dead)
        except DAMAGE as error:
            if _is_interrupt(error) or self._trust.outdated(coverage):
                raise  # the question was stopped, or it was sealed, or made anew, while it was being opened
            self._trust.doubt(key, error)
            return None
        if not blocks or not stands(self._fetch, end):
            return None
        times = min(block.first_time for block in blocks), max(block.last_time for block in blocks)
        return Part(key, info.first_seq - 1, end.seq + 1, (end.segment, end.next_offset), *times)

    def _shard(self, info: ShardInfo) -> Shard:
        what = _what(info)
        known, shard = self._shards.get(info.number, (what, None))
        if shard is not None and known == what and (shard.sealed or shard.current):
            return shard
        if shard is not None:
            self._close(shard)
        path = shard_file(self._directory, info.number)
        shard = Shard(path, self._fetch, still=not info.active, key=str(info.number), opening=self._opening)
        self._shards[info.number] = what, shard
        return shard

    def _opening(self, shard: Shard) -> None:
        """One more is open; of too many the one that was opened first is closed. It may be asked for again."""
        self._open.append(shard)
        self._watch(shard)
        others = [each for each in self._open if each.sealed and each is not shard]
        for each in others[: max(len(self._open) - _OPEN_SHARDS, 0)]:
            self._close(each)

    def _settle(self) -> None:
        """Between two answers nothing is known of shards that are not open."""
        self._watch = lambda shard: None
        for number in [number for number, (_, shard) in self._shards.items() if shard not in self._open]:
            del self._shards[number]

    def _close(self, shard: Shard) -> None:
        shard.close()
        if shard in self._open:
            self._open.remove(shard)

    def _summary(self, info: ShardInfo) -> Summary | None:
        what = _what(info)
        known, summary = self._summaries.get(info.number, (None, None))
        if known != what:
            summary = read_summary(summary_file(self._directory, info.number))
            self._summaries[info.number] = what, summary
        return summary

    @staticmethod
    def _none(key: str) -> Shard:
        raise KeyError(key)

    @staticmethod
    def _dead(coverage: Coverage) -> frozenset[str]:
        return frozenset(name for shard in coverage.shards for name in shard.segments) - coverage.live

    def close(self) -> None:
        """Nothing is open any more."""
        for shard in self._open:
            shard.close()
        self._open.clear()
        self._shards.clear()
        self._fetch.close()


def _what(info: ShardInfo) -> _What:
    """What tells a shard from another one of its number, in an index that was deleted or brought from elsewhere."""
    return info.active, info.first_seq, info.size, info.end.hash


def _is_interrupt(error: Exception) -> bool:
    """Whether SQLite was stopped, by the patience that it is asked with or by a signal."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT


def _end(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.ProgrammingError):  # it was closed
        if connection.in_transaction:
            connection.execute("ROLLBACK")
