"""`seal`, `retain` and `hold`."""

import fcntl
import json
import os
import re
from pathlib import Path

import pytest
from freezegun import freeze_time

from stonelog.filestore import Reader, Store
from stonelog.filestore import files as seam


@pytest.fixture
def days(tmp_path):
    """A store with 1, 2 and 3 events on three days that are long over."""
    for day in (1, 2, 3):
        with freeze_time(f"2020-06-0{day}T12:00:00Z", real_asyncio=True), Store.open(tmp_path / "days") as store:
            store.append_many([{"category": "api", "action": "read", "message": "x" * 200}] * day)
    return tmp_path / "days"


@pytest.fixture
def sealed(days, run):
    assert run("seal", "--dir", days).exit_code == 0
    return days


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def archives(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "events").glob("*.jsonl.*"))


def test_seal_seals_the_days_that_are_over(run, days):
    """Each day before today is sealed, a line for each; the summary says what became of the bytes."""
    lines = [line.raw for line in Reader(days).lines()]
    ended = run("seal", "--dir", days)
    assert (ended.exit_code, ended.stderr) == (0, "")
    heads, *rows, summary = ended.stdout.splitlines()
    assert heads.split() == ["file", "events", "bytes", "stored", "share"]
    assert [row.split()[:2] for row in rows] == [[f"2020-06-0{day}.jsonl.gz", f"{day}"] for day in (1, 2, 3)]
    assert re.fullmatch(r"3 segments sealed: [\d,]+ bytes take [\d,]+ \(\d+%\)", summary)
    assert archives(days) == [f"2020-06-0{day}.jsonl.gz" for day in (1, 2, 3)]
    assert [line.raw for line in Reader(days).lines()][:6] == lines


def test_seal_with_nothing_to_seal_is_done(run, sealed):
    """A second run changes nothing and ends with 0, as a cron job needs it."""
    before = files(sealed)
    ended = run("seal", "--dir", sealed)
    assert (ended.exit_code, ended.stdout) == (0, "nothing to seal: every segment that is written no more is sealed\n")
    assert json.loads(run("seal", "-o", "json", "--dir", sealed).stdout) == {"sealed": []}
    assert files(sealed) == before


def test_seal_all_seals_what_was_written_today(run, store):
    """`--all` begins a new segment, so that every event that was there is in a sealed one."""
    assert archives(store) == []
    document = json.loads(run("seal", "--all", "-o", "json", "--dir", store).stdout)
    (row,) = document["sealed"]
    (archive,) = archives(store)
    assert {**row, "bytes": 0, "stored_bytes": 0} == {
        "file": archive,
        "codec": "gzip",
        "events": 5,
        "first_seq": 1,
        "last_seq": 5,
        "bytes": 0,
        "stored_bytes": 0,
    }
    assert row["stored_bytes"] == (store / "events" / archive).stat().st_size
    assert row["bytes"] == Reader(store).segments()[0].size


def test_sealing_tells_how_far_it_has_come(days):
    """What the display of progress is given counts plain bytes, to their sum."""
    told = []
    with Store.open(days) as store:
        total = sum(segment.size for segment in Reader(days).segments()[:-1])
        store.upkeep.seal(progress=lambda done, whole: told.append((done, whole)))
    assert [whole for _, whole in told] == [total] * 2
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (total, total)


