"""One segment as it stands on disk, plain or sealed, read by the offsets of its plain bytes.

Sealing changes no offset, so that a place in a segment means the same before and after it.
"""

from __future__ import annotations

import contextlib
import errno
import logging
from bisect import bisect_right
from functools import cache, partial
from typing import Final, NamedTuple, Protocol

from . import files
from .codec import Stamp
from .errors import CorruptLine
from .frames import decompress, walk
from .layout import Codec, Layout, SegmentName
from .manifest import Extent, Manifest, read_manifest
from .recent import Recent
from .scan import first_stamp, items, last_stamp, place_of

__all__ = ["Kept", "PlainFile", "SealedFile", "Stored", "load_manifest", "open_stored"]

_BLOCK: Final = 1 << 20
_FRAMES: Final = 4 << 20
"""Bytes of the frames that one segment keeps unpacked, unless it is given where to keep them."""
_PIECE: Final = 64 * 1024
"""Longer pieces are not kept by themselves."""
_PAGE: Final = 4096

log = logging.getLogger("stonelog")


class Stored(Protocol):
    """What both forms offer. `read_at` and `block` raise CorruptLine for bytes that cannot be had, and OSError."""

    file: str
    """The name of the file on disk."""
    size: int
    """The plain bytes, as they were when it was opened."""
    holes: bool
    """Whether pages could not be read, for which NULs were given."""

    def read_at(self, offset: int, length: int) -> bytes: ...

    def block(self, offset: int) -> bytes:
        """The bytes from `offset` to where it is good to stop: a mebibyte, or the end of a frame."""
        ...

    def place_of(self, seq: int) -> int:
        """Where a line starts, with every line of `seq` and above at or after it."""
        ...

    def first_stamp(self) -> Stamp | None: ...

    def last_stamp(self) -> Stamp | None: ...

    def close(self) -> None: ...


class PlainFile:
    """A segment that is not sealed."""

    def __init__(self, layout: Layout, name: SegmentName) -> None:
        self.file = name.file
        self.holes = False
        self.fd = files.open_read(layout.segment(name))
        self.size = files.size(self.fd)

    def read_at(self, offset: int, length: int) -> bytes:
        try:
            return files.read_at(self.fd, offset, length)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            log.warning("%s: %d bytes at %d: %s", self.file, length, offset, error.strerror)
            return self._read_around(offset, length)

    def block(self, offset: int) -> bytes:
        return self.read_at(offset, min(_BLOCK, self.size - offset))

    def place_of(self, seq: int) -> int:
        return place_of(self.read_at, self.size, seq)

    def first_stamp(self) -> Stamp | None:
        found = first_stamp(self.read_at, self.size)
        return found[1] if found else None

    def last_stamp(self) -> Stamp | None:
        return last_stamp(self.read_at, self.size)

    def close(self) -> None:
        files.close(self.fd)

    def _read_around(self, offset: int, length: int) -> bytes:
        """What can be read there; NULs stand for the pages that the disk does not give, so that the rest is served."""
        found = bytearray()
        end = min(offset + length, self.size)
        while offset < end:
            piece = min(_PAGE - offset % _PAGE, end - offset)
            try:
                data = files.read_at(self.fd, offset, piece)
            except OSError:
                data, self.holes = bytes(piece), True
            found += data.ljust(piece, b"\0")
            offset += piece
        return bytes(found)


class Kept(NamedTuple):
    """What of sealed segments is kept in memory: frames as they were unpacked, and the pieces that were asked for."""

    frames: Recent
    pieces: Recent


