"""File systems that lose what they had in memory only, while processes append: acknowledged events are there."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from mounts import loop_disk
from programs import check, nursery
from stonelog.filestore import Reader

CYCLES = int(os.environ.get("STONELOG_CUT_CYCLES", "2"))
"""How often the power goes, for each kind of file system."""


@pytest.mark.parametrize(
    ("kind", "options"),
    [("ext4", "data=ordered"), ("ext4", "data=writeback"), ("xfs", "rw")],
    ids=["ext4-ordered", "ext4-writeback", "xfs"],
)
def test_F15_what_was_acknowledged_before_the_power_went_is_there(tmp_path: Path, kind: str, options: str) -> None:
    """Two processes append, with rolls; after FS_IOC_SHUTDOWN, and mounting again, nothing acknowledged is missing.

    Calls that are under way at that moment may return 0 and be lost with the rest of the file system's memory, so
    that only what was stamped before it counts; the ioctl cannot be seen by those.
    """
    chance = random.Random(kind + options)
    acknowledged: dict[int, str] = {}
    counted = 0
    with (
        loop_disk(tmp_path, kind, options=options) as disk,
        nursery(tmp_path / "pipes", {"STONELOG_STORE_SEGMENT_BYTES": "60000"}) as start,
    ):
        directory = disk.place / "data"
        for _ in range(CYCLES):
            writers = [start.start(directory, threads=3) for _ in range(2)]
            for writer in writers:
                writer.wait_for(chance.randrange(30, 200))
            cut = time.monotonic_ns()
            disk.cut()
            for writer in writers:
                acks = writer.finish()
                assert writer.errors, "the cut was not noticed"
                before = {ack.seq: ack.id for ack in acks if ack.nanoseconds < cut}
                assert not before.keys() & acknowledged.keys(), "a seq was given twice"
                acknowledged |= before
                counted += len(before)
            disk.unmount()
            disk.mount()
            check(directory, acknowledged)
    assert counted >= 60 * CYCLES


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_F15_the_cut_is_one(tmp_path: Path, kind: str) -> None:
    """The same with durability `os` loses acknowledged events, so that the test above would see a missing sync."""
    with (
        loop_disk(tmp_path, kind) as disk,
        nursery(tmp_path / "pipes", {"STONELOG_STORE_DURABILITY": "os"}) as start,
    ):
        writer = start.start(disk.place / "data")
        writer.wait_for(100)
        disk.cut()
        acks = writer.finish()
        disk.unmount()
        disk.mount()
        kept = sum(1 for _ in Reader(disk.place / "data").lines())
    assert kept < len(acks)
