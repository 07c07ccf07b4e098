"""What a segment's tail holds after a crash, and how it is put right.

The lines here are made by hand, from the description of the format, not with the codec.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segments import DAY, NEXT_DAY, batches, is_own, kept, lay, line, reopen, rest
from stonelog.filestore import Reader, Store, files


def check_every_line(directory: Path) -> None:
    """Every line of every segment has the hash of its bytes, a `synced` below its `seq`, and neither ever falls."""
    last_seq = last_synced = 0
    for path in sorted((directory / "events").iterdir()):
        for each in path.read_bytes().split(b"\n")[:-1]:
            head, _, end = each.rpartition(b',"hash":"')
            assert end == hashlib.sha256(head).hexdigest()[:16].encode() + b'"}'
            fields = json.loads(each)
            assert fields["seq"] == last_seq + 1
            assert last_synced <= fields["synced"] <= last_seq
            last_seq, last_synced = fields["seq"], fields["synced"]


@pytest.mark.usefixtures("unsynced")
def test_F02_a_file_cut_at_every_byte_of_its_last_batch_keeps_every_whole_line(directory: Path) -> None:
    """Whole lines stay, the torn rest goes to quarantine, the bytes add up, nothing is reported as damage."""
    *before, last = batches(2, 1, 2)
    acknowledged = b"".join(before)
    for cut in range(len(last) + 1):
        data = acknowledged + last[:cut]
        lay(directory, d23=data)
        seqs, faults, quarantined = reopen(directory)
        assert seqs == list(range(1, 4 + last[:cut].count(b"\n")))
        assert faults == []
        assert rest(directory) + quarantined == data
        check_every_line(directory)


@pytest.mark.usefixtures("unsynced")
def test_F03_each_missing_sector_of_the_last_batch_drops_it_from_there(directory: Path) -> None:
    """512 zeros anywhere in an unacknowledged batch: from the first bad line on it is set aside, with no alarm."""
    *before, last = batches(3, 2, 30, text="x" * 40)
    acknowledged = b"".join(before)
    whole = acknowledged + last
    for sector in range(0, len(whole), 512):
        zeroed = bytearray(whole)
        start, end = max(sector, len(acknowledged)), min(sector + 512, len(whole))
        if start >= end:
            continue
        zeroed[start:end] = bytes(end - start)
        lay(directory, d23=bytes(zeroed))
        seqs, faults, quarantined = reopen(directory)
        bad = acknowledged.count(b"\n") + last[: start - len(acknowledged)].count(b"\n")
        assert (seqs, faults) == (list(range(1, bad + 1)), [])
        assert rest(directory) + quarantined == bytes(zeroed)
        check_every_line(directory)


@pytest.mark.parametrize(
    "after",
    [
        b"\0" * 4096,
        b"\n",
        b"\n\n\n",
        b"garbage",
        b"garbage\nmore garbage\n",
        b"\xff" * 70_000,
        b"{}\n",
        b"".join(batches(2, 1)),
        batches(1)[0] * 3,
        line(9, 5),
        line(6, 5)[:-1],
        line(6, 5).replace(b"\n", b"\r\n"),
        b"\0" * 512 + line(6, 5),
        line(6, 5).replace(b"api", b"apj"),
    ],
)
def test_F05_what_follows_the_last_good_line_is_set_aside(directory: Path, after: bytes) -> None:
    """NULs, garbage, old valid lines, lines of a later `seq`, half a line: all go to quarantine unchanged."""
    good = b"".join(batches(2, 3))
    lay(directory, d23=good + after)
    seqs, faults, quarantined = reopen(directory)
    assert (seqs, faults, quarantined) == ([1, 2, 3, 4, 5], [], after)
    assert rest(directory) == good
    check_every_line(directory)


def test_F12_recovering_twice_is_recovering_once(directory: Path) -> None:
    """The second opening finds nothing to do; the torn bytes are in quarantine once and the event says so once."""
    lay(directory, d23=b"".join(batches(2, 3)) + b"torn")
    reopen(directory)
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file() and path.name != "lock"}
    with Store.open(directory) as store:
        assert not store.recovered
    assert {path: path.read_bytes() for path in before} == before
    assert len(list((directory / "quarantine").iterdir())) == 2


def test_F12_recovery_cut_at_every_step_gives_the_same(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever opening fails, opening again gives what one opening gives, and the quarantine holds the bytes once."""
    data = b"".join(batches(2, 3)) + b"torn"
    for step in ("create", "write_all", "fsync", "rename", "fsync_directory", "truncate"):
        for nth in range(4):
            lay(directory, d23=data)
            calls = iter(range(100))
            real = getattr(files, step)

            def cut(*given: object, _real: object = real, _nth: int = nth, _calls: Iterable[int] = calls) -> object:
                if next(iter(_calls)) == _nth:
                    raise KeyboardInterrupt
                assert callable(_real)
                return _real(*given)

            with monkeypatch.context() as patched:
                patched.setattr(files, step, cut)
                try:
                    Store.open(directory).close()
                except KeyboardInterrupt:
                    pass
                except Exception as error:
                    assert "KeyboardInterrupt" in str(error)
            with Store.open(directory) as store:
                assert [event.seq for event in store.read() if event.action == "read"] == [1, 2, 3, 4, 5]
            assert rest(directory) == b"".join(batches(2, 3))
            names = [path for path in (directory / "quarantine").iterdir() if path.suffix not in {".json", ".tmp"}]
            assert [path.read_bytes() for path in names] == [b"torn"]
            check_every_line(directory)