def test_F26_seal_beside_another_is_one_line(run, days):
    """While another process is at the upkeep: status 2, one line that says so, and nothing changed."""
    with open(days / "upkeep.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = files(days / "events")
        for command in (
            ["seal"],
            ["retain"],
            ["hold", "add", "2020-06-01", "--reason", "x"],
            ["hold", "release", "H1"],
        ):
            ended = run(*command, "--dir", days)
            assert (ended.exit_code, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
            assert "another process is sealing, pruning or changing holds" in ended.stderr
    after = files(days / "events")
    assert {name: after[name] for name in before} == before
    assert archives(days) == []


def test_appending_beside_a_sealing_is_quiet(run, days):
    """That another process is sealing is no matter for one that appends: no warning."""
    with open(days / "upkeep.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = run("append", "api", "read", "--dir", days)
    assert (ended.exit_code, ended.stderr) == (0, "")


def test_retain_without_settings_removes_nothing(run, sealed):
    """No setting, no removal: status 0."""
    before = files(sealed)
    ended = run("retain", "--dir", sealed)
    assert (ended.exit_code, ended.stdout) == (0, "nothing to remove\n")
    assert files(sealed) == before


def test_a_dry_run_says_what_retain_does(run, sealed, monkeypatch):
    """`--dry-run` lists what would go and what must stay and why, and writes nothing; without it, that is done."""
    monkeypatch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "30")
    run("hold", "add", "2020-06-02", "--reason", "case 17", "--dir", sealed)
    before = files(sealed)
    ended = run("retain", "--dry-run", "--dir", sealed)
    assert [line.split() for line in ended.stdout.splitlines()[1:3]] == [
        ["2020-06-01", "1", ANY_BYTES, "1..1", "age"],
        ["2020-06-03", "3", ANY_BYTES, "4..6", "age"],
    ]
    assert "2020-06-02 stays: on hold H1\n" in ended.stdout
    assert re.search(r"^2 segments would be removed: [\d,]+ bytes on disk$", ended.stdout, re.MULTILINE)
    planned = json.loads(run("retain", "--dry-run", "-o", "json", "--dir", sealed).stdout)
    assert files(sealed) == before
    done = json.loads(run("retain", "-o", "json", "--dir", sealed).stdout)
    assert planned == {**done, "dry_run": True}
    assert [row["segment"] for row in done["removed"]] == ["2020-06-01", "2020-06-03"]
    assert set(done["removed"][0]) == {"segment", "reason", "events", "first_seq", "last_seq", "stored_bytes"}
    assert done["kept"] == [{"segment": "2020-06-02", "reason": "on hold H1"}]
    assert archives(sealed) == ["2020-06-02.jsonl.gz"]


class _AnyBytes(str):
    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(r"[\d,]+", other) is not None

    __hash__ = str.__hash__


ANY_BYTES = _AnyBytes("bytes")


READS = {"allocated", "close", "is_at", "list_names", "mark", "open_read", "read_at", "size", "size_at", "space"}


def test_a_dry_run_writes_nothing(run, sealed, monkeypatch):
    """A dry run, the list of holds and the list of files call nothing that makes, locks or changes a file."""

    def refused(*args: object) -> None:
        raise AssertionError(args)

    monkeypatch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "1")
    for name in set(seam.__all__) - READS:
        monkeypatch.setattr(seam, name, refused)
    assert "3 segments would be removed" in run("retain", "--dry-run", "--dir", sealed).stdout
    assert run("hold", "--dir", sealed).exit_code == 1
    assert run("files", "--dir", sealed).exit_code == 0


@pytest.mark.skipif(os.getuid() == 0, reason="root may write whatever the modes say")
def test_F41_a_dry_run_needs_only_to_read(run, sealed, monkeypatch):
    """In a directory that may not be written to a dry run and the list of holds work; removing is one line of error."""
    monkeypatch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "1")
    for path in (sealed, *sealed.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert "3 segments would be removed" in run("retain", "--dry-run", "--dir", sealed).stdout
        assert run("hold", "--dir", sealed).exit_code == 1
        ended = run("retain", "--dir", sealed)
        assert (ended.exit_code, ended.stderr.count("\n")) == (2, 1)
    finally:
        for path in (sealed, *sealed.rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)


def test_retain_says_what_is_not_sealed(run, days, monkeypatch):
    """A segment that is not sealed stays, and the reason says so."""
    monkeypatch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "1")
    ended = run("retain", "--dry-run", "--dir", days)
    assert (ended.exit_code, ended.stdout.splitlines()[-1]) == (0, "nothing to remove")
    assert "2020-06-01 stays: not sealed\n" in ended.stdout


