"""Filling the index: what is covered, who may, and what is done about an index that does not fit the files."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from answers import write_lines
from stonelog.filestore import Reader, Store, StoreLock
from stonelog.indexer import Builder, Index, IndexUnavailable
from stonelog.indexer import build as module
from stonelog.indexer.build import NOWHERE, read_position, stands
from stonelog.indexer.schema import connect_reader, identity, index_file


def position(directory: Path):
    connection, _ = connect_reader(index_file(directory))
    try:
        rows = connection.execute("SELECT count(*), max(seq) FROM events").fetchone()
        every = "SELECT count(*) FROM terms WHERE terms MATCH '\":category=api\"'"
        assert connection.execute(every).fetchone()[0] == rows[0]
        return read_position(connection), rows
    finally:
        connection.close()


def segment(directory: Path) -> Path:
    return max((directory / "events").iterdir())


def cut(path: Path, lines: int) -> None:
    kept = path.read_bytes().splitlines(keepends=True)[:-lines]
    os.truncate(path, sum(map(len, kept)))


def test_catching_up_covers_every_line(store: Store, directory: Path) -> None:
    """Afterwards each event is in the index once, and its position is the last line."""
    builder = Builder(directory)
    assert builder.catch_up() == 10
    store.append(category="api", action="read")
    assert builder.catch_up() == 11
    assert builder.catch_up() == 11
    builder.close()
    line = Reader(directory).get(11)
    assert line is not None
    assert position(directory)[0][:4] == (line.segment, line.offset, len(line.raw), 11)
    assert position(directory)[1] == (11, 11)


def test_batches_and_progress(store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is told after each batch, in bytes done of all bytes, and ends at all of them."""
    monkeypatch.setattr(module, "_BATCH", 3)
    told: list[tuple[int, int]] = []
    builder = Builder(directory)
    builder.catch_up(lambda done, total: told.append((done, total)))
    builder.close()
    size = segment(directory).stat().st_size
    assert [total for _, total in told] == [size] * 4
    assert told == sorted(told)
    assert told[-1] == (size, size)