@pytest.mark.usefixtures("unsynced")
def test_F42_a_bit_flipped_in_any_byte_of_acknowledged_lines_is_reported(directory: Path) -> None:
    """The report names file:line:offset and the missing `seq`; the bytes stay, and all other lines are read."""
    good = b"".join(batches(1, 2, 1))  # 1 to 3 were on disk when 4 was written
    starts = [0, *(place + 1 for place, byte in enumerate(good) if byte == 0x0A)]
    for place in range(starts[3] - 1):  # without the line end that 3 shares with the last line
        flipped = bytearray(good)
        flipped[place] ^= 1 << (place % 8)
        lay(directory, d23=bytes(flipped))
        seqs, faults, quarantined = reopen(directory)
        number = good[:place].count(b"\n")
        lost = [number + 1, number + 2] if good[place] == 0x0A else [number + 1]
        assert quarantined == b""
        assert [seq for seq in range(1, 5) if seq not in seqs] == lost
        assert len(faults) == 1
        shown = bytes(flipped[: starts[number]]).count(b"\n") + 1
        assert faults[0].startswith(f"{DAY}:{shown}:{starts[number]}: ")
        assert f"acknowledged events missing: seq {lost[0]} to {lost[-1]}" in faults[0]
        assert rest(directory) == bytes(flipped)


def test_F42_the_seq_of_a_rotten_acknowledged_line_is_never_given_again(directory: Path) -> None:
    """Whichever acknowledged line rotted, also several, the next event comes after all of them."""
    lines = batches(*[1] * 8)
    for bad in ([1], [7], [6, 7], [2, 5], [1, 2, 3, 4, 5, 6, 7]):
        data = b"".join(each.replace(b"api", b"xxx") if seq in bad else each for seq, each in enumerate(lines, 1))
        lay(directory, d23=data)
        with Store.open(directory) as store:
            assert store.append(category="api", action="read").seq == 9
            assert [event.seq for event in store.read()] == [seq for seq in range(1, 10) if seq not in bad]


