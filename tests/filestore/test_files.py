"""The file operations of the store."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from stonelog.filestore import files


def mode(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o777])
def test_S11_files_are_0600_and_directories_0700_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """The modes do not depend on who starts the program."""
    before = os.umask(umask)
    try:
        files.make_directory(tmp_path / "a" / "b")
        files.close(files.create(tmp_path / "a" / "b" / "c"))
        files.close(files.open_lock(tmp_path / "a" / "lock"))
        files.write_whole(tmp_path / "a" / "whole", b"x")
    finally:
        os.umask(before)
    assert [mode(tmp_path / each) for each in ("a", "a/b", "a/b/c", "a/lock", "a/whole")] == [0o700, 0o700] + [
        0o600
    ] * 3


@pytest.mark.parametrize("opening", [files.open_read, files.open_append, files.open_lock])
@pytest.mark.parametrize("kind", ["link", "dangling", "directory", "pipe"])
def test_F46_what_is_no_regular_file_is_not_opened(tmp_path: Path, opening: object, kind: str) -> None:
    """A link is never followed, a pipe never waited for, a directory never read; no descriptor is left open."""
    (tmp_path / "target").write_bytes(b"secret")
    place = tmp_path / "place"
    match kind:
        case "link":
            place.symlink_to(tmp_path / "target")
        case "dangling":
            place.symlink_to(tmp_path / "absent")
        case "directory":
            place.mkdir()
        case "pipe":
            os.mkfifo(place)
    before = os.listdir("/proc/self/fd")
    assert callable(opening)
    with pytest.raises(OSError):
        opening(place)
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert (tmp_path / "target").read_bytes() == b"secret"
    assert not (tmp_path / "absent").exists()


def test_create_never_takes_an_existing_name(tmp_path: Path) -> None:
    """A file or a link of that name is FileExistsError and stays as it is."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError):
            files.create(tmp_path / name)
    assert (tmp_path / "file").read_bytes() == b"x"
    assert not (tmp_path / "absent").exists()


def test_F28_a_short_write_is_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However little each write takes, all bytes stand in the file once and in order."""
    real = os.write
    sizes = iter([1, 2, 3] + [7] * 1000)
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[: next(sizes)]))
    data = bytes(range(256)) * 4
    fd = files.create(tmp_path / "file")
    files.write_all(fd, data)
    assert files.read_at(fd, 0, 10_000) == data
    files.close(fd)


def test_read_at_gives_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short reads are carried on; only the end of the file makes the answer shorter."""
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, length, at: real(fd, min(length, 3), at))
    fd = files.create(tmp_path / "file")
    files.write_all(fd, b"0123456789")
    assert [files.read_at(fd, 2, 5), files.read_at(fd, 8, 100), files.read_at(fd, 99, 1)] == [b"23456", b"89", b""]
    files.close(fd)


def test_F07_every_directory_made_is_synced_in_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each new name is synced before the next directory is made in it."""
    synced: list[Path] = []
    monkeypatch.setattr(files, "fsync_directory", synced.append)
    files.make_directory(tmp_path / "a" / "b" / "c")
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]


def test_F07_a_directory_that_another_process_is_making_is_synced_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When another was faster, its name may not be durable yet: we sync it as if we had made it."""
    synced: list[Path] = []
    monkeypatch.setattr(files, "fsync_directory", synced.append)
    monkeypatch.setattr(Path, "is_dir", lambda path: path == tmp_path)
    (tmp_path / "a").mkdir()
    files.make_directory(tmp_path / "a")
    assert synced == [tmp_path]


def test_F36_a_failed_rename_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`write_whole` replaces all or nothing and leaves no temporary file."""
    files.write_whole(tmp_path / "file", b"old")

    def fail(old: Path, new: Path) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(files, "rename", fail)
        with pytest.raises(OSError, match="Input/output"):
            files.write_whole(tmp_path / "file", b"new")
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"
    files.write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_look_tells_whether_the_path_still_names_the_file(tmp_path: Path) -> None:
    """Removed, replaced by another file or by a link to it, the path no longer names the descriptor's file."""
    place = tmp_path / "file"
    fd = files.create(place)
    assert files.look(str(place)) == (files.identity(fd), 0)
    files.write_all(fd, b"four")
    assert files.look(str(place)) == (files.identity(fd), 4)
    place.rename(tmp_path / "moved")
    assert files.look(str(place)) is None
    for replace in (lambda: place.symlink_to(tmp_path / "moved"), lambda: place.write_bytes(b"")):
        replace()
        found = files.look(str(place))
        assert found is not None
        assert found[0] != files.identity(fd)
        place.unlink()
    files.close(fd)


def test_an_absent_directory_has_no_names(tmp_path: Path) -> None:
    """Listing what is not there gives nothing."""
    assert files.list_names(tmp_path / "absent") == []
