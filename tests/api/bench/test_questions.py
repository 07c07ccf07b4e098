"""The ten questions: whoever is asked gives the answer of the files, and who does not is named."""

from contextlib import contextmanager
from typing import ClassVar

import pytest

from stonelog.api.bench.columns import asked_columns, fill_columns, has_columns
from stonelog.api.bench.days import event_lines, link_days, written_days
from stonelog.api.bench.questions import QUESTIONS, Ask, Asked, ask_index, check, true_answers
from stonelog.api.bench.rows import asked_rows, build_rows, fill_rows
from stonelog.filestore import StonelogError, loads
from stonelog.indexer import Index

EVENTS = 2_000


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with written_days(tmp_path_factory.mktemp("days"), EVENTS) as directory:
        yield directory


@pytest.fixture(scope="module")
def asked(store):
    return Asked.of(store, EVENTS)


@pytest.fixture(scope="module")
def answers(store, asked):
    return true_answers(store, asked)


@contextmanager
def asked_an_index(store, directory, asked, *, scan=False):
    with Index(link_days(store, directory), scan=scan) as index:
        index.catch_up()
        yield ask_index(index, asked)


@contextmanager
def asked_a_scan(store, directory, asked):
    with asked_an_index(store, directory, asked, scan=True) as asks:
        yield asks


@contextmanager
def asked_sqlite(store, directory, asked):
    fill_rows(store, directory)
    with asked_rows(directory, asked, EVENTS) as asks:
        yield asks


@contextmanager
def asked_sqlite_built_at_once(store, directory, asked):
    build_rows(store, directory)
    with asked_rows(directory, asked, EVENTS) as asks:
        yield asks


@contextmanager
def asked_duckdb(store, directory, asked):
    if not has_columns():
        pytest.skip("duckdb is not installed")
    fill_columns(store, directory)
    with asked_columns(directory, asked) as asks:
        yield asks


@pytest.mark.parametrize(
    "asking", [asked_an_index, asked_a_scan, asked_sqlite, asked_sqlite_built_at_once, asked_duckdb]
)
def test_everybody_gives_the_answers_of_the_files(asking, store, asked, answers, tmp_path):
    """The index, a scan and each peer answer the ten questions as a loop over the lines does."""
    with asking(store, tmp_path, asked) as asks:
        assert list(asks) == [question.name for question in QUESTIONS]
        check("it", asks, answers)


def test_the_questions_have_answers(store, asked, answers):
    """No question is about nothing, so that answers can differ."""
    assert all(answers.values())
    (seq,) = answers["exact metadata value"]
    assert seq == EVENTS // 2
    middle = next(event for event in map(loads, event_lines(store)) if event["seq"] == seq)
    assert middle["metadata"]["req"] == asked.request
    assert len(answers["newest 50 by two fields"]) <= 50
    assert answers["newest 50 by two fields"] == sorted(answers["newest 50 by two fields"], reverse=True)
    assert sum(answers["by category"].values()) == sum(answers["by hour"].values()) == EVENTS


def test_a_wrong_answer_names_the_question_and_who_gave_it(answers):
    """A difference is an error: its figure would be of something else."""
    asks = {"by category": Ask(lambda: {"auth": 1}, dict)}
    with pytest.raises(StonelogError, match=r"by category: SQLite answers \{'auth': 1\}, the files say \{"):
        check("SQLite", asks, answers)


def test_the_limits_are_those_of_the_targets():
    """Each question has the time that its p95 may take, in milliseconds."""
    assert [round(question.limit * 1000, 1) for question in QUESTIONS] == [3, 3, 3, 6, 1.5, 1.5, 1.5, 3, 6, 6]


@pytest.mark.parametrize(
    ("found", "within", "right"),
    [
        (100.0, 0.0, True),
        (100.5, 0.0, False),
        (100.9, 0.01, True),
        (99.0, 0.01, True),
        (101.1, 0.01, False),
        (98.9, 0.01, False),
        (None, 0.01, False),
    ],
)
def test_a_number_may_differ_by_the_error_that_is_stated_with_it(found, within, right):
    """Relative to the truth, upwards and downwards; what is stated is given back, to be told."""
    asks = {"p95 response time": Ask(lambda: found, float if found else lambda _: None, lambda _: within)}
    truth = {"p95 response time": 100.0}
    if right:
        assert check("it", asks, truth) == ({"p95 response time": within} if within else {})
    else:
        with pytest.raises(StonelogError, match=r"p95 response time: it answers"):
            check("it", asks, truth)


def test_an_error_that_makes_an_answer_worthless_is_refused():
    """Whoever says that all may be wrong is not right."""
    asks = {"p95 response time": Ask(lambda: 100.0, float, lambda _: 0.5)}
    with pytest.raises(StonelogError, match=r"within 50\.0% only"):
        check("it", asks, {"p95 response time": 100.0})


@pytest.mark.parametrize(("within", "stated"), [({}, 0.0), ({"response_time_ms": 0.01, "users": 0.02}, 0.01)])
def test_what_statistics_state_of_response_times(within, stated):
    """The relative error of the index's response times is read from its own answer; exact if it says nothing."""

    class Told:
        response_time_ms: ClassVar = {"p95": 5.0}

    class Asking:
        def stats(self):
            told = Told()
            told.within = within
            return told

    ask = ask_index(Asking(), Asked("x"))["p95 response time"]
    assert (ask.read(ask.call()), ask.within(ask.call())) == (5.0, stated)
