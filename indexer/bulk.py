"""Whole shards from the lines; and the process that makes them as `crew` tells it.

A worker is told what to make in lines of JSON and answers so:

    {"number": 7, "first": 1, "last": 524288}           make this shard
    {"bytes": 1048576}                                  so many bytes of lines more are done
    {"shard": {...}} or {"shard": null}                 it is there; or there are no lines
    {"error": "..."}                                    it cannot be made

The end of its input means that whoever started it is gone, and it ends at once, whatever it is at.
"""

from __future__ import annotations

import os
import queue
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from stonelog.filestore import Reader, Run, StonelogError, dumps, loads

from .catalog import ShardInfo, fields_of, remove_shard, shard_file, summary_file
from .draft import Feed
from .planning import Gap, Sizes
from .schema import ShardReader
from .shard import ShardWriter
from .summary import write_summary
from .trust import index_directory

__all__ = ["Stopped", "counted", "info_of", "main", "make_shard", "until"]

_TOLD_EVERY: Final = 1024


class Stopped(Exception):
    """Somebody set `stop` while a shard was being made."""


def counted(runs: Iterable[Run], told: Callable[[int], object], stop: threading.Event | None = None) -> Iterator[Run]:
    """The runs; `told` gets the bytes of each when it was used, and `stop` ends them early."""
    for run in runs:
        yield run
        told(sum(map(len, run.lines)) + len(run.lines))
        if stop is not None and stop.is_set():
            return


def until(runs: Iterable[Run], last: int) -> Iterator[Run]:
    """The runs, up to this `seq`."""
    for run in runs:
        if run.first_seq <= last:
            yield run.within(run.first_seq, last)
        if run.last_seq >= last:
            return


def make_shard(
    reader: Reader,
    number: int,
    gap: Gap,
    sizes: Sizes,
    told: Callable[[int], object] = lambda size: None,
    stop: threading.Event | None = None,
) -> ShardInfo | None:
    """A sealed shard of the lines of the gap is on stable storage; None, and no file, if there are none.

    Raises Stopped, sqlite3.Error, OSError, StonelogError; then there is no file either.
    """
    directory = index_directory(reader.directory)
    path = shard_file(directory, number)
    try:
        writer = ShardWriter.bulk(path)
        try:
            feed = Feed(counted(until(reader.runs(gap.first - 1), gap.last), told, stop))
            while writer.add(feed, sizes.block) is not None:
                pass
            if stop is not None and stop.is_set():
                raise Stopped
            empty = not writer.blocks
            if not empty:
                writer.finish()
        finally:
            writer.close()
        if empty:
            remove_shard(directory, number)
            return None
        return info_of(directory, number, gap)
    except BaseException:
        remove_shard(directory, number)
        raise


def info_of(directory: Path, number: int, gap: Gap) -> ShardInfo:
    """What the catalog says of a sealed shard that covers the gap; its summary is on stable storage too.

    Raises sqlite3.Error, OSError.
    """
    path = shard_file(directory, number)
    with ShardReader(path) as shard:
        blocks = shard.blocks
        path_of_keys = summary_file(directory, number)
        write_summary(path_of_keys, shard.keys(), loose=shard.loose, open_columns=shard.open_columns())
        return ShardInfo(
            number=number,
            active=False,
            first_seq=gap.first,
            last_seq=gap.last,
            first_time=min(block.first_time for block in blocks),
            last_time=max(block.last_time for block in blocks),
            events=sum(block.events for block in blocks),
            size=path.stat().st_size,
            end=shard.position,
            segments=tuple(shard.segments),
        )


def main() -> None:
    """A worker: makes what it is told to, until its input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it decides
    reader, sizes = Reader(sys.argv[1]), Sizes(*map(int, sys.argv[2:4]))
    orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    while True:
        order = loads(orders.get())
        try:
            shard = make_shard(reader, order["number"], Gap(order["first"], order["last"]), sizes, _tell)
        except (sqlite3.Error, OSError, StonelogError) as error:
            _say({"error": str(error)})
        else:
            _say({"shard": shard and fields_of(shard)})


def _listen(orders: queue.SimpleQueue[bytes]) -> None:
    for order in sys.stdin.buffer:
        orders.put(order)
    os._exit(1)


def _tell(size: int) -> None:
    _say({"bytes": size})


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(dumps(answer) + b"\n")
    sys.stdout.buffer.flush()
