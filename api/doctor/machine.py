"""What the store stands on: the disk, the file system, Python and SQLite."""

from __future__ import annotations

import platform
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .check import Check

__all__ = ["check_disk", "check_versions", "file_system"]

_NETWORK: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "afs", "ceph"})
_LOW_BYTES: Final = 1 << 30
_FULL_BYTES: Final = 64 << 20


def check_disk(directory: Path) -> Iterator[Check]:
    usage = shutil.disk_usage(directory)
    text = f"{usage.free / 1e9:,.1f} GB free of {usage.total / 1e9:,.1f} GB"
    if usage.free < _FULL_BYTES:
        yield Check("disk", "problem", text, "make room now: appends fail when it is full")
    elif usage.free < min(_LOW_BYTES, usage.total // 20):
        yield Check("disk", "warn", text, "make room soon")
    else:
        yield Check("disk", "ok", text)
    if (kind := file_system(directory)) in _NETWORK:
        yield Check(
            "disk", "warn", f"the file system is {kind}", "locks and syncs may not hold there; use a local disk"
        )


def file_system(directory: Path) -> str:
    """The type of the file system that holds the directory, '' where the system does not tell."""
    try:
        mounts = [line.split(" ") for line in Path("/proc/self/mounts").read_text().split("\n") if line.count(" ") >= 2]
    except OSError:
        return ""
    place = directory.resolve()
    holding = [(len(mount[1]), mount[2]) for mount in mounts if place.is_relative_to(mount[1].replace("\\040", " "))]
    return max(holding, key=lambda pair: pair[0], default=(0, ""))[1]


def check_versions() -> Iterator[Check]:
    python, sqlite = platform.python_version(), sqlite3.sqlite_version
    yield Check("versions", "ok", f"Python {python}, SQLite {sqlite}, {platform.system()} {platform.release()}")
