"""Figures as text: tables, bars, histograms."""

import io
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from stonelog.api.cli import tables
from stonelog.api.cli.tables import facet_lines, histogram_lines, stats_lines, table
from stonelog.indexer import Stats

START = datetime(2026, 11, 23, 14, tzinfo=UTC)


def hours(*values):
    return [(START + timedelta(hours=index), value) for index, value in enumerate(values)]


@pytest.fixture(params=["utf-8", "ascii"])
def encoding(request, monkeypatch):
    """Standard output in UTF-8 and in ASCII."""
    stdout = io.TextIOWrapper(io.BytesIO(), encoding=request.param)
    monkeypatch.setattr(tables, "sys", SimpleNamespace(stdout=stdout))
    return request.param


def test_table_is_aligned_with_numbers_to_the_right():
    """Columns stand under their heads; numbers are grouped and stand right."""
    assert table(("name", "count"), [("a", 1), ("longer", 12345)]) == [
        "name     count",
        "a            1",
        "longer  12,345",
    ]


def test_histogram_bars_fit_the_width(encoding):
    """The longest bar ends at the last column; every count above 0 has something; empty buckets have none."""
    lines = histogram_lines(hours(1000, 1, 0), 60)
    assert max(map(len, lines)) == 60
    assert lines[0].startswith("2026-11-23 14:00Z  1,000  ")
    assert lines[1].startswith("2026-11-23 15:00Z      1  ")
    assert len(lines[1]) > len("2026-11-23 15:00Z      1  ") - 1
    assert lines[2] == "2026-11-23 16:00Z      0"


def test_output_fits_its_encoding(encoding):
    """Where the encoding has no block characters, bars are made of ASCII."""
    lines = histogram_lines(hours(3, 1), 60) + histogram_lines(hours({"a": 2, "b": 1}), 60)
    lines += facet_lines({"username": [("ada", 3)]})
    assert [line.encode(encoding) for line in lines]


def test_histogram_shows_seconds_where_steps_need_them():
    """Buckets of less than a minute are told apart."""
    lines = histogram_lines([(START, 1), (START + timedelta(seconds=10), 1)], 60)
    assert lines[1].startswith("2026-11-23 14:00:10Z")


def test_split_bars_add_up(encoding):
    """The parts of a bar have the lengths of their shares, together as long as the whole; the legend has the totals."""
    legend, first, second = histogram_lines(hours({"info": 30, "error": 10}, {"info": 20}), 63)
    bar, half = first.split()[-1], second.split()[-1]
    fills = [part.split()[0] for part in legend.split("   ")]
    assert legend.split() == [fills[0], "info", "50", fills[1], "error", "10"]
    assert (bar.count(fills[0]), bar.count(fills[1])) == (30, 10)
    assert half == fills[0] * 20


def test_split_bars_name_six_values_and_count_the_rest():
    """A legend stays readable: beyond six values the rest are one."""
    legend, _ = histogram_lines(hours({f"v{n}": 10 - n for n in range(9)}), 80)
    assert legend.endswith("3 more 9")


def test_facets_show_value_count_and_bar(encoding):
    """Each field has its table; true and numbers are shown as JSON has them."""
    lines = facet_lines({"username": [("ada", 1200), ("g\x1b", 3)], "metadata.paid": [(True, 2)]})
    assert lines[0] == "username  count"
    assert lines[1].startswith("ada       1,200  ")
    assert lines[2].startswith("g\\u001b       3  ")
    assert lines[3] == ""
    assert lines[4] == "metadata.paid  count"
    assert lines[5].startswith("true               2  ")


def test_an_empty_facet_is_its_head():
    """A field that no event has is shown with no values."""
    assert facet_lines({"username": []}) == ["username  count"]


def test_figures_that_are_near_say_so():
    """Beside each stands how far from the exact one it may be."""
    stats = Stats(
        events=30_000, users=5_000, response_time_ms={"p50": 1.5}, within={"users": 0.07, "response_time_ms": 0.01}
    )
    lines = stats_lines(stats)
    assert "users          5,000  (within 7%)" in lines
    assert "sessions       0" in lines
    assert "response time  p50 1.5 ms  (within 1%)" in lines
