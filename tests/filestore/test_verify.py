"""`verify`: every fault is named with its place, and what is none is never told as one."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from segments import DAY, NEXT_DAY, batches, lay, line
from stonelog.filestore import Store, verify
from verified import GZIP, MANIFEST, faults, notes, only, sealed


def test_a_sound_store_has_no_fault(directory: Path) -> None:
    """Everything is read and counted, and nothing is told."""
    sealed(directory)
    verification = verify(directory)
    assert list(verification) == []
    counts = verification.segments, verification.events, verification.first_seq, verification.last_seq
    assert counts == (2, 8, 1, 8)  # the eighth tells of the sealing
    assert verification.bytes == sum(path.stat().st_size for path in (directory / "events").glob("*.jsonl*"))


def test_a_directory_without_events_has_no_fault(directory: Path) -> None:
    """No store, and no segment, is nothing wrong."""
    assert list(verify(directory)) == []
    Store.open(directory).close()
    assert list(verify(directory)) == []


def test_F42_a_flipped_bit_at_every_byte_is_named_with_its_place(directory: Path) -> None:
    """Whatever byte of an acknowledged line changes: its file, line, offset, length and `seq` are told, no other."""
    lines = [line(seq, seq - 1) for seq in range(1, 6)]
    data = b"".join(lines)
    starts = [sum(map(len, lines[:place])) for place in range(5)]
    for at in range(len(data)):
        lay(directory, d23=data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        place = max(number for number in range(5) if starts[number] <= at)
        ends = data[at] == ord("\n")
        if place == 4 or (place == 3 and ends):
            assert [note.place for note in notes(directory)] == [f"{DAY}:{place + 1}:{starts[place]}"]
            continue
        found = only(directory)
        length = len(lines[place]) + (len(lines[place + 1]) if ends else 0)
        assert (found.kind, found.place, found.length) == ("bytes", f"{DAY}:{place + 1}:{starts[place]}", length)
        assert found.seqs == (place + 1, place + 1 + ends)


def test_F44_deleted_lines_are_named(directory: Path) -> None:
    """Lines cut out are told by their `seq`s, at the line after them."""
    lines = batches(*[1] * 8)
    lay(directory, d23=b"".join(lines[:2] + lines[5:]))
    found = only(directory)
    place = f"{DAY}:3:{len(b''.join(lines[:2]))}"
    assert (found.kind, found.place, found.seqs) == ("missing", place, (3, 5))


def test_F44_swapped_and_duplicated_lines_are_named(directory: Path) -> None:
    """Each line that does not belong where it stands is told by its `seq`; a run of them in one piece."""
    lines = batches(*[1] * 9)

    def laid(*order: int) -> list[tuple[str, int | None, tuple[int, int] | None]]:
        lay(directory, d23=b"".join(lines[seq - 1] for seq in order))
        return [(fault.kind, fault.line, fault.seqs) for fault in faults(directory)]

    assert laid(1, 2, 2, 3, 4, 5) == [("order", 3, (2, 2))]
    assert laid(1, 3, 2, 4, 5) == [("missing", 2, (2, 2)), ("order", 3, (2, 2))]
    assert laid(1, 2, 3, 1, 2, 3, 4, 5) == [("order", 4, (1, 3))]
    assert laid(1, 6, 2, 3, 4, 5, 7, 8) == [("missing", 2, (2, 5)), ("order", 3, (2, 5))]


def test_F44_added_bytes_are_named(directory: Path) -> None:
    """Bytes between good lines are told though no event is missing."""
    lines = batches(*[1] * 4)
    lay(directory, d23=lines[0] + b"hello\nthere\n" + b"".join(lines[1:]))
    found = only(directory)
    assert (found.place, found.length, found.seqs) == (f"{DAY}:2:{len(lines[0])}", 12, None)
    assert "no event is missing" in found.reason


def test_F45_a_closed_segment_cut_at_a_line_end_is_caught_by_the_next(directory: Path) -> None:
    """The next segment's first line tells how far the one before went."""
    lay(directory, d23=b"".join(batches(1, 1)), d24=b"".join(batches(2, 1, first=5)))
    found = only(directory)
    assert (found.place, found.seqs) == (f"{NEXT_DAY}:1:0", (3, 4))


