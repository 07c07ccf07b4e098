"""What other hands do while a store is open: rights taken away, bits flipped, files copied, replaced and put back."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from mounts import mounted
from programs import check, need, nursery, run
from stonelog.filestore import CorruptLine, Reader, StonelogError, Store, StoreReadOnly

EVENT = {"category": "api", "action": "read"}


def append(store: Store, count: int = 1) -> dict[int, str]:
    """So many more events, each acknowledged alone: id by `seq`."""
    receipts = [store.append(EVENT) for _ in range(count)]
    return {receipt.seq: receipt.id for receipt in receipts}


def own(directory: Path) -> list[int | None]:
    """The `seq`s of all events but the store's own."""
    return [event.seq for event in Reader(directory).read() if not event.action.startswith("store_")]


@pytest.mark.parametrize("flag", ["i", "a"])
@pytest.mark.parametrize("what", ["segment", "events"])
def test_F41_attributes_that_forbid_writing_are_told(directory: Path, flag: str, what: str) -> None:
    """chattr +i and +a, on a segment or its directory, open or not: an event or a clear error, and reading."""
    need("chattr")
    acks = append_closed(directory)
    store = Store.open(directory)
    acks |= append(store)
    path = Path(next(iter(Reader(directory).segments())).path)
    target = path if what == "segment" else path.parent
    if subprocess.run(["chattr", f"+{flag}", str(target)], capture_output=True, check=False).returncode:
        store.close()
        pytest.skip("chattr needs root and a file system that knows it")
    try:
        for opened in (False, True):
            try:
                if opened:
                    store = Store.open(directory)
                acks |= append(store)
            except StoreReadOnly as error:
                assert "Operation not permitted" in str(error)
            store.close()
            assert set(acks) <= set(own(directory))
    finally:
        subprocess.run(["chattr", f"-{flag}", str(target)], check=True)
    check(directory, acks)


def append_closed(directory: Path) -> dict[int, str]:
    """A store with two events."""
    with Store.open(directory) as store:
        return append(store, 2)


def test_F41_a_read_only_bind_mount_is_read_and_not_written(directory: Path, tmp_path: Path) -> None:
    """Seen through a mount that forbids writing, opening is StoreReadOnly, and reading and following go on."""
    acks = append_closed(directory)
    with mounted(tmp_path / "view", "-o", "bind,ro", directory) as view:
        with pytest.raises(StoreReadOnly, match="Read-only file system"):
            Store.open(view)
        assert own(view) == [1, 2]
        acks |= append_closed(directory)
        assert own(view) == [1, 2, 3, 4]
    check(directory, acks)


# Opens as root, gives up its rights, and appends: a descriptor that is open stays usable, a roll is not.
DROPS = """
import os, sys
from stonelog.filestore import Reader, StonelogError, Store
store = Store.open(sys.argv[1])
store.append(category="api", action="read")
os.setgroups([]); os.setgid(65534); os.setuid(65534)
for _ in range(4):
    try: print("ack", store.append(category="api", action="read").seq)
    except StonelogError as error: print(type(error).__name__, error)
try: store.close()
except StonelogError as error: print(type(error).__name__, error)
"""


@pytest.mark.parametrize("size", [100, 10_000_000])
def test_F41_permission_lost_while_open_is_a_clear_error_or_none(directory: Path, size: int) -> None:
    """A process that gives up root goes on in its open segment; a roll is StoreReadOnly, and what was told is there."""
    if os.geteuid() != 0:
        pytest.skip("only root can give up its rights")
    out = run(DROPS, directory, STONELOG_STORE_SEGMENT_BYTES=str(size)).splitlines()
    told = [int(line.split()[1]) for line in out if line.startswith("ack")]
    refused = [line for line in out if not line.startswith("ack")]
    assert all(line.startswith("StoreReadOnly") and "Permission denied" in line for line in refused), refused
    assert {1, *told} <= set(own(directory))
    check(directory, {})


def test_F42_each_flipped_bit_of_a_live_day_is_named_and_the_rest_is_read(directory: Path) -> None:
    """One bit of each byte in turn: a reader beside the open store names the place and gives every other line."""
    with Store.open(directory) as store:
        receipts = [store.append(EVENT) for _ in range(4)]
        path = Path(receipts[0].file)
        good = path.read_bytes()
        starts = [receipt.offset for receipt in receipts]
        for place in range(len(good)):
            flipped = bytearray(good)
            flipped[place] ^= 1 << (place % 8)
            path.write_bytes(flipped)
            told: list[CorruptLine] = []
            lines = [line.seq for line in Reader(directory).lines(on_corrupt=told.append)]
            bad = max(number for number, start in enumerate(starts) if start <= place)
            joined = good[place] == 0x0A
            lost = {bad + 1, bad + 2} if joined else {bad + 1}
            assert lines == [seq for seq in range(1, 5) if seq not in lost]
            if not (joined and bad == 3):  # the end of the newest line: it may be under way
                assert told[0].offset == starts[bad]
                assert (told[0].file, told[0].line) == (path.name, bad + 1)
        path.write_bytes(good)
        assert store.append(EVENT).seq == 5
    check(directory, {receipt.seq: receipt.id for receipt in receipts})


def test_F45_a_day_cut_at_a_line_end_is_noticed_by_the_store_that_is_open(directory: Path) -> None:
    """What the open store had acknowledged is missing: the next event comes after it, and opening names the gap."""
    with Store.open(directory) as store:
        receipts = [store.append(EVENT) for _ in range(5)]
        os.truncate(receipts[0].file, receipts[3].offset)
        assert store.append(EVENT).seq == 6
    with Store.open(directory) as store:
        assert "seq 4 to 5" in str(store.recovered.faults[0])
        assert own(directory) == [1, 2, 3, 6]


