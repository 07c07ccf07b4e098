"""Lines are found where their segment was renamed or copied by another hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealed import by_ten, events, lines, seal, seqs, told
from segments import lay, line
from stonelog.filestore import Reader, Store, verify
from stonelog.filestore.layout import Layout, SegmentName
from stonelog.filestore.places import Places


def renamed(directory: Path, day: int, to: int, *, manifest: bool) -> None:
    """Five days of ten events, four of them sealed; one of these under another day's name."""
    by_ten(directory, 5)
    seal(directory, 20, 21, 22, 23)
    events(directory, day, ".jsonl.gz").rename(events(directory, to, ".jsonl.gz"))
    if manifest:
        events(directory, day, ".manifest.json").rename(events(directory, to, ".manifest.json"))
    else:
        for each in (day, to):
            events(directory, each, ".manifest.json").unlink(missing_ok=True)


@pytest.mark.parametrize("manifest", [True, False])
@pytest.mark.parametrize(("day", "to"), [(20, 25), (21, 25), (22, 19), (23, 18), (22, 26), (20, 23), (23, 20)])
def test_F47_an_archive_under_another_days_name_hides_no_line(
    directory: Path, day: int, to: int, manifest: bool
) -> None:
    """From any `seq` on all lines that are there are given in order; `verify` and readers tell what is wrong."""
    renamed(directory, day, to, manifest=manifest)
    gone = range(10 * (to - 20) + 1, 10 * (to - 20) + 11) if 20 <= to <= 23 else range(0)
    there = [seq for seq in range(1, 51) if seq not in gone]
    for after in range(51):
        assert seqs(directory, after) == [seq for seq in there if seq > after]
        found = Reader(directory).get(after)
        assert (found.seq if found else None) == (after if after in there else None)
    places = {line.seq: (line.segment, line.offset + len(line.raw) + 1) for line in Reader(directory).lines()}
    for after, start in places.items():
        reader = Reader(directory)
        found_after = [line.seq for line in reader.lines(after, start=start, on_corrupt=lambda error: None)]
        assert found_after == [seq for seq in there if seq > after]
    assert Reader(directory).last_seq == there[-1]
    assert any("out of order: a file was renamed or copied" in str(error) for error in told(directory))
    assert any(not fault.note for fault in verify(directory))
    with Store.open(directory) as store:
        assert store.append(category="api", action="next").seq == 51


def test_F47_lines_behind_an_old_copy_are_given(directory: Path) -> None:
    """A copy of a day's beginning under the next day's name, and appended to: the rest of the day is not hidden."""
    lay(directory, d23=lines(1, 8), d24=lines(1, 3) + line(9, 8))
    assert seqs(directory) == list(range(1, 10))
    assert [error.missing for error in told(directory)] == [None]


def test_F47_what_is_missing_for_good_is_told_around_what_was_found(directory: Path) -> None:
    """Of a gap of which a part stands elsewhere, the other parts are told, each with its `seq`s."""
    lay(directory, d20=lines(1, 10), d22=lines(31, 40), d25=lines(15, 20))
    assert seqs(directory) == [*range(1, 11), *range(15, 21), *range(31, 41)]
    assert [error.missing for error in told(directory) if error.missing] == [(11, 14), (21, 30)]


def test_a_place_is_found_without_looking_at_all_segments(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a store that nobody meddled with, a few of many segments are opened to read from a `seq` on."""
    lay(directory, **{f"d23_{number:03}": lines(number, number) for number in range(1, 200)})
    from stonelog.filestore import places

    opened: list[SegmentName] = []
    real = places.open_stored
    monkeypatch.setattr(places, "open_stored", lambda layout, name: (opened.append(name), real(layout, name))[1])
    reader = Reader(directory)
    assert next(reader.lines(150)).seq == 151
    assert len(opened) <= 12


def test_a_segment_that_cannot_be_read_has_no_place(directory: Path) -> None:
    """A directory in the place of a segment begins with no `seq`, and holds none."""
    lay(directory, d20=lines(1, 3), d22=lines(7, 9))
    events(directory, 21, ".jsonl").mkdir()
    names = [name for day in (20, 21, 22) if (name := SegmentName.parse(f"2026-11-{day}.jsonl"))]
    found = Places(Layout(directory))
    assert [found.first_seq(name) for name in names] == [1, None, 7]
    assert found.following(names, 0) == 7
    assert found.holders(names, 2, 8) == [names[0], names[2]]
