"""One pass over one open segment, sealed or not."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealed import frames_of, lines, seal
from segments import lay, line
from stonelog.filestore import CorruptLine, Reader
from stonelog.filestore.codec import loads
from stonelog.filestore.layout import Layout, SegmentName
from stonelog.filestore.reading import Reading, Run
from stonelog.filestore.scan import items
from stonelog.filestore.stored import open_stored

NAME = SegmentName.parse("2026-11-23.jsonl")


def read(directory: Path, after: int = 0, offset: int | None = None) -> tuple[list[int], list[str]]:
    """The `seq`s of one pass, and what is told with the place."""
    assert NAME is not None
    told: list[CorruptLine] = []
    stored = open_stored(Layout(directory), NAME)
    try:
        reading = Reading(stored, NAME, after, told.append)
        found = [
            run.first_seq + place
            for run in reading.runs(offset, stored.size, newest=False)
            for place in range(len(run.lines))
        ]
    finally:
        stored.close()
    return found, [f"{each.line}:{each.offset}:{each.length}" for each in told]


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("frame", [300, 700, 256 * 1024])
def test_F42_F44_what_is_wrong_is_told_with_its_place(
    directory: Path, monkeypatch: pytest.MonkeyPatch, sealed: bool, frame: int
) -> None:
    """Garbage, a changed line, one that was copied, one without an end: file, line, offset and length of each, the same
    in a sealed segment, however its frames fall."""
    frames_of(monkeypatch, frame)
    parts = [lines(1, 3), b"garbage\n", line(4, 3), line(5, 4).replace(b"api", b"apX"), line(6, 5), line(2, 1)]
    parts += [line(7, 6), b"x" * 1000 + b"\n", line(8, 7), b"no end"]
    starts = [sum(map(len, parts[:place])) for place in range(len(parts))]
    lay(directory, d23=b"".join(parts), d24=line(9, 8))
    if sealed:
        seal(directory, 23)
    found, told = read(directory)
    assert found == [1, 2, 3, 4, 6, 7, 8]
    wrong = [(4, 1), (6, 3), (8, 5), (10, 7), (12, 9)]
    if sealed and frame < 1000:  # a line without an end in reach is told in pieces
        assert [f"{number}:{starts[place]}:" for number, place in wrong[:3]] == [
            each[: each.rindex(":") + 1] for each in told[:3]
        ]
        assert sum(int(each.split(":")[2]) for each in told[3:]) >= 1000
    else:
        expected = [f"{number}:{starts[place]}:{len(parts[place])}" for number, place in wrong]
        assert told == expected


@pytest.mark.parametrize("sealed", [False, True])
def test_any_start_and_any_after(directory: Path, monkeypatch: pytest.MonkeyPatch, sealed: bool) -> None:
    """From each `seq`, and from the place of each line, exactly the later ones."""
    frames_of(monkeypatch, 700)
    data = lines(11, 40)
    lay(directory, d23=data, d24=line(41, 40))
    if sealed:
        seal(directory, 23)
    for after in range(45):
        assert read(directory, after) == (list(range(max(after + 1, 11), 41)), [])
    at = 0
    for seq in range(11, 41):
        assert read(directory, 0, at) == (list(range(seq, 41)), [])
        at = data.index(b"\n", at) + 1


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder in memory where there is one."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    yield folder / "data"
    shutil.rmtree(folder)


@st.composite
def pieces(draw: st.DrawFn) -> bytes:
    """A good line, one with any seq and text, one with a byte changed, one cut, garbage, nothing, NULs."""
    seq = draw(st.integers(1, 12))
    good = line(seq, draw(st.integers(0, 12)), draw(st.sampled_from(["", "x", "y" * 200, '","synced":1,"hash":"'])))
    kind = draw(st.sampled_from(["good", "changed", "cut", "garbage", "not JSON", "short", "digits"]))
    at = draw(st.integers(0, len(good) - 2))
    if kind == "changed":
        return good[:at] + draw(st.binary(min_size=1, max_size=2)) + good[at + 1 :]
    if kind == "cut":
        return good[:at] + draw(st.sampled_from([b"", b"\n"]))
    if kind == "garbage":
        return draw(st.sampled_from([b"", b"\n", b"{}\n", b"garbage\n", bytes(500), b"x" * 700 + b"\n"]))
    if kind in ("not JSON", "short", "digits"):
        body = {"not JSON": b',"a":nothing', "short": b"", "digits": b',"a":%d' % 10**20}[kind]
        synced = draw(st.sampled_from([b"0", b"7", b"07", b"-1", b"1.0", b"true", b"9" * 16, b"9" * 17, b""]))
        head = b'{"seq":%b%b,"synced":%b' % (draw(st.sampled_from([b"%d" % seq, b"0", b"9" * 17])), body, synced)
        return head + b',"hash":"%b"}\n' % hashlib.sha256(head).hexdigest()[:16].encode()
    return good


def expected(data: bytes, after: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Of the lines the `seq` and offset, of what is bad the offset and length, one line at a time."""
    found, bad, before = [], [], 0
    for item in items(data, 0):
        if not item.whole:
            bad.append((item.offset, len(item.data)))
        elif item.stamp is None or item.stamp.seq <= before:
            bad.append((item.offset, len(item.data) + 1))
        else:
            before = item.stamp.seq
            if before > after:
                found.append((before, item.offset))
    return found, bad


