import gzip
import io
import os
import random
import sys
import threading

import pytest

from stonelog.api.ingest.sources import Limits, Source, SourceUnreadable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PLAIN = b"".join(b"line %d \xe2\x80\xa8\r\n" % number for number in range(20_000)) + b"last"


def lines_of(path, limit=1 << 20, **limits):
    return list(Source(path, Limits(**limits)).lines(limit))


def write(tmp_path, data, name="in.log"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


PACKED = {
    "plain": PLAIN,
    "gzip": gzip.compress(PLAIN),
    "gzip members": gzip.compress(PLAIN[:777]) + gzip.compress(PLAIN[777:]),
    "gzip padded": gzip.compress(PLAIN[:777]) + gzip.compress(PLAIN[777:]) + b"\0" * 512,
    "zstd": zstd.compress(PLAIN),
    "zstd frames": zstd.compress(PLAIN[:777]) + b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstd.compress(PLAIN[777:]),
}


@pytest.mark.parametrize("kind", PACKED)
def test_plain_gzip_and_zstd_give_the_same_lines(tmp_path, kind):
    """An archive is known by its first bytes; members and frames follow each other; only LF ends a line."""
    lines = lines_of(write(tmp_path, PACKED[kind]))
    assert [line.data for line in lines] == PLAIN.split(b"\n")
    assert [line.number for line in lines] == list(range(1, 20_002))
    assert all(PLAIN[line.offset :].startswith(line.data) for line in lines[:50] + lines[-50:])
    assert not any(line.fault for line in lines)


@pytest.mark.parametrize("kind", ["gzip", "gzip members", "zstd", "zstd frames"])
def test_a_cut_archive_ends_with_a_fault_that_names_it(tmp_path, kind):
    """Wherever an archive is cut inside a member, its whole lines come first and the last line carries the fault."""
    packed = PACKED[kind]
    generator = random.Random(7)
    for cut in [len(packed) - 1, *(generator.randrange(len(packed) // 2, len(packed) - 1) for _ in range(10))]:
        *whole, last = lines_of(write(tmp_path, packed[:cut]))
        assert [line.data for line in whole] == PLAIN.split(b"\n")[: len(whole)]
        assert "archive ends in the middle" in last.fault
        assert not any(line.fault for line in whole)


def test_a_damaged_archive_ends_with_a_fault(tmp_path):
    """Flipped bytes inside an archive are found by its checksum or its structure."""
    for kind in ("gzip", "zstd"):
        packed = bytearray(PACKED[kind])
        packed[len(packed) // 2] ^= 0xFF
        last = lines_of(write(tmp_path, bytes(packed)))[-1]
        assert last.fault is not None or kind == "zstd"
    assert "damaged" in lines_of(write(tmp_path, gzip.compress(PLAIN) + b"garbage"))[-1].fault


def test_S09_a_bomb_is_not_unpacked(tmp_path):
    """An archive that grows out of all proportion ends with a fault; nothing near its full size is ever held."""
    packed = zstd.compress(b"\0" * (64 << 20))
    lines = lines_of(write(tmp_path, packed), ratio_from=1 << 20)
    assert "1,000 times its size" in lines[-1].fault
    assert len(lines[-1].data) <= 2 << 20


def test_S09_a_window_larger_than_8_mib_is_refused(tmp_path):
    """A frame that wants more memory than 8 MiB is refused with a way around it."""
    options = {zstd.CompressionParameter.window_log: 25, zstd.CompressionParameter.content_size_flag: 0}
    compressor = zstd.ZstdCompressor(options=options)
    packed = compressor.compress(PLAIN) + compressor.flush()
    assert "zstd -dc" in lines_of(write(tmp_path, packed))[-1].fault


def test_an_overlong_line_is_a_fault_and_the_next_is_read(tmp_path):
    """Of a line longer than the limit the start is kept and its length told; offsets go on rightly."""
    data = b"a\n" + b"x" * 3_000_000 + b"\nb\n"
    first, long, after = lines_of(write(tmp_path, data))
    assert (first.data, after.data, after.offset) == (b"a", b"b", 3_000_003)
    assert long.data == b"x" * (1 << 20)
    assert "3,000,000 bytes" in long.fault
    assert lines_of(write(tmp_path, b"y" * 10 + b"\n"), limit=10)[0].fault is None


@pytest.mark.parametrize("name", ["nothing.log", "", "a\0b"])
def test_a_missing_input_is_named_before_anything_is_read(tmp_path, name, intake):
    """A path that is no readable file raises SourceUnreadable at once, and nothing of the other inputs went in."""
    good = write(tmp_path, b'{"category":"api","action":"read"}\n')
    with pytest.raises(SourceUnreadable, match=r"cannot be read|is a directory"):
        intake(good, tmp_path / name)
    assert intake.events() == []


def test_standard_input_is_read_as_it_comes(monkeypatch):
    """`-` is standard input, packed or not."""
    for packed in (PLAIN, gzip.compress(PLAIN)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(packed)))
        source = Source("-")
        assert source.name == "stdin"
        assert [line.data for line in source.lines(1 << 20)] == PLAIN.split(b"\n")


def test_a_pipe_is_an_input_that_is_read_once(tmp_path):
    """A FIFO is live: it has no size and is not read ahead."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(b"a\nb\n"))
    writer.start()
    source = Source(path)
    assert [line.data for line in source.lines(100)] == [b"a", b"b"]
    writer.join()
    assert (source.live, source.rereadable, source.size) == (True, False, 0)
