"""Sealing: a segment that is written no more becomes an archive of the same bytes, with a manifest.

The order of the steps (data/README.md) is what makes a cut at any of them harmless: the plain file goes last, after
the archive was read back and compared, and both it and the manifest are on stable storage under their names.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from . import files
from .codec import loads
from .errors import CorruptLine, StonelogError
from .frames import FRAME_OF, compress, decompress, seek_table, split, walk
from .ids import time_of
from .layout import Codec, Layout, SegmentName
from .lock import StoreLock
from .manifest import Frame, Manifest, write_manifest
from .scan import Item, items
from .stored import PlainFile
from .values import format_time

__all__ = ["Contents", "archive_matches", "describe_archive", "file_digest", "seal_segment"]

_HEAD: Final = re.compile(
    rb'"id":"([0-9a-f]{8}-[0-9a-f]{4})-7[^"]*","time":"([^"\\]{27})","level":"[a-z]+","category":"([a-z0-9_]+)"'
)
_HEAD_MOST: Final = 256
_PIECE: Final = 1 << 20


@dataclass(slots=True)
class Contents:
    """What the plain bytes of a segment hold, taken frame by frame."""

    first_seq: int = 0
    last_seq: int = 0
    events: int = 0
    size: int = 0
    first_time: str = ""
    last_time: str = ""
    ids: tuple[bytes, bytes] = (b"", b"")
    """The least and the greatest start of an id: when the events were written."""
    categories: Counter[str] = field(default_factory=Counter)
    frames: list[Frame] = field(default_factory=list)
    digest: Any = field(default_factory=sha256)

    def add(self, plain: bytes, offset: int, lines: Iterable[Item] | None = None) -> None:
        """The next frame, which lies at `offset` of the archive; `lines` are those that lie whole in it, if known."""
        first = 0
        for item in items(plain, self.size) if lines is None else lines:
            if item.stamp is None or not item.whole:
                continue
            if item.stamp.seq > self.last_seq:  # else it was moved or copied here, and tells nothing of what follows
                first = first or item.stamp.seq
            self.first_seq = self.first_seq or item.stamp.seq
            self.last_seq = max(self.last_seq, item.stamp.seq)
            self.events += 1
            time, category, identity = _head(item.data)
            if identity:
                self.ids = min(self.ids[0] or identity, identity), max(self.ids[1], identity)
            self.first_time = min(self.first_time or time, time)
            self.last_time = max(self.last_time, time)
            self.categories[category] += 1
        self.frames.append(Frame(offset, self.size, first or self.last_seq + 1))
        self.size += len(plain)
        self.digest.update(plain)

    def manifest(self, file: str, codec: Codec, archive_bytes: int, archive_sha256: str) -> Manifest:
        return Manifest(
            file=file,
            codec=codec,
            first_seq=self.first_seq,
            last_seq=self.last_seq,
            events=self.events,
            bytes=self.size,
            sha256=self.digest.hexdigest(),
            archive_bytes=archive_bytes,
            archive_sha256=archive_sha256,
            first_time=self.first_time,
            last_time=self.last_time,
            first_written=_written(self.ids[0]),
            last_written=_written(self.ids[1]),
            sealed_at=format_time(datetime.now(UTC)),
            categories=dict(sorted(self.categories.items())),
            frames=self.frames,
        )


def seal_segment(
    layout: Layout,
    name: SegmentName,
    codec: Codec,
    level: int,
    lock: StoreLock,
    packed: Callable[[int], object] = lambda length: None,
) -> Manifest:
    """The segment is sealed: its archive and manifest are on stable storage, the plain file is gone.

    To be called with the upkeep lock held, for a segment that is not the newest. `lock` is the writers'; it is taken
    for the moment in which the plain file goes. `packed` is called for each frame with its plain bytes; whatever it
    raises ends the sealing. On any error the plain file stays as it was. Raises OSError, and StonelogError if the
    plain file was changed meanwhile or the archive does not read back.
    """
    plain = PlainFile(layout, name)
    try:
        files.fsync(plain.fd)
        place = layout.archive(name, codec)
        temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
        with contextlib.suppress(FileNotFoundError):
            files.remove(temporary)
        try:
            manifest = _write_archive(plain, temporary, place.name, codec, level, packed)
            _read_back(temporary, manifest)
            files.rename(temporary, place)
            files.fsync_directory(layout.events)
            write_manifest(layout.manifest(name), manifest)
            with lock.held():  # a recovery in another process may be at the plain file
                unchanged = files.look(str(layout.segment(name))) == (files.identity(plain.fd), manifest.bytes)
                if unchanged:
                    files.remove(layout.segment(name))
            if not unchanged:
                files.remove(place)
                files.remove(layout.manifest(name))
            files.fsync_directory(layout.events)
        except BaseException:
            with contextlib.suppress(OSError):
                files.remove(temporary)
            raise
    finally:
        plain.close()
    if not unchanged:
        raise StonelogError(f"{layout.segment(name)}: it was changed while it was being sealed", hint="seal it again")
    return manifest


def _write_archive(
    plain: PlainFile, path: Path, file: str, codec: Codec, level: int, told: Callable[[int], object]
) -> Manifest:
    """The archive stands at `path`, synced; gives what its manifest will say."""
    contents = Contents()
    packed_digest = sha256()
    lengths: list[tuple[int, int]] = []
    at = 0
    fd = files.create(path)
    try:
        for piece in _frames(plain, FRAME_OF[codec]):
            packed = compress(codec, piece, level)
            files.write_all(fd, packed)
            packed_digest.update(packed)
            contents.add(piece, at)
            lengths.append((len(packed), len(piece)))
            at += len(packed)
            told(len(piece))
        if codec == "zstd":
            table = seek_table(lengths)
            files.write_all(fd, table)
            packed_digest.update(table)
            at += len(table)
        files.fsync(fd)
    finally:
        files.close(fd)
    return contents.manifest(file, codec, at, packed_digest.hexdigest())


def _frames(plain: PlainFile, most: int) -> Iterator[bytes]:
    """The segment's bytes, cut into frames of at most `most`."""
    rest, at = b"", 0
    while at < plain.size:
        # Not by `plain.block`, which goes on after a page that the disk does not give: this is no copy to lose it in.
        data = files.read_at(plain.fd, at, min(_PIECE, plain.size - at))
        if not data:
            break
        at += len(data)
        rest += data
        for piece in split(rest, most, last=at >= plain.size):
            rest = rest[len(piece) :]
            yield piece


