"""One pass over one open segment, sealed or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealed import lines, seal
from segments import lay, line
from stonelog.filestore import CorruptLine
from stonelog.filestore.layout import Layout, SegmentName
from stonelog.filestore.reading import Reading
from stonelog.filestore.stored import open_stored

NAME = SegmentName.parse("2026-11-23.jsonl")


def read(directory: Path, after: int = 0, offset: int | None = None) -> tuple[list[int], list[str]]:
    """The `seq`s of one pass, and what is told with the place."""
    assert NAME is not None
    told: list[CorruptLine] = []
    stored = open_stored(Layout(directory), NAME)
    try:
        reading = Reading(stored, NAME, after, told.append)
        found = [each.seq for each in reading.lines(offset, stored.size, newest=False)]
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
    monkeypatch.setattr("stonelog.filestore.frames.FRAME", frame)
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
    monkeypatch.setattr("stonelog.filestore.frames.FRAME", 700)
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
