"""`bench index` measures everything it says, and leaves nothing behind."""

import math

import pytest

from stonelog.api.bench import Figure, index_rounds, measure_index
from stonelog.api.bench.columns import has_columns
from stonelog.api.bench.usage import cores


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def figures(place) -> list[Figure]:
    """The figures of a very small run."""
    return list(measure_index(place, 300, rounds=1))


def test_the_figures_are_those_of_the_targets(figures):
    """Each target is there with its reference: what is compared with what, and the limit."""
    targets = [(f.name, f.against, f.target.at, f.target.limit, f.target.of) for f in figures if f.target]
    rebuild = [("rebuild, two cores", "ingest, one core", "least", 1.7, "ratio")] if cores() >= 2 else []
    assert targets == [
        ("ingest, one core", "SQLite rows + FTS5", "least", 60_000, "ours"),
        ("processor, a million", "SQLite rows + FTS5", "most", 13, "ours"),
        ("ingest, peak memory", "SQLite rows + FTS5", "most", 200_000_000, "ours"),
        ("index, on the disk", "the plain files", "most", 0.4, "ratio"),
        *rebuild,
        ("sealed, gzip", "the plain files", "most", 0.25, "ratio"),
        ("sealed, zstd", "the plain files", "most", 0.22, "ratio"),
    ]


def test_duckdb_is_beside_it_or_said_to_be_absent(figures):
    """Where DuckDB is installed there are figures of it; where not, a note says how to have it."""
    assert has_columns() == any("DuckDB" in figure.against for figure in figures)
    assert has_columns() != any("DuckDB is not installed" in figure.note for figure in figures)


def test_every_figure_is_a_number_that_can_be(figures):
    """Ours and the reference are positive and finite."""
    for figure in figures:
        assert 0 < figure.ours < math.inf, figure
        assert 0 < figure.reference < math.inf, figure


def test_it_removes_what_it_made(figures, place):
    """After the run the place is as empty as before."""
    assert figures
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(("events", "rounds"), [(1, 5), (600_000, 5), (1_000_000, 3), (10_000_000, 1)])
def test_a_large_run_has_fewer_rounds(events, rounds):
    """Three million events are taken in by each in a run, or one round if that is more, or five if that is less."""
    assert index_rounds(events) == rounds
