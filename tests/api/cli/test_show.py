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


def seal(directory: Path) -> None:
    """Every segment but the newest is sealed, by a store that thinks it is still that day."""
    with freeze_time("2026-11-23T13:00:00Z", real_asyncio=True), Store.open(directory) as store:
        store.upkeep.seal()


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
        (["2026-11-23.jsonl"], [3, 4, 5]),
        (["2026-11-23", "2026-11-22"], [1, 2, 3, 4, 5]),
        (["2026-11-22.jsonl"], [1, 2]),
        (["2026-11-22.jsonl", "2026-11-22"], [1, 2]),
        (["2026-11-21", "2026-11-22"], [1, 2]),
        (["2026-11-22.jsonl.gz"], [1, 2]),
        (["2026-11-22.jsonl", "2026-11-22.jsonl.gz", "2026-11-22.jsonl.zst"], [1, 2]),
    ],
)
@pytest.mark.parametrize("codec", [None, "gzip", "zstd"])
def test_cat_gives_days_and_segments(run, days, names, seqs, codec, monkeypatch):
    """Days and segments come in the order of seq, each line once; sealed or not, under any of a segment's names."""
    if codec:
        monkeypatch.setenv("STONELOG_SEAL_CODEC", codec)
        seal(days)
    ended = run("cat", *names, "--dir", days)
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [line["seq"] for line in lines if line["action"] == "read"] == seqs


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


def test_F47_cat_of_a_segment_gives_all_its_lines_where_a_file_was_copied(run, days):
    """Lines that are served from another file do not end the listing, and do not stand in it."""
    events = days / "events"
    first, second = (events / f"2026-11-{day}.jsonl" for day in (22, 23))
    (line, rest), later = first.read_bytes().split(b"\n", 1), second.read_bytes()
    assert rest
    second.write_bytes(line + b"\n" + later)
    assert run("cat", "2026-11-23.jsonl", "--dir", days).stdout_bytes == line + b"\n" + later


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
        "2026-11-22.manifest.json",
        "2026-11-22.jsonl.gz/../../holds.json",
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


@pytest.mark.parametrize(("codec", "suffix"), [("gzip", ".gz"), ("zstd", ".zst")])
def test_files_shows_what_is_sealed_and_held(run, days, codec, suffix, monkeypatch):
    """Of a sealed segment: the file that is there, the codec, both sizes; of each, the holds on its day."""
    monkeypatch.setenv("STONELOG_SEAL_CODEC", codec)
    size = (days / "events/2026-11-22.jsonl").stat().st_size
    seal(days)
    run("hold", "add", "2026-11-22", "--reason", "x", "--dir", days)
    first, second, *_ = json.loads(run("files", "-o", "json", "--dir", days).stdout)["files"]
    stored = (days / f"events/2026-11-22.jsonl{suffix}").stat().st_size
    assert first == {
        "segment": "2026-11-22.jsonl",
        "file": f"2026-11-22.jsonl{suffix}",
        "day": "2026-11-22",
        "events": 2,
        "bytes": size,
        "stored_bytes": stored,
        "sealed": True,
        "codec": codec,
        "first_seq": 1,
        "last_seq": 2,
        "held": ["H1"],
    }
    assert (second["file"], second["sealed"], second["codec"], second["held"]) == ("2026-11-23.jsonl", False, None, [])
    row = run("files", "--dir", days).stdout.splitlines()[1].split()
    assert row == [f"2026-11-22.jsonl{suffix}", "2026-11-22", "2", str(size), str(stored), codec, "1..2", "H1"]


def test_files_counts_right_around_what_was_removed(run, tmp_path, monkeypatch):
    """A segment's last seq is its own, also where retention removed the segments after it."""
    for day in (1, 2, 3):
        with freeze_time(f"2020-06-0{day}T12:00:00Z", real_asyncio=True), Store.open(tmp_path / "s") as store:
            store.append_many([{"category": "api", "action": "read"}] * day)
    run("hold", "add", "2020-06-01", "--reason", "x", "--dir", "s")
    run("seal", "--dir", "s")
    monkeypatch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "1")
    run("retain", "--dir", "s")
    listed = json.loads(run("files", "-o", "json", "--dir", "s").stdout)["files"]
    assert [(row["day"], row["first_seq"], row["last_seq"], row["events"]) for row in listed[:1]] == [
        ("2020-06-01", 1, 1, 1)
    ]
    assert listed[1]["first_seq"] == 7


def test_files_lists_though_the_holds_cannot_be_read(run, days):
    """A damaged record of holds is a warning; the segments are listed, what is held is not known."""
    (days / "holds.json").write_text('{"holds":[],"hash":"0000000000000000"}\n')
    ended = run("files", "-o", "json", "--dir", days)
    assert [row["held"] for row in json.loads(ended.stdout)["files"]] == [None, None]
    assert (ended.exit_code, ended.stderr.count("\n")) == (0, 1)
    assert "holds.json" in ended.stderr


def test_files_shows_an_empty_segment(run, days):
    """A segment that was begun and has no event yet is listed with none."""
    (days / "events/2026-11-24.jsonl").touch()
    listed = json.loads(run("files", "-o", "json", "--dir", days).stdout)["files"]
    assert listed[-1] == {
        "segment": "2026-11-24.jsonl",
        "file": "2026-11-24.jsonl",
        "day": "2026-11-24",
        "events": 0,
        "bytes": 0,
        "stored_bytes": 0,
        "sealed": False,
        "codec": None,
        "held": [],
        "first_seq": None,
        "last_seq": None,
    }
    assert listed[-2]["events"] == 3


def test_files_of_an_empty_store_is_status_1(run, tmp_path):
    """No segment: status 1."""
    (tmp_path / "empty").mkdir()
    assert run("files", "--dir", "empty").exit_code == 1
