"""The store that is written by hand is one that the store itself could have written."""

from datetime import UTC, datetime, timedelta

from stonelog.api.bench.opening import build_store, open_once
from stonelog.filestore import Reader, Store, stamp


def lines(directory):
    with Store.open(directory) as store:
        store.append_many({"category": "api", "action": "read", "message": f"number {n}"} for n in range(7))
    return [line.raw + b"\n" for line in Reader(directory).lines()]


def test_a_store_written_by_hand_is_whole(tmp_path):
    """It has the days before today and the active segment, dense seqs, right hashes, and the wanted size."""
    built = tmp_path / "built"
    build_store(built, lines(tmp_path / "small"), days=3, active_bytes=10_000)
    reader = Reader(built)
    segments = reader.segments()
    today = datetime.now(UTC).date()
    assert {today - segment.day for segment in segments} >= {timedelta(days=age) for age in (1, 2)}
    assert len(segments) == 4
    assert 10_000 <= segments[-1].size < 11_000
    found = list(reader.lines())
    assert [line.seq for line in found] == list(range(1, len(found) + 1))
    assert all((marks := stamp(line.raw)) is not None and marks.synced == line.seq - 1 for line in found)


def test_opening_it_repairs_nothing(tmp_path):
    """The store opens as one that was closed in order, and goes on where the lines end."""
    built = tmp_path / "built"
    build_store(built, lines(tmp_path / "small"), days=2, active_bytes=5_000)
    last = Reader(built).last_seq
    assert open_once(built) > 0
    with Store.open(built) as store:
        assert not store.recovered
        assert store.append(category="api", action="read").seq == last + 1
