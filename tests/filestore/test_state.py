"""How far a store goes, read again only when its files have changed."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealed import by_ten, events, seal
from segments import line
from stonelog.filestore import Reader, Store, files, state
from stonelog.filestore.state import Remembered

STEPS = st.lists(st.tuples(st.floats(0, 2.5), st.sampled_from(["look", "change", "change and look"])), max_size=40)


class Hand:
    """A clock that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(state, "time", SimpleNamespace(monotonic=lambda: self.now))


@given(STEPS, st.sampled_from([0.001, 0.5, 2.0]))
def test_what_is_remembered_is_what_is_there(steps: list[tuple[float, str]], tick: float) -> None:
    """Whatever falls into one step of the file system's times, an answer is never older than the look."""
    with pytest.MonkeyPatch.context() as patch:
        clock = Hand(patch)
        remembered: Remembered[int] = Remembered()
        value, mark = 0, clock.now // tick
        for seconds, step in steps:
            clock.now += seconds
            if "change" in step:
                value, mark = value + 1, clock.now // tick
            if "look" in step:
                assert remembered.get(mark, lambda: value) == value  # noqa: B023 (called at once)


def test_what_stays_is_read_until_it_is_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mark that is some seconds old when the answer is read saves every further reading, until it is another."""
    clock, read = Hand(monkeypatch), itertools.count()
    remembered: Remembered[tuple[str, ...]] = Remembered()
    found = []
    for mark, seconds in [(1, 0), (1, 2), (1, 2), (1, 9), (1, 0), (2, 0), (2, 1), (1, 0)]:
        clock.now += seconds
        found.append(remembered.get(mark, lambda: (str(next(read)), "x")[1:]))
    assert next(read) == 6
    assert all(answer is found[0] for answer in found), "an equal answer is the same object"


def test_a_state_is_the_names_and_the_ends(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After whatever happens to the files, a reader that was asked all the time says what a new one says."""
    clock = Hand(monkeypatch)
    by_ten(directory, 3)
    reader = Reader(directory)
    newest = events(directory, 22, ".jsonl")
    whole = newest.read_bytes()

    def append() -> None:
        with Store.open(directory) as store:
            store.append(category="api", action="read")

    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: seal(directory, 20),
        lambda: newest.write_bytes(whole + b"half a line"),
        lambda: newest.write_bytes(whole + line(31, 30)),
        lambda: newest.write_bytes(whole + line(31, 29)),
        lambda: newest.write_bytes(whole[: -len(line(30, 29))]),
        lambda: newest.write_bytes(whole),
        lambda: events(directory, 23, ".jsonl").write_bytes(b""),
        lambda: events(directory, 23, ".jsonl").write_bytes(line(31, 30)),
        lambda: events(directory, 23, ".jsonl").unlink(),
        lambda: seal(directory, 21, 22),
        append,
        append,
        lambda: newest.with_name("2026-11-22.jsonl.gz").unlink(),
    ]
    for seconds in (0, 5):
        for step in steps[:1] if seconds else steps:
            step()
            for _ in range(3):
                clock.now += seconds
                found, other = reader.state(), Reader(directory)
                assert found.names == tuple(other.names())
                assert found.last_seq == other.last_seq == reader.durable_seq(found) == other.durable_seq()
                size = {each.name: each.size for each in other.segments()}
                assert found.segment is not None
                assert found.size == size[found.segment]
    assert Reader(directory / "absent").state() == ((), None, 0, 0)


@pytest.mark.parametrize("sealed", [False, True])
def test_while_nothing_changes_nothing_is_read(directory: Path, monkeypatch: pytest.MonkeyPatch, sealed: bool) -> None:
    """A state that was asked for some seconds ago takes two looks; a line more, and the newest segment is read."""
    clock = Hand(monkeypatch)
    by_ten(directory, 2)
    if sealed:
        seal(directory, 20, 21)
    reader = Reader(directory)
    for _ in range(3):
        before = reader.state()
        clock.now += 5
    calls: list[str] = []
    for name in files.__all__:
        real = getattr(files, name)
        monkeypatch.setattr(files, name, lambda *given, _n=name, _r=real: (calls.append(_n), _r(*given))[1])
    after = reader.state()
    assert after == before
    assert after.names is before.names
    assert set(calls) == {"mark"}
    assert len(calls) == (3 if sealed else 2)
    if not sealed:
        with events(directory, 21, ".jsonl").open("ab") as file:
            file.write(line(21, 20))
            os.fsync(file.fileno())
        assert reader.state().last_seq == 21
        assert "list_names" not in calls
