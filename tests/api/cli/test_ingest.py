"""`ingest`: what it prints and how it ends. The formats have tests of their own."""

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
from itertools import islice

import pytest

from stonelog.api.cli.ingest import FORMATS
from stonelog.api.ingest import FORMATS as REAL_FORMATS
from stonelog.filestore import Reader

GOOD = '{"category":"api","action":"read","message":"one"}\n{"category":"api","action":"read","message":"two"}\n'
LINE = '203.0.113.7 - ada [23/Nov/2026:14:05:06 +0000] "GET /x HTTP/1.1" 200 12 "-" "curl"\n'


def summary(ended):
    """The document on the last line of standard output."""
    return json.loads(ended.stdout.splitlines()[-1])


def test_the_formats_are_those_that_there_are():
    """--help names exactly the formats that can be read."""
    assert set(FORMATS) == set(REAL_FORMATS)


def test_the_last_line_is_the_summary(run, tmp_path):
    """Standard output ends with JSON: read, appended, rejected, seconds; standard error is empty when all was taken."""
    (tmp_path / "a.jsonl").write_text(GOOD)
    ended = run("ingest", "a.jsonl")
    assert (ended.exit_code, ended.stderr) == (0, "")
    said = summary(ended)
    assert isinstance(said.pop("seconds"), float)
    assert said == {"read": 2, "appended": 2, "rejected": 0, "quarantine": []}
    assert [json.loads(line.raw)["message"] for line in Reader("data").lines()] == ["one", "two"]


@pytest.mark.parametrize("source", [["-"], []])
def test_standard_input_is_a_source(run, source):
    """`-`, and no file at all, is standard input."""
    assert summary(run("ingest", *source, input=GOOD))["appended"] == 2


def test_several_files_and_compressed_ones(run, tmp_path):
    """Files are taken in their order; .gz is read as it is."""
    (tmp_path / "a.log").write_text(LINE)
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(LINE.encode() * 2))
    assert summary(run("ingest", "--format", "combined", "a.log", "b.log.gz"))["appended"] == 3


def test_refused_lines_are_told_in_one_line(run, tmp_path):
    """A warning names how many, the first with file:line and reason, and the quarantine file; the status is 0."""
    (tmp_path / "a.jsonl").write_text(GOOD + "nonsense\n{}\n")
    ended = run("ingest", "a.jsonl")
    assert ended.exit_code == 0
    said = summary(ended)
    assert (said["read"], said["appended"], said["rejected"]) == (4, 2, 2)
    (kept,) = said["quarantine"]
    assert (tmp_path / "data/quarantine" / kept).read_text() == "nonsense\n{}\n"
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("stonelog: warning: 2 of 4 lines were refused, first a.jsonl:3: ")
    assert ended.stderr.endswith(f"; kept in quarantine/{kept}\n")


def test_nothing_appended_is_an_error(run, tmp_path):
    """If every line is refused the status is 2, the line of error has file:line and reason, the summary is there."""
    (tmp_path / "a.jsonl").write_text('{"category":"api"}\n')
    ended = run("ingest", "a.jsonl")
    assert ended.exit_code == 2
    assert summary(ended)["rejected"] == 1
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith(
        "stonelog: nothing was appended: all 1 of 1 line was refused, first a.jsonl:1: action"
    )


@pytest.mark.parametrize("content", ["", "\n\n \n"])
def test_empty_input_is_an_error(run, content):
    """No events at all is status 2 and a line that says so."""
    ended = run("ingest", "-", input=content)
    assert ended.exit_code == 2
    assert summary(ended)["read"] == 0
    assert ended.stderr.startswith("stonelog: nothing was appended: there are no events in standard input")


def test_an_unreadable_file_stops_before_anything_is_done(run, tmp_path):
    """If one of the files cannot be read nothing is appended and no store is made."""
    (tmp_path / "a.jsonl").write_text(GOOD)
    for absent, reason in (("absent.jsonl", "No such file or directory"), (".", "Is a directory")):
        ended = run("ingest", "a.jsonl", absent)
        assert (ended.exit_code, ended.stdout) == (2, "")
        assert ended.stderr == f"stonelog: {absent}: {reason}\n"
        assert not (tmp_path / "data").exists()


def test_a_map_translates_foreign_json(run, tmp_path):
    """--map gives our fields from theirs."""
    (tmp_path / "map.toml").write_text(
        '[fields]\nusername = "user.name"\n[constants]\ncategory = "api"\naction = "read"\n'
    )
    ended = run("ingest", "--map", "map.toml", "-", input='{"user":{"name":"ada"}}\n')
    assert ended.exit_code == 0, ended.stderr
    assert json.loads(next(Reader("data").lines()).raw)["username"] == "ada"


def test_ctrl_c_keeps_what_was_appended(tmp_path):
    """Events of a live pipe are in the store as they come; Ctrl-C ends quietly with 130."""
    child = subprocess.Popen(
        [sys.executable, "-m", "stonelog.api.cli", "ingest", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        cwd=tmp_path,
    )
    try:
        child.stdin.write(GOOD.encode())
        child.stdin.flush()
        came = [event.message for event in islice(Reader("data").follow(), 2)]
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 130
        assert (came, child.stdout.read(), child.stderr.read()) == (["one", "two"], b"", b"")
    finally:
        child.kill()
        child.communicate()


def test_a_named_pipe_is_a_source(tmp_path, process):
    """A pipe with a name is read once, from its beginning."""
    os.mkfifo(tmp_path / "pipe")
    writing = threading.Thread(target=lambda: (tmp_path / "pipe").write_text(GOOD))
    writing.start()
    ended = process("ingest", "pipe")
    writing.join()
    assert ended.code == 0, ended.err
    assert json.loads(ended.out.splitlines()[-1])["appended"] == 2


def test_a_terminal_gets_no_progress_for_short_input(terminal, tmp_path):
    """Progress is for long work only."""
    (tmp_path / "a.jsonl").write_text(GOOD)
    assert terminal("ingest", "a.jsonl").out.count(b"\n") == 1


def test_one_refused_line_of_several_is_told_in_words(run, tmp_path):
    """The verb goes with what was refused, the noun with what was read; a field that is not there is called missing."""
    (tmp_path / "a.jsonl").write_text('{"category":"api","action":"read"}\n{"category":"api"}\n')
    ended = run("ingest", tmp_path / "a.jsonl", "--dir", tmp_path / "s")
    assert ended.exit_code == 0
    assert "1 of 2 lines was refused" in ended.stderr
    assert "a.jsonl:2: action: missing: it is required" in ended.stderr
