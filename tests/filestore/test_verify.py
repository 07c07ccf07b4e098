"""`verify`: every fault is named with its place, and what is none is never told as one."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segments import DAY, NEXT_DAY, batches, lay, line
from stonelog.filestore import Fault, Store, stamp, verify

EVENT = {"category": "api", "action": "read"}
GZIP, ZSTD, MANIFEST = "2026-11-23.jsonl.gz", "2026-11-23.jsonl.zst", "2026-11-23.manifest.json"


def faults(directory: Path) -> list[Fault]:
    """What is told as a fault."""
    return [fault for fault in verify(directory) if not fault.note]


def notes(directory: Path) -> list[Fault]:
    """What is told as a note; there is no fault."""
    found = list(verify(directory))
    assert all(fault.note for fault in found), found
    return found


def only(directory: Path) -> Fault:
    """The one fault there is."""
    found = faults(directory)
    assert len(found) == 1, found
    return found[0]


def sealed(directory: Path, codec: str = "gzip", count: int = 6) -> Path:
    """A store with one sealed segment, the day of the tests, of `count` events, and one event after it."""
    shutil.rmtree(directory, ignore_errors=True)
    lay(directory, d23=b"".join(batches(*[1] * count)), d24=line(count + 1, count))
    (directory / "stonelog.toml").write_text(f'[seal]\ncodec = "{codec}"\n')
    with Store.open(directory) as store:
        store.upkeep.seal()
    return directory / "events"


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


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.usefixtures("unsynced")
def test_F43_a_flipped_bit_at_every_byte_of_a_sealed_segment_is_told(directory: Path, codec: str) -> None:
    """No byte of an archive, its header and seek table included, or of a manifest can change unnoticed."""
    events = sealed(directory, codec)
    for path in (events / (GZIP if codec == "gzip" else ZSTD), events / MANIFEST):
        data = path.read_bytes()
        for at in range(len(data)):
            path.write_bytes(data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :])
            found = faults(directory)
            assert {fault.file for fault in found} == {path.name}, (at, found)
        path.write_bytes(data)
    assert faults(directory) == []


def test_F43_what_is_lost_with_a_frame_is_named_and_the_lines_around_it_are_read(directory: Path) -> None:
    """The frame's place in the plain bytes and its `seq`s are told; the frames after it count."""
    data = batches(*[1] * 3000, text="x" * 300)
    lay(directory, d23=b"".join(data), d24=line(3001, 3000))
    with Store.open(directory) as store:
        (manifest,) = store.upkeep.seal()
    assert len(manifest.frames) > 3
    frame, after = manifest.frames[1], manifest.frames[2]
    path = directory / "events" / GZIP
    raw = bytearray(path.read_bytes())
    raw[frame.offset + 2000] ^= 1
    path.write_bytes(raw)
    verification = verify(directory)
    (found,) = (fault for fault in verification if not fault.note)
    assert (found.kind, found.place) == ("archive", f"{GZIP}:{frame.first_seq}:{frame.start}")
    assert (found.length, found.seqs) == (after.start - frame.start, (frame.first_seq, after.first_seq - 1))
    assert verification.events == 3002 - (after.first_seq - frame.first_seq)


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


def test_F47_a_truncated_archive_is_told_by_what_is_missing(directory: Path) -> None:
    """Cut between two frames nothing fails to unpack: the manifest tells."""
    lay(directory, d23=b"".join(batches(*[1] * 2000, text="x" * 300)), d24=line(2001, 2000))
    with Store.open(directory) as store:
        (manifest,) = store.upkeep.seal()
    frame = manifest.frames[1]
    os.truncate(directory / "events" / GZIP, frame.offset)
    archive, gap = faults(directory)
    assert (archive.file, archive.offset, archive.seqs) == (GZIP, frame.start, (frame.first_seq, 2000))
    assert (gap.kind, gap.place, gap.seqs) == ("missing", f"{NEXT_DAY}:1:0", (frame.first_seq, 2000))


def test_F47_joined_and_renamed_archives_are_told(directory: Path) -> None:
    """Another day's archive or manifest in the place of the right one, or two archives in one file."""
    lay(directory, d22=b"".join(batches(1, 1)), d23=b"".join(batches(1, 2, first=3)), d24=line(6, 5))
    with Store.open(directory) as store:
        store.upkeep.seal()
    events = directory / "events"
    one, other = events / "2026-11-22.jsonl.gz", events / GZIP
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(first + second)
    assert {"archive"} <= {fault.kind for fault in faults(directory) if fault.file == one.name}
    one.write_bytes(second)
    other.write_bytes(first)
    assert {fault.file for fault in faults(directory)} >= {one.name, other.name}
    one.write_bytes(first)
    other.write_bytes(second)
    shutil.copyfile(events / "2026-11-22.manifest.json", events / MANIFEST)
    found = only(directory)
    assert (found.kind, found.file) == ("manifest", MANIFEST)
    assert "2026-11-22.jsonl.gz" in found.reason


