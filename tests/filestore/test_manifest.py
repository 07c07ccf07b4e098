"""The manifest of a sealed segment."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from sealed import by_ten, events, frames_of, seal
from segments import lay, line
from stonelog.filestore import Codec, CorruptLine
from stonelog.filestore.manifest import read_manifest, write_manifest


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_it_says_what_is_in_the_segment(directory: Path, monkeypatch: pytest.MonkeyPatch, codec: Codec) -> None:
    """Range of `seq`, events, bytes and digests of both forms, times and categories, as computed from the files."""
    frames_of(monkeypatch, 128 * 1024)
    plain = b"".join(line(seq, seq - 1) for seq in range(1, 3000))
    lay(directory, d23=plain, d24=line(3000, 2999))
    manifest = seal(directory, 23, codec=codec)[0]
    assert read_manifest(events(directory, 23, ".manifest.json")) == manifest
    packed = (directory / "events" / manifest.file).read_bytes()
    assert (manifest.first_seq, manifest.last_seq, manifest.events) == (1, 2999, 2999)
    assert (manifest.bytes, manifest.sha256) == (len(plain), sha256(plain).hexdigest())
    assert (manifest.archive_bytes, manifest.archive_sha256) == (len(packed), sha256(packed).hexdigest())
    assert manifest.first_time == manifest.last_time == "2026-11-23T00:00:00.000000Z"
    assert manifest.categories == {"api": 2999}
    extents = list(manifest.extents())
    assert len(extents) > 4
    assert sum(extent.length for extent in extents) == len(plain)
    assert max(extent.length for extent in extents) <= 128 * 1024
    for extent in extents:
        assert plain[extent.start :].startswith(b'{"seq":%d,' % extent.first_seq)


def test_keys_of_a_newer_version_are_passed_over(directory: Path) -> None:
    """A manifest with more in it is read as far as it is known."""
    by_ten(directory, 2)
    manifest = seal(directory, 20)[0]
    path = events(directory, 20, ".manifest.json")
    fields = {"newer": [1], **json.loads(path.read_bytes())}
    fields.pop("hash")
    head = json.dumps(fields, separators=(",", ":"))[:-1].encode()
    path.write_bytes(head + b',"hash":"' + sha256(head).hexdigest()[:16].encode() + b'"}\n')
    assert read_manifest(path) == manifest


def test_F43_one_that_cannot_be_is_corrupt(directory: Path) -> None:
    """An unknown codec, frames out of order or not from the start on, are not taken for a manifest."""
    by_ten(directory, 2)
    manifest = seal(directory, 20)[0]
    path = events(directory, 20, ".manifest.json")
    frame = manifest.frames[0]
    for wrong in (
        replace(manifest, codec="lzma"),  # type: ignore[arg-type]
        replace(manifest, frames=[frame, frame]),
        replace(manifest, frames=[frame._replace(offset=1)]),
        replace(manifest, frames=[5]),  # type: ignore[list-item]
    ):
        with pytest.raises((CorruptLine, TypeError)):
            write_manifest(path, wrong)
            read_manifest(path)


def test_F44_a_line_that_was_copied_to_where_a_frame_begins_does_not_spoil_it(directory: Path) -> None:
    """The manifest is usable, and every other line is found by its `seq`, as before the sealing."""
    plain = b"".join(line(seq, seq - 1, "x" * 900) for seq in range(1000, 1600))
    end = plain.rfind(b"\n", 0, 256 * 1024) + 1
    lay(directory, d23=plain[:end] + line(3, 0, "x" * 900) + plain[end:], d24=line(1600, 1599))
    seal(directory, 23)
    found = read_manifest(events(directory, 23, ".manifest.json"))
    assert found is not None
    assert [frame.first_seq for frame in found.frames] == sorted(frame.first_seq for frame in found.frames)
    from stonelog.filestore import Reader

    reader = Reader(directory)
    assert all(reader.get(seq) is not None for seq in range(1000, 1601))
