"""What a thread has open: shards of one number that are others, damaged ones, more than may be open."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from shards import TINY, catalog, days, lose, path_of, shard_by_shard
from stonelog.filestore import Reader
from stonelog.indexer import Builder
from stonelog.indexer import handle as module
from stonelog.indexer.handle import Handle
from stonelog.indexer.kept import Kept
from stonelog.indexer.patience import Patience
from stonelog.indexer.planning import Sizes
from stonelog.indexer.tail import Tail
from stonelog.indexer.trust import Trust
from stonelog.indexer.view import DAMAGE, ask


@pytest.fixture
def handle(tmp_path: Path) -> Iterator[Handle]:
    """Twenty-two events, of which five shards of four and an active one tell."""
    days(tmp_path, 22)
    shard_by_shard(tmp_path)
    reader = Reader(tmp_path)
    with closing(Handle(reader, Trust(reader), Tail())) as handle:
        yield handle


def seqs(handle: Handle, q: str = "", *doubted: str) -> list[int]:
    with handle.view(Patience(), frozenset(doubted), Kept()) as view:
        return [found.seq for found in view.found(ask(q, None, None))]


def files_open() -> set[str]:
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/self/fd/{fd}"))
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc here")
def test_shards_stay_open_between_answers(handle: Handle, tmp_path: Path) -> None:
    """And are closed in the end."""
    assert seqs(handle) == seqs(handle) == list(range(1, 23))
    there = {str(path_of(tmp_path, shard.number)) for shard in catalog(tmp_path).shards}
    assert there <= files_open()
    handle.close()
    assert not there & files_open()


def test_doubted_shards_are_gaps(handle: Handle, tmp_path: Path) -> None:
    """They are not asked, and what they cover is scanned."""
    bad = str(catalog(tmp_path).sealed[2].number)
    with handle.view(Patience(), frozenset([bad]), Kept()) as view:
        assert [(part.after, part.below) for part in view.parts if part.key is None] == [(8, 13), (22, None)]
        assert [found.seq for found in view.found(ask("m10 OR m9 OR m1", None, None))] == [1, 9, 10]
        assert view.indexed_seq == 8


def test_a_gap_knows_where_it_begins(handle: Handle, tmp_path: Path) -> None:
    """Behind a shard, at the place of its last line's end."""
    lose(tmp_path, 1)
    with handle.view(Patience(), frozenset(), Kept()) as view:
        (inner, tail) = (part for part in view.parts if part.key is None)
        lines = {line.seq: line for line in Reader(tmp_path).lines()}
        for part, seq in ((inner, 4), (tail, 22)):
            assert part.start == (lines[seq].segment, lines[seq].offset + len(lines[seq].raw) + 1)


def test_no_more_files_are_open_than_allowed(handle: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many shards an answer needs; blocks of one that was closed go on to be of use."""
    monkeypatch.setattr(module, "_OPEN_SHARDS", 2)
    with handle.view(Patience(), frozenset(), Kept()) as view:
        blocks = list(view.blocks(ask("", None, None)))
        for _ in range(2):
            found = [block.first_seq + row for block in blocks for row in block.get("level", "text", "info")]
            assert found == list(range(1, 23))
            assert len(handle._open) <= 2
    assert len(handle._shards) <= 2


def test_the_active_shard_stays_open_with_what_it_showed(
    handle: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed and opened again within an answer, it could show more than was there when it began."""
    monkeypatch.setattr(module, "_OPEN_SHARDS", 1)
    with handle.view(Patience(), frozenset(), Kept()) as view:
        days(tmp_path, 1, first=23, day=2)
        shard_by_shard(tmp_path, Sizes(block=2, shard=100))
        for _ in range(2):
            assert view.count(ask("level:info", None, None)) == 22
    assert seqs(handle) == list(range(1, 24))


def test_a_stopped_answer_leaves_no_transaction(handle: Handle, tmp_path: Path) -> None:
    """Whatever was raised."""
    with pytest.raises(ZeroDivisionError), handle.view(Patience(), frozenset(), Kept()) as view:
        next(iter(view.found(ask("", None, None))))
        raise ZeroDivisionError
    active = path_of(tmp_path, catalog(tmp_path).shards[-1].number)
    with closing(sqlite3.connect(active)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    assert seqs(handle) == list(range(1, 23))


def test_without_an_index(tmp_path: Path) -> None:
    """There is nothing to open, which is no damage; a scan needs none."""
    days(tmp_path, 3)
    reader = Reader(tmp_path)
    with closing(Handle(reader, Trust(reader), Tail())) as handle:
        with pytest.raises(FileNotFoundError):
            seqs(handle)
        assert [found.seq for found in handle.scanning(Patience()).found(ask("", None, None))] == [1, 2, 3]


@pytest.mark.parametrize("place", range(6))
def test_a_file_that_is_no_shard_is_damage(handle: Handle, tmp_path: Path, place: int) -> None:
    """It is told which one, by what was touched last; of the active one, which each view opens, there is a note."""
    shard = catalog(tmp_path).shards[place]
    path = path_of(tmp_path, shard.number)
    path.chmod(0o600)
    path.write_bytes(b"x" * shard.size if shard.size else b"no database" * 100)
    if shard.active:
        assert seqs(handle) == list(range(1, 23))
        assert path.with_suffix(".bad").exists()
    else:
        with pytest.raises(DAMAGE), handle.view(Patience(), frozenset(), Kept()) as view:
            list(view.found(ask("", None, None)))
    assert seqs(handle, "", str(shard.number)) == list(range(1, 23))


def test_a_new_index_under_the_same_numbers(handle: Handle, tmp_path: Path) -> None:
    """What was open of the old one, and its summaries, are of no use any more."""
    assert seqs(handle, "m7") == [7]
    shutil.rmtree(tmp_path / "index")
    shard_by_shard(tmp_path, Sizes(block=3, shard=6))
    for seq in range(1, 23):
        assert seqs(handle, f"m{seq}") == seqs(handle, f"message:m{seq}") == [seq]


def test_an_active_shard_is_left_when_it_was_sealed(handle: Handle, tmp_path: Path) -> None:
    """In the next answer the sealed one stands in its place."""
    assert seqs(handle) == list(range(1, 23))
    days(tmp_path, 9, first=23, day=2)
    with closing(Builder(tmp_path, sizes=TINY)) as builder:
        builder.catch_up()
    assert len(catalog(tmp_path).sealed) > 5
    with handle.view(Patience(), frozenset(), Kept()) as view:
        assert view.indexed_seq == 31
        assert view.count(ask("m*", None, None)) == 31
