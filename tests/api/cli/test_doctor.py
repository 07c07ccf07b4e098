"""What `doctor` sees: each kind of trouble is told, and nothing is written."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time

from stonelog.api.doctor import examine
from stonelog.filestore import Quarantine, Reader, Store
from stonelog.indexer import Index


def states(directory, **options):
    """The checks as {name: worst state}."""
    order = ("ok", "warn", "problem")
    worst: dict[str, str] = {}
    for check in examine(directory, **options):
        worst[check.name] = max(worst.get(check.name, "ok"), check.state, key=order.index)
    return worst


def texts(directory, name, **options):
    return [
        f"{check.state}: {check.text}; {check.advice}" for check in examine(directory, **options) if check.name == name
    ]


def segment(directory) -> Path:
    return Reader(directory).segments()[-1].path


@pytest.fixture
def indexed(store):
    with Index.open(store) as index:
        index.catch_up()
    return store


def test_a_sound_store_is_all_right(indexed):
    """Every check of a sound store is ok."""
    assert set(states(indexed).values()) == {"ok"}


def test_it_writes_nothing(indexed):
    """After looking, every file is as it was, also where something is wrong; SQLite may leave its -wal and -shm."""

    def tree():
        return {
            str(path): (status.st_size, status.st_mtime_ns, status.st_mode)
            for path in [indexed, *indexed.rglob("*")]
            for status in [path.lstat()]
            if path.name != "index" and not path.name.endswith(("-wal", "-shm"))
        }

    with segment(indexed).open("ab") as file:
        file.write(b"torn")
    before = tree()
    examine(indexed)
    assert tree() == before


def test_modes_that_let_others_read_are_a_warning(indexed):
    """Others who can read: a warning that names what, with its mode."""
    segment(indexed).chmod(0o644)
    assert f"events/{segment(indexed).name} (0644)" in texts(indexed, "directory")[0]
    assert states(indexed)["directory"] == "warn"


@pytest.mark.parametrize("place", [".", "events", "lock"])
def test_S11_modes_that_let_others_write_are_a_problem(indexed, place):
    """Others who can write: a problem."""
    (indexed / place).chmod(0o777)
    assert states(indexed)["directory"] == "problem"


def test_a_symbolic_link_in_the_store_is_a_problem(indexed, tmp_path):
    """A link among the segments points out of the store's hands."""
    os.symlink("/etc/passwd", indexed / "events/2020-01-01.jsonl.bak")
    assert "a symbolic link" in texts(indexed, "directory")[0]


def test_settings_that_cannot_be_read_are_a_problem(indexed):
    """A wrong setting is named before a store fails to open for it."""
    (indexed / "stonelog.toml").write_text("[store]\nnonsense = 1\n")
    (indexed / "stonelog.toml").chmod(0o600)
    assert states(indexed)["settings"] == "problem"
    assert "nonsense" in texts(indexed, "settings")[0]


def test_a_weaker_durability_is_a_warning(indexed, monkeypatch):
    """Durability below fsync is somebody's choice, and said."""
    monkeypatch.setenv("STONELOG_STORE_DURABILITY", "os")
    assert states(indexed)["settings"] == "warn"


def test_who_has_the_store_open_is_told(indexed, running):
    """Another process that writes is named by number and command."""
    assert "free" in texts(indexed, "lock")[0]
    serving = running("serve", "--port", "0", "--dir", indexed)
    serving.child.stderr.readline()
    assert f"process {serving.child.pid} (" in texts(indexed, "lock")[0]


def _damage(directory, old, new=b""):
    """Changes bytes of the newest segment."""
    path = segment(directory)
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    return path.name, data.index(old)


def test_F42_rot_of_an_acknowledged_line_is_a_problem(indexed):
    """A changed byte is a problem told by file:line:offset, with the seqs that are missing."""
    with Store.open(indexed) as store:
        store.append(category="api", action="read")  # says that what is before it was on stable storage
    name, _ = _damage(indexed, b"wrong password", b"wrong passw0rd")
    offset = segment(indexed).read_bytes().index(b'{"seq":2,')
    told = texts(indexed, "lines")
    assert len(told) == 1
    assert told[0].startswith(f"problem: {name}:2:{offset}: ")
    assert "seq 2 is missing" in told[0]
    assert "restore the file from a copy" in told[0]


def test_F44_a_line_that_was_cut_out_is_a_problem(indexed):
    """A line that is missing with no trace is named by its seq."""
    with Store.open(indexed) as store:
        store.append(category="api", action="read")
    _damage(indexed, segment(indexed).read_bytes().split(b"\n")[1] + b"\n")
    (told,) = texts(indexed, "lines")
    assert told.startswith("problem: ")
    assert "seq 2 missing before this line" in told


def test_F42_rot_that_looks_like_a_cut_is_a_warning_to_copy_first(indexed):
    """Above the watermark nothing tells rot from a torn batch: the warning says what opening the store will do."""
    _damage(indexed, b"wrong password", b"wrong passw0rd")
    assert states(indexed)["lines"] == "warn"
    assert "copy the file first" in texts(indexed, "lines")[0]
    with Store.open(indexed) as store:
        assert store.recovered.quarantined


