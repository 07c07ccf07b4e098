"""The shards of one index as its writer keeps them: the catalog, what still fits the files, the active shard."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from stonelog.filestore import Fetcher, Reader, Segment

from .active import Active
from .catalog import (
    Catalog,
    ShardInfo,
    catalog_file,
    in_wal_mode,
    marked_bad,
    read_catalog,
    recovered_catalog,
    remove_shard,
    remove_strays,
    shard_file,
    write_catalog,
)
from .planning import Gap, Sizes, gaps
from .trust import all_names, index_directory, stands, strangers

__all__ = ["DISK_TROUBLE", "Keeper", "code_of"]

DISK_TROUBLE: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN}
)
"""What SQLite says that is no fault of the file."""

log = logging.getLogger("stonelog")


def code_of(error: Exception) -> int:
    """SQLite's primary code of the error, 0 if it has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


class Keeper:
    """The catalog and the active shard, for whoever holds the index's lock. All methods raise OSError."""

    def __init__(self, reader: Reader, sizes: Sizes) -> None:
        self.catalog = Catalog()
        self.active: Active | None = None
        self._reader = reader
        self._sizes = sizes
        self._directory = index_directory(reader.directory)
        self._loaded: tuple[int, int] | None = None
        self._checked: set[int] = set()

    def load(self) -> None:
        """The catalog that is there is known, and no file lies about that it does not name."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        there = _mark(catalog_file(self._directory))
        if self._loaded is not None and there == self._loaded:
            return
        self.forget()
        self._checked.clear()
        try:
            self.catalog = read_catalog(self._directory)
        except FileNotFoundError:
            self._write(recovered_catalog(self._directory))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("%s: the catalog is made anew: %s", self._directory, error)
            self._write(recovered_catalog(self._directory))
        remove_strays(self._directory, self.catalog)
        self._loaded = _mark(catalog_file(self._directory))

    def restart(self) -> None:
        self.forget()
        log.info("%s: building the index anew", self._directory)
        self._write(Catalog(next=self.catalog.next, rebuilding=True))
        remove_strays(self._directory, self.catalog)

    def forget(self) -> None:
        """Nothing is known of the index."""
        self._loaded = None
        if self.active is not None:
            self.active.close()
            self.active = None

    def settle(self) -> None:
        """Only shards are left that can be used and fit the files, and the active one, if there is one, is open."""
        bad = marked_bad(self._directory)
        self.drop([each for each in self.catalog.shards if each.number in bad], "it was found damaged")
        lost = [each for each in self.catalog.sealed if self._size(each) != each.size]
        self.drop(lost, "its file is not what it was")
        names = all_names(self._reader, self._reader.names(), self.catalog.names)
        strange = strangers(names, self.catalog.names)
        if strange:
            found = [each for each in self._reader.segments() if each.name in strange]
            self.drop(filter(lambda shard: _any_in(shard, found), self.catalog.shards), "another hand was at the files")
        live = frozenset(names)
        removed = [each for each in self.catalog.sealed if live.isdisjoint(each.segments)]
        self.drop(removed, "its events were removed")
        self._open_active()
        with self._reader.fetcher() as fetch:
            self._stand(fetch, live)
        if self.catalog.names != live:
            self._write(replace(self.catalog, names=live))

    def _size(self, shard: ShardInfo) -> int:
        try:
            return shard_file(self._directory, shard.number).stat().st_size
        except OSError:
            return -1

    def _open_active(self) -> None:
        shard = self.catalog.active
        if self.active is not None and not self.active.intact:
            self.drop([self.active.shard], "a part of it was removed")
        elif shard is not None and self.active is None:
            # SQLite would wait, in vain, to make a database of it as long as anybody has it open to read.
            if self._size(shard) < 0 or not in_wal_mode(shard_file(self._directory, shard.number)):
                self.drop([shard], "its file was removed, or is none of ours")
                return
            try:
                self.active = Active(self._reader, shard, self._sizes)
            except sqlite3.DatabaseError as error:
                if code_of(error) in DISK_TROUBLE:
                    raise
                self.drop([shard], str(error))

    def _stand(self, fetch: Fetcher, live: frozenset[str]) -> None:
        """The newest shard ends with a line that the files hold, and older ones with one that they hold or that was
        removed with all of its segment."""
        sure = False
        if self.active is not None:
            self.active.trim(fetch)
            if self.active.empty:
                self.drop([self.active.shard], "the files no longer hold what it tells of")
            else:
                sure = True
        for shard in reversed(self.catalog.sealed):
            if sure and (shard.number in self._checked or shard.end.segment not in live):
                continue
            if stands(fetch, shard.end):
                self._checked.add(shard.number)
                sure = True
            else:
                self.drop([shard], "the files no longer hold what it tells of")

    def drop(self, shards: Iterable[ShardInfo], why: str) -> None:
        """The shards are gone: what they covered is a gap."""
        gone = list(shards)
        for shard in gone:
            log.info("shard %d of the index (seq %d and on) is dropped: %s", shard.number, shard.first_seq, why)
            if self.active is not None and self.active.shard.number == shard.number:
                self.active.close()
                self.active = None
        if gone:
            self._write(self.catalog.without(gone))
            for shard in gone:
                remove_shard(self._directory, shard.number)

    def _write(self, catalog: Catalog) -> None:
        if not self._directory.is_dir():
            self._directory.mkdir(mode=0o700)
        write_catalog(self._directory, catalog)
        self.catalog = catalog
        self._loaded = _mark(catalog_file(self._directory))

    def number(self) -> int:
        """The number of a new shard, which none will have again."""
        number = self.catalog.next
        self._write(replace(self.catalog, next=number + 1))
        return number

    def begin(self, first: int) -> None:
        """There is an active shard, from `first` on."""
        shard = ShardInfo(self.number(), True, first, first - 1)
        self.active = Active(self._reader, shard, self._sizes)
        self._write(self.catalog.having(shard))

    def adopt(self, shard: ShardInfo, *, instead: ShardInfo | None = None) -> None:
        """The sealed shard, just made, is in the catalog; the active one, of which it was made, is gone."""
        if self.active is not None and instead is not None:
            self.active.close()
            self.active = None
        self._write(self.catalog.without([instead] if instead else []).having(shard))
        self._checked.add(shard.number)
        if instead is not None:
            remove_shard(self._directory, instead.number)

    def done(self) -> None:
        """A rebuild, if one was under way, has come to its end."""
        if self.catalog.rebuilding:
            self._write(replace(self.catalog, rebuilding=False))

    def covered(self) -> list[tuple[int, int]]:
        found = [(shard.first_seq, shard.last_seq) for shard in self.catalog.sealed]
        if self.active is not None:
            found.append((self.active.shard.first_seq, self.active.last_seq))
        return found

    def indexed(self) -> int:
        """The last `seq` up to which everything is covered."""
        covered = self.covered()
        last = covered[-1][1] if covered else 0
        missing = gaps(covered, last)
        return missing[0].first - 1 if missing else last

    def absorb(self, empty: list[Gap]) -> None:
        """A gap without any line is covered by the shard beside it, so that nobody looks there again."""
        for gap in sorted(empty, reverse=True):
            for shard in self.catalog.shards:
                if shard.first_seq == gap.last + 1:
                    self._write(self.catalog.having(shard._replace(first_seq=gap.first)))
                elif shard.last_seq == gap.first - 1 and not shard.active:
                    self._write(self.catalog.having(shard._replace(last_seq=gap.last)))
                else:
                    continue
                break
        if self.active is not None and self.catalog.active is not None:
            self.active.shard = self.catalog.active


def _mark(path: Path) -> tuple[int, int] | None:
    """Which file is there; None for none. Replaced by a writer of ours, or removed, it is another one."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return None
    return there.st_ino, there.st_mtime_ns


def _any_in(shard: ShardInfo, segments: Iterable[Segment]) -> bool:
    """Whether it may cover a line of one of the segments."""
    return any(each.first_seq and each.last_seq and shard.overlaps(each.first_seq, each.last_seq) for each in segments)
