"""Single lines by their place, sealed or not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealed import by_ten, events, frames_of, lines, seal
from segments import lay, line
from stonelog.filestore import Codec, Reader, files
from stonelog.filestore import stored as storing


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_place_means_the_same_before_and_after_sealing(directory: Path, codec: Codec) -> None:
    """Places kept from the plain file give the same bytes from the archive, with a fetcher that was open already and
    with a new one."""
    by_ten(directory, 3)
    reader = Reader(directory)
    places = list(reader.lines())
    with reader.fetcher() as early:
        assert all(early(each.segment, each.offset, len(each.raw)) == each.raw for each in places[:15])
        seal(directory, 20, 21, codec=codec)
        with reader.fetcher() as late:
            for fetch in (early, late):
                assert all(fetch(each.segment, each.offset, len(each.raw)) == each.raw for each in places)
    assert list(Reader(directory).lines()) == places


@pytest.mark.parametrize("codec", ["plain", "gzip", "zstd"])
@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_many_places_give_what_each_gives(directory: Path, codec: str, data: st.DataObject) -> None:
    """Lines in any order, twice, overlapping, beyond the end, in a damaged frame: the same bytes as one at a time."""
    if not directory.exists():
        with pytest.MonkeyPatch.context() as patch:
            frames_of(patch, 700)
            lay(directory, d23=b"".join(line(seq, seq - 1, "x" * (seq * 37 % 400)) for seq in range(1, 90)))
            if codec != "plain":
                seal(directory, 23, codec="zstd" if codec == "zstd" else "gzip")
                path = events(directory, 23, ".jsonl.zst" if codec == "zstd" else ".jsonl.gz")
                packed = bytearray(path.read_bytes())
                packed[len(packed) // 2] ^= 255
                path.write_bytes(packed)
    size = 40_000
    places = data.draw(st.lists(st.tuples(st.integers(0, size), st.integers(1, 900))))
    with pytest.MonkeyPatch.context() as patch, Reader(directory).fetcher() as fetch:
        patch.setattr("stonelog.filestore.fetch._APART", data.draw(st.sampled_from([0, 100, 4096])))
        patch.setattr("stonelog.filestore.fetch._TOGETHER", data.draw(st.sampled_from([1, 1000, 65536])))
        assert fetch.many("2026-11-23.jsonl", places) == [fetch("2026-11-23.jsonl", *place) for place in places]


def test_neighbours_are_read_together(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of adjacent lines, in any order, is one reading; lines far apart are one each."""
    lay(directory, d23=b"".join(line(seq, seq - 1, "x" * 300) for seq in range(1, 301)))
    found = list(Reader(directory).lines())
    read: list[int] = []
    real = files.read_at
    with Reader(directory).fetcher() as fetch:
        for chosen, readings in ((found[-50:][::-1], 1), (found[::50], 6), ([], 0)):
            monkeypatch.setattr(files, "read_at", lambda *given: (read.append(given[2]), real(*given))[1])
            read.clear()
            places = [(each.offset, len(each.raw)) for each in chosen]
            assert fetch.many("2026-11-23.jsonl", places) == [each.raw for each in chosen]
            assert len(read) == readings


