"""Sealing one segment."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
from datetime import date
from pathlib import Path

import pytest
from freezegun import freeze_time

from sealed import by_ten, events, names, seal, seqs
from segments import lay, line
from stonelog.filestore import Codec, DiskFull, Manifest, StonelogError, Store, StoreReadOnly, files
from stonelog.filestore import seal as sealing
from stonelog.filestore.layout import Layout, SegmentName
from stonelog.filestore.seal import archive_matches, describe_archive


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_the_archive_replaces_the_plain_file(directory: Path, codec: Codec) -> None:
    """The plain file and temporary ones are gone, the archive unpacks to the same bytes and fits its manifest, and what
    the manifest must say can be told from the archive alone."""
    by_ten(directory, 2)
    plain = events(directory, 20, ".jsonl").read_bytes()
    manifest = seal(directory, 20, codec=codec)[0]
    suffix = {"gzip": ".jsonl.gz", "zstd": ".jsonl.zst"}[codec]
    assert names(directory) == [f"20{suffix}", "20.manifest.json", "21.jsonl"]
    if codec == "gzip":
        assert gzip.decompress(events(directory, 20, suffix).read_bytes()) == plain
    fd = files.open_read(events(directory, 20, suffix))
    assert archive_matches(fd, manifest)
    os.close(fd)
    events(directory, 20, ".manifest.json").unlink()
    name = SegmentName.parse("2026-11-20.jsonl")
    assert name is not None
    described = describe_archive(Layout(directory), name, codec)
    for field in set(Manifest.__dataclass_fields__) - {"sealed_at"}:
        assert getattr(described, field) == getattr(manifest, field), field


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_S11_new_files_are_for_their_owner_alone(directory: Path, umask: int) -> None:
    """Archive, manifest, holds, the record of what was pruned and the lock have mode 0600 under any umask."""
    by_ten(directory, 3)
    before = os.umask(umask)
    try:
        with Store.open(directory) as store:
            store.upkeep.seal()
            store.upkeep.hold(date(2026, 11, 1), date(2026, 11, 2), "a case")
    finally:
        os.umask(before)
    made = [path for path in directory.rglob("*") if path.is_file() and path.suffix != ".jsonl"]
    assert {path.name for path in made} >= {"2026-11-20.jsonl.gz", "2026-11-20.manifest.json", "holds.json"}
    assert {oct(path.stat().st_mode & 0o777) for path in made} == {"0o600"}


def test_a_damaged_line_is_sealed_as_it_stands(directory: Path) -> None:
    """Sealing changes no byte, good or bad; the good ones are counted."""
    by_ten(directory, 2)
    path = events(directory, 20, ".jsonl")
    data = path.read_bytes().replace(b'"message":"mmm"', b'"message":"mXm"', 1) + b"no line end"
    path.write_bytes(data)
    manifest = seal(directory, 20)[0]
    assert (manifest.events, manifest.bytes) == (9, len(data))
    assert gzip.decompress(events(directory, 20, ".jsonl.gz").read_bytes()) == data
    assert seqs(directory) == [seq for seq in range(1, 21) if seq != 3]


def test_F35_a_page_that_cannot_be_read_stops_the_sealing(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain file stays as it was: a copy made now would have lost what may be read another time."""
    lay(directory, d23=b"".join(line(seq, seq - 1, "x" * 100) for seq in range(1, 100)), d24=line(100, 99))
    before = events(directory, 23, ".jsonl").read_bytes()
    real = os.pread

    def pread(fd: int, length: int, offset: int) -> bytes:
        if os.readlink(f"/proc/self/fd/{fd}").endswith("23.jsonl") and offset <= 8192 < offset + length:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, length, offset)

    with monkeypatch.context() as patch, Store.open(directory) as store:
        patch.setattr(os, "pread", pread)
        with pytest.raises(StonelogError, match="still there"):
            store.upkeep.seal()
    assert events(directory, 23, ".jsonl").read_bytes() == before
    assert names(directory) == ["23.jsonl", "24.jsonl"]


@freeze_time("2026-11-22 12:00", tick=True)
@pytest.mark.parametrize("call", ["create", "write_all", "fsync", "rename", "fsync_directory", "remove"])
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_F36_a_step_that_fails_leaves_every_event_and_the_next_sealing_ends_it(
    directory: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: int
) -> None:
    """Whichever call of a kind fails, nothing is lost; when the disk is well again the store is sealed to the end."""
    for turn in range(12):
        by_ten(directory, 3)
        with Store.open(directory) as store:
            count = 0
            real = getattr(files, call)

            def failing(*given: object, real: object = real, turn: int = turn) -> object:
                nonlocal count
                count += 1
                if count == turn + 1:
                    raise OSError(error, os.strerror(error))
                return real(*given)  # type: ignore[operator]

            with monkeypatch.context() as patch:
                patch.setattr(files, call, failing)
                with contextlib.suppress(DiskFull, StoreReadOnly):
                    store.upkeep.seal()
            assert seqs(directory)[:30] == list(range(1, 31))
        with Store.open(directory) as store:
            store.upkeep.seal()
            assert store.append(category="api", action="next").seq >= 31
        assert names(directory)[:4] == ["20.jsonl.gz", "20.manifest.json", "21.jsonl.gz", "21.manifest.json"]
        assert not [name for name in names(directory) if name.endswith(".tmp")]
        assert seqs(directory)[:30] == list(range(1, 31))


def test_a_segment_that_grows_while_it_is_sealed_stays_plain(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another hand added a line: the archive, which lacks it, goes again, and the plain file counts."""
    by_ten(directory, 2)
    path = events(directory, 20, ".jsonl")
    real = sealing.write_manifest

    def late(*given: object) -> None:
        real(*given)  # type: ignore[arg-type]
        with path.open("ab") as file:
            file.write(b"more\n")

    monkeypatch.setattr(sealing, "write_manifest", late)
    with pytest.raises(StonelogError, match="changed while it was being sealed"):
        seal(directory, 20)
    assert names(directory) == ["20.jsonl", "21.jsonl"]


def test_an_archive_that_does_not_read_back_is_not_kept(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory or disk changed a byte on the way: the plain file stays, no archive and no temporary file is left."""
    by_ten(directory, 2)
    monkeypatch.setattr(sealing, "compress", lambda codec, data, level: gzip.compress(data.replace(b"m", b"n")))
    with pytest.raises(StonelogError, match="does not read back"):
        seal(directory, 20)
    assert names(directory) == ["20.jsonl", "21.jsonl"]
