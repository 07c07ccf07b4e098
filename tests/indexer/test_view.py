"""One moment of a store: what the index gives and what the tail adds, never twice and never in the wrong order."""

from pathlib import Path

import pytest

from stonelog.filestore import Reader, Store
from stonelog.indexer import Builder, IndexUnavailable, QueryError
from stonelog.indexer.build import NOWHERE, read_position
from stonelog.indexer.patience import Patience
from stonelog.indexer.schema import connect_reader, index_file
from stonelog.indexer.view import Question, View, ask


@pytest.fixture
def view(store: Store, directory: Path):
    """Six events in the index, ten in the files."""
    builder = Builder(directory)
    builder.catch_up()
    builder.close()
    store.append_many([{"category": "api", "action": "read", "username": "ada", "message": "late"}] * 4)
    connection, _ = connect_reader(index_file(directory))
    with Reader(directory).fetcher() as fetch:
        yield View(Reader(directory), fetch, connection, read_position(connection), Patience())
    connection.close()


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


def test_without_an_index_the_lines_answer(view: View) -> None:
    """A view without connection gives the same, from the files."""
    bare = View(view.reader, view.fetch, None, NOWHERE, Patience())
    for q in ("", "ada", "late -number", "nothing"):
        question = ask(q, None, None)
        assert seqs(bare, question) == seqs(view, question)
        assert bare.count(question) == view.count(question)
        assert bare.by_step(question, 1, 0) is None


def test_the_newest_of_a_long_tail_are_kept(view: View) -> None:
    """With a limit the newest of the tail come first, and the index follows only if they are too few."""
    bare = View(view.reader, view.fetch, None, NOWHERE, Patience())
    assert seqs(bare, ask("", None, None), order="desc", limit=3) == [14, 13, 12]


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
    bare = View(view.reader, view.fetch, None, NOWHERE, Patience())
    assert seqs(bare, question) == [3, 4]


@pytest.mark.parametrize("change", ["offset = offset + 1", "length = 0", "length = 99999999999999", "offset = -3"])
def test_a_pointer_to_no_line_is_not_followed(store: Store, directory: Path, change: str) -> None:
    """An index that points beside its line is found out, not believed."""
    import sqlite3

    builder = Builder(directory)
    builder.catch_up()
    builder.close()
    with sqlite3.connect(index_file(directory)) as writing:
        writing.execute(f"UPDATE events SET {change} WHERE seq = 4")
    writing.close()
    connection, _ = connect_reader(index_file(directory))
    with Reader(directory).fetcher() as fetch:
        view = View(Reader(directory), fetch, connection, read_position(connection), Patience())
        with pytest.raises((IndexUnavailable, OSError)):
            seqs(view, ask("ada", None, None))
    connection.close()