def test_F42_rot_at_the_end_of_a_closed_segment_is_reported_once(directory: Path) -> None:
    """Its last lines were on disk before the next segment began: they are missing events, told once, left in place."""
    old, new = b"".join(batches(1, 1, 2)), b"".join(batches(1, 1, first=5))
    rotten = old.replace(line(4, 2), line(4, 2).replace(b"api", b"xxx"))
    lay(directory, d23=rotten, d24=new)
    seqs, faults, quarantined = reopen(directory)
    assert (seqs, quarantined, len(faults)) == ([1, 2, 3, 5, 6], b"", 1)
    assert faults[0].startswith(f"{DAY}:4:{old.index(line(4, 2))}: ")
    assert "seq 4 to 4" in faults[0]
    assert rest(directory) == rotten


def test_F42_rot_before_an_empty_segment_does_not_give_the_seq_again(directory: Path) -> None:
    """When the day was rolled and nothing has been written since, the rotten last lines still count."""
    good = b"".join(batches(1, 1, 2))
    lay(directory, d23=good.replace(line(4, 2), line(4, 2).replace(b"api", b"xxx")), d24=b"")
    with Store.open(directory) as store:
        assert "seq 4 to 4" in str(store.recovered.faults[0])
        assert store.append(category="api", action="read").seq == 5
    with Store.open(directory) as store:
        assert [event.seq for event in store.read()] == [1, 2, 3, 5]


@pytest.mark.parametrize("tail", [b"garbage", b"garbage\n", b"a\nb\nc\n"])
def test_bytes_after_a_segment_that_misses_nothing_take_nothing_from_the_next(directory: Path, tail: bytes) -> None:
    """They are set aside, for a failed sync may have left them; also where nothing was ever synced (`none`)."""
    for synced in (0, 3):
        old = b"".join(line(seq, 0) for seq in (1, 2, 3)) + tail
        new = b"".join(line(seq, synced) for seq in (4, 5, 6))
        lay(directory, d23=old, d24=new)
        seqs, faults, quarantined = reopen(directory)
        assert ([seq for seq in seqs if seq < 7], faults, quarantined) == ([1, 2, 3, 4, 5, 6], [], tail)
        assert rest(directory) == old.removesuffix(tail)
        assert rest(directory, NEXT_DAY).startswith(new)


def test_F44_deleted_lines_are_named(directory: Path) -> None:
    """Acknowledged lines cut out of the middle are reported by the `seq`s that are missing, at the place of the gap."""
    lines = batches(*[1] * 8)
    lay(directory, d23=b"".join(lines[:2] + lines[5:]))
    seqs, faults, quarantined = reopen(directory)
    assert (seqs, quarantined) == ([1, 2, 6, 7, 8], b"")
    assert len(faults) == 1
    assert faults[0].startswith(f"{DAY}:3:{len(b''.join(lines[:2]))}: ")
    assert "seq 3 to 5" in faults[0]


def test_F44_duplicated_and_swapped_lines_are_reported_and_read_in_order(directory: Path) -> None:
    """A line that stands where it does not belong is a fault at its place; reading never goes back in `seq`."""
    lines = batches(*[1] * 6)
    for order in ([1, 2, 2, 3, 4, 5, 6], [1, 3, 2, 4, 5, 6], [1, 2, 3, 1, 2, 3, 4, 5, 6]):
        data = b"".join(lines[seq - 1] for seq in order)
        lay(directory, d23=data)
        seqs, faults, quarantined = reopen(directory)
        assert seqs == sorted(set(seqs))
        assert {1, 4, 5, 6} <= set(seqs)
        assert faults
        assert quarantined == b""
        assert rest(directory) == data


def test_F45_a_closed_segment_cut_at_a_line_end_is_noticed(directory: Path) -> None:
    """The next segment's first line tells how far the one before went."""
    lay(directory, d23=b"".join(batches(1, 1)), d24=b"".join(batches(2, 1, first=5)))
    seqs, faults, _ = reopen(directory)
    assert seqs == [1, 2, 5, 6, 7]
    assert len(faults) == 1
    assert "seq 3 to 4" in faults[0]