def test_more_segments_than_are_kept_open(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Places in any order, over more sealed segments than descriptors are held."""
    monkeypatch.setattr("stonelog.filestore.fetch._OPEN_SEGMENTS", 2)
    by_ten(directory, 6)
    seal(directory, 20, 21, 22, 23, 24)
    places = list(Reader(directory).lines())
    with Reader(directory).fetcher() as fetch:
        for each in places[::7] + places[::-3]:
            assert fetch(each.segment, each.offset, len(each.raw)) == each.raw


def test_what_was_removed_replaced_or_sealed_is_not_read_after_a_refresh(directory: Path) -> None:
    """Until then whoever has a segment open can go on reading it."""
    by_ten(directory, 4)
    reader = Reader(directory)
    gone, other, packed, same = [line for line in reader.lines() if line.seq % 10 == 1]
    with reader.fetcher() as fetch:
        before = [fetch(each.segment, each.offset, len(each.raw)) for each in (gone, other, packed, same)]
        events(directory, 20, ".jsonl").unlink()
        copy = events(directory, 21, ".jsonl").with_suffix(".copy")
        copy.write_bytes(events(directory, 21, ".jsonl").read_bytes().replace(other.raw, bytes(len(other.raw))))
        copy.rename(events(directory, 21, ".jsonl"))
        seal(directory, 22)
        for each, raw in zip((gone, other, packed, same), before, strict=True):
            assert fetch(each.segment, each.offset, len(each.raw)) == raw == each.raw
        fetch.refresh()
        with pytest.raises(FileNotFoundError):
            fetch(gone.segment, gone.offset, len(gone.raw))
        assert fetch(other.segment, other.offset, len(other.raw)) == bytes(len(other.raw))
        for each in (packed, same):
            assert fetch(each.segment, each.offset, len(each.raw)) == each.raw


@pytest.mark.parametrize(
    "name", ["../2026-11-20.jsonl", "2026-11-20.jsonl.gz", "/etc/passwd", "2026-11-20", "", "2026-02-30.jsonl", "x\0"]
)
def test_S10_a_name_that_is_not_ours_is_refused(directory: Path, name: str) -> None:
    """Whatever a damaged index says, only segments are opened."""
    by_ten(directory, 1)
    with Reader(directory).fetcher() as fetch, pytest.raises(ValueError, match="not the name of a segment"):
        fetch(name, 0, 10)


def test_F43_what_cannot_be_unpacked_is_no_bytes(directory: Path) -> None:
    """A damaged frame gives nothing, a place beyond the end nothing; a removed segment is an OSError."""
    by_ten(directory, 3)
    reader = Reader(directory)
    place = next(iter(reader.lines()))
    seal(directory, 20, 21)
    path = events(directory, 20, ".jsonl.gz")
    path.write_bytes(path.read_bytes()[:-20])
    events(directory, 21, ".jsonl.gz").unlink()
    with reader.fetcher() as fetch:
        assert fetch(place.segment, place.offset, 100) == b""
        assert fetch("2026-11-22.jsonl", 10**9, 100) == b""
        with pytest.raises(FileNotFoundError):
            fetch("2026-11-21.jsonl", 0, 10)


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_one_event_of_a_large_sealed_segment_unpacks_one_frame(
    directory: Path, monkeypatch: pytest.MonkeyPatch, codec: Codec
) -> None:
    """By `seq` and by place, for the first, the last and any event of a frame, of more than twenty frames."""
    frames_of(monkeypatch, 4096)
    lay(directory, d23=b"".join(line(seq, seq - 1, "x" * 80) for seq in range(1, 501)), d24=line(501, 500))
    places = list(Reader(directory).lines())
    manifest = seal(directory, 23, codec=codec)[0]
    assert len(manifest.frames) >= 20
    count = [0]
    real = storing.decompress

    def counted(*given: object) -> bytes:
        count[0] += 1
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(storing, "decompress", counted)
    firsts = [frame.first_seq for frame in manifest.frames]
    for seq in {1, 250, 500, *firsts, *(first - 1 for first in firsts[1:])}:
        count[0] = 0
        found = Reader(directory).get(seq)
        assert found is not None
        assert (found, count[0]) == (places[seq - 1], 1)
        count[0] = 0
        with Reader(directory).fetcher() as fetch:
            assert fetch(found.segment, found.offset, len(found.raw)) == found.raw
        assert count[0] == 1
    count[0] = 0
    assert Reader(directory).last_seq == 501
    assert len(Reader(directory).segments()) == 2
    assert count[0] == 0


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_the_same_scattered_lines_again_unpack_nothing(
    directory: Path, monkeypatch: pytest.MonkeyPatch, codec: Codec
) -> None:
    """One line of each of many frames, more than are kept, of two segments; others are unpacked as they are wanted."""
    frames_of(monkeypatch, 4096)
    monkeypatch.setattr("stonelog.filestore.fetch._FRAMES", 20_000)
    text = "x" * 80
    lay(directory, d22=lines(1, 500, text), d23=lines(501, 1000, text), d24=line(1001, 1000))
    places = list(Reader(directory).lines())
    manifests = seal(directory, 22, 23, codec=codec)
    firsts = [frame.first_seq for manifest in manifests for frame in manifest.frames]
    assert len(firsts) > 40
    unpacked: list[int] = []
    real = storing.decompress

    def counted(codec: Codec, data: bytes, length: int) -> bytes:
        unpacked.append(length)
        return real(codec, data, length)

    monkeypatch.setattr(storing, "decompress", counted)
    with Reader(directory).fetcher() as fetch:
        for expected in (len(firsts), 0):
            unpacked.clear()
            for each in (places[seq - 1] for seq in firsts):
                assert fetch(each.segment, each.offset, len(each.raw)) == each.raw
            assert len(unpacked) == expected
        last = places[firsts[-1]]
        assert fetch(last.segment, last.offset, len(last.raw)) == last.raw  # of the frame that was unpacked last
        assert not unpacked
        early = places[firsts[0]]
        assert fetch(early.segment, early.offset, 9) + fetch(early.segment, early.offset, 20) == (
            early.raw[:9] + early.raw[:20]
        )
        assert len(unpacked) == 1


def test_lines_that_go_on_are_read_in_one_go(directory: Path) -> None:
    """Parsed, if all of them are good, whole and follow each other; else nothing is said."""
    lay(directory, d23=b"".join(line(seq, seq - 1) for seq in range(1, 9)))
    places = list(Reader(directory).lines())
    segment, third, end = places[2].segment, places[2].offset, places[-1].offset + len(places[-1].raw) + 1
    path = directory / "events" / segment
    with Reader(directory).fetcher() as fetch:
        run = fetch.run(segment, third, end, 3)
        assert run is not None
        assert (run.lines, run.first_seq, run.last_seq) == ([each.raw for each in places[2:]], 3, 8)
        assert [fields["seq"] for fields in run.fields] == [3, 4, 5, 6, 7, 8]
        assert fetch.run(segment, third, end, 4) is None
        assert fetch.run(segment, third, end - 1, 3) is None
        assert fetch.run(segment, third, end + 1, 3) is None
        assert fetch.run(segment, end, end, 9) is None
        path.write_bytes(path.read_bytes().replace(b'"seq":7', b'"seq":6'))
        assert fetch.run(segment, third, end, 3) is None
