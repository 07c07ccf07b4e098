"""The newest lines, read once: whatever is kept of them, answers and sums are those of the lines."""

import gc
import os
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answers import Expected, write_lines
from shards import EVENT, built, days
from stonelog.filestore import Reader, Store
from stonelog.indexer import Index, Patience, QueryStopped
from stonelog.indexer import tail as module
from stonelog.indexer.match import compile_filter
from stonelog.indexer.planning import Sizes
from stonelog.indexer.query import parse
from stonelog.indexer.tail import Found, Known, Tail


def seqs(known: Known) -> list[int]:
    return [found.seq for found in known.found]


class Asking:
    """Whoever reads the tail of a store, as a question does."""

    def __init__(self, directory: Path) -> None:
        self.reader = Reader(directory)
        self.fetch = self.reader.fetcher()
        self.tail = Tail()

    def read(self, after: int = 0, start: tuple[str, int] | None = None) -> Known:
        self.fetch.refresh()
        state = self.reader.state()
        return self.tail.read(self.reader, self.fetch, after, start, state.end, frozenset(state.names), Patience())

    def close(self) -> None:
        self.fetch.close()


def test_each_line_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is asked for; and what a shard covers by then is left out."""
    days(tmp_path, 10)
    read: list[int] = []
    take = Tail._take

    def counted(self, run):
        read.extend(range(run.first_seq, run.last_seq + 1))
        take(self, run)

    monkeypatch.setattr(Tail, "_take", counted)
    with closing(Asking(tmp_path)) as asking:
        assert seqs(asking.read()) == seqs(asking.read()) == list(range(1, 11))
        days(tmp_path, 5, first=11)
        assert seqs(asking.read(4)) == list(range(5, 16))
        days(tmp_path, 2, first=16, day=2)
        known = asking.read(15)
        assert (seqs(known), known.last, known.place) == ([16, 17], 17, asking.reader.state().end)
    assert read == list(range(1, 18))


def test_who_has_got_the_lines_keeps_them(tmp_path: Path) -> None:
    """What was given out does not change when others ask later."""
    days(tmp_path, 10)
    with closing(Asking(tmp_path)) as asking:
        before = asking.read()
        days(tmp_path, 5, first=11)
        after = asking.read(8)
    assert (seqs(before), seqs(after)) == (list(range(1, 11)), list(range(9, 16)))
    tree = parse("m3 OR m9 OR m12")
    matches = compile_filter(tree)
    for _ in range(2):
        assert [each.seq for each in after.answers(tree, matches, Patience())] == [9, 12]
        assert [each.seq for each in before.answers(tree, matches, Patience())] == [3, 9]


@pytest.mark.parametrize("change", ["cut", "removed", "replaced", "earlier"])
def test_what_no_longer_stands_is_forgotten(tmp_path: Path, change: str) -> None:
    """Lines cut off whose numbers come again, segments that are gone, and an index that covers less than before."""
    days(tmp_path, 10, 10)
    first, second = sorted((tmp_path / "events").iterdir())
    with closing(Asking(tmp_path)) as asking:
        assert len(asking.read(5).found) == 15
        if change == "cut":
            os.truncate(second, second.stat().st_size // 2)
            kept = second.read_bytes().rpartition(b"\n")[0] + b"\n"
            second.write_bytes(kept)
            write_lines(tmp_path, [{**EVENT, "message": "other"}] * 9, first=11 + kept.count(b"\n"), day="2026-11-02")
        elif change == "removed":
            first.unlink()
        elif change == "replaced":
            second.unlink()
            write_lines(tmp_path, [{**EVENT, "message": "other"}] * 10, first=11, day="2026-11-02")
        known = asking.read(0 if change == "earlier" else 5)
        lines = {line.seq: line.raw for line in Reader(tmp_path).lines(0 if change == "earlier" else 5)}
    assert {found.seq: found.raw for found in known.found} == lines


def test_no_more_is_kept_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows is read each time, from the place where it begins; nothing is missing in an answer."""
    monkeypatch.setattr(module, "_MOST_BYTES", 2_000)
    days(tmp_path, 500)
    write_lines(tmp_path, [{**EVENT, "message": "late " * 200}] * 90, first=501, day="2026-11-02")
    with closing(Asking(tmp_path)) as asking:
        known = asking.read()
        assert known.place is not None
        assert 0 < known.last < 590
        assert next(asking.reader.lines(known.last, start=known.place)).seq == known.last + 1
    built(tmp_path, Sizes(block=16, shard=64)).close()
    write_lines(tmp_path, [{**EVENT, "message": "late " * 200}] * 90, first=591, day="2026-11-03")
    with Index.open(tmp_path) as index:
        for _ in range(2):
            assert (index.count("late"), index.count("m7"), index.count()) == (180, 1, 680)
            assert [event.seq for event in index.search("late", limit=100).events] == list(range(680, 580, -1))