def test_R05_lines_written_again_in_the_next_segment_stand_there_only(directory: Path) -> None:
    """Unacknowledged lines that a newer segment holds again leave the older one for the quarantine."""
    acknowledged, doubtful = batches(2, 3)
    again = b"".join(line(seq, 2, "again") for seq in (3, 4, 5))
    lay(directory, d23=acknowledged + doubtful, d24=again)
    with Store.open(directory) as store:
        assert [event.seq for event in store.read() if event.action == "read"] == [1, 2, 3, 4, 5]
        assert [event.message for event in store.read(2) if event.action == "read"] == ["again"] * 3
        assert [kept(directory, name) for name in store.recovered.quarantined] == [doubtful]
    assert rest(directory) == acknowledged
    assert rest(directory, NEXT_DAY) == again


def test_F47_a_copy_of_an_old_segment_under_a_new_name_takes_nothing_away(directory: Path) -> None:
    """Acknowledged lines are not superseded by a stale copy: it is the copy that goes to quarantine."""
    good = b"".join(batches(*[1] * 8))
    stale = b"".join(batches(*[1] * 3))
    lay(directory, d23=good, d24=stale)
    _, faults, quarantined = reopen(directory)
    assert (faults, quarantined) == ([], stale)
    assert rest(directory) == good
    with Store.open(directory) as store:
        assert [event.seq for event in store.read()] == list(range(1, 10))


def test_R01_every_segment_is_recovered_in_order(directory: Path) -> None:
    """Faults of several segments are reported in the order of the events."""
    parts = [b"".join(batches(*[1] * 4, first=first)) for first in (1, 5, 9)]
    lay(directory, d23=parts[0].replace(b":2,", b":7,"), d23_001=parts[1].replace(b":6,", b":7,"), d24=parts[2])
    seqs, faults, _ = reopen(directory)
    named = [fault.split(":")[0] for fault in faults]
    assert list(dict.fromkeys(named)) == [DAY, "2026-11-23.001.jsonl"]
    assert {4, 5, 8, 9, 10, 11, 12} <= set(seqs)


