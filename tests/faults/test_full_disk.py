"""Real file systems without space: for bytes, for names, and behind the file system's back."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time

from answers import wait_until
from mounts import loop_disk, mounted
from programs import check, run
from stonelog.filestore import LEVELS, DiskFull, Reader, StonelogError, Store, StoreReadOnly

EVENT = {"category": "api", "action": "read"}


def fill(place: Path) -> Path:
    """A file that takes all the space there is."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


def test_F29_a_full_disk_takes_no_event_and_loses_none(tmp_path: Path) -> None:
    """On a full tmpfs: append and roll are DiskFull, emit counts, reading goes on; with space all go on, unopened."""
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=256k", "tmpfs") as place:
        directory = place / "data"
        with Store.open(directory) as store, Store.open(directory) as other:
            acks = {receipt.seq: receipt.id for receipt in (store.append(EVENT), other.append(EVENT))}
            ballast = fill(place)
            for each in (store, other, store):
                with pytest.raises(DiskFull):
                    each.append(EVENT, message="x" * 8000)
                with pytest.raises(DiskFull):
                    each.append_many([{**EVENT, "message": "x" * 3000}] * 9)
            store.emit(EVENT, message="x" * 9000)
            with pytest.raises(DiskFull):
                store.append(EVENT, message="x" * 9000)  # behind the emitted one in the queue
            assert store.dropped == 1
            assert [event.seq for event in Reader(directory).read()][:2] == [1, 2]
            ballast.unlink()
            for each in (other, store, other):
                receipt = each.append(EVENT, message="x" * 8000)
                acks[receipt.seq] = receipt.id
            assert not store.recovered.faults
        check(directory, acks)


def test_F29_a_store_on_a_full_disk_can_be_opened_and_read(tmp_path: Path) -> None:
    """Opening needs no space if nothing has to be set aside; if it has, it is DiskFull and changes nothing."""
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=256k", "tmpfs") as place:
        directory = place / "data"
        with Store.open(directory) as store:
            receipt = store.append(EVENT)
        ballast = fill(place)
        Store.open(directory).close()
        path = Path(receipt.file)
        ballast.unlink()
        with path.open("ab") as file:
            file.write(b"torn" * 3000)
        torn = path.read_bytes()
        ballast = fill(place)
        with pytest.raises(DiskFull):
            Store.open(directory)
        assert path.read_bytes() == torn
        assert [event.seq for event in Reader(directory).read()] == [1]
        ballast.unlink()
        check(directory, {receipt.seq: receipt.id})
        kept = [each for each in (directory / "quarantine").iterdir() if each.suffix != ".json"]
        assert [each.read_bytes() for each in kept] == [b"torn" * 3000]


def test_F31_without_a_name_for_the_next_segment_nothing_is_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the inodes of an ext4 used up the first append is DiskFull and leaves nothing; with some free it goes on."""
    monkeypatch.setenv("STONELOG_STORE_SEGMENT_BYTES", "800")
    with loop_disk(tmp_path, "ext4", megabytes=8, make=("-N", "32")) as disk:
        directory = disk.place / "data"
        acks: dict[int, str] = {}
        with Store.open(directory) as store:
            used = []
            with pytest.raises(OSError, match="No space"):
                for number in range(100):
                    used.append(disk.place / str(number))
                    os.close(os.open(used[-1], os.O_CREAT))
            refused = 0
            for _ in range(6):
                try:
                    receipt = store.append(EVENT, message="x" * 100)
                    acks[receipt.seq] = receipt.id
                except DiskFull:
                    refused += 1
            assert refused
            assert len(Reader(directory).segments()) <= 1
            assert [event.seq for event in store.read()] == sorted(acks)
            for each in used[:3]:
                each.unlink(missing_ok=True)
            for _ in range(4):
                receipt = store.append(EVENT, message="x" * 100)
                acks[receipt.seq] = receipt.id
            assert len(Reader(directory).segments()) > 1
        check(directory, acks)


def own(directory: Path) -> list[tuple[str | None, dict[str, Any]]]:
    """Action and metadata of the store's own events, but for those of sealing."""
    events = [event for event in Reader(directory).read() if event.category == "system_management"]
    return [(event.action, event.metadata or {}) for event in events if event.action != "store_sealed"]


def retained() -> bool:
    """Whether no retention is under way in this process."""
    return "stonelog-retention" not in {thread.name for thread in threading.enumerate()}


