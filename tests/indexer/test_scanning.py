"""How far a scan has come is told, and nothing where there is none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stonelog.filestore import Store
from stonelog.indexer import Index, Patience, QueryStopped

EVENTS = 5_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("scanning") / "s"
    with Store.open(directory) as store:
        store.append_many({"category": "api", "action": "read", "message": f"line {n}"} for n in range(EVENTS))
    with Index.open(directory) as index:
        index.catch_up()
    return directory


QUESTIONS: dict[str, Callable[[Index], object]] = {
    "search": lambda index: index.search("nothinglikeit"),
    "count": lambda index: index.count("line"),
    "facets": lambda index: index.facets("", ["level"]),
    "histogram": lambda index: index.histogram(),
    "stats": lambda index: index.stats(),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_scan_tells_how_far_it_is(store: Path, question: str) -> None:
    """Bytes done and in all, the latter those of the files; at the end they are the same."""
    told: list[tuple[int, int]] = []
    with Index.open(store, scan=True, progress=lambda done, total: told.append((done, total))) as index:
        QUESTIONS[question](index)
    (segment,) = (store / "events").iterdir()
    size = segment.stat().st_size
    assert {total for _, total in told} == {size}
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert len(told) == EVENTS // 1024 + 1
    assert told[-1] == (size, size)


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_of_the_index_tells_nothing(store: Path, question: str) -> None:
    """Where nothing is scanned there is no progress."""
    told: list[tuple[int, int]] = []
    with Index.open(store, progress=lambda done, total: told.append((done, total))) as index:
        QUESTIONS[question](index)
    assert told == []


def test_each_scan_begins_anew(store: Path) -> None:
    """A second question is told of from its own beginning."""
    told: list[int] = []
    with Index.open(store, scan=True, progress=lambda done, total: told.append(done)) as index:
        index.count("line")
        first = list(told)
        index.count("line")
    assert told == first * 2


def test_a_stopped_scan_has_ended(store: Path) -> None:
    """A question that runs out of patience leaves no progress behind."""
    told: list[tuple[int, int]] = []
    ticks = iter(range(10**6))
    patience = Patience(400, clock=lambda: next(ticks))  # a look every 8 lines
    with (
        Index.open(store, scan=True, progress=lambda done, total: told.append((done, total))) as index,
        pytest.raises(QueryStopped),
    ):
        index.count("line", patience=patience)
    assert len(told) == 4
    assert told[-1][0] == told[-1][1]
