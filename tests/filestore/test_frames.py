"""Compression in independent frames of whole lines."""

from __future__ import annotations

import errno
import gzip
import random
import struct
import subprocess
from itertools import accumulate
from pathlib import Path
from shutil import which

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stonelog.filestore import Codec
from stonelog.filestore.frames import FRAME_OF, compress, decompress, seek_table, split, walk

CODECS: list[Codec] = ["gzip", "zstd"]
both = pytest.mark.parametrize("codec", CODECS)


def archive(codec: Codec, pieces: list[bytes]) -> bytes:
    """The file that holds these pieces as frames."""
    packed = [compress(codec, piece, 1) for piece in pieces]
    table = seek_table([(len(one), len(piece)) for one, piece in zip(packed, pieces, strict=True)])
    return b"".join(packed) + (table if codec == "zstd" else b"")


def found(codec: Codec, data: bytes) -> list[bytes | None]:
    """What `walk` unpacks; None stands for bytes that it cannot."""
    spans = list(walk(codec, lambda offset, length: data[offset : offset + length], len(data)))
    assert [span.offset for span in spans] == [0, *accumulate(span.length for span in spans)][: len(spans)]
    return [span.plain for span in spans]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=40), st.booleans(), st.integers(20, 400))
def test_split_cuts_at_line_ends_and_loses_nothing(rows: list[bytes], last: bool, limit: int) -> None:
    """The frames are a beginning of the data, all of it at the end; none is too large, none cuts a line that fits."""
    data = b"\n".join(rows)
    pieces = list(split(data, limit, last=last))
    assert data.startswith(b"".join(pieces))
    assert b"".join(pieces) == data if last else len(data) - sum(map(len, pieces)) <= limit
    for piece in pieces[:-1]:
        assert 0 < len(piece) <= limit
        assert piece.endswith(b"\n") or (b"\n" not in piece and len(piece) == limit)


@both
@settings(deadline=None)
@given(pieces=st.lists(st.binary(min_size=1, max_size=2000), max_size=8))
def test_what_is_packed_is_unpacked(codec: Codec, pieces: list[bytes]) -> None:
    """Every frame alone, and all of them found with no table, give back the same bytes."""
    for piece in pieces:
        assert decompress(codec, compress(codec, piece, 1), len(piece)) == piece
    assert found(codec, archive(codec, pieces)) == pieces


@both
@settings(deadline=None)
@given(piece=st.binary(min_size=1, max_size=500), other=st.integers(0, 2000), place=st.integers(0))
def test_F43_a_frame_that_is_not_whole_is_an_error(codec: Codec, piece: bytes, other: int, place: int) -> None:
    """Cut short, with something behind it, or of another length than it should have, it is never taken for good."""
    packed = compress(codec, piece, 1)
    wrong = [(packed[: place % len(packed)], len(piece)), (packed + b"x", len(piece)), (packed + packed, len(piece))]
    if other != len(piece):
        wrong.append((packed, other))
    for data, length in wrong:
        with pytest.raises(ValueError):
            decompress(codec, data, length)


@both
def test_F43_with_any_byte_flipped_other_frames_are_found(codec: Codec) -> None:
    """Whatever byte is damaged, only the frame that it stands in is lost, and nothing wrong is taken for it."""
    pieces = [b"one line\n" * 9, b"two lines\n" * 9, b"three lines\n" * 9]
    packed = [len(compress(codec, piece, 1)) for piece in pieces]
    data = archive(codec, pieces)
    for place in range(sum(packed)):
        hurt = sum(place >= end for end in accumulate(packed))
        for flip in (0x01, 0x80):
            changed = bytearray(data)
            changed[place] ^= flip
            good = [piece for piece in found(codec, bytes(changed)) if piece is not None]
            rest = pieces[:hurt] + pieces[hurt + 1 :]
            assert good in (rest, pieces), f"byte {place} of frame {hurt}"  # a gzip header has bytes of no account


@both
def test_F35_the_frames_around_a_page_that_cannot_be_read_are_found(codec: Codec) -> None:
    """Only those that have bytes in the page are lost; what else the system says is raised."""
    chance = random.Random(2)
    pieces = [chance.randbytes(1500) for _ in range(40)]
    starts = [0, *accumulate(len(compress(codec, piece, 1)) for piece in pieces)]
    data = archive(codec, pieces)
    for page in range(0, starts[-1], 4096):

        def read(offset: int, length: int, page: int = page) -> bytes:
            if offset < page + 4096 and page < offset + length:
                raise OSError(errno.EIO, "Input/output error")
            return data[offset : offset + length]

        spans = list(walk(codec, read, len(data)))
        whole = [
            piece
            for piece, at, end in zip(pieces, starts, starts[1:], strict=False)
            if end <= page or at >= page + 4096
        ]
        assert [span.plain for span in spans if span.plain is not None] == whole
        assert [span.unread for span in spans if span.plain is None] == [True]

    def refused(offset: int, length: int) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    with pytest.raises(PermissionError):
        list(walk(codec, refused, len(data)))


def test_S09_a_frame_that_unpacks_to_more_than_it_should_does_not_fill_the_memory() -> None:
    """A bomb is an error after a little more than was expected, and none of our frames when looked for."""
    for codec in CODECS:
        bomb = compress(codec, bytes(64 << 20), 6)
        with pytest.raises(ValueError, match="100"):
            decompress(codec, bomb, 100)
        assert found(codec, bomb) == [None]


def test_S09_a_frame_that_wants_a_large_window_is_refused() -> None:
    """More than 8 MiB of memory for the window is never given."""
    for log, refused in ((23, False), (24, True), (31, True)):
        frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(log - 10) << 3]) + struct.pack("<I", (1 << 3) | 1)[:3] + b"a"
        if refused:
            with pytest.raises(ValueError, match="memory"):
                decompress("zstd", frame, 1)
        else:
            assert decompress("zstd", frame, 1) == b"a"


def test_the_seek_table_is_that_of_the_zstd_project() -> None:
    """A skippable frame with the lengths of each frame, and a footer with their number and the magic number."""
    table = seek_table([(10, 100), (20, 200)])
    assert struct.unpack("<IIIIIIIBI", table) == (0x184D2A5E, len(table) - 8, 10, 100, 20, 200, 2, 0, 0x8F92EAB1)


@pytest.mark.parametrize(("tool", "codec"), [("zcat", "gzip"), ("zstd", "zstd")])
def test_the_ordinary_tool_unpacks_all_frames(tmp_path: Path, tool: str, codec: Codec) -> None:
    """`zcat` and `zstd -dc` give the bytes of all frames, one after the other."""
    if which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    pieces = [b"a line\n" * 1000, b"b" * FRAME_OF[codec], b"\n"]
    path = tmp_path / ("x.gz" if codec == "gzip" else "x.zst")
    path.write_bytes(archive(codec, pieces))
    command = ["zcat", path] if tool == "zcat" else ["zstd", "-qdc", path]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"".join(pieces)
    if codec == "gzip":
        assert gzip.decompress(path.read_bytes()) == b"".join(pieces)