def test_a_stopped_pass_is_gone_on_with(store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping ends after the batch at hand; the next pass goes on where it stopped."""
    monkeypatch.setattr(module, "_BATCH", 4)
    stop = threading.Event()
    stop.set()
    builder = Builder(directory)
    assert builder.catch_up(stop=stop) == 4
    assert position(directory)[1] == (4, 4)
    assert builder.catch_up(stop=stop) == 8
    assert builder.catch_up() == 10
    builder.close()


def test_an_error_within_a_batch_leaves_rows_and_position_together(
    store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is in the index as a whole or not at all."""
    monkeypatch.setattr(module, "_BATCH", 4)
    builder = Builder(directory)
    real, calls = module.event_terms, []

    def failing(event):
        calls.append(event)
        if len(calls) == 6:
            raise MemoryError
        return real(event)

    monkeypatch.setattr(module, "event_terms", failing)
    with pytest.raises(MemoryError):
        builder.catch_up()
    assert (position(directory)[0].seq, position(directory)[1]) == (4, (4, 4))
    assert builder.catch_up() == 10
    assert position(directory)[1] == (10, 10)
    builder.close()


def test_several_days(directory: Path) -> None:
    """Pointers tell the segments apart."""
    event = {"time": "2026-11-23T00:00:00.000000Z", "level": "info", "category": "api", "action": "read"}
    builder = Builder(directory)
    write_lines(directory, [event] * 3, day="2026-11-21")
    assert builder.catch_up() == 3
    write_lines(directory, [event] * 2, first=4, day="2026-11-22")
    write_lines(directory, [event] * 2, first=6, day="2026-11-24")
    assert builder.catch_up() == 7
    builder.close()
    connection, _ = connect_reader(index_file(directory))
    sql = "SELECT name, count(*) FROM events JOIN segments ON segments.id = segment GROUP BY 1"
    assert dict(connection.execute(sql)) == {"2026-11-21.jsonl": 3, "2026-11-22.jsonl": 2, "2026-11-24.jsonl": 2}
    connection.close()


@pytest.mark.parametrize("lost", [["", "-wal", "-shm"], [""], ["-wal"], ["-shm"], ["-wal", "-shm"]])
def test_an_index_that_lost_files_while_open_is_built_anew(store: Store, directory: Path, lost: list[str]) -> None:
    """Whichever of its files is removed, the next pass leaves a whole index that a new reader can use."""
    builder = Builder(directory)
    builder.catch_up()
    store.append(category="api", action="read", message="after")
    builder.catch_up()
    path = index_file(directory)
    for suffix in lost:
        path.with_name(path.name + suffix).unlink()
    store.append(category="api", action="read")
    assert builder.catch_up() == 12
    assert position(directory)[1] == (12, 12)
    builder.close()
    assert position(directory)[1] == (12, 12)


def test_another_builders_new_index_is_kept(store: Store, directory: Path) -> None:
    """Two builders whose index was deleted build one new one, not each its own over and over."""
    one, two = Builder(directory), Builder(directory)
    one.catch_up()
    two.catch_up()
    shutil.rmtree(directory / "index")
    one.catch_up()
    files = identity(index_file(directory))
    for _ in range(3):
        assert two.catch_up() == 10
        assert one.catch_up() == 10
        assert identity(index_file(directory)) == files
    one.close()
    two.close()


def test_rebuilding_leaves_a_new_file(store: Store, directory: Path) -> None:
    """The old index is gone and the new one covers everything; who has the old one open goes over to it."""
    one, two = Builder(directory), Builder(directory)
    one.catch_up()
    before = identity(index_file(directory))[0]
    assert two.rebuild() == 10
    after = identity(index_file(directory))[0]
    assert before != after
    store.append(category="api", action="read")
    assert one.catch_up() == 11
    assert identity(index_file(directory))[0] == after
    one.close()
    two.close()


def test_events_cut_from_the_files_leave_an_open_index(store: Store, directory: Path) -> None:
    """F53: lines that the index covers and the files lost are gone from it, and their numbers are the new events'."""
    builder = Builder(directory)
    builder.catch_up()
    store.close()
    cut(segment(directory), 3)
    with Store.open(directory, durability="none") as again:
        assert again.append(category="api", action="read", message="another eighth").seq == 8
        assert builder.catch_up() == 8
    assert position(directory)[1] == (8, 8)
    builder.close()
    with Index.open(directory) as index:
        assert [event.seq for event in index.search("eighth").events] == [8]


def test_a_lost_segment_leaves_the_index(directory: Path) -> None:
    """An index that knows a segment which is no longer there is built anew without it."""
    event = {"time": "2026-11-23T00:00:00.000000Z", "level": "info", "category": "api", "action": "read"}
    write_lines(directory, [event] * 3, day="2026-11-21")
    write_lines(directory, [event] * 2, first=4, day="2026-11-22")
    builder = Builder(directory)
    builder.catch_up()
    (directory / "events" / "2026-11-21.jsonl").unlink()
    assert builder.catch_up() == 5
    assert position(directory)[1] == (2, 5)
    builder.close()


@pytest.mark.parametrize(
    "row",
    [
        (None, None, None, None, None),
        (b"2026-11-23.jsonl", 0, 10, 3, "0" * 16),
        ("../../etc/passwd", 0, 10, 3, "0" * 16),
        ("2026-11-23.jsonl", -5, 10, 3, "0" * 16),
        ("2026-11-23.jsonl", 0, 2**62, 3, "0" * 16),
        ("2026-11-23.jsonl", "x", 10, 3, "0" * 16),
    ],
)
def test_a_senseless_position_means_a_new_index(store: Store, directory: Path, row: tuple[object, ...]) -> None:
    """Whatever stands in the position, the next pass ends with a right index."""
    builder = Builder(directory)
    builder.catch_up()
    builder.close()
    connection = sqlite3.connect(index_file(directory))
    connection.execute("UPDATE position SET segment = ?, offset = ?, length = ?, seq = ?, hash = ?", row)
    connection.commit()
    connection.close()
    with Index.open(directory) as index:
        assert index.count("ada") == 5
    assert builder.catch_up() == 10
    assert position(directory)[1] == (10, 10)
    builder.close()


@pytest.mark.parametrize("damage", ["directory", "garbage", "foreign", "same version", "link to nowhere"])
def test_what_is_no_index_is_replaced_or_refused(store: Store, directory: Path, damage: str) -> None:
    """Something else in the index's place is replaced; a directory is refused by name."""
    path = index_file(directory)
    path.parent.mkdir()
    if damage == "directory":
        path.mkdir()
    elif damage == "garbage":
        path.write_bytes(os.urandom(8192))
    elif damage == "link to nowhere":
        path.symlink_to(path.parent / "nowhere")
    else:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE events (a)")
        if damage == "same version":
            connection.execute(f"PRAGMA user_version = {module_version()}")
        connection.commit()
        connection.close()
    builder = Builder(directory)
    if damage == "directory":
        with pytest.raises(IndexUnavailable, match="sqlite"):
            builder.catch_up()
    else:
        assert builder.catch_up() == 10
        assert position(directory)[1] == (10, 10)
    builder.close()


def module_version() -> int:
    from stonelog.indexer.schema import SCHEMA_VERSION

    return SCHEMA_VERSION


def test_a_file_in_place_of_the_folder_is_named(store: Store, directory: Path) -> None:
    """What cannot be written is IndexUnavailable, never a bare OSError."""
    (directory / "index").write_text("not a folder")
    with pytest.raises(IndexUnavailable, match="index"):
        Builder(directory).catch_up()


def test_no_store_no_index(directory: Path) -> None:
    """Indexing what is not there makes nothing."""
    with pytest.raises(IndexUnavailable, match=r"index\.lock"):
        Builder(directory).catch_up()
    assert not directory.exists()


def test_a_held_lock_is_told(store: Store, directory: Path) -> None:
    """While another indexes, nothing is touched."""
    lock = StoreLock(directory / "index.lock", 1.0)
    with lock.held(), pytest.raises(IndexUnavailable, match="another process is indexing"):
        Builder(directory, lock_seconds=0).catch_up()
    lock.close()
    assert not (directory / "index").exists()


def test_a_full_disk_does_not_cost_the_index(store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F54: with no space left the index stays as it was, and grows when there is space again."""
    builder = Builder(directory)
    builder.catch_up()
    store.append(category="api", action="read")
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    real = module.event_terms

    def failing(event):
        raise full

    before = identity(index_file(directory))[0]
    monkeypatch.setattr(module, "event_terms", failing)
    with pytest.raises(IndexUnavailable, match="disk is full"):
        builder.catch_up()
    monkeypatch.setattr(module, "event_terms", real)
    assert builder.catch_up() == 11
    assert identity(index_file(directory))[0] == before
    builder.close()


def test_trouble_that_stays_is_an_error_of_ours(store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of SQLite that comes again in the new index is IndexUnavailable too."""

    def failing(event):
        raise sqlite3.DatabaseError("malformed")

    monkeypatch.setattr(module, "event_terms", failing)
    with pytest.raises(IndexUnavailable, match="malformed"):
        Builder(directory).catch_up()


KILLED = """
import sys, time
from pathlib import Path
from stonelog.indexer import Builder, build
build._BATCH = 100
real, calls = build.stamp, []

def stamp(raw):
    calls.append(raw)
    if len(calls) > int(sys.argv[2]):
        print("written", flush=True)
        time.sleep(600)
    return real(raw)

build.stamp = stamp
Builder(Path(sys.argv[1])).catch_up()
"""


def test_a_killed_indexer_leaves_rows_and_position_together(directory: Path) -> None:
    """F55: SIGKILL after the rows of a batch and before its commit: they are not there, and indexing goes on."""
    event = {
        "time": "2026-11-23T00:00:00.000000Z",
        "level": "info",
        "category": "api",
        "action": "read",
        "message": "m",
    }
    write_lines(directory, [event] * 3000)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    reached = 0
    for stamps in (2, 9):
        command = [sys.executable, "-c", KILLED, directory, str(stamps)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"written\n"
            process.kill()
        where, rows = position(directory)
        assert rows == (where.seq, where.seq)
        assert where.seq > reached
        reached = where.seq
        with Index.open(directory) as index:
            assert index.search(limit=1).indexed_seq == reached
            assert index.count("m") == 3000
    builder = Builder(directory)
    files = identity(index_file(directory))[0]
    assert builder.catch_up() == 3000
    assert identity(index_file(directory))[0] == files
    builder.close()
    assert position(directory)[1] == (3000, 3000)


def test_an_empty_index_stands(store: Store, directory: Path) -> None:
    """An index that covers nothing contradicts no files."""
    connection = sqlite3.connect(":memory:")
    assert stands(Reader(directory), connection, NOWHERE)
    connection.close()


def test_F54_an_index_for_which_there_is_no_room_is_not_begun(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the room that events need, nothing is indexed; queries scan, and appends go on."""
    with Store.open(directory) as store:
        store.append_many([{"category": "api", "action": "x", "message": f"word{number}"} for number in range(50)])
        builder = Builder(directory)
        with monkeypatch.context() as patched:
            usage = shutil.disk_usage(directory)
            patched.setattr(shutil, "disk_usage", lambda path: usage._replace(free=900_000))
            with pytest.raises(IndexUnavailable, match="bytes free"):
                builder.catch_up()
        with Index.open(directory) as index:
            assert index.count("word7") == 1
        assert builder.catch_up() == 50
        builder.close()


def test_F54_an_index_that_was_just_begun_and_filled_the_disk_gives_the_space_back(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When SQLite finds no space for the first batch nothing of it stays: events come first."""
    with Store.open(directory) as store:
        words = [" ".join(f"w{place}x{number}" for place in range(50)) for number in range(200)]
        store.append_many([{"category": "api", "action": "x", "message": message} for message in words])
    builder = Builder(directory)
    connection = builder._open()
    connection.execute("PRAGMA max_page_count = 20")
    with pytest.raises(IndexUnavailable, match="full"):
        builder.catch_up()
    assert not list((directory / "index").iterdir())
    assert builder.catch_up() == 200
    builder.close()
