"""The patience of a question: its time, its stop, and what they do to SQLite."""

import itertools
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from stonelog.indexer import Patience, QueryStopped

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    yield opened
    opened.close()


def ticking() -> Callable[[], float]:
    """A clock that goes on by a second each time that it is read."""
    return partial(next, itertools.count())


def test_the_time_is_counted_from_the_making() -> None:
    """A question may take its seconds, and is stopped at their end with an error that names them."""
    now = [100.0]
    patience = Patience(30, clock=lambda: now[0])
    now[0] = 129.9
    patience.check()
    now[0] = 130.0
    with pytest.raises(QueryStopped, match=r"stopped after 30 s.*since and until") as stopped:
        patience.check()
    assert stopped.value.seconds == 30


def test_a_stop_needs_no_time() -> None:
    """Whoever set `stop` ends it, whatever time is left; the error says that it was not the time."""
    stop = threading.Event()
    patience = Patience(30, stop, clock=lambda: 0)
    patience.check()
    stop.set()
    with pytest.raises(QueryStopped, match="by who asked it") as stopped:
        patience.check()
    assert stopped.value.seconds is None


def test_without_a_limit_it_never_ends() -> None:
    """No seconds, and no stop: the clock does not matter."""
    patience = Patience(clock=iter([0.0]).__next__)
    assert list(patience.over(range(1000))) == list(range(1000))
    assert not patience.expired()


def test_a_loop_ends_with_it() -> None:
    """What is gone through is given as it is, and broken off when the time is up."""
    given = []
    patience = Patience(5, clock=ticking())
    with pytest.raises(QueryStopped):
        for item in patience.over(itertools.count()):
            given.append(item)
    assert given == list(range(len(given)))
    assert given


def test_a_statement_of_sqlite_ends_with_it(connection: sqlite3.Connection) -> None:
    """A statement that would never end is given up when the time is up, and the connection is as it was before."""
    with pytest.raises(QueryStopped), Patience(5, clock=ticking()).within(connection):
        connection.execute(ENDLESS).fetchone()
    many = ENDLESS.replace("FROM n)", "FROM n WHERE x < 200000)")
    assert connection.execute(many).fetchone() == (200_000,)


def test_another_thread_stops_a_statement(connection: sqlite3.Connection) -> None:
    """`stop` is heard while SQLite works."""
    stop, inside = threading.Event(), threading.Event()
    connection.create_function("begun", 0, inside.set)
    stopping = threading.Thread(target=lambda: (inside.wait(60), stop.set()))
    stopping.start()
    with pytest.raises(QueryStopped) as stopped, Patience(stop=stop).within(connection):
        connection.execute(ENDLESS.replace("SELECT 1 ", "SELECT 1 + ifnull(begun(), 0) ")).fetchone()
    stopping.join()
    assert stopped.value.seconds is None


def test_an_error_of_sqlite_stays_what_it_is(connection: sqlite3.Connection) -> None:
    """While there is patience, nothing is taken for its end."""
    with pytest.raises(sqlite3.OperationalError, match="no such table"), Patience(5).within(connection):
        connection.execute("SELECT * FROM absent")


class Alarmed(Exception):
    pass


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals need the main thread")
@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, Alarmed])
def test_a_signal_gets_through_sqlite(connection: sqlite3.Connection, raised: type[BaseException]) -> None:
    """What the handler of a signal raises while SQLite works ends the statement and reaches the caller: Ctrl-C too."""

    def handle(_number: int, _frame: object) -> None:
        raise raised

    inside = threading.Lock()
    inside.acquire()
    connection.create_function("begun", 0, inside.release)  # no Python runs in it, and so no handler of a signal
    sending = threading.Thread(target=lambda: (inside.acquire(), os.kill(os.getpid(), signal.SIGINT)))
    before = signal.signal(signal.SIGINT, handle)
    sending.start()
    try:
        with pytest.raises(raised), Patience(3600).within(connection):
            connection.execute(ENDLESS.replace("SELECT 1 ", "SELECT 1 + ifnull(begun(), 0) ")).fetchone()
    finally:
        sending.join()
        signal.signal(signal.SIGINT, before)
    assert connection.execute("SELECT 1").fetchone() == (1,)
