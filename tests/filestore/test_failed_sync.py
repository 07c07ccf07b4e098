"""W5: after a failed sync nothing in the segment is believed; what was not durable is written again in the next."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from freezegun import freeze_time

from segments import batches, lay
from stonelog.filestore import InvalidEvent, Reader, StonelogError, Store, StoreReadOnly, files
from stonelog.filestore.codec import stamp

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


# At a roll


def refuse(name: str, monkeypatch: pytest.MonkeyPatch, file: str, code: int = errno.EIO) -> None:
    """The next call of the sync on the file of this name fails; those after it work."""
    real, failed = getattr(files, name), []

    def sync(fd: int) -> None:
        if not failed and Path(os.readlink(f"/proc/self/fd/{fd}")).name == file:
            failed.append(1)
            raise OSError(code, os.strerror(code))
        real(fd)

    monkeypatch.setattr(files, name, sync)


def lines(directory: Path) -> dict[str, list[int]]:
    """The `seq`s of the lines in each segment."""
    found = {}
    for path in sorted((directory / "events").iterdir()):
        stamps = [stamp(line) for line in path.read_bytes().split(b"\n")[:-1]]
        found[path.name] = [each.seq for each in stamps if each]
    return found


def test_W05_at_a_roll_what_was_durable_is_not_written_again(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The failed segment is left behind an empty one; no line is there twice, and nothing goes to quarantine."""
    with freeze_time("2026-11-23 12:00") as clock, Store.open(directory) as store:
        for _ in range(3):
            store.append(EVENT)
        clock.move_to("2026-11-24 12:00")
        refuse("fsync", monkeypatch, "2026-11-23.jsonl")
        assert store.append(EVENT).seq == 4
    assert lines(directory) == {"2026-11-23.jsonl": [1, 2, 3], "2026-11-23.001.jsonl": [], "2026-11-24.jsonl": [4, 5]}
    with freeze_time("2026-11-24 12:00"), Store.open(directory) as store:
        assert not store.recovered
        assert told(store, "store_sync_failed") == [{"segments": ["2026-11-23.jsonl"]}]


