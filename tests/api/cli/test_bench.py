"""`bench`: its options, what it prints and writes, and that nothing is left."""

import json
import os
import signal
import tempfile
import time
from pathlib import Path

import pytest

from stonelog.api import bench
from stonelog.api.bench import Figure, Target


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, int]]:
    """Where and how much was measured: the measuring itself is replaced by two figures."""
    calls: list[tuple[Path, int]] = []

    def measure(place, events, *, rounds, tell):
        calls.append((place, events))
        (place / "left behind").touch()
        tell("it", 1, rounds)
        yield Figure.of("append", "events/s", [500.0], "bare", [1000.0], Target("least", 0.6))
        yield Figure.of("emit", "s", [1e-6], "logging", [2e-6], Target("most", 1))

    monkeypatch.setattr(bench, "measure_append", measure)
    return calls


def test_it_prints_a_table(run, measured, tmp_path):
    """The table is the output; a missed target is shown, and the status is 0 all the same."""
    ended = run("bench", "append", "--dir", tmp_path)
    assert ended.exit_code == 0
    assert "MISSED" in ended.stdout
    assert "1 µs" in ended.stdout
    assert ended.stderr == ""


def test_it_makes_its_place_in_the_directory_and_removes_it(run, measured, tmp_path):
    """--dir is where, before the command too; after the run it is as before."""
    (tmp_path / "mine").touch()
    run("bench", "append", "--dir", tmp_path)
    run("--dir", tmp_path, "bench", "append")
    assert [place.parent for place, _ in measured] == [tmp_path, tmp_path]
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]


def test_the_place_for_temporary_files_is_the_default(run, measured, monkeypatch, tmp_path):
    """Without --dir it is not the user's store but the system's directory for temporary files."""
    monkeypatch.setenv("STONELOG_DIR", str(tmp_path / "store"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run("bench", "append")
    assert [place.parent for place, _ in measured] == [tmp_path]


def test_events_scales_the_run(run, measured, tmp_path):
    """--events is handed on."""
    run("bench", "append", "--events", 5000, "--dir", tmp_path)
    assert [events for _, events in measured] == [5000]


def test_the_figures_are_written_as_json_too(run, measured, tmp_path):
    """-o FILE has the figures, the machine and the size of the run."""
    run("bench", "append", "--dir", tmp_path, "-o", "figures.json", "--events", 7000)
    document = json.loads(Path("figures.json").read_text())
    assert document["events"] == 7000
    assert [(figure["name"], figure["met"]) for figure in document["figures"]] == [("append", False), ("emit", True)]
    assert document["machine"]["python"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--events", "0"], "--events"),
        (["--dir", "nowhere"], "nowhere is not a directory"),
        (["-o", "no/such/place.json"], "no/such/place.json"),
        (["-o", "."], "cannot be a file"),
    ],
    ids=str,
)
def test_a_mistake_is_told_before_anything_is_measured(run, measured, arguments, named):
    """A wrong option is status 2 and one line, at once."""
    ended = run("bench", "append", *arguments)
    assert ended.exit_code == 2
    assert named in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert measured == []


def test_an_error_of_the_disk_is_status_2_and_leaves_nothing(run, monkeypatch, tmp_path):
    """If measuring fails, that is one line, and what was made is gone."""

    def fail(place, events, **more):
        (place / "half").touch()
        raise OSError(28, "No space left on device", str(place / "half"))

    monkeypatch.setattr(bench, "measure_append", fail)
    ended = run("bench", "append", "--dir", tmp_path)
    assert ended.exit_code == 2
    assert "No space left" in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_ended_by_a_signal_it_leaves_nothing(running, tmp_path, number, status):
    """SIGTERM and Ctrl-C end it at once, and what was made is gone."""
    place = tmp_path / "place"
    place.mkdir()
    child = running("bench", "append", "--dir", place, "--events", 10_000)
    deadline = time.monotonic() + 30
    while not any(place.glob("*/*/*")):  # until it is at work
        assert child.child.poll() is None
        assert time.monotonic() < deadline
        os.sched_yield()
    assert child.end(number).code == status
    assert list(place.iterdir()) == []


@pytest.fixture
def indexed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, Path | None]]:
    """Which of the two benchmarks of the index was measured, how much, and where its events are kept."""
    calls: list[tuple[str, int, Path | None]] = []

    def measured(name):
        def measure(place, *, events, keep, tell, rounds=0):
            calls.append((name, events, keep))
            yield Figure.of(
                "rare word, p95", "s", [0.002 * events], "its p50", [0.001], Target("most", 0.003, of="ours")
            )

        return measure

    monkeypatch.setattr(bench, "measure_index", measured("index"))
    monkeypatch.setattr(bench, "measure_query", measured("query"))
    return calls


@pytest.mark.parametrize("name", ["index", "query"])
def test_the_benchmarks_of_the_index_take_a_million_events(run, indexed, tmp_path, name):
    """The default size is that of the targets; --events changes it, --keep says to leave the events in --dir."""
    ended = run("bench", name, "--dir", tmp_path)
    run("bench", name, "--dir", tmp_path, "--events", 70, "--keep")
    assert indexed == [(name, 1_000_000, None), (name, 70, tmp_path)]
    assert ended.exit_code == 0
    assert "MISSED" in ended.stdout


@pytest.mark.parametrize("name", ["index", "query"])
def test_a_run_is_shown_against_a_smaller_one(run, indexed, tmp_path, name):
    """--against FILE shows how many times each figure is what it was in the run that wrote the file."""
    run("bench", name, "--dir", tmp_path, "--events", 10, "-o", "small.json")
    assert json.loads(Path("small.json").read_text())["benchmark"] == name
    shown = run("bench", name, "--dir", tmp_path, "--events", 25, "--against", "small.json").stdout
    assert "10 events" in shown
    assert "2.50" in shown
    other = {"index": "query", "query": "index"}[name]
    refused = run("bench", other, "--dir", tmp_path, "--against", "small.json")
    assert refused.exit_code == 2
    assert "small.json" in refused.stderr
    assert len(indexed) == 2


def test_the_verdict_of_each_question_is_shown_and_written(run, monkeypatch, tmp_path):
    """Against the best peer: a line in a table of its own, and in the document."""

    def measure(place, *, events, keep, tell):
        for peer, seconds in (("SQLite rows + FTS5", 0.001), ("DuckDB, loaded", 0.004)):
            yield Figure.of("rare word, p95", "s", [0.002], peer, [seconds], Target("most", 1))

    monkeypatch.setattr(bench, "measure_query", measure)
    shown = run("bench", "query", "--dir", tmp_path, "-o", "figures.json").stdout
    assert "Ahead of the best peer in 0 of 1." in shown
    (verdict,) = json.loads(Path("figures.json").read_text())["verdicts"]
    assert (verdict["name"], verdict["peer"], verdict["times"], verdict["ahead"]) == (
        "rare word, p95",
        "SQLite rows + FTS5",
        2,
        False,
    )


def test_the_group_alone_says_what_can_be_measured(run):
    """`stonelog bench` names its benchmarks."""
    ended = run("bench", "--help")
    assert ended.exit_code == 0
    assert all(name in ended.stdout for name in ("append", "index", "query"))


def test_a_person_sees_what_is_being_measured(run, measured, monkeypatch, tmp_path):
    """On a terminal standard error names the measure and the round, in one line that is wiped at the end."""
    monkeypatch.setattr("stonelog.api.cli.bench.is_terminal", lambda stream: True)
    shown = run("bench", "append", "--dir", tmp_path).stderr
    assert "it: round 1 of 5" in shown
    assert shown.endswith("\r\x1b[K")
