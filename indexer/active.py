"""The shard that takes the newest lines: small blocks of what came since the last time, made fewer as they add up."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from stonelog.filestore import Fetcher, Reader, Run, stamp

from .bulk import Stopped, counted, info_of, until
from .catalog import ShardInfo, shard_file, sync
from .draft import Feed
from .planning import Gap, Sizes, compacting, merging
from .schema import NOWHERE, BlockInfo, Position
from .shard import ShardWriter
from .trust import index_directory, stands

__all__ = ["LEFT_FREE", "Active", "identity"]

log = logging.getLogger("stonelog")

LEFT_FREE: Final = 1024 * 1024
"""Bytes that the index leaves free for events."""
_DAMAGE: Final = (ValueError, TypeError, LookupError, OverflowError)
"""What comes of blocks in which anything may stand."""
_NEARLY: Final = 0.75
"""A shard that is so full ends with the segment, so that whole days go when retention removes them."""
_OTHERS_WAIT_SECONDS: Final = 0.1
"""While blocks are made one, the newest lines are looked at so often."""


def identity(path: Path) -> tuple[tuple[int, int] | None, ...]:
    """Which files are at the places of a database and of its -wal and -shm: device and inode, None for no file."""
    found: list[tuple[int, int] | None] = []
    for suffix in ("", "-wal", "-shm"):
        try:
            there = path.with_name(path.name + suffix).stat()
        except (FileNotFoundError, NotADirectoryError):
            found.append(None)
        else:
            found.append((there.st_dev, there.st_ino))
    return tuple(found)


class Active:
    """The active shard, open to write. Made if it is not there."""

    def __init__(self, reader: Reader, shard: ShardInfo, sizes: Sizes) -> None:
        """Raises sqlite3.Error for a file that is no shard of this version, OSError."""
        self.shard = shard
        self.full = False
        self._looked = 0.0
        self._reader = reader
        self._sizes = sizes
        self._path = shard_file(index_directory(reader.directory), shard.number)
        self._writer = ShardWriter.active(self._path)
        try:
            self.position: Position = self._writer.position  # from the first reading on the -wal and -shm are there
        except BaseException:
            self._writer.close()
            raise
        self._files = identity(self._path)

    @property
    def empty(self) -> bool:
        """Whether it covers no line."""
        return self.position.seq == 0

    @property
    def last_seq(self) -> int:
        """The last `seq` that it covers; the one before its first if there is none."""
        return max(self.position.seq, self.shard.first_seq - 1)

    @property
    def intact(self) -> bool:
        """Whether its files are still the ones that were opened."""
        return identity(self._path) == self._files

    def trim(self, fetch: Fetcher) -> None:
        """What it tells of lines that the files no longer hold is gone, block by block. Raises sqlite3.Error."""
        while not stands(fetch, self.position):
            if not self._writer.blocks:
                raise sqlite3.DatabaseError("it has a position and no blocks")
            left = self._writer.blocks[:-1]
            end = self._end(left[-1], fetch) if left else NOWHERE
            self._writer.drop_after(left[-1].last_seq if left else 0, end)
            self.position = self._writer.position

    def _end(self, block: BlockInfo, fetch: Fetcher) -> Position:
        """The last line of a block; without its hash if the files do not hold it."""
        place = self._writer.last_place(block.number)
        mark = None
        with contextlib.suppress(OSError, ValueError, OverflowError):
            mark = stamp(fetch(*place))
        return Position(*place, block.last_seq, mark.hash.decode() if mark else "")

    def extend(self, told: Callable[[int], object], stop: threading.Event | None = None) -> None:
        """It covers what is in the files, as far as it goes: then it is `full`, and more lines are there.

        Each block is in the file together with the position that it leads to, or not at all. Raises Stopped,
        sqlite3.Error, OSError, StonelogError.
        """
        self._take(told, stop)
        self._merge(merging, lambda: self._look_again(told, stop))

    def _take(self, told: Callable[[int], object], stop: threading.Event | None) -> None:
        """It covers what is in the files now."""
        at = self.position
        start = None if self.empty else (at.segment, at.next_offset)
        feed = Feed(counted(self._within(self._reader.runs(self.last_seq, start=start)), told, stop))
        while self._writer.add(feed, self._sizes.block) is not None:
            self.position = self._writer.position
        self._looked = time.monotonic()

    def _look_again(self, told: Callable[[int], object], stop: threading.Event | None) -> None:
        """Lines that came meanwhile do not wait for long. Raises Stopped."""
        if stop is not None and stop.is_set():
            raise Stopped
        if time.monotonic() - self._looked > _OTHERS_WAIT_SECONDS:
            self._take(told, stop)

    def _within(self, runs: Iterator[Run]) -> Iterator[Run]:
        last = self.shard.first_seq + self._sizes.shard - 1
        nearly = self.shard.first_seq + int(_NEARLY * self._sizes.shard)
        segment = self.position.segment
        for run in runs:
            if run.first_seq > last or (segment and run.segment != segment and run.first_seq > nearly):
                self.full = True
                return
            segment = run.segment
            yield run.within(run.first_seq, last)
            if run.last_seq > last:
                self.full = True
                return

    def _merge(self, plan: Callable[..., slice | None], between: Callable[[], object] = lambda: None) -> None:
        """Blocks that the plan says are one; what it says then, too. Raises sqlite3.Error, and what `between` does."""
        while (chosen := plan(self._writer.blocks, self._sizes)) is not None:
            some = self._writer.blocks[chosen]
            numbers = [block.number for block in some]
            try:
                self._writer.merge(numbers, between)
            except _DAMAGE as error:
                log.warning("%s: made anew from the lines: %s", self._path, error)
                runs = self._reader.runs(some[0].first_seq - 1, on_corrupt=lambda error: None)  # it was told before
                if self._writer.replace(numbers, until(runs, some[-1].last_seq)) is None:
                    raise sqlite3.DatabaseError("blocks are damaged, and their lines are not there any more") from error

    def seal(self, number: int) -> ShardInfo | None:
        """A sealed shard of this number, on stable storage, covers what this one does; None if there is no room.

        Raises sqlite3.Error, OSError; what is there of the new file is for the caller to remove.
        """
        self._merge(compacting)
        directory = index_directory(self._reader.directory)
        if shutil.disk_usage(directory).free < 2 * _size(self._path) + LEFT_FREE:
            return None
        path = shard_file(directory, number)
        part = path.with_name(f"{path.name}.part")
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW, 0o600))
        # As VACUUM INTO leaves it, the file is in no WAL mode and has no page that is not needed.
        with contextlib.closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("VACUUM INTO ?", (str(part),))
        part.chmod(0o400)
        sync(part)
        part.rename(path)
        info = info_of(directory, number, Gap(self.shard.first_seq, self.last_seq))
        sync(directory)
        return info

    def close(self) -> None:
        """Its file is closed."""
        self._writer.close()


def _size(path: Path) -> int:
    sizes = (path.with_name(path.name + suffix) for suffix in ("", "-wal"))
    return sum(each.stat().st_size for each in sizes if each.exists())