def test_holds_are_placed_listed_and_released(run, store):
    """`hold add` gives an id, `hold` lists it with days, time and reason, `hold release` ends it."""
    assert run("hold", "--dir", store).exit_code == 1
    added = run("hold", "add", "2026-11-20", "2026-11-22", "--reason", "case 17", "--dir", store)
    assert (added.exit_code, added.stdout) == (0, "2026-11-20 to 2026-11-22 on hold as H1\n")
    assert run("hold", "add", "2027-01-01", "--reason", "x", "--dir", store).stdout == "2027-01-01 on hold as H2\n"
    heads, first, second = run("hold", "--dir", store).stdout.splitlines()
    assert heads.split() == ["hold", "first", "last", "placed", "reason"]
    assert re.fullmatch(r"H1 +2026-11-20 +2026-11-22 +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ +case 17", first)
    assert second.split()[:3] == ["H2", "2027-01-01", "2027-01-01"]
    ended = run("hold", "release", "H1", "--dir", store)
    assert ended.stdout == "H1 released: 2026-11-20 to 2026-11-22 may be removed\n"
    assert [each["id"] for each in json.loads(run("hold", "-o", "json", "--dir", store).stdout)["holds"]] == ["H2"]
    assert [event.action for event in Reader(store).read(after=5)] == [
        "store_hold_placed",
        "store_hold_placed",
        "store_hold_released",
    ]


def test_holds_for_machines(run, store):
    """With `-o json` `add` and `release` give the hold, and the list all of them."""
    placed = json.loads(run("hold", "add", "2026-11-20", "--reason", "ä", "-o", "json", "--dir", store).stdout)
    assert {**placed, "placed_at": ""} == {
        "id": "H1",
        "first": "2026-11-20",
        "last": "2026-11-20",
        "reason": "ä",
        "placed_at": "",
    }
    assert json.loads(run("hold", "-o", "json", "--dir", store).stdout) == {"holds": [placed]}
    assert json.loads(run("hold", "release", "H1", "-o", "json", "--dir", store).stdout) == placed
    empty = run("hold", "-o", "json", "--dir", store)
    assert (empty.exit_code, json.loads(empty.stdout)) == (1, {"holds": []})


@pytest.mark.parametrize("place", [["--dir", "store", "hold"], ["hold", "--dir", "store"], ["hold", "--dir=store"]])
def test_the_directory_may_stand_before_a_command_within_a_command(run, store, place):
    """--dir is taken wherever it stands; the nearest one counts."""
    assert run(*place, "add", "2026-11-20", "--reason", "x").exit_code == 0
    assert run(*place).stdout.count("\n") == 2
    assert run(*place, "release", "H1", "--dir", "absent").exit_code == 2
    assert run(*place, "release", "H1").exit_code == 0


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["add", "2026-11-23", "2026-11-22", "--reason", "x"], "before it begins on 2026-11-23"),
        (["add", "23.11.2026", "--reason", "x"], "'FIRST': '23.11.2026' does not match"),
        (["add", "2026-11-23", "--reason", " "], "1 to 1,000 characters"),
        (["add", "2026-11-23", "--reason", "x" * 70_000], "1 to 1,000 characters"),
        (["add", "2026-11-23", "--reason", "\udcff"], "not UTF-8"),
        (["release", "H7"], "there is no hold H7; `stonelog hold` lists"),
    ],
)
def test_a_mistake_about_holds_changes_nothing(run, store, args, words):
    """Days the wrong way round, no day, no reason, no such hold: one line, status 2."""
    ended = run("hold", *args, "--dir", store)
    assert (ended.exit_code, ended.stderr.count("\n")) == (2, 1)
    assert words in ended.stderr
    assert not (store / "holds.json").exists()


def test_a_damaged_record_of_holds_stops_retention(run, sealed, monkeypatch):
    """Nothing is removed while it is not known what is held: one line, status 2."""
    monkeypatch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "1")
    (sealed / "holds.json").write_text("{}")
    for command in (["retain"], ["retain", "--dry-run"], ["hold"]):
        ended = run(*command, "--dir", sealed)
        assert (ended.exit_code, ended.stderr.count("\n")) == (2, 1)
        assert "holds.json" in ended.stderr
    assert len(archives(sealed)) == 3


def test_a_reason_cannot_command_a_terminal(terminal, run, store):
    """S2: controls in the reason of a hold are shown, not obeyed."""
    run("hold", "add", "2026-11-20", "--reason", "\x1b[2Jevil", "--dir", store)
    out = terminal("hold", "--dir", store).out.decode()
    assert "\\u001b[2Jevil" in out
    assert "\x1b" not in out
