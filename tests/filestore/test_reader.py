"""Reading a store from its files alone."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from freezegun import freeze_time

from stonelog.filestore import CorruptLine, DiskFull, Event, Reader, StonelogError, Store, files


def append(store: Store, count: int = 1) -> None:
    """So many more events, with some text."""
    store.append_many([{"category": "api", "action": "read", "message": "m" * 50}] * count)


def seqs(reader: Reader, after: int = 0) -> list[int]:
    """The `seq`s of the lines above `after`."""
    return [line.seq for line in reader.lines(after)]


@pytest.fixture
def days(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of 60 events in five segments of three days."""
    monkeypatch.setenv("STONELOG_STORE_SEGMENT_BYTES", "3000")
    with freeze_time("2026-11-21 12:00") as clock, Store.open(directory) as store:
        for day in (21, 22, 23):
            clock.move_to(f"2026-11-{day} 12:00")
            for _ in range(4):
                append(store, 5)
    return directory


def test_a_store_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """A reader can be made before its store; it finds nothing and makes nothing."""
    reader = Reader(tmp_path / "absent")
    assert (seqs(reader), reader.segments(), reader.get(1), reader.last_seq, reader.durable_seq()) == (
        [],
        [],
        None,
        0,
        0,
    )
    assert not (tmp_path / "absent").exists()


def test_lines_are_given_in_order_from_any_place(days: Path) -> None:
    """For each `after`, exactly the later events, in order, with the place where their bytes stand."""
    reader = Reader(days)
    assert len(reader.segments()) == 6
    for after in range(-1, 62):
        lines = list(reader.lines(after))
        assert [line.seq for line in lines] == list(range(max(after, 0) + 1, 61))
    for line in reader.lines():
        data = (days / "events" / line.segment).read_bytes()
        assert data[line.offset : line.offset + len(line.raw) + 1] == line.raw + b"\n"
        assert reader.get(line.seq) == line
        assert seqs(reader, line.seq - 1) == [
            each.seq for each in reader.lines(line.seq - 1, start=(line.segment, line.offset))
        ]
    assert reader.get(0) is reader.get(61) is reader.get(-5) is None


def test_segments_say_what_they_are(days: Path) -> None:
    """Name, day, number, size and first `seq` of each segment, oldest first."""
    found = Reader(days).segments()
    assert [(each.name, each.day.day, each.number) for each in found][:2] == [
        ("2026-11-21.jsonl", 21, 0),
        ("2026-11-21.001.jsonl", 21, 1),
    ]
    assert all(each.size == each.path.stat().st_size for each in found)
    assert [each.first_seq for each in found] == sorted(each.first_seq or 0 for each in found)


def test_reading_never_writes(days: Path) -> None:
    """Files, sizes and times of change are as before; what is torn or foreign stays."""
    with (days / "events" / "2026-11-23.jsonl").open("ab") as file:
        file.write(b"torn")
    state = {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in days.rglob("*")}
    reader = Reader(days)
    assert len(seqs(reader)) == len(list(reader.read())) == 60
    assert reader.durable_seq() == 60
    assert {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in days.rglob("*")} == state


def test_F57_half_a_line_is_not_read_until_it_is_whole(directory: Path) -> None:
    """While a line is being written, at every length of it, readers see only those before; no alarm is raised."""
    with Store.open(directory) as store:
        append(store, 2)
        path = Path(store.append(category="api", action="read").file)
    data = path.read_bytes()
    start = data[:-1].rindex(b"\n") + 1
    alarms: list[CorruptLine] = []
    reader = Reader(directory)
    for length in range(start, len(data) + 1):
        path.write_bytes(data[:length])
        path.chmod(0o600)
        expected = 3 if length == len(data) else 2
        assert [line.seq for line in reader.lines(on_corrupt=alarms.append)] == list(range(1, expected + 1))
        assert reader.last_seq == expected
    assert alarms == []


def test_F42_bad_lines_are_told_with_their_place_and_stepped_over(days: Path) -> None:
    """Each bad line is a CorruptLine with file, line, offset and length; all others are read, from every start."""
    path = days / "events" / "2026-11-22.jsonl"
    data = path.read_bytes()
    lines = data.split(b"\n")
    offset = len(b"\n".join(lines[:3])) + 1
    path.write_bytes(data[: offset + 20] + b"#" + data[offset + 21 :])
    told: list[CorruptLine] = []
    found = [line.seq for line in Reader(days).lines(on_corrupt=told.append)]
    assert found == [seq for seq in range(1, 61) if seq != 24]
    assert [(each.file, each.line, each.offset, each.length, each.missing) for each in told] == [
        (path.name, 4, offset, len(lines[3]) + 1, None),
        (path.name, 5, offset + len(lines[3]) + 1, 0, (24, 24)),
    ]
    assert Reader(days).get(24) is None
    assert seqs(Reader(days), 24)[0] == 25