@settings(deadline=None, max_examples=300)
@given(
    st.lists(pieces() | st.integers(1, 40).flatmap(lambda first: st.builds(lines, st.just(first), st.just(first + 9)))),
    st.integers(0, 12),
    st.integers(1, 600),
    st.integers(1, 7),
)
def test_runs_are_the_lines_that_have_a_stamp(
    place: Path, parts: list[bytes], after: int, piece: int, most: int
) -> None:
    """Whatever stands in a segment: the runs give what `stamp` says of each line, and tell the rest, in any pieces."""
    data = b"".join(parts)
    lay(place, d23=data, d24=line(99, 98))
    assert NAME is not None
    stored = open_stored(Layout(place), NAME)
    told: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stonelog.filestore.reading._FIRST_PIECE", piece)
        patch.setattr("stonelog.filestore.reading._LARGEST_PIECE", 2 * piece)
        try:
            reading = Reading(stored, NAME, after, lambda error: told.append((error.offset, error.length)))
            found = list(reading.runs(0, stored.size, newest=False))
        finally:
            stored.close()
        assert (places(found), told) == expected(data, after)
        assert all(place_of(run, data) for run in found)
        reports: list[list[str]] = [[], []]
        flat = list(Reader(place).lines(after, on_corrupt=lambda error: reports[0].append(str(error))))
        runs = list(Reader(place).runs(after, most=most, on_corrupt=lambda error: reports[1].append(str(error))))
    assert reports[0] == reports[1]
    assert places(runs) == [(each.seq, each.offset) for each in flat]
    assert [raw for run in runs for raw in run.lines] == [each.raw for each in flat]
    assert all(1 <= len(run.lines) <= most for run in runs)
    for raw, fields in ((raw, fields) for run in runs for raw, fields in zip(run.lines, run.fields, strict=True)):
        assert fields == ({} if b":nothing" in raw else loads(raw))


def places(runs: list[Run]) -> list[tuple[int, int]]:
    """Of every line the `seq` and the offset."""
    found = []
    for run in runs:
        offset = run.offset
        for seq, raw in enumerate(run.lines, run.first_seq):
            found.append((seq, offset))
            offset += len(raw) + 1
    return found


def place_of(run: Run, data: bytes) -> bool:
    """Whether the bytes of the run stand where it says."""
    whole = b"\n".join(run.lines) + b"\n"
    return data[run.offset : run.offset + len(whole)] == whole


def test_a_part_of_a_run_is_where_its_lines_are() -> None:
    """Every part of a run has the lines, fields and place of the `seq`s that were asked for."""
    run = Run("2026-11-23.jsonl", 100, 5, [b"a", b"bb", b"ccc"], [{"n": 5}, {"n": 6}, {"n": 7}])
    for first in range(3, 10):
        for last in range(first - 1, 10):
            part = run.within(first, last)
            wanted = [seq for seq in (5, 6, 7) if first <= seq <= last]
            assert [each["n"] for each in part.fields] == wanted
            assert part.lines == [run.lines[seq - 5] for seq in wanted]
            if wanted:
                assert (part.first_seq, part.last_seq, part.offset) == (
                    wanted[0],
                    wanted[-1],
                    {5: 100, 6: 102, 7: 105}[wanted[0]],
                )
    assert [part.lines for part in run.parts(2)] == [[b"a", b"bb"], [b"ccc"]]
