"""The store of the workload: one that the store itself could have written, the same in every run."""

import gzip
import itertools
import sys

import pytest

from stonelog.api.bench.days import event_files, event_lines, link_days, seal_days, written_days
from stonelog.api.bench.workload import generate, to_fields
from stonelog.filestore import Reader, Store, loads, stamp, verify
from stonelog.filestore.frames import FRAME_OF, LEVELS_OF, compress, split

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

EVENTS = 300


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with written_days(tmp_path_factory.mktemp("days"), EVENTS) as directory:
        yield directory


def test_the_days_are_those_of_the_workload(store):
    """The events stand in ten segments, each in that of its day, with dense seqs and right hashes."""
    names = [path.name for path in event_files(store)]
    assert names == [f"2026-01-{day:02d}.jsonl" for day in range(1, 11)]
    lines = list(Reader(store).lines())
    marks = [stamp(line.raw) for line in lines]
    assert [(mark.seq, mark.synced) for mark in marks] == [(seq, seq - 1) for seq in range(1, EVENTS + 1)]
    assert all(loads(line.raw)["time"][:10] == f"{line.segment[:10]}" for line in lines)


def test_the_store_finds_no_fault_with_them(store):
    """`verify` has nothing to say of what was written by hand."""
    verification = verify(store)
    assert list(verification) == []
    assert verification.events == EVENTS


def test_a_line_is_what_the_store_makes_of_the_event(store, tmp_path):
    """But for what it gives by itself (seq, id, synced, hash) each line has the bytes that `append` writes."""
    with Store.open(tmp_path, durability="none") as appended:
        appended.append_many(map(to_fields, generate(EVENTS)))
    made, written = (
        [line.raw[line.raw.index(b',"time"') : line.raw.rindex(b',"synced"')] for line in Reader(directory).lines()]
        for directory in (tmp_path, store)
    )
    assert made == written


def test_ids_are_of_the_time_of_the_event(store):
    """The time in the id is that of the event, and ids rise."""
    events = list(map(loads, event_lines(store)))
    ids = [event["id"] for event in events]
    assert ids == sorted(set(ids))
    assert {each[14] for each in ids} == {"7"}
    assert {each[19] for each in ids} <= set("89ab")


def test_the_same_bytes_in_every_run(store, tmp_path):
    """Two runs of one size write the same files."""
    with written_days(tmp_path, EVENTS) as again:
        assert [path.read_bytes() for path in event_files(again)] == [path.read_bytes() for path in event_files(store)]
    assert list(tmp_path.iterdir()) == []


def test_a_day_has_as_many_segments_as_its_bytes_need(tmp_path, monkeypatch):
    """Where a day is larger than a segment may be it goes on in the next one, and the order stays."""
    monkeypatch.setenv("STONELOG_STORE_SEGMENT_BYTES", "100000")
    with written_days(tmp_path, 25_000) as store:
        names = [path.name for path in event_files(store)]
        assert names[:3] == ["2026-01-01.jsonl", "2026-01-01.001.jsonl", "2026-01-01.002.jsonl"]
        seqs = [line.seq for line in itertools.islice(Reader(store).lines(), 5_000)]
        assert [loads(line)["seq"] for line in itertools.islice(event_lines(store), 5_000)] == seqs
    assert seqs == list(range(1, 5_001))


def test_what_is_kept_is_taken_from_there(tmp_path):
    """With `keep` the store stays; the next run of its size takes it as it is, and one of another size does not."""
    keep = tmp_path / "keep"
    keep.mkdir()
    with written_days(tmp_path, 50, keep=keep) as first:
        inode = event_files(first)[0].stat().st_ino
    with written_days(tmp_path, 50, keep=keep) as again:
        assert event_files(again)[0].stat().st_ino == inode
    with written_days(tmp_path, 60, keep=keep) as other:
        assert len(list(event_lines(other))) == 60
    assert len(list(keep.iterdir())) == 2


def test_sealing_a_linked_store_leaves_the_files_alone(store, tmp_path):
    """All days of the linked one are sealed, with a manifest each; those that it was linked from are as they were."""
    before = [path.read_bytes() for path in event_files(store)]
    linked = link_days(store, tmp_path)
    sealed = [path.name for path in seal_days(linked)]
    assert len(sealed) == 20
    assert sealed[:2] == ["2026-01-01.jsonl.gz", "2026-01-01.manifest.json"]
    assert [path.read_bytes() for path in event_files(store)] == before


def test_the_oldest_days_alone_can_be_linked(store, tmp_path):
    """So many of the segments as are wanted, the same files."""
    linked = event_files(link_days(store, tmp_path, most=3))
    assert [path.stat().st_ino for path in linked] == [path.stat().st_ino for path in event_files(store)[:3]]


@pytest.mark.parametrize(("codec", "share"), [("gzip", 0.96), ("zstd", 0.94)])
def test_frames_and_level_are_chosen_for_lines_of_the_store(tmp_path, codec, share):
    """What the defaults come to, beside level 6 in frames of 256 KiB with nothing else chosen."""
    with written_days(tmp_path, 4_400) as store:
        plain = b"".join(event_lines(store))
    packed = sum(len(compress(codec, frame, LEVELS_OF[codec][1])) for frame in split(plain, FRAME_OF[codec], last=True))
    pack = gzip.compress if codec == "gzip" else zstd.compress
    assert packed <= share * sum(len(pack(frame, 6)) for frame in split(plain, 256 * 1024, last=True))
