"""`search` and `tail`: forms, pages, following."""

import csv
import io
import json
import signal
import threading

import pytest

from stonelog.filestore import FIELDS, Reader, Store
from stonelog.indexer import Index


def stored(directory):
    return [line.raw for line in Reader(directory).lines()]


def test_a_pipe_gets_the_lines_as_they_are(run, store):
    """Without a terminal the output is the stored lines byte for byte, newest first."""
    ended = run("search", "--dir", store)
    assert ended.exit_code == 0
    assert ended.stdout_bytes == b"".join(line + b"\n" for line in reversed(stored(store)))


@pytest.mark.parametrize("scan", [[], ["--scan"]])
def test_order_limit_and_query(run, store, scan):
    """--order asc gives the oldest first, -n limits, the query chooses; --scan answers the same."""
    lines = stored(store)
    ended = run("search", "username:ada", "--order", "asc", "-n", "1", "--dir", store, *scan)
    assert ended.stdout_bytes == lines[0] + b"\n"


def test_several_words_are_one_query(run, store):
    """`search wrong password` needs no quotes around the whole."""
    assert run("search", "wrong", "password", "--dir", store).stdout_bytes == stored(store)[1] + b"\n"


def test_a_query_that_begins_with_a_dash_comes_after_two(run, store):
    """`search -- '-level:info'` is a query."""
    assert run("search", "-o", "jsonl", "--dir", store, "--", "-level:info").stdout.count("\n") == 3


def test_nothing_found_is_status_1(run, store):
    """A search that finds nothing prints nothing and ends with 1."""
    ended = run("search", "nothinglikeit", "--dir", store)
    assert (ended.exit_code, ended.stdout, ended.stderr) == (1, "", "")


def test_since_and_until_bound_the_time(run, tmp_path):
    """`--since` is within, `--until` is not."""
    with Store.open(tmp_path / "s") as store:
        for hour in (10, 11, 12):
            store.append(category="api", action="read", time=f"2026-11-23T{hour}:00:00Z", message=f"at {hour}")
    window = ["--since", "2026-11-23T11:00:00Z", "-U", "2026-11-23T12:00:00Z"]
    assert [json.loads(line)["message"] for line in run("search", *window, "--dir", "s").stdout.splitlines()] == [
        "at 11"
    ]


def test_json_is_one_document_with_the_lines_in_it(run, store):
    """`-o json` is {"items", "next_cursor", "indexed_seq", "durable_seq"}; the items are the stored lines."""
    ended = run("search", "-n", "2", "-o", "json", "--dir", store)
    document = json.loads(ended.stdout)
    assert list(document) == ["items", "next_cursor", "indexed_seq", "durable_seq"]
    assert [item["seq"] for item in document["items"]] == [5, 4]
    assert document["next_cursor"]
    assert document["durable_seq"] == 5
    assert stored(store)[4] in ended.stdout_bytes


def test_an_empty_json_answer_is_a_document_too(run, store):
    """`-o json` with nothing found has no items, and status 1."""
    ended = run("search", "nothinglikeit", "-o", "json", "--dir", store)
    assert ended.exit_code == 1
    assert json.loads(ended.stdout)["items"] == []


def test_cursors_lead_through_everything_once(run, store):
    """Page after page with --after-cursor gives each event once, in order."""
    seqs, cursor = [], []
    while True:
        document = json.loads(run("search", "-n", "2", "-o", "json", "--dir", store, *cursor).stdout)
        seqs += [item["seq"] for item in document["items"]]
        if document["next_cursor"] is None:
            break
        cursor = ["--after-cursor", document["next_cursor"]]
    assert seqs == [5, 4, 3, 2, 1]


def test_a_limit_beyond_a_page_is_kept(run, tmp_path):
    """-n may be more than what is asked of the index at a time."""
    with Store.open(tmp_path / "s") as store:
        store.append_many([{"category": "api", "action": "read"}] * 2345)
    for form in ("jsonl", "json", "csv", "short"):
        ended = run("search", "-n", "2300", "-o", form, "--dir", "s")
        extra = {"csv": 1, "json": 1}.get(form, 0)
        assert ended.stdout.count("\n") == 2300 + extra


def test_csv_has_a_header_and_a_row_each(run, store):
    """`-o csv` is RFC 4180: a header of all fields, CR LF, UTF-8."""
    ended = run("search", "größe", "-o", "csv", "--dir", store)
    header, row = csv.reader(io.StringIO(ended.stdout_bytes.decode(), newline=""))
    assert tuple(header) == FIELDS
    assert dict(zip(header, row, strict=True))["message"] == "größe 自由"
    assert ended.stdout_bytes.count(b"\r\n") == 2


def test_short_has_a_line_each(run, store):
    """`-o short` is one line for each event."""
    lines = run("search", "-o", "short", "--dir", store).stdout.splitlines()
    assert len(lines) == 5
    assert "ERROR    api.api_call" in lines[2]


def test_a_terminal_gets_short_lines_in_colour(terminal, store):
    """On a terminal the form is short, the level has its colour, and the way to the next page is told."""
    ended = terminal("search", "-n", "3", "--dir", store)
    assert ended.code == 0
    assert b"\x1b[31mERROR   \x1b[0m" in ended.out
    assert b"there are more: --after-cursor " in ended.out
    assert b'"seq"' not in ended.out


def test_no_color_is_respected(terminal, store):
    """NO_COLOR takes the colour away, and nothing else."""
    assert b"\x1b" not in terminal("search", "--dir", store, env={"NO_COLOR": "1"}).out


def test_a_person_is_told_that_nothing_was_found(terminal, store):
    """On a terminal an empty answer is said in words."""
    ended = terminal("search", "nothinglikeit", "--dir", store)
    assert (ended.code, ended.out) == (1, b"the files are scanned: there is no index\nnothing found\n")