def test_W05_at_a_roll_lines_of_an_earlier_segment_are_not_taken_for_those_of_this(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who wrote last into a segment before the failed one writes again what others wrote into this, and no more."""
    with (
        freeze_time("2026-11-23 12:00") as clock,
        Store.open(directory, durability="os") as one,
        Store.open(directory, durability="os") as two,
    ):
        one.append(EVENT)
        one.append(EVENT)
        two.roll(early=True)
        assert one.roll() is None  # which takes note of the new segment
        two.append(EVENT)
        two.append(EVENT)
        clock.move_to("2026-11-24 12:00")
        refuse("fsync", monkeypatch, "2026-11-23.001.jsonl")
        assert one.append(EVENT).seq == 5
    assert lines(directory) == {
        "2026-11-23.jsonl": [1, 2],
        "2026-11-23.001.jsonl": [3, 4],
        "2026-11-23.002.jsonl": [3, 4],
        "2026-11-24.jsonl": [5, 6],
    }
    with freeze_time("2026-11-24 12:00"), Store.open(directory) as store:
        assert [event.seq for event in store.read()][:6] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("early", [False, True])
def test_W05_roll_names_an_empty_segment_also_when_a_sync_fails(
    directory: Path, monkeypatch: pytest.MonkeyPatch, early: bool
) -> None:
    """What is written again stands in a segment before it."""
    with freeze_time("2026-11-23 12:00") as clock, Store.open(directory, durability="os") as store:
        store.append(EVENT)
        clock.move_to("2026-11-23 13:00" if early else "2026-11-24 12:00")
        refuse("fsync", monkeypatch, "2026-11-23.jsonl")
        begun = store.roll(early=early)
    assert begun == ("2026-11-23.002.jsonl" if early else "2026-11-24.jsonl")
    assert lines(directory) == {"2026-11-23.jsonl": [1], "2026-11-23.001.jsonl": [1], begun: []}


# Several processes


def test_F32_two_whose_syncs_fail_write_the_lines_again_once(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel tells both: the first writes the lines of both, the other finds its own and has its receipt."""
    with Store.open(directory) as one, Store.open(directory) as two:
        one.append(EVENT, message="1")
        two.append(EVENT, message="2")
        real, failing, both = files.sync_data, [2], []

        def sync(fd: int) -> None:
            if failing[0] == 2:
                failing[0] = 1
                both.append(two.append(EVENT, message="two"))
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            if failing[0] == 1:
                failing[0] = 0
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            real(fd)

        with monkeypatch.context() as patched:
            patched.setattr(files, "sync_data", sync)
            both.append(one.append(EVENT, message="one"))
        for receipt in both:
            assert Path(receipt.file).name.endswith(".001.jsonl")
            line = Path(receipt.file).read_bytes()[receipt.offset :].split(b"\n")[0]
            assert line.startswith(b'{"seq":%d,"id":"%s"' % (receipt.seq, receipt.id.encode()))
        assert one.trouble is two.trouble is None
        assert one.append(EVENT).seq == two.append(EVENT).seq - 1
        found = [event.seq for event in one.read()]
        assert found == list(range(1, len(found) + 1))
    assert len(Reader(directory).segments()) == 2


def test_F33_one_process_that_can_write_no_more_does_not_stop_the_others(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sync fails, and the new segment too: it is read-only, the other goes on, nothing acknowledged is lost."""
    with Store.open(directory) as broken, Store.open(directory) as other:
        acks = {each.seq: each.id for each in (broken.append(EVENT), other.append(EVENT))}
        with monkeypatch.context() as patched:
            refuse("sync_data", patched, Path(broken.append(EVENT).file).name)
            refuse("fsync", patched, f".{Path(broken._committer._segment.path).stem}.001.jsonl.{os.getpid()}.tmp")
            with pytest.raises(StoreReadOnly, match="sync failed"):
                broken.append(EVENT, message="lost?")
        with pytest.raises(StonelogError, match="sync failed"):
            list(Reader(directory).read())
        assert Reader(directory).last_seq == 4
        receipt = other.append(EVENT, message="after")
        acks[receipt.seq] = receipt.id
        with pytest.raises(StoreReadOnly, match="sync failed"):
            broken.append(EVENT)
        receipt = other.append(EVENT)
        acks[receipt.seq] = receipt.id
        given = {event.seq: event.id for event in Reader(directory).read()}
        assert {seq: given.get(seq) for seq in acks} == acks
        assert other.trouble is None
    with Store.open(directory) as store:
        assert not store.recovered.faults
        found = [event.seq for event in store.read()]
        assert found == list(range(1, len(found) + 1))


def test_F32_a_process_that_rolled_past_a_failed_one_takes_its_lines_along(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the mark of the failed one is gone readers are given lines again, dense and in order."""
    with freeze_time("2026-11-23 12:00") as clock, Store.open(directory) as broken, Store.open(directory) as other:
        broken.append(EVENT)
        with monkeypatch.context() as patched:
            refuse("sync_data", patched, "2026-11-23.jsonl")
            refuse("fsync", patched, f".2026-11-23.001.jsonl.{os.getpid()}.tmp")
            with pytest.raises(StoreReadOnly):
                broken.append(EVENT)
        clock.move_to("2026-11-24 12:00")
        assert other.append(EVENT).file.endswith("2026-11-24.jsonl")
        found = [event.seq for event in Reader(directory).read()]
        assert found == list(range(1, len(found) + 1))
    assert (directory / "lock").read_bytes().rstrip() == b"2026-11-24.jsonl"


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


def test_F34_the_next_segment_has_its_name_for_good_before_lines_go_from_the_one_before(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process died between the rename and the sync of the directory: recovery syncs it before it truncates."""
    one, two, three = batches(1, 1, 1)
    lay(directory, d23=one + two, d23_001=two + three)
    done: list[str] = []
    for name in ("truncate", "fsync_directory"):
        real = getattr(files, name)

        def call(*given: object, _name: str = name, _real: Callable[..., object] = real) -> object:
            if _name == "truncate" or given == (directory / "events",):
                done.append(_name)
            return _real(*given)

        monkeypatch.setattr(files, name, call)
    with Store.open(directory):
        pass
    assert done[:2] == ["fsync_directory", "truncate"]


def test_F34_a_segment_that_another_process_wrote_into_is_made_durable_anew(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its writer may have been killed after a failed sync, which a descriptor opened later is not told: who goes on in
    the segment writes its lines over themselves before they are synced."""
    over: list[str] = []
    real = files.write_over

    def write_over(path: Path, offset: int, data: bytes) -> None:
        over.append(path.name)
        real(path, offset, data)

    with Store.open(directory) as one, Store.open(directory, durability="none") as two:
        one.append(EVENT)
        begun = two.roll(early=True)
        two.append(EVENT)
        monkeypatch.setattr(files, "write_over", write_over)
        receipt = one.append(EVENT)
        assert (Path(receipt.file).name, receipt.seq) == (begun, 3)
        assert over == [begun]


def test_F34_what_retention_removed_is_not_read_again_from_where_its_sync_failed(
    directory: Path, failing: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The segment in which lines were written again stays while the one before, not sealed, still has them."""
    with Store.open(directory) as store:
        store.append(EVENT)
        failing.append(1)
        store.append(EVENT)
        store.roll(early=True)
        store.append(EVENT)
        store.upkeep.seal()
        monkeypatch.setenv("STONELOG_RETENTION_MAX_BYTES", "1")
        kept = store.upkeep.retain().kept
        assert [each.reason for each in kept] == ["not sealed", "after one that is not sealed"]
        found = [event.seq for event in store.read()]
        assert found == list(range(1, len(found) + 1))
    with Store.open(directory) as store:  # which cuts them off there
        store.upkeep.seal()
        assert store.upkeep.retain().kept == []
        assert found[0] not in {event.seq for event in store.read()}
