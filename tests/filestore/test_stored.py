"""One segment as it stands on disk, read by the offsets of its plain bytes."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest

from sealed import by_ten, events, frames_of, lines, names, seal, seqs, told
from segments import lay, line
from stonelog.filestore import Codec, CorruptLine, Reader, StonelogError, Store
from stonelog.filestore.layout import Layout, SegmentName
from stonelog.filestore.seal import describe_archive
from stonelog.filestore.stored import PlainFile, SealedFile, open_stored

CODECS: list[Codec] = ["gzip", "zstd"]
both = pytest.mark.parametrize("codec", CODECS)
SUFFIX = {"gzip": ".jsonl.gz", "zstd": ".jsonl.zst"}


@pytest.fixture
def small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small that a segment of some lines has many."""
    frames_of(monkeypatch, 500)


@both
@pytest.mark.usefixtures("small_frames")
def test_a_sealed_segment_reads_as_the_plain_one_did(directory: Path, codec: Codec) -> None:
    """Any bytes, blocks, first and last stamp and the place of any `seq` are those of the plain file; also when the
    manifest is gone."""
    plain = lines(1, 60)
    lay(directory, d23=plain, d24=line(61, 60))
    layout = Layout(directory)
    name = SegmentName.parse("2026-11-23.jsonl")
    assert name is not None
    before = PlainFile(layout, name)
    seal(directory, 23, codec=codec)
    chance = random.Random(1)
    for _ in ("with its manifest", "without"):
        sealed = open_stored(layout, name)
        assert isinstance(sealed, SealedFile)
        assert len(sealed.extents) > 20
        assert (sealed.size, sealed.first_stamp(), sealed.last_stamp()) == (
            before.size,
            before.first_stamp(),
            before.last_stamp(),
        )
        for _ in range(200):
            offset, length = chance.randrange(-5, len(plain) + 5), chance.randrange(1200)
            if offset >= 0:
                assert sealed.read_at(offset, length) == plain[offset : offset + length]
        for seq in range(70):
            start = sealed.place_of(seq)
            assert plain[:start].count(b"\n") <= max(seq - 1, 0)
            assert start in (0, len(plain)) or plain[start - 1 : start] == b"\n"
        sealed.close()
        events(directory, 23, ".manifest.json").unlink(missing_ok=True)
    before.close()


@both
@pytest.mark.usefixtures("small_frames")
def test_F43_any_byte_of_an_archive_flipped(directory: Path, codec: Codec) -> None:
    """Readers give every line outside the frame, tell the missing ones by `seq`, and raise nothing."""
    lay(directory, d23=lines(1, 12), d24=line(13, 12))
    manifest = seal(directory, 23, codec=codec)[0]
    path = events(directory, 23, SUFFIX[codec])
    data = path.read_bytes()
    assert len(manifest.frames) > 3
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        found = seqs(directory)
        gone = sorted(set(range(1, 14)) - set(found))
        hurt = [extent for extent in manifest.extents() if extent.offset <= place < extent.offset + extent.packed]
        firsts = [extent.first_seq for extent in manifest.extents()] + [13]
        if gone:
            number = firsts.index(hurt[0].first_seq)
            assert gone == list(range(firsts[number], firsts[number + 1]))
            missing = [error.missing for error in told(directory) if error.missing]
            assert missing == [(gone[0], gone[-1])]
        for seq in (1, 7, 13):
            line_of = Reader(directory).get(seq)
            assert (line_of is None) == (seq in gone)


@pytest.mark.usefixtures("small_frames")
def test_F43_any_byte_of_a_manifest_flipped(directory: Path) -> None:
    """All lines are read as before, with nothing missing: the archive alone is enough."""
    lay(directory, d23=lines(1, 6), d24=line(7, 6))
    seal(directory, 23)
    path = events(directory, 23, ".manifest.json")
    data = path.read_bytes()
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        assert seqs(directory) == list(range(1, 8))
        assert told(directory) == []


@both
@pytest.mark.parametrize("manifest", [True, False])
@pytest.mark.usefixtures("small_frames")
def test_F47_an_archive_cut_at_any_byte(directory: Path, codec: Codec, manifest: bool) -> None:
    """What stands before the cut is read, what is missing is told by the next segment's first line; no error."""
    lay(directory, d23=lines(1, 12), d24=line(13, 12))
    made = seal(directory, 23, codec=codec)[0]
    path = events(directory, 23, SUFFIX[codec])
    data = path.read_bytes()
    if not manifest:
        events(directory, 23, ".manifest.json").unlink()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        whole = [extent for extent in made.extents() if extent.offset + extent.packed <= length]
        count = [*(extent.first_seq for extent in made.extents()), 13][len(whole)] - 1
        assert seqs(directory) == [*range(1, count + 1), 13]
        assert [each.missing for each in told(directory) if each.missing] == ([(count + 1, 12)] if count < 12 else [])


@both
def test_F47_two_archives_joined(directory: Path, codec: Codec) -> None:
    """Frames that the manifest does not know are not read; no event is doubled."""
    by_ten(directory, 3)
    seal(directory, 20, 21, codec=codec)
    path, other = events(directory, 20, SUFFIX[codec]), events(directory, 21, SUFFIX[codec])
    path.write_bytes(path.read_bytes() + other.read_bytes())
    assert seqs(directory) == list(range(1, 31))
    other.write_bytes(path.read_bytes())
    assert seqs(directory)[:10] == list(range(1, 11))
    assert seqs(directory)[-10:] == list(range(21, 31))