@pytest.mark.parametrize(
    "command", [["search"], ["count"], ["stats"], ["facets", "level"], ["histogram"], ["tail", "-n", "2"]]
)
def test_a_person_is_told_that_the_files_are_scanned(terminal, run, store, command):
    """Once, with the reason, where there is no index or --scan says so; in a pipe, and of an index, nothing."""
    told = b"the files are scanned: "
    assert terminal(*command, "--dir", store).out.startswith(told + b"there is no index\n")
    Index.open(store).catch_up()
    assert told not in terminal(*command, "--dir", store).out
    out = terminal(*command, "--scan", "--dir", store).out
    assert out.startswith(told + b"--scan\n")
    assert out.count(told) == 1
    assert run(*command, "--scan", "--dir", store).stderr == ""


@pytest.mark.parametrize("form", ["short", "jsonl", "json", "csv"])
def test_S02_no_event_commands_the_terminal(terminal, tmp_path, form):
    """Whatever the form, text from events reaches a terminal with its controls written out."""
    with Store.open(tmp_path / "s") as store:
        store.append(category="api", action="read", message="\x1b[2J\x9b31m\u202eevil\x07", username="\x1b]0;title\x07")
    out = terminal("search", "-o", form, "--dir", "s", env={"NO_COLOR": "1"}).out.decode()
    assert "evil" in out
    assert not set("\x1b\x9b\u202e\x07") & set(out)


def test_an_index_far_behind_catches_up_first(run, tmp_path):
    """With more than 4 MiB to scan, a query indexes them; with less it does not; --scan never does."""
    with Store.open(tmp_path / "s") as store:
        store.append(category="api", action="read")
        run("search", "--dir", "s")
        assert not (tmp_path / "s/index").exists()
        store.append_many([{"category": "api", "action": "read", "message": "x" * 50_000}] * 100)
    run("search", "--scan", "--dir", "s")
    assert not (tmp_path / "s/index").exists()
    assert json.loads(run("search", "-o", "json", "-n", "1", "--dir", "s").stdout)["indexed_seq"] == 101


def test_a_query_does_not_wait_for_another_indexer(run, tmp_path, monkeypatch):
    """If another process indexes, the query scans what is missing and answers."""
    from stonelog.indexer import IndexUnavailable

    def busy(self, progress=None):
        raise IndexUnavailable("another process indexes")

    monkeypatch.setattr(Index, "catch_up", busy)
    with Store.open(tmp_path / "s") as store:
        store.append_many([{"category": "api", "action": "read", "message": "x" * 50_000}] * 100)
    assert run("count", "--dir", "s").stdout == "100\n"


def test_bad_lines_are_told_and_the_rest_is_found(run, store):
    """A line that rotted is named by file:line:offset on standard error; the good lines are the answer."""
    (segment,) = (store / "events").iterdir()
    segment.write_bytes(segment.read_bytes().replace(b"wrong password", b"wrong passw0rd"))
    ended = run("search", "--dir", store, "--scan")
    assert ended.exit_code == 0
    assert ended.stdout.count("\n") == 4
    assert f"stonelog: warning: {segment.name}:2:" in ended.stderr


def test_tail_shows_the_newest_oldest_first(run, store):
    """`tail -n 2` is the last two lines in the order of the file."""
    assert run("tail", "-n", "2", "--dir", store).stdout_bytes == b"".join(line + b"\n" for line in stored(store)[-2:])
    assert run("tail", "--dir", store).stdout_bytes == b"".join(line + b"\n" for line in stored(store))


def test_tail_takes_a_query(run, store):
    """`tail QUERY` is about matching events; nothing found is status 1."""
    assert run("tail", "username:ada", "-n", "1", "--dir", store).stdout_bytes == stored(store)[2] + b"\n"
    assert run("tail", "nothinglikeit", "--dir", store).exit_code == 1


def test_tail_on_a_terminal_is_short(terminal, store):
    """On a terminal tail gives short lines."""
    assert b"authentication.login_failed" in terminal("tail", "--dir", store).out


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_tail_follows_until_a_signal(running, store, number, status):
    """`tail -f` begins with the newest, goes on with what any process appends, and ends quietly."""
    following = running("tail", "-f", "-n", "1", "--dir", store)
    assert json.loads(following.line())["seq"] == 5
    with Store.open(store) as writer:
        writer.append(category="api", action="read", message="later")
    assert json.loads(following.line())["message"] == "later"
    assert following.end(number) == (status, b"", b"")


def test_tail_follows_what_matches(running, store):
    """With a query, only matching events are shown, from the first on."""
    following = running("tail", "-f", "username:ada", "-n", "1", "--dir", store)
    assert json.loads(following.line())["seq"] == 3
    with Store.open(store) as writer:
        writer.append(category="api", action="read", username="grace")
        writer.append(category="api", action="read", username="ada")
    assert json.loads(following.line())["seq"] == 7


def test_tail_follow_misses_and_doubles_nothing(running, tmp_path):
    """While others append, from before the start on, each event is shown once, in order."""
    with Store.open(tmp_path / "s") as writer:
        writer.append(category="api", action="read")
        stop = threading.Event()

        def append() -> None:
            while not stop.is_set():
                writer.append_many([{"category": "api", "action": "read"}] * 3)

        appending = threading.Thread(target=append)
        appending.start()
        try:
            following = running("tail", "-f", "--dir", "s")
            seqs = [json.loads(following.line())["seq"] for _ in range(300)]
        finally:
            stop.set()
            appending.join()
        following.child.kill()
    assert seqs == list(range(seqs[0], seqs[0] + 300))