def _read_back(path: Path, manifest: Manifest) -> None:
    """Raises StonelogError unless the archive at `path` unpacks to what the manifest says."""
    fd = files.open_read(path)
    try:
        sound = archive_matches(fd, manifest)
    finally:
        files.close(fd)
    if not sound:
        raise StonelogError(f"{path}: it does not read back as it was written", hint="look at the disk and the memory")


def archive_matches(fd: int, manifest: Manifest) -> bool:
    """Whether the open archive has the manifest's length, and unpacks to just the bytes of its SHA-256."""
    if files.size(fd) != manifest.archive_bytes:
        return False
    digest = sha256()
    for extent in manifest.extents():
        try:
            digest.update(decompress(manifest.codec, files.read_at(fd, extent.offset, extent.packed), extent.length))
        except ValueError:
            return False
    return digest.hexdigest() == manifest.sha256


def describe_archive(layout: Layout, name: SegmentName, codec: Codec) -> Manifest:
    """What the manifest of a sealed segment must say, from the archive alone, all of which is read.

    Raises CorruptLine if a part of it cannot be unpacked, OSError.
    """
    place = layout.archive(name, codec)
    fd = files.open_read(place)
    try:
        contents, size = Contents(), files.size(fd)
        for span in walk(codec, partial(files.read_at, fd), size):
            if span.plain is None:
                raise CorruptLine(place.name, None, contents.size, 0, span.trouble)
            contents.add(span.plain, span.offset)
        return contents.manifest(place.name, codec, size, file_digest(fd))
    finally:
        files.close(fd)


def file_digest(fd: int) -> str:
    """The SHA-256 of the open file's bytes. Raises OSError."""
    digest = sha256()
    for at in range(0, files.size(fd), _PIECE):
        digest.update(files.read_at(fd, at, _PIECE))
    return digest.hexdigest()


def _head(line: bytes) -> tuple[str, str, bytes]:
    """Time and category of an event, and the start of its id."""
    head = _HEAD.search(line, 0, _HEAD_MOST)
    if head:
        return head[2].decode(), head[3].decode(), head[1]
    fields = loads(line)  # a line of a newer version, with other keys in front
    return str(fields.get("time", "")), str(fields.get("category", "")), b""


def _written(identity: bytes) -> str:
    """The time in the start of an id, "" if there is none."""
    moment = time_of(b'"id":"%b-7' % identity)
    return format_time(moment) if moment else ""
