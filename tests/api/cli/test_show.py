"""`show`, `cat` and `files`."""

import json
from pathlib import Path

import pytest
from freezegun import freeze_time

from stonelog.filestore import Reader, Store


def lines(directory: Path) -> list[bytes]:
    return [line.raw for line in Reader(directory).lines()]


@pytest.fixture
def days(tmp_path):
    """A store with 2 events of one day and 3 of the next."""
    for day, count in (("2026-11-22", 2), ("2026-11-23", 3)):
        with freeze_time(f"{day}T12:00:00Z", real_asyncio=True), Store.open(tmp_path / "days") as store:
            store.append_many([{"category": "api", "action": "read", "message": day}] * count)
    return tmp_path / "days"


@pytest.mark.parametrize("scan", [[], ["--scan"]])
def test_show_gives_the_line_as_it_is(run, store, scan):
    """By seq or by id, to a pipe the event is its stored line."""
    line = lines(store)[2]
    assert run("show", "3", "--dir", store, *scan).stdout_bytes == line + b"\n"
    assert run("show", json.loads(line)["id"], "--dir", store, *scan).stdout_bytes == line + b"\n"
    assert run("show", json.loads(line)["id"].upper(), "--dir", store, *scan).stdout_bytes == line + b"\n"


@pytest.mark.parametrize(
    "key", ["6", "0", "9007199254740993", "9999999999999999", "01a2086e-8bdb-757c-bf3d-96da16eefbd9"]
)
def test_show_of_what_is_not_there_is_status_1(run, store, key):
    """No such event: nothing, status 1."""
    ended = run("show", key, "--dir", store)
    assert (ended.exit_code, ended.stdout, ended.stderr) == (1, "", "")


def test_show_as_json_is_the_same_event(run, store):
    """`-o json` is the event spread over lines."""
    ended = run("show", "4", "-o", "json", "--dir", store)
    assert json.loads(ended.stdout) == json.loads(lines(store)[3])
    assert ended.stdout.count("\n") > 5


def test_show_on_a_terminal_is_a_block(terminal, store):
    """On a terminal each field has its line."""
    out = terminal("show", "4", "--dir", store).out.decode()
    assert "metadata.order.id  17\n" in out
    assert "tags               web, eu\n" in out


@pytest.mark.parametrize("form", ["text", "json", "raw"])
def test_S02_show_commands_no_terminal(terminal, tmp_path, form):
    """Controls in an event are written out, in every form."""
    with Store.open(tmp_path / "s") as store:
        store.append(category="api", action="read", message="\x1b[2J\x9bevil", metadata={"\x1b]0;\x07": "\u202e"})
    out = terminal("show", "1", "-o", form, "--dir", "s").out.decode()
    assert "evil" in out
    assert not set("\x1b\x9b\u202e\x07") & set(out)


def test_cat_gives_everything_in_order(run, days):
    """Without names, all lines of all days."""
    assert run("cat", "--dir", days).stdout_bytes == b"".join(line + b"\n" for line in lines(days))


@pytest.mark.parametrize(
    ("names", "seqs"),
    [
        (["2026-11-22"], [1, 2]),
        (["2026-11-23"], [3, 4, 5]),
        (["2026-11-23", "2026-11-22"], [1, 2, 3, 4, 5]),
        (["2026-11-22.jsonl"], [1, 2]),
        (["2026-11-22.jsonl", "2026-11-22"], [1, 2]),
        (["2026-11-21", "2026-11-22"], [1, 2]),
    ],
)
def test_cat_gives_days_and_segments(run, days, names, seqs):
    """Days and segments come in the order of seq, each line once."""
    ended = run("cat", *names, "--dir", days)
    assert [json.loads(line)["seq"] for line in ended.stdout.splitlines()] == seqs


def test_cat_keeps_segments_of_a_day_apart(run, tmp_path, monkeypatch):
    """A numbered segment is one of its own; its day is all of them."""
    monkeypatch.setenv("STONELOG_STORE_SEGMENT_BYTES", "300")
    with Store.open(tmp_path / "s") as store:
        for _ in range(3):
            store.append(category="api", action="read", message="x" * 200)
    names = [segment.name for segment in Reader(tmp_path / "s").segments()]
    assert len(names) == 3
    assert [json.loads(run("cat", name, "--dir", "s").stdout)["seq"] for name in names] == [1, 2, 3]
    assert run("cat", names[0][:10], "--dir", "s").stdout.count("\n") == 3


def test_cat_of_a_day_without_events_is_status_1(run, days):
    """A day that is not there: nothing, status 1."""
    ended = run("cat", "2026-01-01", "--dir", days)
    assert (ended.exit_code, ended.stdout) == (1, "")


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../lock",
        "/etc/passwd",
        "2026-11-22.jsonl/../x",
        "2026-11-22\n",
        "２０２６-11-22",
        "lock",
        "%2e%2e",
        "2026-11-22.jsonl\0",
    ],
)
def test_S10_cat_takes_names_only_by_their_form(run, days, name):
    """Whatever is not a day or a segment by its form is refused before anything is opened."""
    ended = run("cat", name, "--dir", days)
    assert ended.exit_code == 2
    assert "neither a day nor a segment" in ended.stderr


def test_files_lists_the_segments(run, days):
    """`files` says for each segment its day, events, bytes and seqs."""
    listed = json.loads(run("files", "-o", "json", "--dir", days).stdout)["files"]
    assert [(row["segment"], row["events"], row["first_seq"], row["last_seq"]) for row in listed] == [
        ("2026-11-22.jsonl", 2, 1, 2),
        ("2026-11-23.jsonl", 3, 3, 5),
    ]
    assert [row["bytes"] for row in listed] == [path.stat().st_size for path in sorted((days / "events").iterdir())]
    assert [line.split() for line in run("files", "--dir", days).stdout.splitlines()][1][:3] == [
        "2026-11-22.jsonl",
        "2026-11-22",
        "2",
    ]


def test_files_shows_an_empty_segment(run, days):
    """A segment that was begun and has no event yet is listed with none."""
    (days / "events/2026-11-24.jsonl").touch()
    listed = json.loads(run("files", "-o", "json", "--dir", days).stdout)["files"]
    assert listed[-1] == {
        "segment": "2026-11-24.jsonl",
        "day": "2026-11-24",
        "events": 0,
        "bytes": 0,
        "first_seq": None,
        "last_seq": None,
    }
    assert listed[-2]["events"] == 3


def test_files_of_an_empty_store_is_status_1(run, tmp_path):
    """No segment: status 1."""
    (tmp_path / "empty").mkdir()
    assert run("files", "--dir", "empty").exit_code == 1
