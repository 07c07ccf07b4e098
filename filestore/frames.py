"""Compression in independent frames of whole lines: a gzip file of many members, or zstd in the seekable format.

Each gzip member (RFC 1952) carries CRC and length of its plain bytes; each zstd frame (RFC 8878) a checksum. After the
zstd frames stands a seek table in a skippable frame, as the "Zstandard Seekable Format" of the zstd project defines it
(contrib/seekable_format, version 0.1.0): any seekable reader opens the file, and `zstd -d` reads it as it is.
"""

from __future__ import annotations

import errno
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple, Protocol

from .layout import Codec
from .scan import ReadAt

__all__ = ["FRAME_OF", "LEVELS_OF", "compress", "decompress", "seek_table", "split", "walk"]

FRAME_OF: Final[dict[Codec, int]] = {"gzip": 256 * 1024, "zstd": 1024 * 1024}
"""The most plain bytes in a frame: what unpacks in a millisecond. gzip looks back 32 KiB, and gains little by more."""

LEVELS_OF: Final[dict[Codec, tuple[int, int, int]]] = {"gzip": (1, 8, 9), "zstd": (1, 13, 19)}
"""Lowest, default and highest level of each codec; docs/performance.md has what each costs."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_SKIPPABLE: Final = 0x184D2A5E
_SEEKABLE: Final = 0x8F92EAB1
_MAGIC: Final[dict[Codec, bytes]] = {"gzip": b"\x1f\x8b\x08", "zstd": b"\x28\xb5\x2f\xfd"}
_PIECE: Final = 64 * 1024
_PAGE: Final = 4096
"""What a disk cannot give is found to this precision: the page of the cache."""
_LARGEST: Final = 2 * max(FRAME_OF.values())
"""More than a frame is never unpacked, so that a forged one does not fill the memory."""


def split(data: bytes, most: int, *, last: bool) -> Iterator[bytes]:
    """The frames that `data` is cut into, each of whole lines and at most `most` bytes; the rest, if any, is left out.

    With `last` nothing is left out. Bytes without a line end in reach (rot) are cut where they are.
    """
    start = 0
    while len(data) - start > most or (last and start < len(data)):
        end = start + most
        if end < len(data):
            end = data.rfind(b"\n", start, end) + 1 or end
        yield data[start:end]
        start = end


def compress(codec: Codec, data: bytes, level: int) -> bytes:
    """One frame that holds `data`."""
    if codec == "gzip":
        # Z_FILTERED leaves out matches of up to five bytes, which chance makes among the digits of ids and hashes: they
        # cost more than the digits.
        packer = zlib.compressobj(level, zlib.DEFLATED, _GZIP, zlib.DEF_MEM_LEVEL + 1, zlib.Z_FILTERED)
        return packer.compress(data) + packer.flush()
    from . import zstd

    return zstd.compress(data, level)


def decompress(codec: Codec, data: bytes, length: int) -> bytes:
    """The plain bytes of a frame that has `length` of them; raises ValueError unless it is whole and holds just so."""
    unpacker = _unpacker(codec)
    plain = unpacker.decompress(data, length + 1)
    if not unpacker.eof or unpacker.unused_data or len(plain) != length:
        raise ValueError(f"it does not hold just the {length:,} bytes that it should")
    return plain


class _Unpacker(Protocol):
    """Unpacks one frame."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, most: int, /) -> bytes: ...


class _Gunzip:
    """One gzip member; raises ValueError for what is damaged."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)

    @property
    def eof(self) -> bool:
        return self._member.eof

    @property
    def unused_data(self) -> bytes:
        return self._member.unused_data

    def decompress(self, data: bytes, most: int) -> bytes:
        try:
            return self._member.decompress(data, most)
        except zlib.error as error:
            raise ValueError(str(error)) from None


def _unpacker(codec: Codec) -> _Unpacker:
    if codec == "gzip":
        return _Gunzip()
    from . import zstd

    return zstd.Unpacker()


class Span(NamedTuple):
    """Where a frame lies in the file, and its plain bytes; None if they cannot be unpacked."""

    offset: int
    length: int
    plain: bytes | None
    unread: bool = False
    """Whether that is because the disk does not give some of them."""

    @property
    def trouble(self) -> str:
        """What is wrong, in words, where there are no plain bytes."""
        verb = "read from the disk" if self.unread else "unpacked"
        return f"{self.length:,} bytes at byte {self.offset:,} of the archive cannot be {verb}"


def walk(codec: Codec, read: ReadAt, size: int) -> Iterator[Span]:
    """The frames of an archive of `size` bytes, found without a table; damaged ones are stepped over as one span.

    So are pages that the disk does not give (EIO). Raises any other OSError.
    """
    offset = damaged = 0
    unread: list[int] = []
    read = partial(_given, read, unread)
    while offset < size:
        if codec == "zstd" and read(offset, 4) == _SKIPPABLE.to_bytes(4, "little"):
            break  # the seek table ends the file
        found = _frame_at(codec, read, offset)
        if found is None:
            offset = _next_magic(codec, read, offset + 1, size)
            continue
        if damaged < offset:
            yield _damaged(damaged, offset, unread)
        yield found
        offset = damaged = found.offset + found.length
    if damaged < offset:
        yield _damaged(damaged, offset, unread)


def _damaged(start: int, end: int, unread: list[int]) -> Span:
    return Span(start, end - start, None, any(start <= each < end for each in unread))


def _given(read: ReadAt, unread: list[int], offset: int, length: int) -> bytes:
    """The bytes from `offset` up to the first page that the disk does not give, whose place goes to `unread`."""
    try:
        return read(offset, length)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    found = bytearray()
    while len(found) < length:
        at = offset + len(found)
        try:
            data = read(at, min(_PAGE - at % _PAGE, length - len(found)))
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            unread.append(at)
            break
        if not data:
            break
        found += data
    return bytes(found)


def _frame_at(codec: Codec, read: ReadAt, offset: int) -> Span | None:
    """The frame that begins there, None if it is damaged, cut off or larger than any that is written here."""
    unpacker = _unpacker(codec)
    plain, at = bytearray(), offset
    try:
        while not unpacker.eof:
            piece = read(at, _PIECE)
            if not piece or len(plain) > _LARGEST:
                return None
            plain += unpacker.decompress(piece, _LARGEST)
            at += len(piece)
    except ValueError:
        return None
    return Span(offset, at - len(unpacker.unused_data) - offset, bytes(plain))


def _next_magic(codec: Codec, read: ReadAt, offset: int, size: int) -> int:
    """Where a frame may begin, at `offset` or after it; `size` if nowhere."""
    magic = _MAGIC[codec]
    while offset < size:
        piece = read(offset, _PIECE)
        place = piece.find(magic)
        if place >= 0:
            return offset + place
        if len(piece) >= len(magic):
            offset += len(piece) - len(magic) + 1
        else:  # the end, or a page that cannot be read
            offset = (offset // _PAGE + 1) * _PAGE
    return size


def seek_table(lengths: list[tuple[int, int]]) -> bytes:
    """The skippable frame that ends a seekable file: of each frame its compressed and plain length, then the footer."""
    entries = b"".join(struct.pack("<II", *pair) for pair in lengths)
    footer = struct.pack("<IBI", len(lengths), 0, _SEEKABLE)
    return struct.pack("<II", _SKIPPABLE, len(entries) + len(footer)) + entries + footer