def test_F45_a_newest_segment_cut_at_a_line_end_is_a_stated_limit(directory: Path) -> None:
    """Whole lines cut off at the end of the newest segment leave no trace in the files."""
    lay(directory, d23=b"".join(batches(1, 1, 1)[:2]))
    assert list(verify(directory)) == []


@pytest.mark.parametrize("tail", [b'{"seq":6,', b"\0" * 700, b"garbage\n", b"\n\n", line(2, 1)])
def test_F01_what_a_cut_leaves_is_a_note(directory: Path, tail: bytes) -> None:
    """Bytes after the last line of the newest segment were not acknowledged: no fault."""
    data = b"".join(batches(3, 2))
    lay(directory, d23=data + tail)
    (note,) = notes(directory)
    assert (note.kind, note.place, note.length) == ("tail", f"{DAY}:6:{len(data)}", len(tail))


def test_F03_a_hole_in_the_last_batch_is_a_note(directory: Path) -> None:
    """A batch above the watermark with a sector of zeros in it: good lines after the hole are no acknowledgement."""
    good, last = batches(3, 30)
    lay(directory, d23=good + bytes(512) + last[512:])
    (note,) = notes(directory)
    assert (note.place, note.length) == (f"{DAY}:4:{len(good)}", len(last))


def test_a_line_that_vouches_for_what_was_not_written_is_named(directory: Path) -> None:
    """A watermark at or above its own `seq` cannot be right, and makes nothing else a fault."""
    lay(directory, d23=line(1, 0) + line(2, 9) + line(3, 2) + b"torn")
    found = only(directory)
    assert (found.kind, found.place, found.seqs) == ("watermark", f"{DAY}:2:{len(line(1, 0))}", (2, 2))


def test_events_that_retention_removed_are_no_gap(directory: Path) -> None:
    """What pruned.json explains is none; what it does not is told."""
    lay(directory, **{f"d0{seq}": line(seq, seq - 1) for seq in range(1, 6)})
    (directory / "stonelog.toml").write_text("[retention]\nmax_bytes = 1\n")
    with Store.open(directory) as store:
        store.upkeep.seal()
        assert len(store.upkeep.retain().removed) == 4
    assert notes(directory) == []
    (directory / "pruned.json").unlink()
    assert (only(directory).place, only(directory).seqs) == ("2026-11-05.jsonl:1:0", (1, 4))


def test_R05_lines_written_again_after_a_failed_sync_are_a_note(directory: Path) -> None:
    """The older segment's end above the watermark, whole or torn, is held again by the next: no fault."""
    acknowledged, doubtful = batches(2, 3)
    again = b"".join(line(seq, 2, "again") for seq in (3, 4, 5))
    for end in (doubtful, doubtful + b"\0" * 500, b"\0" * len(doubtful), line(3, 2) + b"\0" * 90 + line(5, 2), b""):
        lay(directory, d23=acknowledged + end, d24=again)
        assert bool(notes(directory)) == bool(end)


def test_F47_an_old_copy_under_a_new_name_is_named(directory: Path) -> None:
    """Acknowledged lines that stand in a second segment, with events after them, are told by their `seq`s."""
    lay(directory, d23=b"".join(batches(*[1] * 8)), d24=b"".join(batches(*[1] * 3)) + line(9, 8))
    found = only(directory)
    assert (found.kind, found.place, found.seqs) == ("order", f"{NEXT_DAY}:1:0", (1, 3))


def test_F42_rot_at_the_end_of_a_closed_segment_is_named(directory: Path) -> None:
    """Also if the next segment is still empty: it was on disk before that was begun."""
    good = b"".join(batches(1, 1, 2))
    rotten = good.replace(line(4, 2), line(4, 2).replace(b"api", b"xxx"))
    for following in (b"", line(5, 4), b"torn"):
        lay(directory, d23=rotten, d24=following)
        found = only(directory)
        assert (found.place, found.seqs) == (f"{DAY}:4:{good.index(line(4, 2))}", (4, 4))


