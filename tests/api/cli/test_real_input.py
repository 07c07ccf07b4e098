"""Real and hostile input through the command line, from the files in to the lines out."""

import gzip
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from stonelog.filestore import Reader

DATA = Path(__file__).parents[3] / "../shared/data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data is not here")


def suite(prefix):
    """The files of the JSON suite whose names begin so."""
    with tarfile.open(DATA / "json/JSONTestSuite_test_parsing.tar.gz") as archive:
        return {
            Path(member.name).name: archive.extractfile(member).read()
            for member in archive
            if member.isfile() and Path(member.name).name.startswith(prefix)
        }


def test_S04_no_invalid_json_gets_in(run, tmp_path):
    """Every n_ file of the JSON suite: status 2, one line of error with file:line, nothing in the store."""
    for name, content in suite("n_").items():
        (tmp_path / name).write_bytes(content)
        ended = run("ingest", name, "--dir", "s")
        assert ended.exit_code == 2, name
        assert ended.stderr.count("\n") == 1, name
        assert "defect" not in ended.stderr, (name, ended.stderr)
        assert name in ended.stderr
    assert Reader(tmp_path / "s").last_seq == 0


def test_S04_valid_json_that_is_no_event_is_refused_by_name(run, tmp_path):
    """Every y_ file of the JSON suite: none is an event of ours, and one line of error says why."""
    for name, content in suite("y_").items():
        (tmp_path / name).write_bytes(content)
        ended = run("ingest", name, "--dir", "s")
        assert ended.exit_code == 2, name
        assert ended.stderr.count("\n") == 1, name
        assert "defect" not in ended.stderr, (name, ended.stderr)


def test_naughty_strings_come_back_byte_for_byte(run, tmp_path):
    """Each naughty string is one line for grep, and `show` gives back the text that went in."""
    texts = [text for text in json.loads((DATA / "unicode/blns.json").read_text(encoding="utf-8")) if text]
    source = "".join(json.dumps({"category": "api", "action": "read", "message": text}) + "\n" for text in texts)
    assert run("ingest", "-", "--dir", "s", input=source).exit_code == 0
    grep = subprocess.run(["grep", "-c", "-a", '"seq":', *(tmp_path / "s/events").iterdir()], capture_output=True)
    assert int(grep.stdout) == len(texts)
    for seq, text in enumerate(texts, start=1):
        shown = run("show", seq, "--dir", "s").stdout_bytes
        assert shown.count(b"\n") == 1
        assert json.loads(shown)["message"] == text


def test_combined_counts_are_those_of_awk(run):
    """10,000 lines of a real access log: counts by status, top path and top address as `zcat | awk` gives them."""
    log = DATA / "access/apache_combined.log.gz"
    ended = run("ingest", "--format", "combined", log, "--dir", "s")
    assert json.loads(ended.stdout.splitlines()[-1])["appended"] == 10_000
    fields = "status_code", "path", "ip_address"
    found = json.loads(run("facets", *fields, "-n", "20", "-o", "json", "--dir", "s").stdout)["facets"]
    for field, column in zip(fields, ("$9", "$7", "$1"), strict=True):
        awk = f"zcat '{log}' | awk '{{ n[{column}]++ }} END {{ for (v in n) print n[v], v }}' | sort -rn | head -1"
        count, value = subprocess.run(awk, shell=True, capture_output=True, text=True).stdout.split()
        assert (str(found[field][0]["value"]), found[field][0]["count"]) == (value, int(count))
    lines = gzip.decompress(log.read_bytes()).split(b"\n")
    for row in found["status_code"]:
        own = sum(bool(re.search(rb'" %d ' % row["value"], line)) for line in lines)
        assert row["count"] == own == int(run("count", f"status_code:{row['value']}", "--dir", "s").stdout)


@pytest.mark.parametrize(
    ("word", "count"), [("自由", 50), ("権利", 41), ("자유", 25), ("สิทธิ", 47), ("liberté", None), ("حقوق", None)]
)
def test_words_of_many_languages_are_found(run, tmp_path, word, count):
    """A word of each language is found from the command line, as often as grep finds it where words are substrings."""
    source = gzip.decompress((DATA / "unicode/udhr_16_languages.jsonl.gz").read_bytes()).decode()
    texts = [next(value for key, value in json.loads(line).items() if key == "text") for line in source.splitlines()]
    events = "".join(json.dumps({"category": "api", "action": "read", "message": text}) + "\n" for text in texts)
    assert run("ingest", "-", "--dir", "s", input=events).exit_code == 0
    number = int(run("count", word, "--dir", "s").stdout)
    assert number == count if count else number > 0