def days(directory: Path, count: int) -> dict[int, str]:
    """So many sealed days of about 600 KiB each, up to the 22nd; gives the acknowledged events."""
    acks = {}
    with freeze_time("2026-11-01 12:00") as clock, Store.open(directory) as store:
        for day in range(23 - count, 24):
            clock.move_to(datetime(2026, 11, day, 12, tzinfo=UTC))
            events = [{**EVENT, "message": os.urandom(5000).hex()} for _ in range(100 if day < 23 else 1)]
            acks |= {receipt.seq: receipt.id for receipt in store.append_many(events)}
            store.upkeep.seal()
    return acks


def pruned(directory: Path) -> set[int]:
    """The `seq`s that retention says it removed."""
    segments = [each for action, told in own(directory) if action == "store_pruned" for each in told["segments"]]
    assert {each["reason"] for each in segments} <= {"free"}
    return {seq for each in segments for seq in range(each["first_seq"], each["last_seq"] + 1)}


@freeze_time("2026-11-23 13:00")
def test_F29_retention_makes_room_before_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written to again and again, a tmpfs of 8 MiB gives up its sealed days, oldest first, and refuses no append."""
    monkeypatch.setenv("STONELOG_RETENTION_KEEP_FREE_BYTES", str(1536 << 10))
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=8m", "tmpfs") as place:
        directory = place / "data"
        acks = days(directory, 6)
        with Store.open(directory) as store:
            turns = 0
            while len(Reader(directory).names()) > 2:
                turns += 1
                assert turns < 600
                receipt = store.append(EVENT, message="x" * 20_000)
                acks[receipt.seq] = receipt.id
                wait_until(retained)
            store.append(EVENT)
        told = [action for action, _ in own(directory)]
        assert set(told) == {"store_space_low", "store_pruned", "store_space_back"}
        assert told.count("store_space_low") > 1
        assert told.count("store_pruned") > 1
        gone = pruned(directory)
        assert gone == set(range(1, len(gone) + 1))
        assert (directory / "reserve").stat().st_blocks * 512 == 256 << 10
        given = {event.seq: event.id for event in Reader(directory).read()}
        assert {seq: given.get(seq) for seq in acks if seq not in gone} == {
            seq: identity for seq, identity in acks.items() if seq not in gone
        }
        assert not gone & set(given)


@freeze_time("2026-11-23 13:00")
def test_F29_on_a_disk_that_is_full_at_once_the_reserve_lets_retention_say_what_it_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program took all the space: the append that finds none brings retention about, and the next one works."""
    monkeypatch.setenv("STONELOG_RETENTION_KEEP_FREE_BYTES", str(1 << 20))
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=8m", "tmpfs") as place:
        directory = place / "data"
        acks = days(directory, 4)
        fill(place)
        with Store.open(directory) as store:
            with contextlib.suppress(DiskFull):  # unless retention was quicker
                store.append(EVENT, message="x" * 9000)
            wait_until(retained)
            receipt = store.append(EVENT, message="x" * 9000)
            acks[receipt.seq] = receipt.id
            store.append(EVENT)
        gone = pruned(directory)
        assert gone == set(range(1, len(gone) + 1))
        assert 0 < len(gone) < len(acks)
        missing: list[object] = []
        given = {line.seq for line in Reader(directory).lines(on_corrupt=missing.append)}
        assert missing == []
        assert set(acks) - given == gone & set(acks)