@pytest.mark.parametrize("moment", ["before the reading", "behind it"])
def test_lines_cut_while_they_are_read_are_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Their numbers are given again at once, by lines of another length, so that a good line ends where it is read."""
    days(tmp_path, 15)
    segment = next((tmp_path / "events").iterdir())
    runs = Reader.runs

    def cut() -> None:
        kept = b"".join(segment.read_bytes().splitlines(keepends=True)[:10])
        os.truncate(segment, len(kept))
        write_lines(tmp_path, [{**EVENT, "message": "b" * 20}] * 8, first=11, day="2026-11-01")

    def cutting(self, *args, **named):
        monkeypatch.setattr(Reader, "runs", runs)
        if moment == "before the reading":
            cut()
        yield from runs(self, *args, **named)
        if moment == "behind it":
            cut()

    with closing(Asking(tmp_path)) as asking:
        asking.read()
        days(tmp_path, 1, first=16)
        monkeypatch.setattr(Reader, "runs", cutting)
        asking.read()
        for _ in range(2):
            assert {found.seq: found.raw for found in asking.read().found} == {
                line.seq: line.raw for line in Reader(tmp_path).lines()
            }


def test_what_was_kept_goes_with_the_lines(tmp_path: Path) -> None:
    """However many different questions were asked of them: nothing holds lines that shards cover by now."""
    with closing(Asking(tmp_path)) as asking:
        for number in range(30):
            days(tmp_path, 200, first=1 + 200 * number)
            known = asking.read(200 * number)
            tree = parse(f"m{200 * number + 7} OR -m{number}")
            answers = known.answers(tree, compile_filter(tree), Patience())
            known.sums(answers, tree, len, sum, Patience())
            assert len(answers) >= 199
        del answers, known
        asking.read(6000)
        gc.collect()
        assert sum(isinstance(each, Found) for each in gc.get_objects()) <= 200


def test_who_has_no_patience_left_waits_for_nobody(tmp_path: Path) -> None:
    """While another thread reads, and while sums are made."""
    days(tmp_path, 600)
    gone = threading.Event()
    gone.set()
    with closing(Asking(tmp_path)) as asking:
        known = asking.read()
        with pytest.raises(QueryStopped):
            known.sums(known.found, "number", len, sum, Patience(stop=gone))
        with asking.tail._turn, pytest.raises(QueryStopped):
            asking.tail.read(asking.reader, asking.fetch, 0, None, ("", 0), frozenset(), Patience(stop=gone))


def test_lines_of_another_hand_are_no_events(tmp_path: Path) -> None:
    """A line without a time is in no answer."""
    write_lines(tmp_path, [EVENT, {"message": "no time"}, EVENT])
    with closing(Asking(tmp_path)) as asking:
        known = asking.read()
    assert (seqs(known), known.last) == ([1, 3], 3)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 150)), min_size=1, max_size=6),
    st.lists(st.sampled_from(["", "a", "b", "a OR c", "-a"]), min_size=1, max_size=4),
)
def test_answers_and_sums_are_those_of_the_events(steps: list[tuple[int, int]], queries: list[str]) -> None:
    """While events come, and are left to shards, in any steps."""
    known = Known.nothing(0, None, 64)
    words = ["a", "b", "c", "a b"]
    for new, left in steps:
        events = [
            Found(seq, b"", {"message": words[seq % 7 % 4]}) for seq in range(known.last + 1, known.last + 1 + new)
        ]
        found = (known.found + events)[left:]
        known = known._replace(found=found, last=known.last + new)
        if found:
            known.memo.leave(found[0].seq - 1)
        for q in queries:
            matches = compile_filter(parse(q))
            answers = known.answers(parse(q), matches, Patience())
            assert answers == [found for found in known.found if matches(found.fields)]
            counted = known.sums(
                answers,
                q,
                lambda some: Counter(f.fields["message"] for f in some),
                lambda some: sum(some, Counter()),
                Patience(),
            )
            assert sum(counted, Counter()) == Counter(found.fields["message"] for found in answers)


def test_every_question_is_answered_while_events_come(store: Store, directory: Path) -> None:
    """By an index that goes on and one that does not: as a look at all lines answers."""
    with Index.open(directory) as index, Index.open(directory) as writer:
        writer.catch_up()
        for number in range(12):
            store.append_many([{"category": "api", "action": "read", "username": f"u{number}", "message": "new"}] * 40)
            if number % 4 == 3:
                writer.catch_up()
            for q in ("", "new", "username:u3", "ada"):
                expected = Expected(directory, q)
                assert index.count(q) == len(expected.events)
                assert index.facets(q, ["username"], limit=20)["username"] == expected.facet("username", 20)
                assert index.stats(q).events == len(expected.events)
                assert [event.seq for event in index.search(q, limit=30).events] == expected.seqs[::-1][:30]
            assert index.stats().users == 3 + number
