"""`verify` of sealed segments and of the records beside them: archives, manifests, holds, removals."""

from __future__ import annotations

import errno
import os
import random
import shutil
from datetime import date
from pathlib import Path

import pytest

from badpages import spoil
from sealed import frames_of
from segments import DAY, NEXT_DAY, batches, lay, line
from stonelog.filestore import Store, files, verify
from verified import GZIP, MANIFEST, ZSTD, faults, notes, only, sealed

EVENT = {"category": "api", "action": "read"}


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


@pytest.mark.parametrize("manifest", [True, False])
@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_F35_the_frames_around_a_page_that_cannot_be_read_are_checked(
    directory: Path, monkeypatch: pytest.MonkeyPatch, codec: str, manifest: bool
) -> None:
    """EIO in the middle of an archive: what it takes is told with place and `seq`s, and a fault behind it too."""
    frames_of(monkeypatch, 256 * 1024)
    noise = random.Random(1)
    text = [line(seq, seq - 1, noise.randbytes(150).hex()) for seq in range(1, 4001)]
    lay(directory, d23=b"".join(text), d24=line(4001, 4000))
    (directory / "stonelog.toml").write_text(f'[seal]\ncodec = "{codec}"\n')
    with Store.open(directory) as store:
        (made,) = store.upkeep.seal()
    frames = made.frames
    assert len(frames) >= 5
    path = directory / "events" / made.file
    raw = bytearray(path.read_bytes())
    raw[frames[3].offset + 2000] ^= 1
    path.write_bytes(raw)
    if not manifest:
        (directory / "events" / MANIFEST).unlink()
    middle = (frames[1].offset + frames[2].offset) // 2
    spoil(monkeypatch, made.file, middle)
    verification = verify(directory)
    told = [fault for fault in verification if not fault.note and fault.kind != "manifest"]
    lost = [(frames[place].first_seq, frames[place + 1].first_seq - 1) for place in (1, 3)]
    assert [fault.seqs for fault in told] == lost
    assert ["read from the disk" in fault.reason for fault in told] == [True, False]
    if manifest:
        assert [fault.offset for fault in told] == [frames[1].start, frames[3].start]
    assert verification.events == 4002 - sum(last - first + 1 for first, last in lost)


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_F35_an_archive_of_which_no_page_can_be_read_is_one_fault(
    directory: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    """All its events are told as missing; the other segments count."""
    sealed(directory, codec)
    spoil(monkeypatch, ".gz" if codec == "gzip" else ".zst", 0)
    verification = verify(directory)
    (found,) = (fault for fault in verification if not fault.note)
    assert (found.kind, found.seqs, verification.events) == ("archive", (1, 6), 2)


def test_F35_a_seek_table_that_cannot_be_read_is_one_fault(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No event is in it: all of them count."""
    sealed(directory, "zstd")
    path = directory / "events" / ZSTD
    real = files.read_at

    def read_at(fd: int, offset: int, length: int) -> bytes:
        if length > 4 and offset and files.identity(fd) == files.look(str(path))[0]:  # type: ignore[index]
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, offset, length)

    monkeypatch.setattr(files, "read_at", read_at)
    verification = verify(directory)
    (found,) = (fault for fault in verification if not fault.note)
    assert (found.kind, found.file, verification.events) == ("archive", ZSTD, 8)
    assert "seek table" in found.reason
