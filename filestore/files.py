"""Every file operation of the store: the only module that opens, writes, syncs, renames or removes.

Functions are called as `files.name(...)`, so that a test can put a recording or failing one in their place.
Files are 0600 and directories 0700 whatever the umask says; a symbolic link or a special file is never followed.
All of them raise OSError.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from pathlib import Path

__all__ = [
    "allocated",
    "close",
    "create",
    "forget_cached",
    "fsync",
    "fsync_directory",
    "identity",
    "is_writable_by_all",
    "list_names",
    "lock",
    "look",
    "make_directory",
    "mark",
    "open_append",
    "open_lock",
    "open_read",
    "read_at",
    "remove",
    "rename",
    "reserve",
    "size",
    "size_at",
    "space",
    "status",
    "sync_data",
    "truncate",
    "unlock",
    "unreserve",
    "write_all",
    "write_at",
    "write_over",
    "write_whole",
]

_FULL_SYNC = getattr(fcntl, "F_FULLFSYNC", None)  # macOS
_PIECE = 1 << 20
_COMMON = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def _regular(fd: int, path: Path) -> int:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return fd


def open_read(path: Path) -> int:
    """A descriptor to read the file; a link, a directory or a pipe in its place is an error."""
    return _regular(os.open(path, os.O_RDONLY | _COMMON), path)


def open_append(path: Path) -> int:
    """A descriptor that reads anywhere and writes at the end of the existing file."""
    return _regular(os.open(path, os.O_RDWR | os.O_APPEND | _COMMON), path)


def create(path: Path) -> int:
    """A descriptor as of `open_append` on a new, empty file; FileExistsError if the name is taken.

    The name is not durable before `fsync_directory`.
    """
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | _COMMON, 0o600)
    os.fchmod(fd, 0o600)
    return fd


def open_lock(path: Path) -> int:
    """A descriptor on the lock file, which is made if need be and never renamed or removed."""
    try:
        return _regular(os.open(path, os.O_RDWR | _COMMON), path)
    except FileNotFoundError:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | _COMMON, 0o600)
        os.fchmod(fd, 0o600)
        return _regular(fd, path)


def close(fd: int) -> None:
    """The descriptor is closed. What closing complains of is no news: what must be on disk was synced before."""
    try:
        os.close(fd)
    except OSError as error:
        if error.errno == errno.EBADF:
            raise


def lock(fd: int) -> bool:
    """Whether this descriptor now holds the file's exclusive lock; does not wait."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, InterruptedError):
        return False
    return True


def unlock(fd: int) -> None:
    """The lock is free for others."""
    fcntl.flock(fd, fcntl.LOCK_UN)


def identity(fd: int) -> tuple[int, int]:
    """The device and inode number of the open file, which no other file has while it is open."""
    there = os.fstat(fd)
    return there.st_dev, there.st_ino


def look(path: str) -> tuple[tuple[int, int], int] | None:
    """The identity of what the path itself names (a link is not followed) and its length; None if nothing is there."""
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return None
    return (there.st_dev, there.st_ino), there.st_size


def is_writable_by_all(path: Path) -> bool:
    """Whether any user may write to the file or directory."""
    return bool(os.stat(path).st_mode & stat.S_IWOTH)


def size(fd: int) -> int:
    """The file's length in bytes."""
    return os.fstat(fd).st_size


def size_at(path: Path) -> int:
    """The length in bytes of the file, 0 if it is not there."""
    found = look(str(path))
    return found[1] if found else 0


def status(path: Path) -> os.stat_result | None:
    """What stands at the path, a link not followed; None if nothing does."""
    try:
        return os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return None


def mark(path: Path) -> tuple[int, ...] | None:
    """What changes when the file is written to, or names come and go in the directory; None if nothing is there.

    Two changes within one step of the file system's times give the same mark, unless the length is another.
    """
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return None
    return there.st_dev, there.st_ino, there.st_mode, there.st_size, there.st_mtime_ns, there.st_ctime_ns


def allocated(path: Path) -> int:
    """The bytes that the file takes on disk, 0 if it is not there."""
    try:
        return os.stat(path, follow_symlinks=False).st_blocks * 512
    except FileNotFoundError:
        return 0