@both
@pytest.mark.parametrize(
    ("from_day", "to_day", "with_manifest"),
    [
        (20, 21, True),
        (20, 21, False),
        (21, 20, True),
        (21, 20, False),
        (22, 20, True),
        (22, 20, False),
        (20, 22, False),
    ],
)
def test_F47_another_day_renamed_in(
    directory: Path, codec: Codec, from_day: int, to_day: int, with_manifest: bool
) -> None:
    """No event is given twice or out of order, none of a third day is lost, and what is missing is told."""
    by_ten(directory, 4)
    seal(directory, 20, 21, 22, codec=codec)
    events(directory, from_day, SUFFIX[codec]).replace(events(directory, to_day, SUFFIX[codec]))
    if with_manifest:
        events(directory, from_day, ".manifest.json").replace(events(directory, to_day, ".manifest.json"))
    found = seqs(directory)
    assert found == sorted(set(found))
    (other,) = {20, 21, 22} - {from_day, to_day}
    for day in (other, 23):
        assert set(range(10 * (day - 20) + 1, 10 * (day - 20) + 11)) <= set(found)
    missing = {
        seq for error in told(directory) if error.missing for seq in range(error.missing[0], error.missing[1] + 1)
    }
    assert missing == set(range(1, 41)) - set(found)
    with Store.open(directory) as store:
        assert store.append(category="api", action="next").seq == 41


def test_F35_a_page_of_an_archive_that_cannot_be_read(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its frame is told; the lines of the others are given."""
    lay(directory, d23=b"".join(line(seq, seq - 1, "x" * 900) for seq in range(1, 1000)), d24=line(1000, 999))
    frames = seal(directory, 23)[0].frames
    real = os.pread

    def pread(fd: int, length: int, offset: int) -> bytes:
        here = os.readlink(f"/proc/self/fd/{fd}").endswith(".jsonl.gz")
        if here and offset <= frames[1].offset < offset + length:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, length, offset)

    monkeypatch.setattr(os, "pread", pread)
    found = seqs(directory)
    assert found == [seq for seq in range(1, 1001) if not frames[1].first_seq <= seq < frames[2].first_seq]
    assert [error.missing for error in told(directory)] == [None, (frames[1].first_seq, frames[2].first_seq - 1)]


@pytest.mark.parametrize("kind", ["link", "directory", "pipe"])
def test_F46_S10_something_else_in_place_of_an_archive_is_not_followed(directory: Path, kind: str) -> None:
    """It is told as a file that cannot be read; the other days are given."""
    by_ten(directory, 3)
    seal(directory, 20, 21)
    path = events(directory, 21, ".jsonl.gz")
    path.unlink()
    if kind == "link":
        path.symlink_to(events(directory, 20, ".jsonl.gz"))
    elif kind == "directory":
        path.mkdir()
    else:
        os.mkfifo(path)
    assert seqs(directory) == [*range(1, 11), *range(21, 31)]
    assert [error.missing for error in told(directory)] == [None, (11, 20)]
    assert ".jsonl" in str(told(directory)[0])
    with pytest.raises(StonelogError, match="cannot be read"):
        Reader(directory).segments()


def test_segments_tell_the_form(directory: Path) -> None:
    """Of a sealed segment the plain name and size are those it had; codec, path and bytes of the file are told."""
    by_ten(directory, 3)
    plain = events(directory, 20, ".jsonl").stat().st_size
    seal(directory, 20)
    seal(directory, 21, codec="zstd")
    found = Reader(directory).segments()
    assert [(each.name[8:], each.codec, each.path.name[8:], each.first_seq) for each in found] == [
        ("20.jsonl", "gzip", "20.jsonl.gz", 1),
        ("21.jsonl", "zstd", "21.jsonl.zst", 11),
        ("22.jsonl", None, "22.jsonl", 21),
    ]
    assert found[0].size == plain
    assert [each.stored for each in found] == [each.path.stat().st_size for each in found]
    assert names(directory)[0] == "20.jsonl.gz"
    with pytest.raises(CorruptLine):
        events(directory, 20, ".jsonl.gz").write_bytes(b"\0" * found[0].stored)
        name = SegmentName.parse("2026-11-20.jsonl")
        assert name is not None
        sealed = open_stored(Layout(directory), name)
        try:
            sealed.block(0)
        finally:
            sealed.close()


@both
@pytest.mark.parametrize("most", [4096, 64 * 1024, 256 * 1024, 1024 * 1024])
@pytest.mark.parametrize("manifest", [True, False])
def test_frames_of_any_size_are_read(
    directory: Path, monkeypatch: pytest.MonkeyPatch, codec: Codec, most: int, manifest: bool
) -> None:
    """An archive says by itself how large its frames are: those of other versions are read, checked and described."""
    plain = b"".join(line(seq, seq - 1, f"{seq * 7919 % 100_003} " * 100) for seq in range(1, 2001))
    lay(directory, d23=plain, d24=line(2001, 2000))
    with monkeypatch.context() as patch:
        frames_of(patch, most)
        made = seal(directory, 23, codec=codec)[0]
    assert most * 0.9 < max(extent.length for extent in made.extents()) <= most
    if not manifest:
        events(directory, 23, ".manifest.json").unlink()
    assert seqs(directory) == list(range(1, 2002))
    assert told(directory) == []
    name = SegmentName.parse("2026-11-23.jsonl")
    assert name is not None
    assert describe_archive(Layout(directory), name, codec).frames == made.frames
