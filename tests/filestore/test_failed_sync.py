"""W5: after a failed sync nothing in the segment is believed; what was not durable is written again in the next."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from stonelog.filestore import InvalidEvent, Reader, Store, files

EVENT = {"category": "api", "action": "read"}


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The next fdatasyncs fail as often as numbers are put into this list."""
    times: list[int] = []
    real = files.sync_data

    def sync(fd: int) -> None:
        if times:
            times.pop()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(fd)

    monkeypatch.setattr(files, "sync_data", sync)
    return times


def told(store: Store, action: str) -> list[dict[str, object]]:
    """What the store's own events of this kind say."""
    return [event.metadata or {} for event in store.read() if event.action == action]


def test_F32_what_was_not_durable_is_written_again_in_the_next_segment(store: Store, failing: list[int]) -> None:
    """The waiter is acknowledged, with the place in the new segment; the event that tells of it follows."""
    first = store.append(EVENT, message="before")
    failing.append(1)
    again = store.append_many([{**EVENT, "message": "a"}, {**EVENT, "message": "b"}])
    assert [receipt.seq for receipt in again] == [2, 3]
    assert Path(again[0].file).name == Path(first.file).name.replace(".jsonl", ".001.jsonl")
    for receipt in again:
        line = Path(receipt.file).read_bytes()[receipt.offset :].split(b"\n")[0]
        assert line.startswith(b'{"seq":%d,' % receipt.seq)
    assert [event.message for event in store.read()][:3] == ["before", "a", "b"]
    assert told(store, "store_sync_failed") == [{"segments": [Path(first.file).name]}]
    assert store.trouble is None
    assert store.append(EVENT).seq == 5


def test_F32_the_first_event_of_a_store_too(store: Store, failing: list[int]) -> None:
    """If nothing in the segment was durable all of it moves."""
    failing.append(1)
    receipt = store.append(EVENT)
    assert (receipt.seq, receipt.offset) == (1, 0)
    assert receipt.file.endswith(".001.jsonl")


def test_F32_a_second_sync_of_the_failed_segment_is_never_asked_for(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The segment whose sync failed is not synced again while the store is open."""
    synced: list[str] = []
    for name in ("sync_data", "fsync"):
        real = getattr(files, name)

        def sync(fd: int, _real: object = real, _name: str = name) -> None:
            path = os.readlink(f"/proc/self/fd/{fd}")
            synced.append(Path(path).name)
            if _name == "sync_data" and len(synced) == 2 + 1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            assert callable(_real)
            _real(fd)

        monkeypatch.setattr(files, name, sync)
    with Store.open(directory) as store:
        store.append(EVENT)
        store.append(EVENT)
        store.append(EVENT)
    failed = synced[2]
    assert failed not in synced[3:]


def test_F34_reopening_finds_the_events_once(directory: Path, failing: list[int]) -> None:
    """The lines left in the abandoned segment go to quarantine at the next opening; each event is there once."""
    with Store.open(directory) as store:
        store.append(EVENT, message="before")
        failing.append(1)
        store.append(EVENT, message="after")
    with Store.open(directory) as store:
        assert [event.message for event in store.read()][:2] == ["before", "after"]
        seqs = [event.seq for event in store.read()]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(store.recovered.quarantined) == 1
        assert store.recovered.faults == []


def test_F32_lines_of_another_process_behind_ours_move_too(directory: Path, failing: list[int]) -> None:
    """What another process wrote meanwhile into the failed segment stands behind ours in the new one, in order."""
    with Store.open(directory) as store, Store.open(directory, durability="os") as other:
        store.append(EVENT, message="1")
        real = files.sync_data

        def sync(fd: int) -> None:
            if failing:
                other.append(EVENT, message="3")
            real(fd)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(files, "sync_data", sync)
            failing.append(1)
            receipt = store.append(EVENT, message="2")
        assert receipt.seq == 2
        assert other.append(EVENT, message="5").seq == 5
        messages = {event.seq: event.message for event in Reader(directory).read()}
        assert [messages[seq] for seq in (1, 2, 3, 5)] == ["1", "2", "3", "5"]
        assert sorted(messages) == list(range(1, len(messages) + 1))


def test_F51_one_id_is_one_event_in_every_answer(store: Store, failing: list[int]) -> None:
    """The store gives each id itself, so that a repeated call is another event; a line that stands in two segments
    after a failed sync, with its id and `seq`, is given once."""
    with pytest.raises(InvalidEvent, match="it is given by the store"):
        store.append(EVENT, id="01a2086c-cc46-7eea-936d-a99b865c021c")
    first, second = store.append(EVENT), store.append(EVENT)
    assert first.id != second.id
    failing.append(1)
    again = store.append(EVENT)
    lines = b"".join(path.read_bytes() for path in sorted(Path(again.file).parent.glob("*.jsonl")))
    assert lines.count(again.id.encode()) == 2
    found = [event.id for event in store.read()]
    assert found.count(again.id) == 1
    assert len(found) == len(set(found))
    with Store.open(store.directory) as other:
        assert [event.id for event in other.read()].count(again.id) == 1