def test_F29_levels_are_shed_in_their_order_and_all_goes_on_when_there_is_space(tmp_path: Path) -> None:
    """With nothing to prune: emit sheds debug first, critical never; then append is DiskFull; space brings all back."""
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=8m", "tmpfs") as place:
        directory = place / "data"
        mark = (8 << 20) // 32
        with Store.open(directory) as store:
            acks, shed = {}, []
            for tenths in (9, 7, 5, 3, 1):
                ballast = fill(place)
                os.truncate(ballast, ballast.stat().st_size - mark * tenths // 10)
                receipt = store.append(EVENT, level="debug")
                acks[receipt.seq] = receipt.id
                shed.append([level for level in LEVELS if not store.emit(EVENT, level=level)])
                store.roll()  # answered when what was emitted is written
            assert shed == [list(LEVELS[:count]) for count in (1, 2, 3, 4, 5)]
            assert store.dropped == 15
            ballast = fill(place)
            with pytest.raises(DiskFull):
                store.append(EVENT, message="x" * 9000)
            assert not store.emit(EVENT)
            ballast.unlink()
            receipt = store.append(EVENT)
            acks[receipt.seq] = receipt.id
            assert all(store.emit(EVENT, level=level) for level in LEVELS)
            dropped = store.dropped
        told = own(directory)
        assert [action for action, _ in told if action != "events_dropped"] == ["store_space_low", "store_space_back"]
        assert sum(metadata["dropped"] for action, metadata in told if action == "events_dropped") == dropped == 16
        levels = Counter(event.level for event in Reader(directory).read() if event.action == "read")
        assert levels == {
            "debug": 5 + 1,
            "info": 1 + 1 + 1,
            "notice": 2 + 1,
            "warning": 3 + 1,
            "error": 4 + 1,
            "critical": 5 + 1,
        }
        check(directory, acks)


# Appends until it is refused, says what it was told, then what it is told when there is space again.
UNTIL_REFUSED = """
import os, sys
from stonelog.filestore import StonelogError, Store
def append(turn):
    try:
        receipt = store.append(category="api", action="create", message=f"{turn} " + "x" * 20000)
        print("ack", receipt.seq, receipt.id)
        return True
    except StonelogError as error:
        print(type(error).__name__, str(error)[:150])
store = Store.open(sys.argv[1])
append("first")
ballast = open(sys.argv[2], "wb", buffering=0)
try:
    while True: ballast.write(bytes(65536))
except OSError: pass
turn = 0
while turn < 2000 and append(turn): turn += 1
os.unlink(sys.argv[2])
ballast.close()
append("after")
os._exit(0)
"""


def test_F32_space_that_is_missing_behind_the_file_system_is_no_acknowledgement(tmp_path: Path) -> None:
    """ext4 in a sparse file on a full tmpfs: the sync fails, for real; what was acknowledged is on the medium."""
    with (
        mounted(tmp_path / "memory", "-t", "tmpfs", "-o", "size=24m", "tmpfs") as memory,
        loop_disk(memory, "ext4", megabytes=200) as disk,
    ):
        directory = disk.place / "data"
        said = run(UNTIL_REFUSED, directory, memory / "ballast").splitlines()
        acks = {int(line.split()[1]): line.split()[2] for line in said if line.startswith("ack ")}
        refused = [line for line in said if not line.startswith("ack ")]
        assert refused
        assert refused[0].startswith(("StoreReadOnly", "DiskFull"))
        disk.unmount()  # what was in the page cache only is gone
        disk.mount()
        check(directory, acks)


def test_F32_a_reader_is_not_given_what_a_failed_sync_lost(tmp_path: Path) -> None:
    """An event that was refused because its sync failed is not read as one on stable storage."""
    with (
        mounted(tmp_path / "memory", "-t", "tmpfs", "-o", "size=24m", "tmpfs") as memory,
        loop_disk(memory, "ext4", megabytes=200) as disk,
    ):
        directory = disk.place / "data"
        run(UNTIL_REFUSED, directory, memory / "ballast")
        given = []
        with contextlib.suppress(StonelogError):
            given = [event.seq for event in Reader(directory).read()]
        disk.unmount()
        disk.mount()
        assert set(given) <= {line.seq for line in Reader(directory).lines()}


def test_F41_a_file_system_mounted_read_only_is_told(tmp_path: Path) -> None:
    """Opening is StoreReadOnly with the reason, and all that was acknowledged is read."""
    with loop_disk(tmp_path, "ext4", megabytes=16) as disk:
        directory = disk.place / "data"
        with Store.open(directory) as store:
            acks = {each.seq: each.id for each in store.append_many([EVENT] * 3)}
        with disk.read_only():
            with pytest.raises(StoreReadOnly, match="Read-only file system"):
                Store.open(directory)
            assert [event.seq for event in Reader(directory).read()] == [1, 2, 3]
        check(directory, acks)


def test_F41_a_file_system_that_stops_working_under_an_open_store(tmp_path: Path) -> None:
    """When every call fails, appending says so each time and closing lets go; mounted again nothing is missing."""
    with loop_disk(tmp_path, "xfs") as disk:
        directory = disk.place / "data"
        store = Store.open(directory)
        acks = {each.seq: each.id for each in store.append_many([EVENT] * 3)}
        disk.cut()
        for _ in range(3):
            with pytest.raises(StoreReadOnly):
                store.append(EVENT)
        store.close()
        disk.unmount()
        disk.mount()
        check(directory, acks)
