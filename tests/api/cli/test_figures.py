"""`count`, `stats`, `facets`, `histogram`: for people and for machines."""

import json
import os
import signal
import subprocess
import sys

import pytest

from stonelog.filestore import Store
from stonelog.indexer import Index

SCANS = pytest.mark.parametrize("scan", [[], ["--scan"]], ids=["index", "scan"])


@SCANS
@pytest.mark.parametrize(("query", "number", "status"), [("", 5, 0), ("username:ada", 2, 0), ("nothinglikeit", 0, 1)])
def test_count_is_the_number_alone(run, store, query, number, status, scan):
    """`count` prints one number; 0 has status 1."""
    ended = run("count", query, "--dir", store, *scan)
    assert (ended.exit_code, ended.stdout) == (status, f"{number}\n")
    assert json.loads(run("count", query, "-o", "json", "--dir", store, *scan).stdout) == {"count": number}


@SCANS
def test_stats_for_machines_has_every_figure(run, store, scan):
    """`stats -o json` is the summary of the index, times as on a line."""
    document = json.loads(run("stats", "-o", "json", "--dir", store, *scan).stdout)
    with Index.open(store) as index:
        assert document["events"] == index.stats().events == 5
        assert document["last_time"] == index.stats().last_time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert document["errors"] == 1
    assert document["by_level"] == {"info": 2, "warning": 1, "error": 1, "debug": 1}
    assert document["response_time_ms"]["p50"] == 12.5
    assert document["risk_score"]["max"] <= 100


def test_stats_for_people(run, store):
    """`stats` has a line for each figure that there is."""
    text = run("stats", "--dir", store).stdout
    assert "events" in text
    assert "1 (20.0%)" in text
    assert "info 2  debug 1  error 1  warning 1" in text
    assert "p95 12.5 ms" in text
    assert "risk score     mean 11.5  max 15" in text


def test_stats_of_nothing_is_status_1(run, store):
    """No events: figures of 0, status 1."""
    ended = run("stats", "nothinglikeit", "-o", "json", "--dir", store)
    assert ended.exit_code == 1
    assert json.loads(ended.stdout)["events"] == 0


@SCANS
def test_facets_for_machines(run, store, scan):
    """`facets -o json` gives values with counts for each field, the highest first."""
    document = json.loads(run("facets", "username", "status_code", "-o", "json", "--dir", store, *scan).stdout)
    assert document == {
        "facets": {
            "username": [{"value": "ada", "count": 2}, {"value": "grace", "count": 1}],
            "status_code": [{"value": 500, "count": 1}],
        }
    }


def test_facets_take_a_query_and_a_limit(run, store):
    """-q restricts the events, -n the values."""
    text = run("facets", "username", "-q", "category:authentication", "-n", "1", "--dir", store).stdout
    assert text.splitlines()[0].split() == ["username", "count"]
    assert len(text.splitlines()) == 2
    assert run("facets", "username", "-q", "nothinglikeit", "--dir", store).exit_code == 1


@pytest.fixture
def hours(tmp_path):
    """A store with 3 events at 10, none at 11 and 1 at 12 o'clock."""
    with Store.open(tmp_path / "hours") as store:
        for time, level in [("10:00", "info"), ("10:59", "info"), ("10:30", "error"), ("12:00", "info")]:
            store.append(category="api", action="read", level=level, time=f"2026-11-23T{time}:00Z")
    return tmp_path / "hours"


@SCANS
def test_histogram_for_machines(run, hours, scan):
    """`histogram -o json` gives each step's start and count, empty ones included."""
    document = json.loads(run("histogram", "-o", "json", "--dir", hours, *scan).stdout)
    assert document == {
        "step": "1h",
        "buckets": [
            {"start": "2026-11-23T10:00:00.000000Z", "count": 3},
            {"start": "2026-11-23T11:00:00.000000Z", "count": 0},
            {"start": "2026-11-23T12:00:00.000000Z", "count": 1},
        ],
    }


def test_histogram_by_a_field(run, hours):
    """--by splits each step by the field's values."""
    document = json.loads(run("histogram", "--by", "level", "-o", "json", "--dir", hours).stdout)
    assert document["by"] == "level"
    assert document["buckets"][0] == {"start": "2026-11-23T10:00:00.000000Z", "counts": {"info": 2, "error": 1}}


def test_histogram_for_people(run, hours):
    """A line for each step with a bar; --by begins with the legend."""
    lines = run("histogram", "--dir", hours).stdout.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["2026-11-23", "10:00Z", "3"],
        ["2026-11-23", "11:00Z", "0"],
        ["2026-11-23", "12:00Z", "1"],
    ]
    assert "info 3" in run("histogram", "--by", "level", "--dir", hours).stdout.splitlines()[0]


def test_histogram_fits_the_terminal(terminal, hours):
    """Bars end where the terminal does."""
    out = terminal("histogram", "--dir", hours, env={"COLUMNS": "50"}).out.decode()
    assert max(len(line) for line in out.splitlines()) == 50


def test_histogram_of_nothing_is_status_1(run, hours):
    """No events: nothing, status 1."""
    ended = run("histogram", "nothinglikeit", "--dir", hours)
    assert (ended.exit_code, ended.stdout) == (1, "")


def test_figures_take_a_window(run, hours):
    """-S and -U bound the time for each of them."""
    window = ["-S", "2026-11-23T10:30:00Z", "-U", "2026-11-23T12:00:00Z", "--dir", hours]
    assert run("count", *window).stdout == "2\n"
    assert json.loads(run("stats", "-o", "json", *window).stdout)["events"] == 2
    assert json.loads(run("histogram", "-o", "json", *window).stdout)["buckets"][0]["count"] == 2
    assert len(json.loads(run("facets", "level", "-o", "json", *window).stdout)["facets"]["level"]) == 2


ENDLESS = """
import sys
from stonelog.api.cli import main
from stonelog.indexer.view import View

def count(view, question):
    print("inside", flush=True)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    shard = view.opened(next(part.key for part in view.parts if part.key))
    return shard.connection.execute(endless).fetchone()[0]

View.count = count
main()
"""


def test_ctrl_c_ends_a_query_that_is_inside_sqlite(run, store):
    """However long SQLite would go on, the program ends with 130 and in silence."""
    assert run("reindex", "--dir", store).exit_code == 0
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS, "count", "--dir", store],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as counting:
        assert counting.stdout.readline() == b"inside\n"
        counting.send_signal(signal.SIGINT)
        try:
            assert counting.communicate(timeout=60) == (b"", b"")
        finally:
            counting.kill()
    assert counting.returncode == 130
