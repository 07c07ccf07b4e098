"""Hostile JSON and texts of many scripts: in, on one line each, found, and out again byte for byte."""

import gzip
import json
import subprocess
import tarfile

import pytest

from stonelog.filestore import Reader
from stonelog.indexer import Index


def events_of(texts):
    return "".join(
        json.dumps({"category": "api", "action": "read", "message": text, "metadata": {"text": text}}) + "\n"
        for text in texts
    )


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def words_of(text):
    return sorted(text.split(), key=len, reverse=True)[:2]


@pytest.fixture(params=["naughty strings", "16 languages"])
def texts(request, shared):
    """The texts of one collection, without the empty one."""
    if request.param == "naughty strings":
        return [text for text in json.loads(shared("unicode/blns.json").read_text(encoding="utf-8")) if text]
    lines = gzip.decompress(shared("unicode/udhr_16_languages.jsonl.gz").read_bytes()).decode().split("\n")
    return [json.loads(line)["text"] for line in lines if line]


def test_texts_come_back(stonelog, quick, texts, tmp_path):
    """`show` gives each text as it went in, `grep` and `wc` see one line each, and a word of each finds it."""
    done = stonelog("ingest", "-", input=events_of(texts))
    assert (done.code, done.err) == (0, "")
    (segment,) = (tmp_path / "store/events").iterdir()
    for command in (["wc", "-l", segment], ["grep", "-a", "-c", "^{", segment], ["grep", "-a", "-c", "}$", segment]):
        assert subprocess.run(command, capture_output=True, text=True).stdout.split()[0] == str(len(texts))
    events = [json.loads(line) for line in quick("cat").stdout_bytes.split(b"\n")[:-1]]
    assert [(event["message"], event["metadata"]["text"]) for event in events] == [(text, text) for text in texts]
    for seq, text in list(enumerate(texts, 1))[:: 1 + len(texts) // 500]:
        shown = quick("show", seq)
        assert shown.exit_code == 0
        event = json.loads(shown.stdout_bytes)
        assert (event["seq"], event["message"], event["metadata"]) == (seq, text, {"text": text})
    assert quick("reindex").exit_code == 0
    store = tmp_path / "store"
    with Index.open(store) as index, Index.open(store, scan=True) as scanning:
        for seq, text in enumerate(texts, 1):
            for word in words_of(text)[:1]:
                page = index.search(quoted(word), limit=1000)
                assert page.indexed_seq == len(texts)
                assert seq in [event.seq for event in page.events], word
        for text in texts[:: len(texts) // 40]:
            for word in words_of(text):
                assert index.count(quoted(word)) == scanning.count(quoted(word)), word
    found = quick("search", "-o", "jsonl", "-n", "1000", "--", quoted(words_of(texts[-1])[0]))
    assert str(len(texts)) in [str(json.loads(line)["seq"]) for line in found.stdout.split("\n") if line]


SUBSTRINGS = {"自由": 50, "権利": 41, "자유": 25, "สิทธิ": 47}
WORDS = ["свободу", "δικαίωμα", "حقوق", "אדם", "hakkı", "liberté"]


def test_words_of_other_scripts(stonelog, quick, shared, shell):
    """As often as grep finds it: as a substring where words are not spaced, as a word elsewhere; by index and scan."""
    log = shared("unicode/udhr_16_languages.jsonl.gz")
    texts = [json.loads(line)["text"] for line in gzip.decompress(log.read_bytes()).decode().split("\n") if line]
    assert stonelog("ingest", "-", input=events_of(texts)).code == 0

    def counts():
        return {word: int(quick("count", word).stdout) for word in (*SUBSTRINGS, *WORDS)}

    scanned = counts()
    assert quick("reindex").exit_code == 0
    assert counts() == scanned
    for word, count in SUBSTRINGS.items():
        assert scanned[word] == count == int(shell(f"zcat \"$1\" | grep -c -F '{word}'", log))
    for word in WORDS:
        assert scanned[word] >= int(shell(f"zcat \"$1\" | grep -c -i -w '{word}'", log)) > 0


def test_the_json_suite(stonelog, shared, tmp_path):
    """S4: no file of the suite is an event of ours; each is refused by name with a reason, and nothing of it is kept
    but in quarantine; nothing ends in a traceback."""
    with tarfile.open(shared("json/JSONTestSuite_test_parsing.tar.gz")) as archive:
        files = {}
        for member in archive:
            if member.isfile():
                path = tmp_path / "suite" / member.name.rpartition("/")[2]
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(archive.extractfile(member).read())
                files[path.name] = path
    assert len(files) == 318
    kinds = {
        kind: [path for name, path in sorted(files.items()) if name.startswith(kind)] for kind in ("n_", "y_", "i_")
    }
    for paths in kinds.values():
        done = stonelog("ingest", *paths)
        assert done.code == 2
        assert "Traceback" not in done.err
        result = json.loads(done.out.splitlines()[-1])
        assert result["appended"] == 0
    one = stonelog("ingest", files["n_structure_open_array_object.json"])
    assert (one.code, one.err.count("\n")) == (2, 1)
    assert "n_structure_open_array_object.json" in one.err
    two = stonelog("ingest", files["y_object.json"])
    assert (two.code, two.err.count("\n")) == (2, 1)
    assert Reader(tmp_path / "store").last_seq == 0
    kept = list((tmp_path / "store/quarantine").glob("*.json"))
    named = " ".join(json.loads(path.read_text())["file"] for path in kept)
    for name, path in files.items():
        if path.read_bytes().strip():
            assert name in named, name


def test_good_lines_among_bad_ones(stonelog, shared, tmp_path):
    """Bad lines never stop a run: those before and after go in, and each bad one is named with its number."""
    with tarfile.open(shared("json/JSONTestSuite_test_parsing.tar.gz")) as archive:
        bad = [
            archive.extractfile(member).read() for member in archive if "/n_" in member.name or member.name[:2] == "n_"
        ]
    bad = [data for data in bad if data.strip() and b"\n" not in data and len(data) < 1000][:100]
    good = events_of(["good"]).encode()
    (tmp_path / "mixed.jsonl").write_bytes(b"".join(good + data + b"\n" for data in bad) + good)
    done = stonelog("ingest", tmp_path / "mixed.jsonl")
    assert "Traceback" not in done.err
    result = json.loads(done.out.splitlines()[-1])
    assert (result["read"], result["appended"], result["rejected"]) == (2 * len(bad) + 1, len(bad) + 1, len(bad))
    (kept,) = (tmp_path / "store/quarantine").glob("*.json")
    assert [line["line"] for line in json.loads(kept.read_text())["lines"]] == list(range(2, 2 * len(bad) + 1, 2))
    assert stonelog("count", "good").out == f"{len(bad) + 1}\n"