def space(path: str | Path) -> tuple[int, int]:
    """The bytes that we may still write on the file system that holds `path`, and how many it has in all."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def reserve(path: Path, length: int) -> None:
    """A file of this length stands there with its space allocated; it is made or grown if need be.

    FileExistsError if somebody else's file has that name, which is left alone: a reserve holds nothing but zeros.
    """
    fd = open_lock(path)
    try:
        there = os.fstat(fd)
        if there.st_size != length or there.st_blocks * 512 < length:  # a copy may have a hole where there was space
            if not _is_blank(fd):
                raise FileExistsError(errno.EEXIST, "a file of somebody else's has that name", str(path))
            os.ftruncate(fd, 0)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, 0, length)
            else:  # macOS
                write_all(fd, bytes(length))
    finally:
        os.close(fd)


def unreserve(path: Path) -> bool:
    """Whether a reserve stood there; then its space is free. Anything else is left alone."""
    try:
        fd = open_read(path)
    except OSError:
        return False
    try:
        ours = _is_blank(fd)
    finally:
        os.close(fd)
    if ours:
        os.unlink(path)
    return ours


def _is_blank(fd: int) -> bool:
    """Whether the file holds nothing but zeros."""
    at = 0
    while data := os.pread(fd, _PIECE, at):
        if data.count(0) < len(data):
            return False
        at += len(data)
    return True


def read_at(fd: int, offset: int, length: int) -> bytes:
    """The bytes from `offset`, at most `length`, fewer only at the end of the file."""
    data = os.pread(fd, length, offset)
    while 0 < len(data) < length:
        more = os.pread(fd, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def write_all(fd: int, data: bytes) -> None:
    """All of `data` stands at the end of the file (not yet on stable storage); a short write is carried on."""
    written = os.write(fd, data)
    view = memoryview(data)
    while written < len(data):
        written += os.write(fd, view[written:])


def write_at(fd: int, offset: int, data: bytes) -> None:
    """`data` stands at `offset`; for the few bytes of the lock file's note."""
    os.pwrite(fd, data, offset)


def write_over(path: Path, offset: int, data: bytes) -> None:
    """The file holds `data` at `offset`, as it did before, and the pages are dirty again: a sync will write them."""
    fd = _regular(os.open(path, os.O_WRONLY | _COMMON), path)  # not O_APPEND, which makes Linux ignore the offset
    try:
        done = 0
        while done < len(data):
            done += os.pwrite(fd, data[done:], offset + done)
    finally:
        os.close(fd)


def truncate(fd: int, length: int) -> None:
    """The file is `length` bytes long."""
    os.ftruncate(fd, length)


def sync_data(fd: int) -> None:
    """The file's bytes and length are on stable storage (fdatasync; on macOS F_FULLFSYNC)."""
    if _FULL_SYNC is not None:
        fcntl.fcntl(fd, _FULL_SYNC)
    else:
        os.fdatasync(fd)


def fsync(fd: int) -> None:
    """As `sync_data`, the file's metadata too."""
    if _FULL_SYNC is not None:
        fcntl.fcntl(fd, _FULL_SYNC)
    else:
        os.fsync(fd)


def forget_cached(fd: int) -> None:
    """What is read of the file next comes from the disk, where the system can be told so (not on macOS)."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def fsync_directory(path: Path) -> None:
    """The directory's entries (names made, renamed and removed in it) are on stable storage."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_directory(path: Path) -> None:
    """The directory exists, as do its parents, and every one made here is on stable storage."""
    if path.is_dir():
        return
    make_directory(path.parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
        os.chmod(path, 0o700)
    fsync_directory(path.parent)  # also when another process has just made it: it may not have come so far


def write_whole(path: Path, data: bytes) -> None:
    """The file holds `data`, durably, or what it held before: written beside it, synced, renamed, directory synced."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    fd = create(temporary)
    try:
        try:
            write_all(fd, data)
            fsync(fd)
        finally:
            os.close(fd)
        rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    fsync_directory(path.parent)


def rename(old: Path, new: Path) -> None:
    """`new` names the file that `old` named; durable after `fsync_directory`."""
    os.rename(old, new)


def remove(path: Path) -> None:
    """The name is gone; durable after `fsync_directory`."""
    os.unlink(path)


def list_names(path: Path) -> list[str]:
    """The names in the directory, in no order; an absent directory has none."""
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []
