"""Finding lines in a segment's bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonelog.filestore import files
from stonelog.filestore.codec import encode, seal_line
from stonelog.filestore.scan import ReadAt, first_stamp, items, last_stamp, line_number, place_of


def line(seq: int, size: int = 10) -> bytes:
    """A good line with its end."""
    return seal_line(encode({"message": "x" * size}), seq, seq - 1) + b"\n"


def reading(fd: int) -> ReadAt:
    """Reads the open file."""
    return partial(files.read_at, fd)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[int]:
    """A descriptor on an empty file."""
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


@given(st.binary(max_size=200), st.integers(0, 10**6))
def test_items_cover_every_byte_once(data: bytes, base: int) -> None:
    """Joined with line ends the items are the bytes again, each at its offset; only the last can be unfinished."""
    found = list(items(data, base))
    assert b"".join(item.data + (b"\n" if item.whole else b"") for item in found) == data
    assert all(data[item.offset - base :].startswith(item.data) for item in found)
    assert all(item.whole for item in found[:-1])


def test_S03_only_lf_ends_a_line() -> None:
    """CR, NEL, form feed and the Unicode separators are bytes like any other."""
    data = "a\rb\x85c\u2028d\x0ce\n".encode()
    assert [item.data for item in items(data, 0)] == [data[:-1]]


def test_only_whole_lines_have_a_stamp() -> None:
    """A good line without its line end may be half written and is not taken."""
    whole, unfinished = items(line(1) + line(2)[:-1], 0)
    assert whole.stamp is not None
    assert whole.stamp.seq == 1
    assert unfinished.stamp is None


@pytest.mark.parametrize("size", [10, 3_000, 60_000])
def test_place_of_is_at_a_line_at_or_before_every_seq(opened: int, size: int) -> None:
    """For each `seq` the place is the start of a line, none of what is sought lies before it, and little is read."""
    count = 3_000_000 // (size + 200)
    offsets, data = [0], bytearray()
    for seq in range(1, count + 1):
        data += line(seq, size)
        offsets.append(len(data))
    os.write(opened, data)
    for seq in {1, 2, count // 3, count // 2, count - 1, count, count + 1, 2**53}:
        place = place_of(reading(opened), len(data), seq)
        assert place in offsets
        assert place <= offsets[min(seq, count + 1) - 1]
        assert offsets[min(seq, count + 1) - 1] - place <= 6 * 65_536


def test_place_of_steps_over_bad_bytes(opened: int) -> None:
    """A rotten region in the middle does not hide the lines on either side."""
    before = b"".join(line(seq, 1000) for seq in range(1, 500))
    after = b"".join(line(seq, 1000) for seq in range(900, 1500))
    data = before + bytes(400_000) + b"\n" + after
    os.write(opened, data)
    for seq, start in ((1, 0), (250, before.index(line(250, 1000))), (1_200, data.index(line(1_200, 1000)))):
        assert place_of(reading(opened), len(data), seq) <= start


def test_first_and_last_stamp_look_past_bad_lines(opened: int) -> None:
    """The first and the last good line are found behind more bad bytes than one read takes."""
    bad = b"garbage\n" * 50_000
    os.write(opened, bad + line(7) + line(8) + bad + b"unfinished")
    end = os.fstat(opened).st_size
    first, last = first_stamp(reading(opened), end), last_stamp(reading(opened), end)
    assert first is not None
    assert last is not None
    assert (first[0], first[1].seq, last.seq) == (len(bad), 7, 8)


def test_lines_of_the_greatest_length_are_found_at_every_alignment(opened: int) -> None:
    """A line of 65,535 bytes is found wherever the probes' borders fall in it."""
    longest = seal_line(b'"message":"%b"' % (b"x" * (65_536 - len(line(2, 0)))), 2, 1) + b"\n"
    assert len(longest) == 65_536
    for shift in range(0, 262_144 + 65_536, 16_001):
        os.ftruncate(opened, 0)
        os.pwrite(opened, b"\0" * shift + b"\n" + longest, 0)
        end = os.fstat(opened).st_size
        first, last = first_stamp(reading(opened), end), last_stamp(reading(opened), end)
        assert first is not None
        assert last is not None
        assert (first[1].seq, last.seq) == (2, 2)


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n\n", bytes(300_000), line(1)[:-1]])
def test_a_file_without_a_good_line_has_no_stamp(opened: int, data: bytes) -> None:
    """Nothing is found in nothing, in NULs, in empty lines, in half a line."""
    os.write(opened, data)
    assert first_stamp(reading(opened), len(data)) is None
    assert last_stamp(reading(opened), len(data)) is None
    assert place_of(reading(opened), len(data), 1) == 0


def test_line_number_counts_from_one(opened: int) -> None:
    """The number of the line at an offset, across blocks."""
    data = (b"x" * 1023 + b"\n") * 3_000
    os.write(opened, data)
    assert [line_number(reading(opened), at) for at in (0, 1024, 2_999 * 1024, len(data))] == [1, 2, 3_000, 3_001]
    assert line_number(reading(opened), 2_999 * 1024, (1024, 2)) == 3_000