@pytest.mark.parametrize("rest", [b'{"seq":6,"id":"01', b"\0" * 100, b"garbage\n"])
def test_F02_what_a_cut_leaves_is_a_warning(indexed, rest):
    """Bytes after the last good line are no acknowledged events: a warning, and what will become of them."""
    with segment(indexed).open("ab") as file:
        file.write(rest)
    assert states(indexed)["lines"] == "warn"
    assert "quarantine" in texts(indexed, "lines")[0]


def test_many_faults_are_counted(tmp_path):
    """More than ten bad places are told as a number."""
    with Store.open(tmp_path / "s") as store:
        store.append_many([{"category": "api", "action": "read", "message": "x" * 300}] * 50)
        store.append(category="api", action="read")
    path = segment(tmp_path / "s")
    data = path.read_bytes().split(b"\n")
    data[:40:2] = [line.replace(b"xxx", b"yyy", 1) for line in data[:40:2]]
    path.write_bytes(b"\n".join(data))
    told = texts(tmp_path / "s", "lines")
    assert any("more bad places" in text for text in told)
    assert len(told) <= 22


def test_a_clock_that_went_back_is_a_warning(indexed):
    """A newest event from the future means that a clock was or is wrong."""
    assert states(indexed, now=datetime.now(UTC) - timedelta(days=1))["clock"] == "warn"


def test_the_age_of_the_newest_event_is_told(indexed):
    """How long ago the last event was written, in the largest unit that fits."""
    assert "3 days ago" in texts(indexed, "clock", now=datetime.now(UTC) + timedelta(days=3, minutes=1))[0]


def test_an_index_that_is_not_there_is_a_warning(store):
    """Queries work without an index, and slowly."""
    assert states(store)["index"] == "warn"


def test_F52_an_index_that_cannot_be_used_is_a_problem(indexed):
    """Garbage in place of the index is told, with the way out."""
    for file in (indexed / "index").iterdir():
        file.write_bytes(b"garbage" * 1000)
    assert states(indexed)["index"] == "problem"
    assert "stonelog reindex" in texts(indexed, "index")[0]


def test_what_an_index_has_still_to_cover_is_told(indexed):
    """Events after the index's last are what each query reads."""
    with Store.open(indexed) as store:
        store.append(category="api", action="read")
    assert "covers seq 5 of 6" in texts(indexed, "index")[0]
    assert states(indexed)["index"] == "ok"


def test_quarantine_is_to_be_looked_at(indexed):
    """Kept bytes are a warning that counts and names them."""
    name = Quarantine(indexed).keep("2026-11-23.jsonl", 7, b"torn", "for a test")
    assert texts(indexed, "quarantine")[0].startswith(f"warn: 1 file, 4 bytes: {name}")


def test_a_full_disk_is_a_problem(indexed, monkeypatch):
    """Little room is a warning, hardly any a problem."""
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    for free, state in ((1 << 20, "problem"), (500 << 20, "warn"), (50 << 30, "ok")):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: usage(100 << 30, 0, free))
        assert states(indexed)["disk"] == state


def test_versions_are_told(indexed):
    """Python and SQLite by version, and the system."""
    (text,) = texts(indexed, "versions")
    assert re.match(r"ok: Python 3\.\d+\.\S+, SQLite 3\.\d+\.\d+, \w+ \S", text)


def test_progress_is_told_on_the_way(tmp_path):
    """A long reading tells how far it is, never more than the whole."""
    with Store.open(tmp_path / "s") as store:
        store.append_many([{"category": "api", "action": "read"}] * 12_000)
    told = []
    examine(tmp_path / "s", progress=lambda done, total: told.append((done, total)))
    assert len(told) > 2
    assert all(0 < done <= total for done, total in told)


def test_several_days_are_one_order(tmp_path):
    """Segments of several days are told as one run of seqs."""
    for day in ("2026-11-21", "2026-11-22"):
        with freeze_time(f"{day}T12:00:00Z", real_asyncio=True), Store.open(tmp_path / "s") as store:
            store.append(category="api", action="read")
    assert "2 segments, 2 events, seq 1 to 2; every line's hash is right" in texts(tmp_path / "s", "segments")[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
def test_a_store_of_another_user_is_a_problem_not_a_traceback(indexed, run):
    """What this user may not read is said so, in words."""
    run("doctor", "--dir", indexed)  # everything is loaded before the rights are gone
    os.seteuid(65534)
    try:
        ended = run("doctor", "--dir", indexed)
    finally:
        os.seteuid(0)
    assert ended.exit_code == 2
    assert ended.stderr.count("\n") == 1
    assert "unexpected" not in ended.stderr


def test_a_symbolic_link_in_place_of_a_segment_is_one_problem_among_the_checks(indexed, run):
    """What cannot be opened is named, and the other checks are still made."""
    (indexed / "events" / "2020-01-01.jsonl").symlink_to("/etc/hostname")
    ended = run("doctor", "--dir", indexed)
    assert ended.exit_code == 2
    assert "problem segments: " in ended.stdout
    assert "2020-01-01.jsonl" in ended.stdout
    assert "ok      versions: " in ended.stdout
