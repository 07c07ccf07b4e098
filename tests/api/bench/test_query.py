"""`bench query` measures everything it says, and leaves nothing behind."""

import math
from collections import Counter

import pytest

from stonelog.api.bench import PEERS, Figure, measure_query, query, verdicts
from stonelog.api.bench.columns import has_columns
from stonelog.api.bench.questions import QUESTIONS, SEARCHES, Ask
from stonelog.filestore import StonelogError


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def figures(place) -> list[Figure]:
    """The figures of a very small run; programs are started twice, not twenty times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(query, "RUNS", 2)
        return list(measure_query(place, 300))


def of(figures: list[Figure], against: str) -> list[tuple]:
    return [(f.name, f.target.limit, f.target.of) for f in figures if f.against == against and f.target]


def test_each_question_is_held_to_its_limit_and_to_each_peer(figures):
    """The ten questions have a limit of their own, and must be answered before any peer answers them."""
    names = [f"{question.name}, p95" for question in QUESTIONS]
    own = [(name, question.limit, "ours") for name, question in zip(names, QUESTIONS, strict=True)]
    sealed = [(f"{question.name}, sealed, p95", 0.025, "ours") for question in SEARCHES]
    assert of(figures, "its p50") == own + sealed
    peers = {"SQLite rows + FTS5", "DuckDB, loaded"} if has_columns() else {"SQLite rows + FTS5"}
    for peer in peers:
        assert of(figures, peer) == [(name, 1, "ratio") for name in names]


def test_opening_appending_and_asking_at_once_have_their_targets(figures):
    """The command's first answer, the questions while events are appended, and that none of these is missed."""
    assert of(figures, "an interpreter that starts") == [("first answer of the command, p95", 0.35, "ours")]
    assert of(figures, "idle") == [(f"{question.name}, appending, p95", 2, "ratio") for question in QUESTIONS]
    assert of(figures, "asked for") == [("acknowledged, not found", 0, "ours")]


def test_opening_many_days_and_a_new_index_of_sealed_ones_are_beside_their_like(figures):
    """A store of many days beside one of a day, and a search that has to unpack beside the same of plain days."""
    found = {figure.name: figure for figure in figures}
    for what in ("first count", "first answer"):
        assert found[f"{what} of 2 sealed days"].against == "of one day"
        assert len(found[f"{what} of 2 sealed days"].our_rounds) == 2
    assert found["rare word, sealed, a new Index, p95"].against == "warm"


def test_a_verdict_is_there_for_each_question(figures):
    """Against the best of the peers that were asked."""
    assert [each.name for each in verdicts(figures, PEERS)] == [f"{question.name}, p95" for question in QUESTIONS]


def test_every_acknowledged_event_was_in_the_next_query(figures):
    """The hundredth part of the run's events is appended and asked for; none is missed."""
    (found,) = (figure for figure in figures if figure.name == "acknowledged, not found")
    assert (found.ours, found.reference, found.met) == (0, 3, True)


def test_every_figure_is_a_number_that_can_be(figures):
    """Ours and the reference are positive and finite, but for the events that were missed."""
    for figure in figures:
        assert (figure.ours > 0) != (figure.unit == "events"), figure
        assert figure.ours < math.inf, figure
        assert 0 < figure.reference < math.inf, figure


def test_a_figure_is_there_once(figures):
    """A name and a reference tell one figure from all others."""
    assert not [each for each, number in Counter((f.name, f.against) for f in figures).items() if number > 1]


def test_it_removes_what_it_made(figures, place):
    """After the run the place is as empty as before."""
    assert figures
    assert list(place.iterdir()) == []


def test_a_wrong_answer_ends_the_run(tmp_path, monkeypatch):
    """An index that answers something else than the files is an error, before anything is timed; nothing is left."""
    right = query.ask_index

    def wrong(index, asked):
        return {**right(index, asked), "by hour": Ask(lambda: None, lambda found: {})}

    monkeypatch.setattr(query, "ask_index", wrong)
    with pytest.raises(StonelogError, match="by hour: the index answers"):
        next(measure_query(tmp_path, 20))
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_fails_is_an_error(tmp_path):
    """The time of a command that failed is no figure."""
    with pytest.raises(StonelogError, match="broken"):
        query._run_python(["-c", "import sys; sys.stderr.write('broken'); sys.exit(2)"], tmp_path)
