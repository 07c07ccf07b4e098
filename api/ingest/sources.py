"""Inputs: files or standard input, plain, gzip (RFC 1952) or zstd (RFC 8878), as lines that end at b"\\n" only.

What an archive is shows in its first bytes, not in its name. An archive that ends too early, is damaged, or grows out
of all proportion ends its source with a faulty line, so that it is counted and named like any other bad line.
"""

from __future__ import annotations

import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from stonelog.filestore import StonelogError

if sys.version_info >= (3, 14):
    from compression.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
else:
    from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

__all__ = ["Limits", "Line", "Source", "SourceUnreadable"]

_CHUNK: Final = 1 << 18
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_WINDOW_LOG: Final = 23  # 8 MiB: what a stranger's frame can make us allocate


@dataclass(frozen=True)
class Limits:
    """What a source may ask of this process, in bytes and as a ratio."""

    line: int = 1 << 20
    document: int = 64 << 20
    ratio: int = 1_000
    """Plain bytes for one stored byte; real logs stay below 100, gzip cannot exceed 1,032."""
    ratio_from: int = 64 << 20
    """Plain bytes from which on the ratio is looked at."""


class Line(NamedTuple):
    """One line without its LF: its number from 1, its offset in the plain bytes, and why it cannot be taken, if so."""

    number: int
    offset: int
    data: bytes
    fault: str | None = None


class SourceUnreadable(StonelogError):
    """An input is not there, may not be read, or is no file."""


class _Broken(Exception):
    """The source gives no more; the text says why."""


class Source:
    """One input. `done` counts the stored bytes read so far, of `size` (0 where that is not known)."""

    def __init__(self, given: str | Path, limits: Limits | None = None) -> None:
        """The source, known to be readable; raises SourceUnreadable if it is not."""
        self.limits = limits or Limits()
        self.done = 0
        self.size = 0
        self.live = str(given) == "-"
        self.name = "stdin" if self.live else str(given)
        self.rereadable = False
        self.on_pause: Callable[[], None] | None = None
        """Called by `lines` before it waits for more of a live input."""
        self._path = Path(given)
        if not self.live:
            self._look()

    def _look(self) -> None:
        try:
            found = self._path.stat()
        except (OSError, ValueError) as error:
            raise SourceUnreadable(
                f"{self.name}: cannot be read: {getattr(error, 'strerror', None) or error}"
            ) from None
        if stat.S_ISDIR(found.st_mode):
            raise SourceUnreadable(f"{self.name}: is a directory; expected a file", hint="name the files in it")
        if not os.access(self._path, os.R_OK):
            raise SourceUnreadable(f"{self.name}: cannot be read: Permission denied")
        self.rereadable = stat.S_ISREG(found.st_mode)
        self.live = not self.rereadable
        self.size = found.st_size if self.rereadable else 0

    def lines(self, limit: int) -> Iterator[Line]:
        """Every line; of one longer than `limit` its start, with a fault."""
        for block in self.blocks(limit):
            yield from block
            if self.live and self.on_pause is not None:
                self.on_pause()

    def blocks(self, limit: int) -> Iterator[list[Line]]:
        """Every line, in lists as they arrive; begins anew at each call, if `rereadable`."""
        self.done = 0
        splitter = _Splitter(limit)
        try:
            for chunk in self._plain():
                yield splitter.split(chunk)
        except _Broken as broken:
            yield [splitter.last(f"{broken}; what stood before this was read")]
            return
        if splitter.pending:
            yield [splitter.last(None)]

    def _plain(self) -> Iterator[bytes]:
        stored = self._stored()
        head = b""
        for chunk in stored:
            head += chunk
            if len(head) >= len(_ZSTD):
                break
        chunks = _chain(head, stored)
        if head.startswith(_GZIP):
            yield from self._guarded(_gunzip(chunks))
        elif head.startswith(_ZSTD):
            yield from self._guarded(_unzstd(chunks))
        else:
            yield from chunks

    def _guarded(self, plain: Iterable[bytes]) -> Iterator[bytes]:
        total = 0
        for chunk in plain:
            total += len(chunk)
            if total > self.limits.ratio_from and total > self.limits.ratio * self.done:
                raise _Broken(
                    f"the archive grows to more than {self.limits.ratio:,} times its size and is not read further"
                )
            yield chunk

    def _stored(self) -> Iterator[bytes]:
        try:
            if self.name == "stdin" and self.live:
                yield from self._read(sys.stdin.buffer)
            else:
                with self._path.open("rb") as file:
                    yield from self._read(file)
        except OSError as error:
            raise _Broken(f"cannot be read further: {error.strerror or error}") from None

    def _read(self, file: BinaryIO) -> Iterator[bytes]:
        # read1 gives what is there, so that a live input is not held back until a chunk is full
        read: Callable[[int], bytes] = getattr(file, "read1", file.read)
        while chunk := read(_CHUNK):
            self.done += len(chunk)
            yield chunk


class _Splitter:
    """Cuts chunks into lines; holds at most one unfinished line, and of that at most `limit` bytes and a chunk."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._number = 0
        self._offset = 0
        self._held: list[bytes] = []
        self._kept = 0
        self.pending = 0

    def split(self, chunk: bytes) -> list[Line]:
        first, *more = chunk.split(b"\n")
        self._hold(first)
        lines = []
        for piece in more:
            lines.append(self.last(None))
            self._hold(piece)
        return lines

    def last(self, fault: str | None) -> Line:
        data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        length = self.pending
        if length > self._limit and fault is None:
            data = data[: self._limit]
            fault = f"the line takes {length:,} bytes; at most {self._limit:,} are taken, and its start is kept here"
        self._number += 1
        line = Line(self._number, self._offset, data, fault)
        self._offset += length + 1
        self._held.clear()
        self._kept = self.pending = 0
        return line

    def _hold(self, piece: bytes) -> None:
        self.pending += len(piece)
        if piece and self._kept <= self._limit:
            self._held.append(piece)
            self._kept += len(piece)


def _chain(head: bytes, more: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from more


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    member = None
    try:
        for chunk in chunks:
            data = chunk
            while data:
                if member is None:
                    data = data.lstrip(b"\0")  # padding of tapes and block devices, which gzip skips too
                    if not data:
                        break
                    member = zlib.decompressobj(wbits=31)
                yield member.decompress(data, _CHUNK)
                data = member.unconsumed_tail
                if member.eof:
                    data, member = member.unused_data, None
        if member is not None:
            yield member.flush()
    except zlib.error as error:
        raise _Broken(f"the gzip archive is damaged ({error})") from None
    if member is not None and not member.eof:
        raise _Broken("the gzip archive ends in the middle")


def _unzstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    frame = None
    try:
        for chunk in chunks:
            data = chunk
            while data or (frame is not None and not frame.needs_input):
                if frame is None:
                    frame = ZstdDecompressor(options={DecompressionParameter.window_log_max: _WINDOW_LOG})
                yield frame.decompress(data, _CHUNK)
                data = b""
                if frame.eof:
                    data, frame = frame.unused_data, None
    except ZstdError as error:
        large = "frame requires too much memory" in str(error).lower()
        hint = "; its window is larger than 8 MiB: pipe it through zstd -dc" if large else ""
        raise _Broken(f"the zstd archive is damaged ({error}){hint}") from None
    if frame is not None:
        raise _Broken("the zstd archive ends in the middle")