def test_R04_everything_is_synced_before_the_first_acknowledgement(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every segment that was read, its directory and the directories above are synced before the first new line."""
    lay(directory, d22=b"".join(batches(2)), d23=b"".join(batches(2, first=3)), d24=b"".join(batches(2, first=5)))
    steps: list[tuple[str, object]] = []
    real = {name: getattr(files, name) for name in ("fsync", "fsync_directory", "write_all", "sync_data")}

    def record(name: str) -> None:
        def call(first: int | Path, *more: bytes) -> None:
            path = first if isinstance(first, Path) else Path(os.readlink(f"/proc/self/fd/{first}"))
            steps.append((name, path))
            real[name](first, *more)

        monkeypatch.setattr(files, name, call)

    for name in real:
        record(name)
    with Store.open(directory) as store:
        store.append(category="api", action="read")
    before = steps[: [name for name, _ in steps].index("write_all")]
    synced = [path for name, path in before if name in {"fsync", "sync_data"}]
    assert set(synced) >= set((directory / "events").glob("2026-11-2[234].jsonl"))
    directories = {path for name, path in before if name == "fsync_directory"}
    assert directories >= {directory / "events", directory, directory.parent}
    written = max(place for place, (name, _) in enumerate(steps) if name == "write_all")
    assert ("sync_data", steps[written][1]) in steps[written:]


def test_R06_set_aside_bytes_are_durable_before_the_file_is_cut(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes and record are written, synced and named before the truncation, which is synced too."""
    lay(directory, d23=batches(2)[0] + b"torn")
    steps: list[str] = []
    for name in ("fsync", "rename", "fsync_directory", "truncate"):
        real = getattr(files, name)
        monkeypatch.setattr(files, name, lambda *a, _n=name, _r=real: (steps.append(_n), _r(*a))[1])
    Store.open(directory).close()
    cut = steps.index("truncate")
    assert steps[:cut].count("rename") == 2
    assert steps[cut - 1] == "fsync_directory"
    assert steps[cut + 1] == "fsync"


def test_R08_only_the_tail_is_read(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a segment of 8 MiB reads less than 1 MiB of it."""
    lay(directory, d23=b"".join(batches(*[10] * 400, text="x" * 1900)))
    assert (directory / "events" / DAY).stat().st_size > 8_000_000
    read: list[int] = []
    real = files.read_at
    monkeypatch.setattr(files, "read_at", lambda fd, at, length: (read.append(length), real(fd, at, length))[1])
    with Store.open(directory) as store:
        assert store.last_seq == 4_000
    assert sum(read) < 1 << 20


def test_a_tail_longer_than_one_read_is_recovered(directory: Path) -> None:
    """A torn batch of several MiB is set aside whole, however far back the last good line lies."""
    good = b"".join(batches(3, 2))
    torn = bytes(3_000_000) + b"\n" + b"garbage\n" * 100_000
    lay(directory, d23=good + torn)
    seqs, faults, quarantined = reopen(directory)
    assert (seqs, faults) == ([1, 2, 3, 4, 5], [])
    assert quarantined == torn


def test_F03_a_large_batch_with_a_hole_at_its_start_is_set_aside(directory: Path) -> None:
    """An unacknowledged batch larger than one read, whose first line is missing, is dropped whole without an alarm."""
    good, large = batches(2, 2_000, text="x" * 500)
    first = large.index(b"\n")
    lay(directory, d23=good + bytes(first) + large[first:])
    seqs, faults, quarantined = reopen(directory)
    assert (seqs, faults) == ([1, 2], [])
    assert len(quarantined) == len(large)


def test_R07_the_recovery_is_an_event(directory: Path) -> None:
    """The store records what it set aside: names and bytes, as a warning of system management."""
    lay(directory, d23=batches(2)[0] + b"torn")
    with Store.open(directory) as store:
        event = list(store.read())[-1]
        assert (event.category, event.action, event.level) == ("system_management", "store_recovered", "warning")
        assert event.metadata == {"quarantined": store.recovered.quarantined, "bytes": 4}
        assert event.seq == 3


def test_a_clean_store_reports_nothing(directory: Path) -> None:
    """Opening what was closed well repairs nothing, makes no quarantine and writes no event."""
    with Store.open(directory) as store:
        store.append(category="api", action="read")
    with Store.open(directory) as store:
        assert not store.recovered
        assert store.last_seq == 1
    assert not (directory / "quarantine").exists()


def test_B01_any_prefix_of_whole_lines_opens_cleanly(directory: Path) -> None:
    """A copy of a living store that ends after any line is a store."""
    lines = batches(2, 3, 1)
    data = b"".join(lines)
    for count in range(7):
        prefix = b"".join(data.splitlines(keepends=True)[:count])
        lay(directory, d23=prefix)
        assert reopen(directory) == (list(range(1, count + 1)), [], b"")


@pytest.mark.usefixtures("unsynced")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_damage_loses_nothing_else(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever is overwritten: what is read is what was written, or part of it, and no byte disappears."""
    directory = tmp_path_factory.getbasetemp() / "damage"
    good = b"".join(batches(2, 1, 3, 1, 2))
    changed = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(good)))
        patch = data.draw(st.binary(max_size=40) | st.just(b"\n") | st.integers(0, 400).map(bytes))
        changed[at : at + len(patch)] = patch
    lay(directory, d23=bytes(changed))
    seqs, faults, quarantined = reopen(directory)
    assert rest(directory) + quarantined == bytes(changed)
    whole = good.splitlines(keepends=True)
    raws = {each.seq: each.raw + b"\n" for each in Reader(directory).lines() if not is_own(each.raw)}
    assert all(whole[seq - 1] == raws[seq] for seq in seqs)
    untouched = [seq for seq, each in enumerate(whole, 1) if each in bytes(changed)]
    assert set(seqs) <= set(untouched)
    if bytes(changed) != good and not changed.startswith(good):
        assert faults or quarantined
