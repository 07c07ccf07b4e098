"""Stores of plain, sealed and pruned segments in any mixture: readers find what an independent account expects."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealed import events, frames_of, lines, seal
from segments import lay
from stonelog.filestore import Line, Reader, Store
from stonelog.filestore.layout import Layout
from stonelog.filestore.pruned import Pruned

SUFFIXES = {"gzip": ".jsonl.gz", "zstd": ".jsonl.zst"}
Days = list[tuple[int, str]]
MIXTURES: st.SearchStrategy[Days] = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(["plain", "gzip", "zstd", "no manifest", "pruned", "both"])),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder in memory where there is one."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    yield folder / "data"
    shutil.rmtree(folder)


def build(place: Path, days: Days) -> list[Line]:
    """The store, and the lines that a reader must find; the newest day is plain, an empty one stays so."""
    first, spans = 1, []
    for count, form in [*days, (3, "plain")]:
        spans.append((first, first + count - 1, form if count else "plain"))
        first += count
    lay(place, **{f"d{10 + day}": lines(low, high) for day, (low, high, _) in enumerate(spans)})
    expected, pruned = [], []
    by_segment: dict[str, list[Line]] = {}
    for each in Reader(place).lines():
        by_segment.setdefault(each.segment, []).append(each)
    removing = []
    for day, (low, high, form) in enumerate(spans, 10):
        kept = events(place, day, ".jsonl").read_bytes()
        if form != "plain":
            seal(place, day, codec="zstd" if form == "zstd" else "gzip")
        if form == "no manifest":
            events(place, day, ".manifest.json").unlink()
        if form == "both":
            events(place, day, ".jsonl").write_bytes(kept)
        if form == "pruned":
            pruned.append((low, high))
            removing += [f"2026-11-{day}{suffix}" for suffix in (".jsonl.gz", ".manifest.json")]
        else:
            expected += by_segment.get(f"2026-11-{day}.jsonl", [])
    if pruned:
        Pruned().adding(pruned, []).write(Layout(place))
        for name in removing:
            (place / "events" / name).unlink()
    return expected


@settings(deadline=None, max_examples=60)
@given(MIXTURES, st.booleans(), st.integers(300, 1200))
def test_any_mixture_reads_as_one_store(place: Path, days: Days, opened: bool, frame: int) -> None:
    """From every `after`, and for every `seq`, before the store was opened for writing and after it: the same lines
    with the same places, nothing told."""
    told: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        frames_of(patch, frame)
        expected = build(place, days)
        if opened:
            with Store.open(place) as store:
                assert not store.recovered.faults
    reader = Reader(place)
    last = expected[-1].seq
    for after in range(last + 2):
        found = list(reader.lines(after, on_corrupt=told.append))
        assert found == [each for each in expected if each.seq > after]
        assert reader.get(after) == next((each for each in expected if each.seq == after), None)
    for each in expected:
        start = (each.segment, each.offset)
        assert [one.seq for one in reader.lines(each.seq - 1, start=start)] == [
            one.seq for one in expected if one.seq >= each.seq
        ]
    assert not told
    assert reader.last_seq == last
    assert reader.durable_seq() == last
    assert [event.seq for event in reader.read()] == [each.seq for each in expected]
    with Store.open(place) as store:
        assert store.append(category="api", action="next").seq == last + 1
        store.upkeep.seal()
    assert [each.seq for each in Reader(place).lines()][: len(expected)] == [each.seq for each in expected]
