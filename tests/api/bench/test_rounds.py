"""Rounds and loops: who is called when, with what, and what is left."""

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from stonelog.api.bench.rounds import alternate, in_threads, in_turn


def test_contestants_take_turns_after_one_round_that_does_not_count(tmp_path: Path):
    """The first round warms up; then each result counts; every other round begins with the other."""
    order: list[str] = []
    told: list[tuple[str, int, int]] = []

    def contestant(name):
        def run(directory: Path) -> int:
            order.append(name)
            return len(order)

        return run

    contestants = {"z": contestant("z"), "a": contestant("a")}
    found = alternate(contestants, tmp_path, rounds=3, name="it", tell=lambda *seen: told.append(seen))
    assert "".join(order) == "zaazzaaz"
    assert found == {"z": [4, 5, 8], "a": [3, 6, 7]}
    assert told == [("it", number, 3) for number in range(4)]


def test_each_has_an_empty_directory_and_all_are_removed(tmp_path: Path):
    """No contestant finds what another left; at the end, an error's too, nothing is left."""
    seen: list[Path] = []

    def run(directory: Path) -> None:
        assert list(directory.iterdir()) == []
        (directory / "file").touch()
        seen.append(directory)
        if len(seen) == 4:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        alternate({"a": run, "b": run}, tmp_path, rounds=3, name="it")
    assert len(set(seen)) == 4
    assert list(tmp_path.iterdir()) == []


def test_in_turn_calls_with_one_item_after_the_other():
    """Every item, in order, each with its time."""
    taken: list[int] = []
    sample = in_turn(taken.append, range(5))
    assert taken == [0, 1, 2, 3, 4]
    assert sample.events == len(sample.latencies) == 5
    assert sample.began < sample.ended


def test_threads_share_the_items():
    """Each item is taken once, whoever takes it, and all threads are there at once."""
    together = threading.Barrier(4)
    taken: list[int] = []

    def call(item: int) -> None:
        if item < 4:
            together.wait(30)
        taken.append(item)

    sample = in_threads([call] * 4, range(100))
    assert sorted(taken) == list(range(100))
    assert sample.events == len(sample.latencies) == 100


def test_what_a_thread_raises_is_raised():
    """An error in one thread is the caller's, and does not hang the others."""

    def call(item: int) -> None:
        if item == 3:
            raise ValueError("item 3")

    with pytest.raises(ValueError, match="item 3"):
        in_threads([call] * 3, range(10))


def test_who_runs_out_of_items_stops_the_others():
    """With a flag, one that is set ends the loop, and the end of the items sets it."""
    ends = SimpleNamespace(value=0)
    assert in_threads([lambda item: None] * 2, range(10), ends=ends).events == 10
    assert ends.value == 1
    assert in_threads([lambda item: None] * 2, range(10), ends=ends).events == 0


def test_without_warming_up_every_round_counts(tmp_path: Path):
    """What takes minutes, in a process of its own, is not done once more for nothing."""
    calls: list[Path] = []
    found = alternate({"a": calls.append}, tmp_path, rounds=2, name="it", warm_up=False)
    assert len(calls) == len(found["a"]) == 2
