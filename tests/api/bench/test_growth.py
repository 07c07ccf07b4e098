"""What an earlier run wrote, beside this one."""

import json

import pytest

from stonelog.api.bench import Earlier, Figure, Machine, as_document
from stonelog.filestore import StonelogError

MACHINE = Machine("CPython 3.11.9", "Linux 6.1", "Some CPU", 2, "ext4", "3.45.0")


def figures(ours: float) -> list[Figure]:
    return [
        Figure.of("rare word", "s", [ours], "its p50", [0.001]),
        Figure.of("rare word", "s", [ours], "SQLite", [0.002]),
        Figure.of("missed", "events", [0], "asked for", [5]),
    ]


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "small.json"
    document = as_document("query", MACHINE, figures(0.002), events=1_000, rounds=1, seconds=1)
    path.write_text(json.dumps(document))
    return path


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_growth_is_told_of_ours_and_of_each_reference(written):
    """What both runs have, ours once, then each reference: then, now, how many times that is; what was 0 has none."""
    later = [
        Figure.of("rare word", "s", [0.005], "its p50", [0.004]),
        Figure.of("rare word", "s", [0.005], "SQLite", [0.003]),
        Figure.of("rare word", "s", [0.005], "DuckDB", [0.003]),
        Figure.of("missed", "events", [1], "asked for", [50]),
        Figure.of("new", "s", [1], "x", [1]),
    ]
    head, *rows = Earlier.read(written, "query").lines(later, 10_000)
    assert cells(head) == ["measure", "of", "1,000 events", "10,000 events", "times"]
    assert [cells(row) for row in rows] == [
        ["rare word", "ours", "2 ms", "5 ms", "2.50"],
        ["rare word", "its p50", "1 ms", "4 ms", "4.00"],
        ["rare word", "SQLite", "2 ms", "3 ms", "1.50"],
        ["missed", "asked for", "5", "50", "10.00"],
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"benchmark": "index", "events": 1, "figures": []}'], ids=str)
def test_another_file_is_refused(tmp_path, text):
    """A file that the same benchmark did not write is an error that names it."""
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(StonelogError, match=r"other\.json: `stonelog bench query -o` did not write it"):
        Earlier.read(path, "query")
