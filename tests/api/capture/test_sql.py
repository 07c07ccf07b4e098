"""Slow and failing statements of SQLAlchemy."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stonelog.api.capture.context import bound
from stonelog.api.capture.sql import QueryWatch, watch_queries
from stonelog.filestore import Store

sqlalchemy = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
text = sqlalchemy.text


class Clock:
    """Each statement takes as long as the test says."""

    def __init__(self) -> None:
        self.now = 0.0
        self.takes = 0.0

    def __call__(self) -> float:
        self.now += self.takes / 2  # asked at the beginning and at the end
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine() -> Iterator[Any]:
    made = sqlalchemy.create_engine("sqlite:///:memory:")
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT UNIQUE)"))
    yield made
    made.dispose()


@pytest.fixture
def watch(engine: Any, store: Store, clock: Clock) -> Iterator[QueryWatch]:
    """The engine is watched in one window that ends when the test says so."""
    with watch_queries(engine, store, slow_ms=200, window_seconds=3600, clock=clock) as made:
        yield made


def run(engine: Any, statement: str, **parameters: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), parameters)


def test_a_shape_of_statement_is_one_event_a_window(engine: Any, watch: QueryWatch, clock: Clock, written: Any) -> None:
    """With how often, the longest and all together; values are in none of it."""
    for seconds, name in ((0.5, "ada"), (1.0, "s3cret")):
        clock.takes = seconds * 2
        run(engine, "INSERT INTO users (name) VALUES (:name)", name=name)
    run(engine, "SELECT id FROM users WHERE name = 's3cret'")
    assert not written()
    assert watch.report() == 2
    inserted, selected = written()
    assert (inserted["level"], inserted["action"], inserted["response_time_ms"]) == ("warning", "slow_query", 1000)
    metadata = inserted["metadata"]
    assert metadata["statement"] == "INSERT INTO users (name) VALUES (?)"
    assert (metadata["count"], metadata["max_ms"], metadata["total_ms"], metadata["rows"]) == (2, 1000, 1500, 2)
    assert (metadata["dialect"], metadata["database"]) == ("sqlite", ":memory:")
    assert "s3cret" not in str((inserted, selected))


def test_what_is_quick_is_not_told(engine: Any, watch: QueryWatch, clock: Clock) -> None:
    """Below the limit nothing is kept."""
    clock.takes = 0.1
    run(engine, "SELECT 1")
    assert watch.report() == 0


def test_a_statement_that_fails_is_told_without_its_message(engine: Any, watch: QueryWatch, written: Any) -> None:
    """The message names values; the type of the error says enough. The program sees its own error."""
    run(engine, "INSERT INTO users (name) VALUES ('s3cret')")
    for _ in range(2):
        with pytest.raises(sqlalchemy.exc.IntegrityError):
            run(engine, "INSERT INTO users (name) VALUES ('s3cret')")
    watch.report()
    (event,) = written()
    assert (event["level"], event["action"], event["outcome"]) == ("error", "query_failed", "failure")
    assert (event["error_type"], event["metadata"]["count"]) == ("sqlite3.IntegrityError", 2)
    assert "s3cret" not in str(event)


def test_the_window_ends_with_the_first_statement_after_it(
    engine: Any, store: Store, clock: Clock, written: Any
) -> None:
    """Where no thread of its own could tell, a statement that is quick does; whoever runs it is not named."""
    with watch_queries(engine, store, slow_ms=200, window_seconds=60, clock=clock):
        clock.takes = 1.0
        run(engine, "SELECT 1")
        clock.takes = 0.0
        clock.now += 61
        with bound(request_id="another"):
            run(engine, "SELECT 2 + 3")
        (event,) = written()
    assert event["metadata"]["statement"] == "SELECT ?"
    assert "request_id" not in event


def test_shapes_are_bounded(engine: Any, watch: QueryWatch, clock: Clock, written: Any) -> None:
    """From the hundredth on they are told together."""
    clock.takes = 1.0
    for number in range(110):
        run(engine, f"SELECT 1 AS column{number}")
    assert watch.report() == 101
    assert written()[-1]["metadata"]["statement"] == "(other statements)"
    assert written()[-1]["metadata"]["count"] == 10


def test_stopping_tells_what_was_seen_and_ends_it(engine: Any, watch: QueryWatch, clock: Clock, written: Any) -> None:
    """Stopping twice does nothing."""
    clock.takes = 1.0
    run(engine, "SELECT 1")
    watch.stop()
    run(engine, "SELECT 2 + 3")
    watch.stop()
    assert len(written()) == 1


def test_an_asynchronous_engine_is_watched_too(store: Store, clock: Clock, written: Any) -> None:
    """By the one that it stands before."""
    pytest.importorskip("aiosqlite", reason="aiosqlite is not installed")
    pytest.importorskip("greenlet", reason="greenlet is not installed")
    from sqlalchemy.ext.asyncio import create_async_engine

    async def program() -> None:
        engine = create_async_engine("sqlite+aiosqlite://")
        with watch_queries(engine, store, window_seconds=3600, clock=clock):
            clock.takes = 1.0
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        await engine.dispose()

    asyncio.run(program())
    assert [event["action"] for event in written()] == ["slow_query"]


def test_a_broken_store_breaks_no_statement(broken: Any, engine: Any, clock: Clock, lost: Callable[[], int]) -> None:
    """Neither one that goes well nor one that fails; what cannot be taken is counted."""
    with watch_queries(engine, broken, window_seconds=3600, clock=clock):
        clock.takes = 1.0
        run(engine, "SELECT 1")
        with pytest.raises(sqlalchemy.exc.OperationalError):
            run(engine, "SELECT nothing")
    assert lost() == 2


def test_a_statement_may_be_seen_while_one_is_counted(engine: Any, watch: QueryWatch) -> None:
    """What a `__del__` or a signal handler runs in the same thread waits for no lock that this thread holds."""
    with watch._turn, engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
