"""One moment of a store: what shards give and what gaps add, never twice and never in the wrong order."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from answers import write_lines
from shards import EVENT, TINY, catalog, days, lose, shard_by_shard
from stonelog.filestore import Reader, Store
from stonelog.indexer import Index, QueryError
from stonelog.indexer.handle import Handle
from stonelog.indexer.kept import Kept
from stonelog.indexer.patience import Patience
from stonelog.indexer.planning import Sizes
from stonelog.indexer.tail import Tail
from stonelog.indexer.trust import Trust
from stonelog.indexer.view import Question, View, ask

COVERED = {"one": [1], "shards": [1, 5, 9], "first gap": [5, 9], "inner gap": [1, 9], "gaps": [9]}
"""The first `seq` of each shard, of 4 events each but for the last, when the first ten events are indexed."""


@pytest.fixture(params=list(COVERED))
def view(request: pytest.FixtureRequest, store: Store, directory: Path) -> Iterator[View]:
    """Fourteen events, ten of which were indexed; of these some shards are gone."""
    shard_by_shard(directory, Sizes() if request.param == "one" else TINY)
    if request.param in ("first gap", "gaps"):
        lose(directory, 0)
    if request.param in ("inner gap", "gaps"):
        lose(directory, 1)
    store.append_many([{"category": "api", "action": "read", "username": "ada", "message": "late"}] * 4)
    reader = Reader(directory)
    with closing(Handle(reader, Trust(reader), Tail())) as handle, handle.view(Patience(), frozenset(), Kept()) as view:
        assert [part.after + 1 for part in view.parts if part.key] == COVERED[request.param]
        yield view


def bare(view: View) -> View:
    """The same without an index."""
    with closing(Handle(view.reader, Trust(view.reader), Tail())) as handle:
        return handle.scanning(Patience())


def seqs(view: View, question: Question, **more: object) -> list[int]:
    return [found.seq for found in view.found(question, **more)]


def test_index_and_tail_join(view: View) -> None:
    """Both orders run through index and tail without a gap or an overlap."""
    everything = ask("", None, None)
    assert seqs(view, everything) == list(range(1, 15))
    assert seqs(view, everything, order="desc") == list(range(14, 0, -1))
    assert view.count(everything) == 14


@pytest.mark.parametrize("above", [0, 1, 9, 10, 11, 13, 14, 99])
@pytest.mark.parametrize("below", [None, 1, 2, 10, 11, 12, 14, 15, 99])
def test_bounds_are_outside(view: View, above: int, below: int | None) -> None:
    """Only events between the bounds are given, wherever the bounds lie to the end of the index."""
    expected = [seq for seq in range(1, 15) if seq > above and (below is None or seq < below)]
    for q in ("", "username:*", "-nothing", 'message:"e" OR username:*'):
        question = ask(q, None, None)
        assert seqs(view, question, above=above, below=below) == expected
        assert seqs(view, question, order="desc", above=above, below=below) == expected[::-1]


def test_parts_cover_every_seq_once(view: View) -> None:
    """Each begins where the one before it ended, gaps and shards alike; the last has no end."""
    assert view.parts[0].after == 0
    assert [part.below for part in view.parts[:-1]] == [part.after + 1 for part in view.parts[1:]]
    assert (view.parts[-1].key, view.parts[-1].below) == (None, None)
    assert all(one.key or other.key for one, other in zip(view.parts, view.parts[1:], strict=False))


def test_without_an_index_the_lines_answer(view: View) -> None:
    """A view of nothing but a gap gives the same, from the files."""
    for q in ("", "ada", "late -number", "nothing", "metadata.number:>=6", "username:grace OR seq:13"):
        question = ask(q, None, None)
        assert seqs(bare(view), question) == seqs(view, question)
        assert bare(view).count(question) == view.count(question)


def test_the_newest_of_a_long_tail_are_kept(view: View) -> None:
    """With a limit the newest of the tail come first, and the index follows only if they are too few."""
    assert seqs(bare(view), ask("", None, None), order="desc", limit=3) == [14, 13, 12]


def test_what_the_blocks_and_the_gaps_hold_is_everything(view: View) -> None:
    """Each answer is in one block or in one gap."""
    question = ask("ada", None, None)
    scanned = [found.seq for found in view.scanned(question)]
    stored = [block.first_seq + row for block in view.blocks(question) for row in view.rows(question, block)]
    assert sorted(scanned + stored) == [2, 4, 6, 8, 10, 11, 12, 13, 14]
    assert not set(scanned) & set(stored)


def test_everything_means_no_condition_at_all() -> None:
    """A question is for everything only without query and bounds."""
    assert ask("", None, None).everything
    assert ask("*", None, None).everything
    assert not ask("a", None, None).everything
    assert not ask("", "24h", None).everything
    assert not ask("", None, "2026-11-23").everything
    assert not ask("-a", None, None).everything


@pytest.mark.parametrize(("since", "until"), [("yesterday", None), (None, "2026-13-01"), ("2026-11-23T00:00:00", None)])
def test_a_time_that_is_none_is_refused(since: str | None, until: str | None) -> None:
    """Bounds that cannot be read are QueryErrors."""
    with pytest.raises(QueryError, match="is no time"):
        ask("", since, until)


def test_since_is_within_and_until_without(view: View) -> None:
    """The interval is half open, in the index and in the tail."""
    question = ask("", "2026-11-23T03:30:00Z", "2026-11-23T05:30:00Z")
    assert seqs(view, question) == [3, 4]
    assert view.count(question) == 2
    assert seqs(bare(view), question) == [3, 4]


def test_shards_that_cannot_answer_are_not_opened(store: Store, directory: Path) -> None:
    """By the times and by the summary of a sealed shard it is known that it has no answer."""
    shard_by_shard(directory)
    reader = Reader(directory)
    with closing(Handle(reader, Trust(reader), Tail())) as handle, handle.view(Patience(), frozenset(), Kept()) as view:
        opened: list[str] = []
        real = view.opened
        view.opened = lambda key: opened.append(key) or real(key)
        first, second = (str(shard.number) for shard in catalog(directory).sealed)
        active = str(catalog(directory).shards[-1].number)
        for q, since, until, expected in (
            ("username:ada", None, None, {first, second, active}),
            ("username:nobody", None, None, {active}),
            ("metadata.number:7", None, None, {second, active}),
            ("", "2026-11-23T09:00:00Z", None, {active}),
            ("", None, "2026-11-23T02:00:00Z", {first}),
            ("-username:nobody", "2026-11-23T05:00:00Z", "2026-11-23T06:00:00Z", {second}),
        ):
            opened.clear()
            question = ask(q, since, until)
            assert seqs(view, question) == seqs(handle.scanning(Patience()), question)
            assert set(opened) == expected, q


def test_removed_events_are_in_no_block(directory: Path) -> None:
    """Rows of segments that are gone are not there, whatever the shard holds of them."""
    days(directory, 3, 3)
    shard_by_shard(directory, Sizes())
    (directory / "events" / "2026-11-01.jsonl").unlink()
    reader = Reader(directory)
    with closing(Handle(reader, Trust(reader), Tail())) as handle, handle.view(Patience(), frozenset(), Kept()) as view:
        question = ask("level:info", None, None)
        assert seqs(view, question) == [4, 5, 6]
        assert view.count(question) == view.count(ask("", None, None)) == 3
        (block,) = view.blocks(question)
        assert (block.events, block.whole, list(block.rows)) == (3, False, [3, 4, 5])
        assert [(span.row, span.events) for span in block.spans()] == [(3, 3)]
        assert list(block.period(None, None)) == [3, 4, 5]


def test_a_consistent_view_while_the_shard_grows(store: Store, directory: Path) -> None:
    """What is indexed after a view was taken is scanned by it, not found twice, and not missed."""
    shard_by_shard(directory, Sizes())
    reader = Reader(directory)
    question = ask("", None, None)
    with closing(Handle(reader, Trust(reader), Tail())) as handle:
        with handle.view(Patience(), frozenset(), Kept()) as view:
            found = view.found(question)
            assert next(found).seq == 1
            store.append_many([{"category": "api", "action": "read"}] * 3)
            shard_by_shard(directory, Sizes())
            assert [each.seq for each in found] == list(range(2, 11))
        with handle.view(Patience(), frozenset(), Kept()) as view:
            assert (view.indexed_seq, view.count(question)) == (13, 13)
            assert seqs(view, question) == list(range(1, 14))


def test_a_count_over_sealed_shards_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again, only what is not sealed is counted; another question, or other shards, have their own."""
    write_lines(tmp_path, [{**EVENT, "message": "odd" if n % 2 else "even"} for n in range(100)])
    shard_by_shard(tmp_path, Sizes(block=10, shard=30))
    asked: list[int] = []
    rows = View.rows
    monkeypatch.setattr(View, "rows", lambda view, q, block: asked.append(block.first_seq) or rows(view, q, block))
    with Index.open(tmp_path) as index:
        assert (index.count("odd"), index.count("even"), len(asked)) == (50, 50, 20)
        asked.clear()
        assert (index.count("odd"), index.count("even")) == (50, 50)
        assert len(asked) < 4
        (tmp_path / "events" / "2026-11-23.jsonl").unlink()
        write_lines(tmp_path, [{**EVENT, "message": "odd"}] * 100)
        shard_by_shard(tmp_path, Sizes(block=10, shard=30))
        assert (index.count("odd"), index.count("even")) == (100, 0)