def test_F43_a_manifest_that_is_missing_is_told(directory: Path) -> None:
    """The archive is read without it, and is whole."""
    events = sealed(directory)
    (events / MANIFEST).unlink()
    found = only(directory)
    assert (found.kind, found.file) == ("manifest", MANIFEST)


def test_F43_a_manifest_that_says_something_else_is_told_by_its_keys(directory: Path) -> None:
    """A record with a fitting hash that does not describe the archive is told with both values."""
    from stonelog.filestore.record import read_record, write_record

    events = sealed(directory)
    fields = read_record(events / MANIFEST) or {}
    write_record(events / MANIFEST, {**fields, "events": 17})
    assert only(directory).reason == "it says events 17 where the archive has 6"


def test_F47_a_sealed_segment_whose_archive_is_gone_is_told(directory: Path) -> None:
    """The manifest that is left tells what it held."""
    events = sealed(directory)
    (events / GZIP).unlink()
    found = faults(directory)
    assert [(fault.file, fault.seqs) for fault in found] == [(MANIFEST, (1, 6)), (NEXT_DAY, (1, 6))]


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_F10_both_forms_of_a_segment_are_a_note_if_they_hold_the_same(directory: Path, codec: str) -> None:
    """As a sealing that was cut off leaves them; an archive that differs is a fault."""
    events = sealed(directory, codec)
    data = b"".join(batches(*[1] * 6))
    (events / DAY).write_bytes(data)
    (note,) = notes(directory)
    assert note.kind == "upkeep"
    (events / MANIFEST).unlink()
    assert [note.kind for note in notes(directory)] == ["upkeep"]
    archive = events / (GZIP if codec == "gzip" else ZSTD)
    raw = archive.read_bytes()
    archive.write_bytes(raw[:30] + bytes([raw[30] ^ 1]) + raw[31:])
    assert (only(directory).kind, only(directory).file) == ("archive", archive.name)
    archive.unlink()
    assert notes(directory) == []


def test_two_archives_of_one_segment_are_told(directory: Path) -> None:
    """One is read, as readers do; the other is named."""
    events = sealed(directory)
    (events / ZSTD).write_bytes(b"")
    assert (only(directory).kind, only(directory).file) == ("archive", ZSTD)


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


@pytest.mark.parametrize("name", ["holds.json", "pruned.json"])
def test_F43_a_damaged_record_is_told(directory: Path, name: str) -> None:
    """Every byte of the records of holds and removals is vouched for."""
    with Store.open(directory) as store:
        store.append(EVENT)
        store.upkeep.hold(date(2026, 1, 1), date(2026, 1, 2), "case")
    place = directory / name
    if name == "pruned.json":
        from stonelog.filestore.layout import Layout
        from stonelog.filestore.pruned import Pruned

        Pruned([(7, 9)]).write(Layout(directory))
    data = place.read_bytes()
    for at in range(len(data)):
        place.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert (only(directory).file, only(directory).kind) == (name, name.split(".")[0])


def test_F62_keys_of_a_newer_version_are_no_fault(directory: Path) -> None:
    """Lines, manifests and records with keys that this version does not know are read as they are."""
    from stonelog.filestore.record import read_record, write_record

    events = sealed(directory)
    fields = read_record(events / MANIFEST) or {}
    write_record(events / MANIFEST, {**fields, "chain": "x" * 64})
    import hashlib

    head = line(8, 7).rpartition(b',"synced"')[0] + b',"colour":"red","synced":7'
    newer = head + b',"hash":"' + hashlib.sha256(head).hexdigest()[:16].encode() + b'"}\n'
    (events / NEXT_DAY).write_bytes(line(7, 6) + newer)
    verification = verify(directory)
    assert (list(verification), verification.events) == ([], 8)


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


@pytest.mark.usefixtures("unsynced")
def test_a_living_store_has_no_fault(directory: Path) -> None:
    """While others append, roll, seal, prune and hold, no look at the store tells a fault."""
    directory.mkdir(mode=0o700)
    (directory / "stonelog.toml").write_text("[store]\nsegment_bytes = 20000\n[retention]\nmax_bytes = 60000\n")
    ended = threading.Event()
    errors: list[BaseException] = []

    def live(work: Callable[[Store], object]) -> None:
        try:
            with Store.open(directory) as store:
                while not ended.is_set():
                    work(store)
        except BaseException as error:
            errors.append(error)

    def tend(store: Store) -> None:
        store.upkeep.seal()
        store.upkeep.retain()
        hold = store.upkeep.hold(date(2020, 1, 1), date(2020, 1, 2), "case")
        store.upkeep.release(hold.id)

    def write(store: Store) -> None:
        store.append_many([{**EVENT, "message": "x" * 200}] * 20)

    threads = [threading.Thread(target=live, args=[work]) for work in (write, write, tend)]
    for thread in threads:
        thread.start()
    try:
        told = [fault for _ in range(40) for fault in verify(directory) if not fault.note]
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert (told, errors) == ([], [])


STEPS = st.lists(
    st.sampled_from(["append", "batch", "roll", "seal", "zstd", "retain", "hold", "release", "torn", "open"]),
    max_size=14,
)


