"""A disk of a test's own: the kernel mounts file systems on it, and the test has every block write in its hands.

A file of a FUSE file system, served by a thread here that speaks the kernel's protocol (include/uapi/linux/fuse.h),
carries a loop device. What was written since the last flush is known write by write, so that a state of the medium
after a power cut with any of them missing can be laid down; and reads and writes fail when the test says so.
"""

from __future__ import annotations

import ctypes
import errno
import os
import random
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from mounts import LoopDisk, make_file_system
from programs import need

__all__ = ["BlockDevice", "Cut", "block_device"]

_GETATTR, _SETATTR, _OPEN, _READ, _WRITE, _STATFS, _RELEASE, _FSYNC = 3, 4, 14, 15, 16, 17, 18, 20
_FLUSH, _INIT, _ACCESS, _DESTROY = 25, 26, 34, 38
_UNANSWERED = frozenset({2, 36, 42})  # forget, interrupt, batch forget
_IN = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")
_ASYNC_READ, _BIG_WRITES = 1 << 0, 1 << 5
_LARGEST = 1 << 17
_PIECE = 1 << 16


class Cut(NamedTuple):
    """What a power cut at this moment (by the monotonic clock) leaves: the medium, with some later writes on it."""

    nanoseconds: int
    image: bytes

    def lay(self, path: Path) -> Path:
        """The file holds the image, sparse where it is zero."""
        with path.open("wb") as file:
            file.truncate(len(self.image))
            zeros = bytes(_PIECE)
            for at in range(0, len(self.image), _PIECE):
                piece = self.image[at : at + _PIECE]
                if piece != zeros[: len(piece)]:
                    file.seek(at)
                    file.write(piece)
        return path


class BlockDevice:
    """The bytes of the disk, as the last flush left them, and the writes since."""

    def __init__(self, size: int) -> None:
        self.fails: Callable[[str, int, bytes], int] = lambda what, offset, data: 0
        """Gives the errno for a `read`, `write` or `flush` of these bytes, 0 for none."""
        self.flushes = 0
        self.cuts: list[Cut] = []
        self.wanted = 0
        """How many cuts may still be kept; one is taken at a flush, before it has done its work."""
        self._now = bytearray(size)
        self._medium = bytearray(size)
        self._pending: list[tuple[int, bytes]] = []
        self._random = random.Random(size)

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self._now[offset : offset + length])

    def write(self, offset: int, data: bytes) -> None:
        self._now[offset : offset + len(data)] = data
        self._pending.append((offset, data))

    def flush(self) -> None:
        if self.wanted and self._pending:
            self.wanted -= 1
            self.cuts.append(self.cut())
        for offset, data in self._pending:
            self._medium[offset : offset + len(data)] = data
        self._pending.clear()
        self.flushes += 1

    def cut(self) -> Cut:
        """A cut now that keeps each block written since the last flush or not, by chance; in any order."""
        now = time.monotonic_ns()
        image = bytearray(self._medium)
        blocks = [
            (offset + at, data[at : at + 512]) for offset, data in self._pending for at in range(0, len(data), 512)
        ]
        share = self._random.random()
        for offset, data in blocks:
            if self._random.random() < share:
                image[offset : offset + len(data)] = data
        return Cut(now, bytes(image))


class _Server:
    """Answers the kernel for one file, which is the whole file system."""

    def __init__(self, fd: int, device: BlockDevice, size: int) -> None:
        self._fd = fd
        self._device = device
        self._size = size

    def run(self) -> None:
        while True:
            try:
                request = os.read(self._fd, _LARGEST + 4096)
            except InterruptedError:
                continue
            except OSError:
                return  # unmounted
            _, opcode, unique, *_ = _IN.unpack_from(request)
            if opcode in _UNANSWERED:
                continue
            try:
                answer, code = self._answer(opcode, request[_IN.size :]), 0
            except OSError as error:
                answer, code = b"", -(error.errno or errno.EIO)
            try:
                os.write(self._fd, _OUT.pack(_OUT.size + len(answer), code, unique) + answer)
            except OSError:
                return

    def _answer(self, opcode: int, body: bytes) -> bytes:
        if opcode == _INIT:
            return struct.pack("<IIIIHHIIHHI28x", 7, 31, 65536, _ASYNC_READ | _BIG_WRITES, 12, 9, _LARGEST, 1, 32, 0, 0)
        if opcode in (_GETATTR, _SETATTR):
            blocks = self._size // 512
            attributes = struct.pack("<6Q10I", 1, self._size, blocks, 0, 0, 0, 0, 0, 0, 0o100600, 1, 0, 0, 0, 4096, 0)
            return struct.pack("<QII", 3600, 0, 0) + attributes
        if opcode == _OPEN:
            return struct.pack("<QII", 0, 0, 0)
        if opcode == _READ:
            offset, length = struct.unpack_from("<8xQI", body)
            data = self._device.read(offset, length)
            self._check("read", offset, data)
            return data
        if opcode == _WRITE:
            offset, length = struct.unpack_from("<8xQI", body)
            data = body[40 : 40 + length]
            self._check("write", offset, data)
            self._device.write(offset, data)
            return struct.pack("<II", length, 0)
        if opcode == _FSYNC:
            self._check("flush", 0, b"")
            self._device.flush()
            return b""
        if opcode == _STATFS:
            return struct.pack("<5Q4I24x", self._size // 4096, 0, 0, 1, 0, 4096, 255, 4096, 0)
        if opcode in (_RELEASE, _FLUSH, _ACCESS, _DESTROY):
            return b""
        raise OSError(errno.ENOSYS, "not needed for one file")

    def _check(self, what: str, offset: int, data: bytes) -> None:
        code = self._device.fails(what, offset, data)
        if code:
            raise OSError(code, os.strerror(code))


@contextmanager
def block_device(parent: Path, kind: str, *, megabytes: int = 24) -> Iterator[tuple[BlockDevice, LoopDisk]]:
    """A new file system of this kind on such a device, mounted. Skips the test where that is not allowed."""
    need("mount", "umount", f"mkfs.{kind}")
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    size = megabytes << 20
    place = parent / "device"
    place.touch()
    try:
        fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        pytest.skip(f"/dev/fuse: {error.strerror}")
    device = BlockDevice(size)
    library = ctypes.CDLL(None, use_errno=True)
    options = f"fd={fd},rootmode=100000,user_id=0,group_id=0".encode()
    if library.mount(b"stonelog-test", os.fsencode(place), b"fuse", 0, options):
        os.close(fd)
        pytest.skip(f"cannot mount a FUSE file: {os.strerror(ctypes.get_errno())}")
    server = threading.Thread(target=_Server(fd, device, size).run, daemon=True)
    server.start()
    disk = LoopDisk(place, parent / "disk", "rw")
    try:
        make_file_system(kind, place)
        disk.mount()
        yield device, disk
    finally:
        device.fails = lambda what, offset, data: 0
        disk.unmount()
        library.umount2(os.fsencode(place), 2)  # MNT_DETACH: the loop device lets go a moment later
        server.join(10)
        os.close(fd)
