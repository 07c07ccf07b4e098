"""Names of segments and places of a store."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonelog.filestore.layout import Layout, Listing, SegmentName

names = st.builds(SegmentName, st.dates(), st.integers(0, 999))


@given(names)
def test_a_segment_name_comes_back_from_its_file_name(name: SegmentName) -> None:
    """Parsing the file name of a segment gives the segment."""
    assert SegmentName.parse(name.file) == name


@given(st.lists(names, unique=True))
def test_segments_are_listed_by_day_then_number(segments: list[SegmentName]) -> None:
    """The order of segments is that of days, then of numbers, whatever order the directory gives."""
    listed = [each.name for each in Listing(each.file for each in segments)]
    assert listed == sorted(segments, key=lambda each: (each.day, each.number))


@given(
    st.lists(names, max_size=6, unique=True),
    st.lists(names, max_size=3, unique=True),
    st.lists(
        st.sampled_from(["", ".x.tmp", "2026-02-30.jsonl", "2026-02-30.jsonl.gz", "9999-99-99.jsonl.gz", "~", "notes"])
    ),
)
def test_the_end_of_a_listing_has_all_that_is_plain_and_the_one_before(
    sealed: list[SegmentName], plain: list[SegmentName], others: list[str]
) -> None:
    """Whatever else lies there: every segment from the one before the first plain one on, in the same order."""
    found = [*(each.archive("gzip") for each in sealed), *(each.file for each in plain), *others]
    whole, latest = list(Listing(found)), list(Listing.latest(found))
    first = next((place for place, each in enumerate(whole) if each.plain), len(whole))
    wanted = whole[max(first - 1, 0) :]
    assert latest[len(latest) - len(wanted) :] == wanted
    assert latest == whole[len(whole) - len(latest) :]


@pytest.mark.parametrize(
    ("name", "day", "number"),
    [("2026-11-23.jsonl", date(2026, 11, 23), 0), ("2024-02-29.001.jsonl", date(2024, 2, 29), 1)],
)
def test_the_names_of_the_documented_form_are_ours(name: str, day: date, number: int) -> None:
    """A day alone is its first segment; a further one has three digits."""
    assert SegmentName.parse(name) == SegmentName(day, number)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "2026-02-30.jsonl",
        "2023-02-29.jsonl",
        "0000-01-01.jsonl",
        "2026-11-23.000.jsonl",
        "2026-11-23.1.jsonl",
        "2026-11-23.0001.jsonl",
        "2026-11-23.jsonl\n",
        "2026-11-23.jsonl.tmp",
        ".2026-11-23.jsonl.7.tmp",
        "../2026-11-23.jsonl",
        "2026-11-23.jsonl/..",
        "٢٠٢٦-١١-٢٣.jsonl",
        "2026-W48-1.jsonl",
        "2026-11-23.JSONL",
        "2026-11-23\0.jsonl",
    ],
)
def test_other_names_are_not_ours(name: str) -> None:
    """What is not exactly a day that exists with an optional number is none of our files."""
    assert SegmentName.parse(name) is None
    assert list(Listing([name])) == []


def test_the_next_segment_is_of_the_same_day_and_before_the_next_day() -> None:
    """Numbers count up within a day, and the whole day lies before the next."""
    first = SegmentName(date(2026, 12, 31))
    assert first.next().file == "2026-12-31.001.jsonl"
    assert first < first.next() < SegmentName(first.day + timedelta(days=1))
    assert first.next().next().stem == "2026-12-31.002"


def test_a_store_keeps_its_things_in_documented_places(tmp_path: Path) -> None:
    """Events, quarantine and settings lie where the description of the format says."""
    layout = Layout(tmp_path)
    assert layout.segment(SegmentName(date(2026, 11, 23))) == tmp_path / "events" / "2026-11-23.jsonl"
    assert layout.quarantine == tmp_path / "quarantine"
    assert layout.settings == tmp_path / "stonelog.toml"
    assert layout.lock.parent == tmp_path