def test_F46_a_file_doubled_by_another_hand_gives_nothing_twice(directory: Path) -> None:
    """`cat day >> day` beside the open store: the second copy is set aside before the next acknowledgement."""
    with Store.open(directory) as store:
        acks = append(store, 5)
        path = Reader(directory).segments()[0].path
        data = path.read_bytes()
        path.write_bytes(data * 2)
        acks |= append(store)
        kept = [each.read_bytes() for each in (directory / "quarantine").iterdir() if each.suffix != ".json"]
        assert kept == [data]
        assert own(directory) == sorted(acks)
    check(directory, acks)


@pytest.mark.parametrize("way", ["cp", "tar", "rsync"])
def test_F59_a_copy_of_a_live_store_opens_clean_or_names_its_gap(directory: Path, tmp_path: Path, way: str) -> None:
    """Copied at random moments while two processes append and roll; what the copy has is what the original has."""
    need(way)
    chance = random.Random(way)
    commands = {
        "cp": "cp -r {0} {1}",
        "tar": "mkdir {1} && {{ tar -C {0} -cf - . 2>/dev/null || test $? = 1; }} | tar -C {1} -xf -",
        "rsync": "rsync -a --ignore-missing-args {0}/ {1}/ || test $? = 24",
    }
    small = {"STONELOG_STORE_SEGMENT_BYTES": "40000"}
    copies = []
    with nursery(tmp_path / "pipes", small) as start:
        writers = [start.start(directory, threads=2) for _ in range(2)]
        for turn in range(5):
            writers[0].wait_for((turn + 1) * chance.randrange(20, 60))
            copy = tmp_path / f"copy{turn}"
            subprocess.run(["sh", "-c", commands[way].format(directory, copy)], check=True)
            copies.append(copy)
        for writer in writers:
            writer.signal(9)
        acks = {ack.seq: ack.id for writer in writers for ack in writer.finish()}
    check(directory, acks)
    original = {line.seq: line.raw for line in Reader(directory).lines()}
    for copy in copies:
        with Store.open(copy) as store:
            faults = "; ".join(map(str, store.recovered.faults))
            receipt = store.append(EVENT)
        lines = {line.seq: line.raw for line in Reader(copy).lines()}
        mine = {seq: raw for seq, raw in lines.items() if original.get(seq) != raw}
        assert all(b'"action":"store_' in raw for seq, raw in mine.items() if seq != receipt.seq)
        missing = sorted(set(range(1, receipt.seq)) - set(lines))
        assert not missing or all(f"seq {seq}" in faults for seq in (missing[0],)), (missing, faults)


def test_F60_an_older_copy_put_back_is_noticed_by_the_store_that_is_open(directory: Path, tmp_path: Path) -> None:
    """Copied back over the live files: no `seq` is given twice by the store that is open, and the gap is named."""
    with Store.open(directory) as store:
        append(store, 3)
        shutil.copytree(directory, tmp_path / "old")
        append(store, 3)
        shutil.copytree(tmp_path / "old", directory, dirs_exist_ok=True)
        assert store.append(EVENT).seq == 7
    with Store.open(directory) as store:
        assert "seq 4 to 6" in str(store.recovered.faults[0])


def test_F60_a_copy_run_beside_the_original_is_a_second_history(directory: Path, tmp_path: Path) -> None:
    """The stated limit: both go on from where the copy was made, and the same `seq` names two events, told by id."""
    with Store.open(directory) as store:
        acks = append(store, 3)
        shutil.copytree(directory, tmp_path / "copy")
        with Store.open(tmp_path / "copy") as fork:
            assert append(fork).keys() == append(store).keys() == {4}
    ids = [[event.id for event in Reader(each).read()] for each in (directory, tmp_path / "copy")]
    assert ids[0][:3] == ids[1][:3] == list(acks.values())
    assert ids[0][3] != ids[1][3]


def test_F57_a_reader_beside_writers_never_sees_half_a_line(directory: Path, tmp_path: Path) -> None:
    """Reading over and over while processes append: only whole lines, in order without gaps, and no alarm."""
    with nursery(tmp_path / "pipes", {"STONELOG_STORE_SEGMENT_BYTES": "50000"}) as start:
        writers = [start.start(directory, threads=2, pad="y" * 3000) for _ in range(2)]
        writers[0].wait_for(1)
        reader, told, last = Reader(directory), [], 0
        while last < 250:
            for durable in (False, True):
                seqs = [line.seq for line in reader.lines(last - 50, durable=durable, on_corrupt=told.append)]
                assert seqs == list(range(seqs[0], seqs[0] + len(seqs))) if seqs else True
                last = max([last, *seqs])
        for writer in writers:
            writer.signal(9)
        acks = {ack.seq: ack.id for writer in writers for ack in writer.finish()}
    assert told == []
    check(directory, acks)


def test_F46_a_segment_that_vanishes_under_a_reader_is_a_clear_error_or_none(directory: Path) -> None:
    """Reading and following a store whose newest segment another hand removes: events, or a StonelogError."""
    with Store.open(directory) as store:
        append(store, 2)
        reader = Reader(directory)
        following = reader.follow(wait=lambda seconds: True)
        assert next(following).seq == 1
        path = reader.segments()[0].path
        path.rename(path.with_suffix(".gone"))
        try:
            assert [event.seq for event in following] == [2]
        except StonelogError as error:
            assert path.name in str(error)
        path.with_suffix(".gone").rename(path)
