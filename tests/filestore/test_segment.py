"""The newest segment: attaching whatever other hands did, appending, rolling, syncing."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from freezegun import freeze_time

from stonelog.filestore import Receipt, Store, StoreReadOnly, StoreSettings, files, format_time
from stonelog.filestore.codec import encode, seal_line
from stonelog.filestore.layout import Layout
from stonelog.filestore.recovery import Recovery
from stonelog.filestore.segment import ActiveSegment


def append(store: Store) -> Receipt:
    """One more event."""
    return store.append(category="api", action="read")


def seqs(store: Store) -> list[int | None]:
    """The `seq`s of all events but the store's own."""
    return [event.seq for event in store.read() if event.action != "store_recovered"]


def segment_files(directory: Path) -> dict[str, int]:
    """The segments and how many lines each has."""
    return {path.name: path.read_bytes().count(b"\n") for path in sorted((directory / "events").iterdir())}


def fail(name: str, monkeypatch: pytest.MonkeyPatch, code: int, *, at: Callable[..., bool] = lambda *_: True) -> None:
    """The next call of the file operation that `at` picks fails; those after it work."""
    real, failed = getattr(files, name), []

    def call(*given: object) -> object:
        if not failed and at(*given):
            failed.append(1)
            raise OSError(code, os.strerror(code), "the place")
        return real(*given)

    monkeypatch.setattr(files, name, call)


# Days and sizes


