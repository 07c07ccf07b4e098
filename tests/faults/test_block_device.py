"""A disk that keeps any of the blocks not flushed yet, and one whose blocks cannot be written or read: by FUSE."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from blockdevice import block_device
from mounts import LoopDisk
from programs import check, nursery
from stonelog.filestore import Reader, Store, StoreReadOnly

CUTS = int(os.environ.get("STONELOG_BLOCK_CUTS", "12"))
"""How many states of the medium are tried."""

EVENT = {"category": "api", "action": "read"}


def test_F16_any_of_the_blocks_between_two_flushes_may_be_lost(tmp_path: Path) -> None:
    """ext4 with a random choice of the 512-byte blocks written since the last flush: mounts, opens, nothing is lost."""
    with nursery(tmp_path / "pipes", {"STONELOG_STORE_SEGMENT_BYTES": "40000"}) as start:
        with block_device(tmp_path, "ext4") as (device, disk):
            os.sync()
            writers = [start.start(disk.place / "data", threads=3) for _ in range(2)]
            for turn in range(CUTS):
                writers[0].wait_for(1 + 15 * turn)
                device.wanted = 1
                writers[1].wait_for(15 * (turn + 1))
            for writer in writers:
                writer.signal(9)
            acks = [ack for writer in writers for ack in writer.finish()]
            cuts = device.cuts
        assert len(cuts) > CUTS // 2
        for number, cut in enumerate(cuts):
            image = cut.lay(tmp_path / f"image{number}")
            copy = LoopDisk(image, tmp_path / f"place{number}", "rw")
            copy.mount()
            try:
                check(copy.place / "data", {ack.seq: ack.id for ack in acks if ack.nanoseconds < cut.nanoseconds})
            finally:
                copy.unmount()
                image.unlink()


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_F32_a_disk_that_refuses_writes_for_a_while(tmp_path: Path, code: int) -> None:
    """What is acknowledged while the disk refuses blocks is on the medium; what is not is an error for its caller."""
    with block_device(tmp_path, "ext4") as (device, disk):
        directory = disk.place / "data"
        store = Store.open(directory)
        receipts = [store.append(EVENT) for _ in range(3)]
        device.fails = lambda what, offset, data: code if what == "write" else 0
        with pytest.raises(StoreReadOnly):
            for _ in range(3):
                receipts.append(store.append(EVENT))
        device.fails = lambda what, offset, data: 0
        with pytest.raises(StoreReadOnly):
            store.append(EVENT)
        store.close()
        acks = {receipt.seq: receipt.id for receipt in receipts}
        disk.unmount()
        disk.mount()
        check(directory, acks)


class Once:
    """Fails for the first write of lines of events: a bad sector that the next try finds good."""

    def __init__(self) -> None:
        self.left = 1

    def __call__(self, what: str, offset: int, data: bytes) -> int:
        if what == "write" and self.left and b'{"seq":' in data:
            self.left -= 1
            return errno.EIO
        return 0


def test_F32_a_sector_that_fails_once_costs_nothing(tmp_path: Path) -> None:
    """The kernel says EIO once and forgets the page: the event is acknowledged from a new segment, on the medium."""
    with block_device(tmp_path, "ext4") as (device, disk):
        directory = disk.place / "data"
        with Store.open(directory) as store:
            receipts = [store.append(EVENT)]
            device.fails = once = Once()
            receipts += [store.append(EVENT) for _ in range(3)]
            assert once.left == 0
        assert len(Reader(directory).segments()) == 2
        disk.unmount()
        disk.mount()
        check(directory, {receipt.seq: receipt.id for receipt in receipts})


def test_F32_a_sector_that_fails_once_under_two_processes_loses_nothing(tmp_path: Path) -> None:
    """Both have events under way: each is acknowledged and on the medium, or its caller hears StoreReadOnly."""
    with nursery(tmp_path / "pipes") as start, block_device(tmp_path, "ext4") as (device, disk):
        directory = disk.place / "data"
        acks: dict[int, str] = {}
        for turn in range(4):
            writers = [start.start(directory, threads=3, events=30) for _ in range(2)]
            for writer in writers:
                writer.wait_for(10 + turn)
            device.fails = once = Once()
            for writer in writers:
                acks |= {ack.seq: ack.id for ack in writer.finish()}
                assert all(error.startswith("StoreReadOnly") for error in writer.errors)
            assert once.left == 0
            device.fails = lambda what, offset, data: 0
            disk.unmount()
            disk.mount()
            check(directory, acks)