class SealedFile:
    """A sealed segment: frames are unpacked one at a time, as they are needed; `kept` has the last ones."""

    def __init__(
        self,
        layout: Layout,
        name: SegmentName,
        codec: Codec,
        manifest: Manifest | None = None,
        *,
        kept: Kept | None = None,
    ) -> None:
        self.file = name.archive(codec)
        self.codec = codec
        self.holes = False
        self.whole = True
        """Whether every part of it could be unpacked; looked at only if there is no usable manifest."""
        self.fd = files.open_read(layout.archive(name, codec))
        try:
            self.manifest = manifest or load_manifest(layout, name)
            if self.manifest is None or self.manifest.codec != codec:
                self.manifest = None
                self.extents = self._survey()
            else:
                self.extents = list(self.manifest.extents())
        except BaseException:
            files.close(self.fd)
            raise
        self.size = self.extents[-1].start + self.extents[-1].length if self.extents else 0
        self._kept = kept or Kept(Recent(_FRAMES), Recent(0))

    def read_at(self, offset: int, length: int) -> bytes:
        piece = self._kept.pieces.get((self, offset))
        if piece is not None and len(piece) == length:
            return piece
        found = self._piece(offset, length)
        while 0 < len(found) < length and (more := self._piece(offset + len(found), length - len(found))):
            found += more
        if len(found) <= _PIECE:
            self._kept.pieces.put((self, offset), found)
        return found

    def block(self, offset: int) -> bytes:
        return self._piece(offset, self.size)

    def _piece(self, offset: int, length: int) -> bytes:
        """The bytes from `offset`, at most `length` and to the end of the frame; none where there is no frame."""
        if not 0 <= offset < self.size:
            return b""
        number = bisect_right(self.extents, offset, key=lambda extent: extent.start) - 1
        start = offset - self.extents[number].start
        return self.frame(number)[start : start + length]

    def frame(self, number: int) -> bytes:
        """The plain bytes of a frame. Raises CorruptLine with their place if they cannot be unpacked."""
        plain = self._kept.frames.get((self, number))
        if plain is not None:
            return plain
        offset, packed, start, length, _ = self.extents[number]
        try:
            plain = decompress(self.codec, files.read_at(self.fd, offset, packed), length)
        except (ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.EIO:
                raise
            raise CorruptLine(self.file, None, start, length, f"the frame at its byte {offset}: {error}") from None
        self._kept.frames.put((self, number), plain)
        return plain

    def place_of(self, seq: int) -> int:
        number = max(bisect_right(self.extents, seq, key=lambda extent: extent.first_seq) - 1, 0)
        if not self.extents:
            return 0
        start = self.extents[number].start
        try:
            plain = self.frame(number)
        except CorruptLine:
            return start
        found = (item.offset for item in items(plain, start) if item.stamp is not None and item.stamp.seq >= seq)
        return next(found, start + len(plain))

    def first_stamp(self) -> Stamp | None:
        return self._stamp(range(len(self.extents)), 0)

    def last_stamp(self) -> Stamp | None:
        return self._stamp(range(len(self.extents) - 1, -1, -1), -1)

    def close(self) -> None:
        self._kept.frames.drop(self)
        self._kept.pieces.drop(self)
        files.close(self.fd)

    def _stamp(self, numbers: range, which: int) -> Stamp | None:
        """The first or last good line's stamp, in the first of these frames that can be read and has one."""
        for number in numbers:
            with contextlib.suppress(CorruptLine):
                found = [item.stamp for item in items(self.frame(number), 0) if item.stamp]
                if found:
                    return found[which]
        return None

    def _survey(self) -> list[Extent]:
        """The frames, found by unpacking all of them: there is no manifest, or it was damaged.

        What cannot be unpacked counts as no bytes: how many they were, nobody knows.
        """
        _warn_once(self.file)
        extents: list[Extent] = []
        start, seq = 0, 0
        read = partial(files.read_at, self.fd)
        for span in walk(self.codec, read, files.size(self.fd)):
            if span.plain is None:
                self.whole = False
                log.error("%s: %s", self.file, span.trouble)
                continue
            found = [item.stamp.seq for item in items(span.plain, start) if item.stamp]
            seqs = [each for each in found if each > seq] or [seq + 1]
            extents.append(Extent(span.offset, span.length, start, len(span.plain), seqs[0]))
            start, seq = start + len(span.plain), seqs[-1]
        return extents


@cache
def _warn_once(file: str) -> None:
    """Said once in a process: an indexer comes by every second."""
    log.warning("%s: has no usable manifest, so all of it is read; `stonelog doctor` can make one", file)


def load_manifest(layout: Layout, name: SegmentName) -> Manifest | None:
    """The manifest of the segment, None if it has none that can be used."""
    try:
        return read_manifest(layout.manifest(name))
    except (CorruptLine, OSError) as error:
        log.warning("%s", error)
        return None


def open_stored(layout: Layout, name: SegmentName, *, kept: Kept | None = None) -> PlainFile | SealedFile:
    """The segment, plain if that is still there: between two steps of sealing it counts. `kept` is for its frames.

    Raises FileNotFoundError if it is in no form there any more, OSError if it cannot be read.
    """
    with contextlib.suppress(FileNotFoundError):
        return PlainFile(layout, name)
    with contextlib.suppress(FileNotFoundError):
        return SealedFile(layout, name, "gzip", kept=kept)
    return SealedFile(layout, name, "zstd", kept=kept)
