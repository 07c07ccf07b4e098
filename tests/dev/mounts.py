"""Real file systems for one test: made in a file, mounted by loop or in memory, taken away again. All need root."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from answers import wait_until
from programs import need

__all__ = ["LoopDisk", "loop_disk", "make_file_system", "mounted"]

_FS_IOC_SHUTDOWN = 0x8004587D  # include/uapi/linux/fs.h; XFS and ext4 agree on it
_NOLOGFLUSH = 2  # what stands in memory only is lost, as when the power goes


def _call(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)


def _unmount(place: Path) -> None:
    """Not mounted any more, as soon as the last process that has a file open there is gone."""
    wait_until(lambda: _call("umount", place).returncode == 0)


@contextmanager
def mounted(place: Path, *arguments: str | Path) -> Iterator[Path]:
    """`mount ARGUMENTS PLACE` inside the block; the directory is made. Skips the test where that is not allowed."""
    need("mount", "umount")
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    place.mkdir(exist_ok=True)
    done = _call("mount", *arguments, place)
    if done.returncode:
        pytest.skip(f"cannot mount: {done.stderr.strip()}")
    try:
        yield place
    finally:
        _unmount(place)


class LoopDisk:
    """A file system in a file, that can lose power."""

    def __init__(self, image: Path, place: Path, options: str) -> None:
        self.place = place
        self._image = image
        self._options = options
        self._fd = -1

    def mount(self) -> None:
        """Mounted; its journal is replayed."""
        self.place.mkdir(exist_ok=True)
        done = _call("mount", "-o", f"loop,{self._options}", self._image, self.place)
        if done.returncode:
            pytest.skip(f"cannot mount: {done.stderr.strip()}")
        self._fd = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY)

    def cut(self) -> None:
        """Nothing that is in memory only will come to the disk; every call on it fails from now on."""
        fcntl.ioctl(self._fd, _FS_IOC_SHUTDOWN, struct.pack("I", _NOLOGFLUSH))

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Inside the block it is mounted read-only."""
        assert _call("mount", "-o", "remount,ro", self.place).returncode == 0
        try:
            yield
        finally:
            assert _call("mount", "-o", "remount,rw", self.place).returncode == 0

    def unmount(self) -> None:
        """Not mounted, its loop device free."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            _unmount(self.place)


def make_file_system(kind: str, place: Path, *options: str) -> None:
    """The file holds an empty file system of this kind."""
    made = _call(f"mkfs.{kind}", "-q", *options, place)
    assert made.returncode == 0, made.stderr


@contextmanager
def loop_disk(
    parent: Path, kind: str, *, megabytes: int = 400, make: tuple[str, ...] = (), options: str = "rw"
) -> Iterator[LoopDisk]:
    """A new file system of this kind (ext4, xfs) in a sparse file, mounted. Skips the test where that is not allowed.

    XFS wants 300 MB at least; the file takes only what is written.
    """
    need("mount", "umount", f"mkfs.{kind}")
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    image = parent / f"{kind}.image"
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    make_file_system(kind, image, *make)
    disk = LoopDisk(image, parent / "disk", options)
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()
        image.unlink()
