"""`bench append` measures everything it says, and leaves nothing behind."""

import math

import pytest

from stonelog.api.bench import Figure, measure_append


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def figures(place) -> list[Figure]:
    """The figures of a very small run."""
    return list(measure_append(place, 300, rounds=1))


def test_the_figures_are_those_of_the_targets(figures):
    """Each target is there with its reference: what is compared with what, and the limit."""
    targets = [(f.name, f.against, f.target.at, f.target.limit, f.target.of) for f in figures if f.target]
    assert targets == [
        ("append, 1 thread", "write + fdatasync", "least", 0.6, "ratio"),
        ("append, 64 threads", "write + fdatasync", "least", 5, "ratio"),
        ("append, 64 threads", "SQLite, commit a row", "least", 8, "ratio"),
        ("acknowledged after, p99, 64 threads", "p99 of one fdatasync", "most", 4, "ratio"),
        ("batches of 1,000, a core", "orjson + write + fdatasync", "least", 120_000, "ours"),
        ("append, 4 processes x 16 threads", "1 process x 64 threads", "least", 1, "ratio"),
        ("emit, a call", "logging, orjson", "most", 1, "ratio"),
        ("emit, memory grown", "emit_bytes", "most", 1, "ratio"),
        ("open, 3 sealed days + 3 MiB", "open, one day", "most", 1.2, "ratio"),
    ]


def test_every_figure_is_a_number_that_can_be(figures):
    """Ours and the reference are positive and finite (memory may not have grown at all)."""
    for figure in figures:
        least = 0 if figure.unit == "B" else 1e-9
        assert least <= figure.ours < math.inf, figure
        assert 0 < figure.reference < math.inf, figure
        assert math.isfinite(figure.ratio), figure


def test_it_removes_what_it_made(figures, place):
    """After the run the place is as empty as before."""
    assert figures
    assert list(place.iterdir()) == []


def test_it_tells_what_it_is_doing(tmp_path):
    """Whoever wants to know hears what is measured, in which round."""
    told = []
    next(measure_append(tmp_path, 100, rounds=1, tell=lambda *seen: told.append(seen)))
    assert told == [("append, 1 and 64 threads", 0, 1), ("append, 1 and 64 threads", 1, 1)]
