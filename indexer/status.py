"""How the index stands to the files."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stonelog.filestore import Fetcher, Reader

from .catalog import ShardInfo, catalog_file, shard_file
from .planning import gaps, plain_bytes
from .schema import ShardReader
from .trust import Trust, index_directory, stands

__all__ = ["IndexStatus", "index_status"]

_TRIES: Final = 10


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """How the index stands to the files: `behind_bytes`, about, are scanned by a query until they are indexed.

    Up to `indexed_seq` every event is in the index. Later ones may be too: there are `gaps` runs of `seq`s that are
    not, the newest lines included, and `behind_events` of these. `shards` are those that can be used.
    """

    indexed_seq: int
    durable_seq: int
    last_seq: int
    behind_bytes: int
    state: str
    """`ok`, `behind`, `absent`, or `unusable: ` and why."""
    shards: int = 0
    gaps: int = 0
    behind_events: int = 0


def index_status(reader: Reader, trust: Trust) -> IndexStatus:
    """How the index stands to the files now. Raises StonelogError."""
    directory = index_directory(reader.directory)
    covered: list[tuple[int, int]] = []
    state = "absent"
    if catalog_file(directory).exists():
        state = "ok"
        try:
            with reader.fetcher() as fetch:
                covered = _covered(directory, trust, fetch, reader)
        except (sqlite3.Error, OSError, ValueError) as error:
            state = f"unusable: {error}"
    now = reader.state()
    missing = gaps(covered, now.last_seq)
    segments = reader.segments() if missing else []
    behind = sum(plain_bytes(segments, *gap) for gap in missing)
    if state == "ok" and missing:
        state = "behind"
    return IndexStatus(
        indexed_seq=missing[0].first - 1 if missing else now.last_seq,
        durable_seq=reader.durable_seq(now),
        last_seq=now.last_seq,
        behind_bytes=behind,
        state=state,
        shards=len(covered),
        gaps=len(missing),
        behind_events=sum(gap.width for gap in missing),
    )


def _covered(directory: Path, trust: Trust, fetch: Fetcher, reader: Reader) -> list[tuple[int, int]]:
    """What the shards cover; looked at again, some times, if they became others meanwhile."""
    tries = 0
    while True:
        coverage = trust.look(fetch, reader.state().names)
        try:
            ranges = [(shard.first_seq, _last_of(shard, directory, fetch)) for shard in coverage.shards]
            return [(first, last) for first, last in ranges if last >= first]
        except (sqlite3.Error, OSError, ValueError):
            tries += 1
            if tries == _TRIES or not trust.outdated(coverage):
                raise


def _last_of(shard: ShardInfo, directory: Path, fetch: Fetcher) -> int:
    """The last `seq` that the shard covers, 0 if the files no longer hold what it tells of."""
    if not shard.active:
        return shard.last_seq
    with ShardReader(shard_file(directory, shard.number)) as opened:
        position = opened.position
    return position.seq if stands(fetch, position) else 0