def test_many_bad_lines_are_counted_once(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many lines are bad, finding their numbers reads the file about once more, not once for each."""
    with Store.open(directory) as store:
        path = Path(store.append(category="api", action="read").file)
    with path.open("ab") as file:
        file.write(b"bad\n" * 2_000)
    read: list[int] = []
    told: list[CorruptLine] = []
    real = files.read_at

    def read_at(fd: int, offset: int, length: int) -> bytes:
        read.append(length)
        return real(fd, offset, length)

    monkeypatch.setattr(files, "read_at", read_at)
    list(Reader(directory).lines(on_corrupt=told.append))
    assert [each.line for each in told] == list(range(2, 2_002))
    assert sum(read) < 10 * path.stat().st_size


def test_a_closed_segment_without_a_last_line_end_is_told(days: Path) -> None:
    """Only the newest segment can have a line that is being written; in another it is damage."""
    path = days / "events" / "2026-11-21.jsonl"
    with path.open("ab") as file:
        file.write(b"unfinished")
    told: list[CorruptLine] = []
    assert len(list(Reader(days).lines(on_corrupt=told.append))) == 60
    assert [(each.file, each.reason) for each in told] == [(path.name, "no line end")]


def test_a_region_without_line_ends_is_stepped_over(directory: Path) -> None:
    """Megabytes of NULs are told and passed, and the lines after them are found."""
    with Store.open(directory) as store:
        path = Path(store.append(category="api", action="read").file)
        first = path.stat().st_size
        append(store, 3)
    data = path.read_bytes()
    path.write_bytes(data[:first] + bytes(3 << 20) + b"\n" + data[first:])
    told: list[CorruptLine] = []
    assert [line.seq for line in Reader(directory).lines(on_corrupt=told.append)] == [1, 2, 3, 4]
    assert sum(each.length for each in told) >= 3 << 20
    assert Reader(directory).last_seq == 4


@pytest.mark.parametrize("kind", ["link", "directory", "pipe"])
def test_F46_what_is_no_file_is_told_and_never_followed(days: Path, tmp_path: Path, kind: str) -> None:
    """A link, directory or pipe named like a segment is told by its name, neither followed nor awaited.

    The lines of the others are read; what depends on the newest segment is a StonelogError.
    """
    (tmp_path / "secret").write_bytes((days / "events" / "2026-11-23.jsonl").read_bytes())
    place = days / "events" / "2026-11-24.jsonl"
    if kind == "link":
        place.symlink_to(tmp_path / "secret")
    elif kind == "directory":
        place.mkdir()
    else:
        os.mkfifo(place)
    reader = Reader(days)
    told: list[CorruptLine] = []
    assert [line.seq for line in reader.lines(on_corrupt=told.append)] == list(range(1, 61))
    assert [each.file for each in told] == ["2026-11-24.jsonl"]
    assert reader.get(60) is not None
    attempts: list[Callable[[], object]] = [
        reader.durable_seq,
        lambda: reader.last_seq,
        reader.segments,
    ]
    for attempt in attempts:
        with pytest.raises(StonelogError, match=r"2026-11-24\.jsonl: cannot be read"):
            attempt()


def test_what_is_read_is_on_stable_storage_first(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`read` syncs each segment after it looked how far it goes and before it gives an event of it."""
    with Store.open(directory, durability="none") as store:
        append(store, 3)
        steps: list[str] = []
        for name in ("size", "sync_data"):
            real = getattr(files, name)
            monkeypatch.setattr(files, name, lambda fd, _n=name, _r=real: (steps.append(_n), _r(fd))[1])
        events = Reader(directory).read()
        assert steps == []
        for event in events:
            steps.append(f"give {event.seq}")
    wanted = [step for step in steps if step != "size"]
    assert wanted == ["sync_data", "give 1", "give 2", "give 3"]
    assert steps.index("size") < steps.index("sync_data")


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_F32_what_cannot_be_synced_is_not_given(store: Store, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """When the sync fails, neither read, follow nor durable_seq say that the events are safe."""
    append(store)

    def fail(fd: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files, "sync_data", fail)
    reader = Reader(store.directory)
    for attempt in (lambda: next(reader.read()), lambda: next(reader.follow()), reader.durable_seq):
        with pytest.raises(StonelogError, match=r"2026.*\.jsonl: (cannot be synced|a sync failed)"):
            attempt()
    assert seqs(reader) == [1]
    monkeypatch.setattr(files, "sync_data", lambda fd: None)  # now the system says that all is well
    assert Reader(store.directory).durable_seq() == 0
    with pytest.raises(StonelogError, match="a sync failed"):
        next(Reader(store.directory).read())
    append(store)  # which looks at the files and puts right what can be
    assert Reader(store.directory).durable_seq() == 2


def test_F41_a_read_only_file_system_has_nothing_to_sync(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system says that it is read-only, reading goes on."""
    append(store)

    def fail(fd: int) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(files, "sync_data", fail)
    assert [event.seq for event in Reader(store.directory).read()] == [1]
    assert Reader(store.directory).durable_seq() == 1


def test_durable_seq_syncs_what_is_only_in_the_cache(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It syncs when there is something new, and not again while nothing changed."""
    synced: list[int] = []
    with Store.open(directory, durability="none") as store:
        append(store, 2)
        reader = Reader(directory)
        real = files.sync_data
        monkeypatch.setattr(files, "sync_data", lambda fd: (synced.append(fd), real(fd))[1])
        assert [reader.durable_seq(), reader.durable_seq(), len(synced)] == [2, 2, 1]
        append(store)
        assert [reader.durable_seq(), reader.durable_seq(), len(synced)] == [3, 3, 2]


def test_follow_gives_what_is_there_and_then_what_comes(directory: Path) -> None:
    """From `after` on, across a midnight, an empty store and a size roll, each event once and in order."""
    with freeze_time("2026-11-23 23:59") as clock:
        reader, stop, got = Reader(directory), threading.Event(), []
        store = Store.open(directory)

        def wait(seconds: float) -> bool:
            step = len(got)
            if step == 2:
                clock.move_to("2026-11-24 00:00")
                store.roll()
            if step < 6:
                append(store, 2)
            else:
                stop.set()
            return False

        for event in reader.follow(stop=stop, wait=wait):
            got.append((event.seq, event.time and event.time.day))
        store.close()
    assert [seq for seq, _ in got] == [1, 2, 3, 4, 5, 6]
    assert len(list((directory / "events").iterdir())) == 2


def test_follow_ends_at_once_when_stop_is_set(store: Store) -> None:
    """A set `stop` ends it before the next event, however many are there."""
    append(store, 5)
    stop = threading.Event()
    events = Reader(store.directory).follow(stop=stop)
    assert next(events).seq == 1
    stop.set()
    assert list(events) == []


def test_follow_gives_what_is_there_when_it_hears_the_end(store: Store) -> None:
    """What was written just before `wait` said that this is the end is still given."""
    append(store)

    def wait(seconds: float) -> bool:
        append(store)
        return True

    assert [event.seq for event in Reader(store.directory).follow(wait=wait)] == [1, 2]


def test_follow_sees_another_process(directory: Path) -> None:
    """Events that another process appends arrive, in order, without any word from it but the files."""
    code = (
        "import sys; from stonelog.filestore import Store\n"
        "with Store.open(sys.argv[1]) as store:\n"
        "    for n in range(20): store.append(category='api', action='read', message=str(n))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    got: list[str | None] = []
    stop = threading.Event()
    with subprocess.Popen([sys.executable, "-c", code, str(directory)], env=environment) as process:
        for event in Reader(directory).follow(stop=stop):
            got.append(event.message)
            if len(got) == 20:
                stop.set()
        assert process.wait() == 0
    assert got == [str(n) for n in range(20)]


def test_read_gives_events_with_their_line(store: Store) -> None:
    """An event that was read has the fields of its line, and the line itself."""
    receipt = store.append(category="api", action="read", message="é")
    event = next(Reader(store.directory).read())
    assert isinstance(event, Event)
    assert (event.seq, event.id, event.message) == (receipt.seq, receipt.id, "é")
    assert event.line + b"\n" == Path(receipt.file).read_bytes()


def test_a_fetcher_reads_single_lines(days: Path) -> None:
    """By segment, offset and length; a name that is not ours is a ValueError."""
    reader = Reader(days)
    with reader.fetcher() as fetch:
        for line in reader.lines():
            assert fetch(line.segment, line.offset, len(line.raw)) == line.raw
        for name in ("../lock", "lock", "", "/etc/passwd"):
            with pytest.raises(ValueError, match="not the name of a segment"):
                fetch(name, 0, 1)


def test_an_event_whose_write_fails_was_never_given(
    store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole line of a write that is taken back is not given: its `seq` goes to another event."""
    append(store)
    written, looked = threading.Event(), threading.Event()
    real = files.write_all

    def full(fd: int, data: bytes) -> None:
        real(fd, data)
        written.set()
        assert looked.wait(10)
        raise OSError(errno.ENOSPC, "No space left on device")

    take = files.lock

    def lock(fd: int) -> bool:
        taken = take(fd)
        if threading.current_thread() is reader:
            looked.set()
        return taken

    monkeypatch.setattr(files, "write_all", full)
    monkeypatch.setattr(files, "lock", lock)
    monkeypatch.setattr("stonelog.filestore.settled._SETTLE_SECONDS", 60.0)
    given: list[list[int | None]] = []
    errors: list[type[Exception]] = []

    def write() -> None:
        try:
            append(store)
        except StonelogError as error:
            errors.append(type(error))

    writer = threading.Thread(target=write)
    reader = threading.Thread(target=lambda: given.append([event.seq for event in Reader(directory).read()]))
    writer.start()
    assert written.wait(10)
    reader.start()
    writer.join()
    reader.join()
    assert (given, errors) == ([[1]], [DiskFull])
