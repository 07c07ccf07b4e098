"""How the index stands to the files."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from stonelog.filestore import Reader

from .catalog import catalog_file, shard_file
from .planning import gaps, plain_bytes
from .schema import ShardReader
from .trust import Trust, index_directory, stands

__all__ = ["IndexStatus", "index_status"]


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
                for shard in trust.look(fetch).shards:
                    last = shard.last_seq
                    if shard.active:
                        with ShardReader(shard_file(directory, shard.number)) as opened:
                            position = opened.position
                        last = position.seq if stands(fetch, position) else 0
                    if last >= shard.first_seq:
                        covered.append((shard.first_seq, last))
        except (sqlite3.Error, OSError, ValueError) as error:
            state = f"unusable: {error}"
    last_seq = reader.last_seq
    missing = gaps(covered, last_seq)
    segments = reader.segments() if missing else []
    behind = sum(plain_bytes(segments, *gap) for gap in missing)
    if state == "ok" and missing:
        state = "behind"
    return IndexStatus(
        indexed_seq=missing[0].first - 1 if missing else last_seq,
        durable_seq=reader.durable_seq(),
        last_seq=last_seq,
        behind_bytes=behind,
        state=state,
        shards=len(covered),
        gaps=len(missing),
        behind_events=sum(gap.width for gap in missing),
    )
