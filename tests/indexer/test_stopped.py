"""Questions that are stopped: each kind, wherever it is, and none that its text could make run away."""

import itertools
import signal
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from shards import TINY, catalog, lose, path_of, shard_by_shard
from stonelog.filestore import Reader, Store
from stonelog.indexer import Index, Patience, QueryError, QueryStopped
from stonelog.indexer import patience as module
from stonelog.indexer.planning import Sizes
from stonelog.indexer.view import View

ABSENT = "01890000-0000-7000-8000-000000000000"
QUESTIONS: dict[str, Callable[..., object]] = {
    "search": partial(Index.search, q="ada"),
    "search asc": partial(Index.search, order="asc"),
    "count": partial(Index.count, q="ada"),
    "count exactly": partial(Index.count, q="-ada", since="2026-11-01"),
    "facets": partial(Index.facets, q="", fields=["username", "message"]),
    "histogram": partial(Index.histogram, q="ada", step="1d"),
    "histogram by": partial(Index.histogram, q="", step="1d", by="username"),
    "stats": partial(Index.stats, q="ada"),
    "get": partial(Index.get, key=ABSENT),
}


def ticking() -> Callable[[], float]:
    """A clock that goes on by a second each time that it is read."""
    return partial(next, itertools.count())


@pytest.fixture(params=["indexed", "shards", "bare", "scan"])
def index(request: pytest.FixtureRequest, store: Store, directory: Path):
    """Ten events in the index, in one shard or several, without one, and told not to look."""
    with Index.open(directory, scan=request.param == "scan") as index:
        if request.param == "indexed":
            index.catch_up()
        if request.param == "shards":
            shard_by_shard(directory)
            lose(directory, 1)
        yield index


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_can_be_stopped(index: Index, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """One whose asker has gone is no answer but QueryStopped; asked again with patience, it is answered."""
    gone = threading.Event()
    gone.set()
    with pytest.raises(QueryStopped) as stopped:
        QUESTIONS[name](index, patience=Patience(stop=gone))
    assert stopped.value.seconds is None
    QUESTIONS[name](index, patience=Patience(3600))
    assert not caplog.records


def test_an_index_gives_each_question_the_same_time(store: Store, directory: Path) -> None:
    """`query_seconds` holds for every question that brings no patience of its own, each from its beginning."""
    with Index.open(directory, query_seconds=1e-9) as index:
        for _ in range(2):
            with pytest.raises(QueryStopped, match="1e-09 s"):
                index.count("ada")
        assert index.count("ada", patience=Patience()) == 5
    with Index.open(directory, query_seconds=3600) as index:
        assert index.count("ada") == 5


@pytest.mark.parametrize("sizes", [Sizes(), TINY])
@pytest.mark.parametrize("name", [name for name in QUESTIONS if name != "get"])
def test_wherever_it_is_stopped_the_index_is_as_good_as_before(
    store: Store,
    directory: Path,
    name: str,
    sizes: Sizes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The limit inside SQLite is no damage: no scan answers instead, nothing is logged, no transaction stays open."""
    monkeypatch.setattr(module, "OPERATIONS", 1)
    monkeypatch.setattr(module, "LINES", 1)
    with Index.open(directory) as index:
        shard_by_shard(directory, sizes)
        right = QUESTIONS[name](index)
        stopped = 0
        for seconds in itertools.count(1, 5):
            try:
                found = QUESTIONS[name](index, patience=Patience(seconds, clock=ticking()))
            except QueryStopped:
                stopped += 1
                assert index.status().state == "ok"
            else:
                assert found == right
                break
        assert stopped > 3
        assert QUESTIONS[name](index) == right
        with sqlite3.connect(path_of(directory, catalog(directory).shards[-1].number)) as connection:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.close()
        assert busy == 0
    assert not caplog.records


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize(
    "q",
    [
        " OR ".join(f"a{number}" for number in range(5000)),
        " OR ".join("ab" for _ in range(1000)),
        "(" * 300 + "ada" + ")" * 300,
        "(" * 60 + "ada" + ")" * 60,
        " ".join(f"a{number}" for number in range(10_000)),
        " ".join(f"-b{number}" for number in range(1000)),
        " ".join(f"message:*{number}*q*" for number in range(400)),
        "*",
        "a*",
        "-a*",
        "message:*a*b*c*d*e*",
    ],
)
def test_no_text_of_a_query_makes_it_run_away(
    store: Store, directory: Path, q: str, indexed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a store whose scan would never end, each question is refused or stopped, and none goes on for ever; what
    the index alone answers needs no scan."""
    with Index.open(directory) as index:
        questions = [index.count, index.stats, index.search, index.histogram, partial(index.facets, fields=["action"])]
        if indexed:
            index.catch_up()
        right = [answer(ask, q, None) for ask in questions]
        lines = list(Reader(directory).lines())
        monkeypatch.setattr(Reader, "lines", lambda *_args, **_more: itertools.cycle(lines))
        for ask, expected in zip(questions, right, strict=True):
            found = answer(ask, q, 30)
            assert found is None or (indexed and found == expected)


def answer(ask: Callable[..., object], q: str, seconds: float | None) -> object:
    """What is answered, None if the question is refused or stopped."""
    try:
        found = ask(q=q, patience=Patience(seconds, clock=ticking()))
    except (QueryError, QueryStopped):
        return None
    return getattr(found, "lines", found)


def test_a_signal_ends_a_question_though_the_index_changed(
    store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the handler raises inside SQLite is raised, not taken for a shard that became another one."""
    monkeypatch.setattr("stonelog.indexer.trust.Trust.outdated", lambda self, coverage: True)
    long = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1e9) SELECT count(*) FROM c"
    with Index.open(directory) as index:
        index.catch_up()

        def question(view: View) -> object:
            key = next(part.key for part in view.parts if part.key)
            connection = view.opened(key).connection
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            return connection.execute(long).fetchone()

        def handler(*args: object) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                index._answered(question, Patience())
        finally:
            signal.signal(signal.SIGALRM, before)