def in_order(directory: Path) -> list[Path]:
    """The plain segments in the order of their events."""
    return sorted((directory / "events").glob("*.jsonl"), key=lambda path: path.name.removesuffix(".jsonl"))


def live_through(directory: Path, steps: list[str], look: Callable[[], None]) -> None:
    """A store lives through these steps; after each it is looked at."""
    shutil.rmtree(directory, ignore_errors=True)
    store = Store.open(directory)
    (directory / "stonelog.toml").write_text("")
    try:
        for step in steps:
            if step == "append":
                store.append({**EVENT, "message": "one"})
            elif step == "batch":
                store.append_many([{**EVENT, "message": f"m{each}"} for each in range(5)])
            elif step == "roll":
                store.roll(early=True)
            elif step in {"seal", "zstd"}:
                (directory / "stonelog.toml").write_text(f'[seal]\ncodec = "{step.replace("seal", "gzip")}"\n')
                store.upkeep.seal()
            elif step == "retain":
                (directory / "stonelog.toml").write_text("[retention]\nmax_bytes = 1\n")
                store.upkeep.retain()
            elif step == "hold":
                store.upkeep.hold(datetime.now(UTC).date(), datetime.now(UTC).date(), "case")
            elif step == "release" and store.upkeep.holds():
                store.upkeep.release(store.upkeep.holds()[0].id)
            elif step == "torn":
                store.close()
                newest = in_order(directory)[-1:]
                for path in newest:
                    with path.open("ab") as file:
                        file.write(b'{"seq":99,"id')
                look()
                store = Store.open(directory)
            elif step == "open":
                store.close()
                store = Store.open(directory)
            look()
    finally:
        store.close()


@pytest.mark.usefixtures("unsynced")
@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(steps=STEPS)
def test_an_unharmed_store_never_has_a_fault(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    """At every step of any life: appends, rolls, seals, removals, holds, torn tails, restarts."""
    directory = tmp_path_factory.getbasetemp() / "life"

    def look() -> None:
        assert faults(directory) == []

    live_through(directory, steps, look)


def acknowledged(data: bytes, changed: bytes) -> bytes:
    """The lines of `data`, the newest segment, that what is left of it shows to have been acknowledged."""
    stamps = [stamp(each) for each in changed.split(b"\n")[:-1]]
    watermark = max((each.synced for each in stamps if each), default=0)
    lines = [each + b"\n" for each in data.split(b"\n")[:-1]]
    good = [each for each in lines if (found := stamp(each[:-1])) and found.seq <= watermark]
    return b"".join(good)


SHARE = st.integers(0, 999_999)  # of a million: what is drawn must not depend on sizes, which differ from run to run
KINDS = ["flip", "delete", "zero", "twice", "cut", "lines", "insert", "remove"]


def mutated(data: bytes, kind: str, first: int, second: int) -> bytes:
    """The bytes with one thing changed."""
    at = first * len(data) // 1_000_000
    end = min(len(data), at + 1 + second * 900 // 1_000_000)
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ (1 + second % 255)]) + data[at + 1 :]
    if kind == "delete":
        return data[:at] + data[end:]
    if kind == "zero":
        return data[:at] + bytes(end - at) + data[end:]
    if kind == "twice":
        return data[:end] + data[at:end] + data[end:]
    if kind == "cut":
        return data[:at]
    if kind == "insert":
        return data[:at] + b"\n" + data[at:]
    lines = data.split(b"\n")
    moved = lines.pop(first * len(lines) // 1_000_000)
    lines.insert(second * (len(lines) + 1) // 1_000_000, moved)
    return b"\n".join(lines)


@pytest.mark.usefixtures("unsynced")
@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(steps=STEPS, kind=st.sampled_from(KINDS), which=SHARE, first=SHARE, second=SHARE)
def test_any_change_of_any_file_is_told(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], kind: str, which: int, first: int, second: int
) -> None:
    """One change anywhere is a fault, unless all that is known to be acknowledged still stands where it stood."""
    directory = tmp_path_factory.getbasetemp() / "changed"
    live_through(directory, ["batch", "append", *steps], lambda: None)
    segments = in_order(directory)
    places = [*(directory / "events").iterdir(), *directory.glob("*.json")]
    places = sorted(path for path in places if path.stat().st_size)
    place = places[which * len(places) // 1_000_000]
    data = place.read_bytes()
    later = [path for path in segments[segments.index(place) + 1 :] if path.stat().st_size] if place in segments else []
    if kind == "remove":
        place.unlink()
        harmless = place.name == "holds.json" or (place in segments and not later)
        changed = b""
    else:
        changed = mutated(data, kind, first, second)
        place.write_bytes(changed)
        harmless = changed == data
        if place in segments:
            kept = acknowledged(data, changed) if place == segments[-1] else data
            harmless = changed.startswith(kept)
            if not later:
                harmless |= data.startswith(changed) and changed[-1:] in (b"", b"\n")  # a clean cut, see F45
    assert faults(directory) or harmless, (place.name, data, changed)