def test_T01_when_the_clock_goes_back_the_newest_day_goes_on(directory: Path) -> None:
    """F48: a day earlier by the clock, events go to the newest segment, also after a restart; `seq` order holds."""
    with freeze_time("2026-11-23 23:59:59") as clock:
        with Store.open(directory) as store:
            append(store)
            clock.move_to("2026-11-22 12:00")
            append(store)
            assert store.roll() is None
        with Store.open(directory) as store:
            append(store)
            clock.move_to("2026-11-24 00:00")
            append(store)
            assert seqs(store) == [1, 2, 3, 4]
    assert segment_files(directory) == {"2026-11-23.jsonl": 3, "2026-11-24.jsonl": 1}


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ("2024-02-28 23:59:59.999999", "2024-02-29 00:00", ["2024-02-28", "2024-02-29"]),
        ("2024-02-29 23:59:59", "2024-03-01 00:00:00", ["2024-02-29", "2024-03-01"]),
        ("2026-12-31 23:59:59", "2027-01-01 00:00:00", ["2026-12-31", "2027-01-01"]),
        ("2026-02-28 10:00", "2026-03-07 10:00", ["2026-02-28", "2026-03-07"]),
    ],
)
def test_F49_the_first_append_of_a_new_day_begins_its_segment(
    directory: Path, before: str, after: str, names: list[str]
) -> None:
    """Over leap days, the end of the year and days without events, each event lies in the UTC day of its append."""
    with freeze_time(before) as clock, Store.open(directory) as store:
        first = append(store)
        clock.move_to(after)
        second = append(store)
        assert [Path(each.file).name for each in (first, second)] == [f"{name}.jsonl" for name in names]
        assert (second.seq, second.offset) == (2, 0)
        assert seqs(store) == [1, 2]


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/St_Johns"])
def test_T03_the_day_is_utc_wherever_the_process_runs(directory: Path, zone: str) -> None:
    """In any time zone the segment, the stored times and the day of both are UTC."""
    code = (
        "import sys, time; from stonelog.filestore import Store; from datetime import datetime, UTC\n"
        "before = datetime.now(UTC)\n"
        "with Store.open(sys.argv[1]) as store: receipt = store.append(category='api', action='read')\n"
        "event = next(store.read())\n"
        "assert before <= event.time <= datetime.now(UTC), event.time\n"
        "print(receipt.file, event.line.decode(), time.tzname[0])"
    )
    environment = {**os.environ, "TZ": zone, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    run = subprocess.run(
        [sys.executable, "-c", code, str(directory)], env=environment, check=True, capture_output=True, text=True
    )
    name = next((directory / "events").iterdir()).name
    assert f'"time":"{name[:10]}T' in run.stdout
    assert 'Z","level"' in run.stdout


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Pacific/Apia"])
@pytest.mark.parametrize("moment", ["2026-10-25 00:30", "2026-10-25 01:30", "2026-03-29 01:30", "2026-11-23 23:59:59"])
def test_F49_local_midnights_and_summer_time_change_nothing(
    directory: Path, monkeypatch: pytest.MonkeyPatch, zone: str, moment: str
) -> None:
    """At hours that locally are another day, exist twice or not at all, day and time are those of UTC."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        with freeze_time(moment), Store.open(directory) as store:
            assert Path(append(store).file).name == f"{moment[:10]}.jsonl"
            assert format_time(next(store.read()).time or datetime.now(UTC)).startswith(moment.replace(" ", "T"))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_segment_that_has_reached_its_size_is_followed_by_the_next(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Segments of one day are numbered; a group commit is never divided; the order of reading is that of `seq`."""
    monkeypatch.setenv("STONELOG_STORE_SEGMENT_BYTES", "300")
    with freeze_time("2026-11-23 12:00"), Store.open(directory) as store:
        for _ in range(3):
            append(store)
        many = store.append_many([{"category": "api", "action": "read"}] * 5)
        append(store)
        assert len({receipt.file for receipt in many}) == 1
        assert seqs(store) == list(range(1, 10))
    assert segment_files(directory) == {
        "2026-11-23.001.jsonl": 6,
        "2026-11-23.002.jsonl": 1,
        "2026-11-23.jsonl": 2,
    }


def test_the_last_number_of_a_day_grows_on(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After segment 999 of a day there is no further one until the next day."""
    monkeypatch.setenv("STONELOG_STORE_SEGMENT_BYTES", "1")
    with freeze_time("2026-11-23 12:00") as clock:
        Store.open(directory).close()
        (directory / "events" / "2026-11-23.999.jsonl").touch()
        with Store.open(directory) as store:
            assert [Path(append(store).file).name for _ in range(2)] == ["2026-11-23.999.jsonl"] * 2
            clock.move_to("2026-11-24")
            assert Path(append(store).file).name == "2026-11-24.jsonl"


def test_roll_closes_a_day_that_is_over(directory: Path) -> None:
    """`roll` names the new, empty segment once the day is over; before, and the second time, it does nothing."""
    with freeze_time("2026-11-23 23:59") as clock, Store.open(directory) as store:
        assert store.roll() is None
        append(store)
        assert store.roll() is None
        clock.move_to("2026-11-24 00:00")
        assert store.roll() == "2026-11-24.jsonl"
        assert store.roll() is None
        assert append(store).offset == 0
    assert segment_files(directory) == {"2026-11-23.jsonl": 1, "2026-11-24.jsonl": 1}


def test_F08_the_old_segment_is_durable_before_the_new_one_has_a_name(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Order of a roll: sync of the old file; the new file made, synced, its name synced; only then an event in it."""
    with freeze_time("2026-11-23 12:00") as clock, Store.open(directory) as store:
        old = Path(append(store).file)
        new = directory / "events" / "2026-11-24.jsonl"
        steps: list[tuple[str, str]] = []
        for name in ("fsync", "sync_data", "create", "fsync_directory", "write_all"):
            real = getattr(files, name)

            def call(place: int | Path, *more: object, _name: str = name, _real: object = real) -> object:
                path = place if isinstance(place, Path) else Path(os.readlink(f"/proc/self/fd/{place}"))
                steps.append((_name, path.name))
                assert callable(_real)
                return _real(place, *more)

            monkeypatch.setattr(files, name, call)
        clock.move_to("2026-11-24")
        append(store)
    assert steps[:6] == [
        ("fsync", old.name),
        ("create", new.name),
        ("fsync", new.name),
        ("fsync_directory", "events"),
        ("write_all", new.name),
        ("sync_data", new.name),
    ]


# Failures


@pytest.mark.parametrize("name", ["create", "fsync_directory"])
def test_F36_a_roll_that_fails_leaves_the_old_day_and_is_tried_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The caller hears a StonelogError, no half-made segment stays, and the next append rolls."""
    with freeze_time("2026-11-23 12:00") as clock, Store.open(directory) as store:
        append(store)
        clock.move_to("2026-11-24")
        fail(name, monkeypatch, errno.EIO)
        with pytest.raises(StoreReadOnly, match="Input/output error"):
            append(store)
        assert segment_files(directory) == {"2026-11-23.jsonl": 1}
        assert append(store).seq == 2
    assert segment_files(directory) == {"2026-11-23.jsonl": 1, "2026-11-24.jsonl": 1}


def test_F31_without_room_for_a_new_file_the_open_one_goes_on(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space or no inode for a new day's file: events go on into the open one, until there is room again."""
    with freeze_time("2026-11-23 12:00") as clock, Store.open(directory) as store:
        append(store)
        clock.move_to("2026-11-24")
        fail("create", monkeypatch, errno.ENOSPC)
        assert Path(append(store).file).name == "2026-11-23.jsonl"
        assert seqs(store) == [1, 2]
        assert store.roll() == "2026-11-24.jsonl"
        assert append(store).seq == 3


def test_W05_when_the_sync_of_the_old_day_fails_its_lines_are_written_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the sync before a roll fails, what is not durable stands in a further segment before the new day begins."""
    with freeze_time("2026-11-23 12:00") as clock, Store.open(directory, durability="os") as store:
        append(store)
        clock.move_to("2026-11-24")
        fail("fsync", monkeypatch, errno.EIO)
        assert append(store).seq == 2
        assert seqs(store)[:2] == [1, 2]
        assert segment_files(directory) == {"2026-11-23.jsonl": 1, "2026-11-23.001.jsonl": 1, "2026-11-24.jsonl": 2}
        assert [event.action for event in store.read(after=2)] == ["store_sync_failed"]


def test_W05_after_a_failed_sync_of_the_old_day_nothing_is_believed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the lines cannot be written again either, the store is read-only: a second sync would say all is well."""
    with freeze_time("2026-11-23 12:00") as clock:
        with Store.open(directory, durability="os") as store:
            append(store)
            clock.move_to("2026-11-24")
            with monkeypatch.context() as patched:
                fail("fsync", patched, errno.EIO)
                fail("write_whole", patched, errno.EIO)
                with pytest.raises(StoreReadOnly, match="sync failed"):
                    store.roll()
                for attempt in (store.roll, lambda: append(store)):
                    with pytest.raises(StoreReadOnly, match="sync failed"):
                        attempt()
            assert store.durable_seq == 0
        assert segment_files(directory) == {"2026-11-23.jsonl": 1}
        with Store.open(directory) as store:
            assert append(store).seq == 2


def test_F20_a_segment_begun_by_a_process_that_died_before_saying_so_is_taken_over(directory: Path) -> None:
    """The other process made the new day's file and was killed: the next append here goes into that file."""
    with freeze_time("2026-11-23 12:00") as clock, Store.open(directory) as store:
        append(store)
        clock.move_to("2026-11-24")
        (directory / "events" / "2026-11-24.jsonl").touch()
        assert Path(append(store).file).name == "2026-11-24.jsonl"
        clock.move_to("2026-11-25")
        (directory / "events" / "2026-11-25.jsonl").touch()
        assert store.roll() in {"2026-11-25.jsonl", None}
        assert append(store).seq == 3
        assert seqs(store) == [1, 2, 3]


@pytest.mark.parametrize("opening", ["open_append", "open_lock", "list_names", "fsync_directory", "fsync"])
def test_F36_opening_that_fails_is_a_clear_error_and_leaves_nothing_open(
    directory: Path, monkeypatch: pytest.MonkeyPatch, opening: str
) -> None:
    """Whichever operation fails at opening: StoreReadOnly with the reason, no descriptor left, the next try works."""
    with Store.open(directory) as store:
        append(store)
    before = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patched:
        fail(opening, patched, errno.EIO)
        with pytest.raises(StoreReadOnly, match="Input/output error"):
            Store.open(directory)
    assert len(os.listdir("/proc/self/fd")) == before
    with Store.open(directory) as store:
        assert append(store).seq == 2


def test_W01_what_could_not_be_taken_back_is_said(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the write and then the truncation fail, the error does not claim that nothing is there; order is kept."""
    with Store.open(directory) as store:
        append(store)
        real = files.write_all

        def short(fd: int, data: bytes) -> None:
            real(fd, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(files, "write_all", short)
            fail("truncate", patched, errno.EIO)
            with pytest.raises(StoreReadOnly, match="could not be taken back") as caught:
                store.append_many([{"category": "api", "action": "read"}] * 4)
            assert "nothing of the event" not in str(caught.value)
        following = append(store).seq
        assert seqs(store) == list(range(1, following + 1))
    with Store.open(directory) as store:
        assert not store.recovered.faults


def test_the_invariant_holds_when_the_block_is_entered(directory: Path) -> None:
    """After `attach` the end is the file's size and the last `seq` that of its last line."""
    segment = ActiveSegment(Layout(directory), StoreSettings())
    segment.open(Recovery())
    segment.attach(date(2026, 11, 23))
    assert (segment.last_seq, segment.end, os.path.getsize(segment.path)) == (0, 0, 0)
    assert segment.path == str(directory / "events" / "2026-11-23.jsonl")
    segment.release()
    segment.close()
    segment.close()


# Several stores


def test_F25_two_stores_take_turns(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sees what the other wrote and rolled, by size and by day; one dense order, no line twice."""
    monkeypatch.setenv("STONELOG_STORE_SEGMENT_BYTES", "500")
    with freeze_time("2026-11-23 12:00") as clock, Store.open(directory) as one, Store.open(directory) as two:
        got = []
        for turn in range(20):
            if turn == 10:
                clock.move_to("2026-11-24")
            got.append(append(one if turn % 3 else two).seq)
        assert got == list(range(1, 21)) == seqs(one) == seqs(two)
        assert not one.recovered
        assert not two.recovered
    assert len(segment_files(directory)) > 4


def test_the_watermark_of_a_line_never_promises_what_is_not_synced(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W2: each `synced` is at most the highest `seq` that a sync which had returned by then covers."""
    covered, promised = [0], []
    with Store.open(directory) as one, Store.open(directory, durability="none") as two:
        real_sync, real_write = files.sync_data, files.write_all

        def sync(fd: int) -> None:
            data = files.read_at(fd, 0, 1 << 20)
            real_sync(fd)
            covered.append(data.count(b"\n"))

        def write(fd: int, data: bytes) -> None:
            promised.append((int(data.rsplit(b'"synced":', 1)[1].split(b",")[0]), max(covered)))
            real_write(fd, data)

        monkeypatch.setattr(files, "sync_data", sync)
        monkeypatch.setattr(files, "write_all", write)
        for turn in range(12):
            append(two if turn % 3 else one)
    assert len(promised) == 12
    assert all(synced <= covered_then for synced, covered_then in promised)
    assert promised[-1][0] > 0


@pytest.mark.parametrize(
    "seqs_added", [[1], [3], [2, 2], [2, 4], [2, 3, 0], [0]], ids=lambda given: "-".join(map(str, given))
)
def test_F46_lines_out_of_order_behind_ours_are_noticed_before_the_next_append(
    directory: Path, seqs_added: list[int]
) -> None:
    """Of what another hand added only lines that go on in order are taken in; 0 stands for half a line."""
    with Store.open(directory) as store:
        path = Path(append(store).file)
        fields = {"time": "2026-11-23T12:00:00.000000Z", "category": "api", "action": "read"}
        lines = [seal_line(encode(fields), seq, 1) + b"\n" if seq else b'{"seq":' for seq in seqs_added]
        with path.open("ab") as file:
            file.write(b"".join(lines))
        assert append(store).seq > 1
        found = seqs(store)
        assert found == sorted(set(found))
        assert store.recovered
