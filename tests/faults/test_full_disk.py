"""Real file systems without space: for bytes, for names, and behind the file system's back."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from mounts import loop_disk, mounted
from programs import check, run
from stonelog.filestore import DiskFull, Reader, StonelogError, Store, StoreReadOnly

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
        told = [event for event in Reader(directory).read() if not event.action.startswith("store_")]
        assert [event.seq for event in told] == [1]
        ballast.unlink()
        check(directory, {receipt.seq: receipt.id})
        kept = [each for each in (directory / "quarantine").iterdir() if each.suffix != ".json"]
        assert [each.read_bytes() for each in kept] == [b"torn" * 3000]


def test_F31_without_a_name_for_the_next_segment_nothing_is_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the inodes of an ext4 used up the open segment takes the events; with some free again a new one begins."""
    monkeypatch.setenv("STONELOG_STORE_SEGMENT_BYTES", "800")
    monkeypatch.setenv("STONELOG_STORE_RESERVE_BYTES", "0")
    with loop_disk(tmp_path, "ext4", megabytes=8, make=("-N", "16")) as disk:
        directory = disk.place / "data"
        acks: dict[int, str] = {}
        with Store.open(directory) as store:
            first = store.append(EVENT)
            acks[first.seq] = first.id
            used = []
            with pytest.raises(OSError, match="No space"):
                for number in range(100):
                    used.append(disk.place / str(number))
                    os.close(os.open(used[-1], os.O_CREAT))
            for _ in range(6):
                receipt = store.append(EVENT, message="x" * 100)
                acks[receipt.seq] = receipt.id
            assert len(Reader(directory).segments()) == 1
            assert [event.seq for event in store.read()] == sorted(acks)
            for each in used[:3]:
                each.unlink(missing_ok=True)
            for _ in range(4):
                receipt = store.append(EVENT, message="x" * 100)
                acks[receipt.seq] = receipt.id
            assert len(Reader(directory).segments()) > 1
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