def test_bytes_after_a_closed_segment_with_nothing_after_it_are_told_with_what_is_not_known(directory: Path) -> None:
    """While the next segment is empty nothing tells whether a line without its end was one that counts."""
    lay(directory, d23=line(1, 0) + line(2, 1)[:-1], d24=b"")
    found = only(directory)
    assert found.place == f"{DAY}:2:{len(line(1, 0))}"
    assert "nothing after them tells" in found.reason


def test_a_store_whose_first_segments_are_gone_is_told_whatever_the_durability(directory: Path) -> None:
    """A segment that begins with a later `seq` follows another, also if its lines know of no sync."""
    for synced in (0, 6):
        lay(directory, d24=line(7, synced) + line(8, synced))
        assert (only(directory).place, only(directory).seqs) == (f"{NEXT_DAY}:1:0", (1, 6))


def test_a_file_of_zeros_is_one_fault_and_takes_little_memory(directory: Path) -> None:
    """Megabytes without a line end are told as one place."""
    import tracemalloc

    lay(directory, d22=line(1, 0), d23=bytes(40 << 20), d24=line(3, 2))
    tracemalloc.start()
    found = only(directory)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.place, found.length, found.seqs) == (f"{DAY}:1:0", 40 << 20, (2, 2))
    assert peak < 12 << 20


def test_a_line_after_zeros_without_a_line_end_is_none(directory: Path) -> None:
    """What follows bad bytes in the same line is part of them, wherever a block ends."""
    lay(directory, d22=line(1, 0), d23=bytes(2 << 20) + line(2, 1) + line(3, 2), d24=line(4, 3))
    found = only(directory)
    assert (found.length, found.seqs) == ((2 << 20) + len(line(2, 1)), (2, 2))


@pytest.mark.parametrize("kind", ["a symbolic link", "a directory", "a pipe"])
@pytest.mark.parametrize("name", [DAY, GZIP, MANIFEST])
def test_F46_what_is_no_file_is_named_and_never_followed(directory: Path, tmp_path: Path, kind: str, name: str) -> None:
    """A link, directory or pipe under the name of a segment's file is told."""
    events = sealed(directory)
    if name == DAY:
        (events / GZIP).unlink()
        (events / MANIFEST).unlink()
    else:
        (events / name).unlink()
    place = events / name
    if kind == "a symbolic link":
        (tmp_path / "other").write_bytes(b"".join(batches(*[1] * 6)))
        place.symlink_to(tmp_path / "other")
    elif kind == "a directory":
        place.mkdir()
    else:
        os.mkfifo(place)
    assert [fault.reason.split(" stands")[0] for fault in faults(directory) if fault.kind == "name"] == [kind]


def test_names_and_leftovers_are_notes(directory: Path) -> None:
    """A renamed segment is not read, a temporary file is one's who writes or was cut off; other names are nothing."""
    events = sealed(directory)
    for name in ("2026-02-30.jsonl", "notes.txt", f".{GZIP}.77.tmp", ".2026-11-23.jsonl.swp"):
        (events / name).write_bytes(b"")
    (directory / ".holds.json.5.tmp").write_bytes(b"")
    found = {note.file: note.kind for note in notes(directory)}
    assert found == {"2026-02-30.jsonl": "name", f".{GZIP}.77.tmp": "upkeep", ".holds.json.5.tmp": "upkeep"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
def test_a_store_that_cannot_be_read_is_a_fault() -> None:
    """What this user may not read is named, nothing is raised."""
    directory = Path(tempfile.mkdtemp()) / "data"  # not below pytest's folder, which only this user may enter
    directory.parent.chmod(0o755)
    events = sealed(directory)
    for place in events.iterdir():
        place.chmod(0o600)
    os.seteuid(65534)
    try:
        assert [(fault.kind, fault.file) for fault in faults(directory)] == [("unreadable", "events")]
        os.seteuid(0)
        events.chmod(0o755)
        os.seteuid(65534)
        told = [(fault.kind, fault.file) for fault in faults(directory)]
        unreadable = [(kind, name) for kind, name in told if kind == "unreadable"]
        assert unreadable == [("unreadable", GZIP), ("unreadable", NEXT_DAY)]
    finally:
        os.seteuid(0)
        shutil.rmtree(directory.parent)
