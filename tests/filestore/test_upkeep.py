"""Upkeep from several processes and threads, while others write and read."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from sealed import by_ten, names, seqs, told
from stonelog.filestore import Codec, InvalidSetting, Reader, Store, StoreLocked, StoreReadOnly, files, seal
from stonelog.indexer import Index

SOURCE = os.pathsep.join(path for path in sys.path if path)


@contextmanager
def process(code: str, *given: object, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A Python program that runs beside the test."""
    environment = {**os.environ, "PYTHONPATH": SOURCE, "PYTHONDONTWRITEBYTECODE": "1", **settings}
    command = [sys.executable, "-c", code, *map(str, given)]
    with subprocess.Popen(
        command, env=environment, text=True, bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        try:
            yield running
        finally:
            running.kill()


HOLDER = """
import sys
from stonelog.filestore import Store, files
store = Store.open(sys.argv[1])
real = files.rename
def slow(old, new):
    if new.name.endswith(".gz"):
        print("sealing", flush=True)
        sys.stdin.readline()
    real(old, new)
files.rename = slow
print(len(store.upkeep.seal()), flush=True)
"""


def test_F26_of_two_processes_one_works_and_the_other_is_told(directory: Path) -> None:
    """While one seals, every upkeep of another raises StoreLocked at once and does nothing; appending goes on."""
    by_ten(directory, 3)
    with process(HOLDER, directory) as other, Store.open(directory) as store:
        assert other.stdout is not None
        assert other.stdout.readline() == "sealing\n"
        day = date(2026, 11, 20)
        for call in (
            store.upkeep.seal,
            store.upkeep.retain,
            lambda: store.upkeep.hold(day, day, "case"),
            lambda: store.upkeep.release("H1"),
        ):
            with pytest.raises(StoreLocked, match="another process"):
                call()
        assert store.upkeep.plan().removed == []
        assert store.append(category="api", action="read").seq == 31
        sealed = other.communicate(timeout=60)[0].split()[-1]
        assert int(sealed) >= 2
        store.upkeep.seal()
        assert told(directory) == []
        assert seqs(directory)[:31] == list(range(1, 32))
        assert not any(name.endswith(".tmp") for name in names(directory))


WRITER = """
import sys
from stonelog.filestore import Store
store = Store.open(sys.argv[1])
for line in sys.stdin:
    receipt = store.append(category="api", action="read", message=line.strip())
    print(receipt.seq, receipt.file, flush=True)
"""


def test_F27_a_writer_whose_segment_was_sealed_goes_on_in_the_new_one(directory: Path) -> None:
    """It holds the file open while another process rolls, seals and unlinks: nothing is acknowledged into it."""
    with process(WRITER, directory) as other, Store.open(directory) as store:
        assert other.stdout is not None
        assert other.stdin is not None
        acknowledged = []
        for turn in range(5):
            other.stdin.write(f"{turn}\n")
            other.stdin.flush()
            seq, file = other.stdout.readline().split()
            assert Path(file).exists()
            acknowledged.append((int(seq), str(turn)))
            assert store.roll(early=True) is not None
            assert len(store.upkeep.seal()) == 1
            assert not Path(file).exists()
        found = [(event.seq, event.message) for event in store.read() if event.action == "read"]
    assert found == acknowledged
    assert told(directory) == []


UPKEEP = """
import sys
from stonelog.filestore import Store, StoreLocked
store = Store.open(sys.argv[1])
print("open", flush=True)
turns = 0
for turn in range(int(sys.argv[2])):
    try:
        store.roll(early=True)
        turns += len(store.upkeep.seal())
        store.upkeep.retain()
    except StoreLocked:
        pass
print(turns, flush=True)
"""


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_F25_writers_and_two_sealing_processes(directory: Path, codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes of four threads write, two roll and seal all the while: `seq` is dense, each acknowledged event is
    there once, and everything but the newest segments is sealed."""
    code = """
import sys, threading
from stonelog.filestore import Store
store = Store.open(sys.argv[1])
def work(number):
    for turn in range(100):
        receipt = store.append(category="api", action="read", message=f"{sys.argv[2]} {number} {turn}")
        print(f"{receipt.seq} {sys.argv[2]} {number} {turn}\\n", end="", flush=True)
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    given = {"STONELOG_SEAL_CODEC": codec, "STONELOG_STORE_SEGMENT_BYTES": "4000"}
    with (
        process(code, directory, "a", **given) as one,
        process(code, directory, "b", **given) as two,
        process(UPKEEP, directory, 60, **given) as three,
        process(UPKEEP, directory, 60, **given) as four,
    ):
        texts = [each.communicate(timeout=120)[0] for each in (one, two, three, four)]
    acknowledged = [line.split(" ", 1) for text in texts[:2] for line in text.splitlines()]
    assert len(acknowledged) == 800
    monkeypatch.setenv("STONELOG_SEAL_CODEC", codec)
    with Store.open(directory) as store:
        assert not store.recovered
        store.upkeep.seal()
        events = list(store.read())
        found = {event.message: event.seq for event in events if event.action == "read"}
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert found == {message: int(seq) for seq, message in acknowledged}
    assert told(directory) == []
    assert [segment.codec for segment in Reader(directory).segments()][:-1] == [codec] * (
        len(Reader(directory).segments()) - 1
    )


def test_F58_following_reading_and_asking_while_days_are_sealed(directory: Path) -> None:
    """A follower, readers from any place, single lines, and an index miss, double or fail nothing."""
    stop = threading.Event()
    wrong: list[object] = []
    followed: list[int | None] = []
    done = [0]

    def guarded(work: object) -> None:
        try:
            while not stop.is_set():
                work()  # type: ignore[operator]
                done[0] += 1
        except BaseException as error:
            wrong.append(error)

    with Store.open(directory) as store:

        def follow() -> None:
            for event in Reader(directory).follow(stop=stop):
                followed.append(event.seq)

        def read() -> None:
            low = store.durable_seq
            found = [line.seq for line in reader.lines(on_corrupt=wrong.append)]
            if found != list(range(1, len(found) + 1)) or len(found) < low:
                wrong.append(f"read {len(found)} of {low}: {found}")
            line = reader.get(max(low // 2, 1))
            if low and (line is None or line.seq != max(low // 2, 1)):
                wrong.append(f"get {low // 2}: {line}")

        def ask() -> None:
            low = store.durable_seq
            with Index.open(directory) as index:
                count, page = index.count("action:read OR action:*"), index.search("", limit=50)
            newest = page.events[0].seq if page.events else 0
            if count < low or (newest or 0) < low:
                wrong.append(f"count {count}, newest {newest}, of {low}")

        reader = Reader(directory)
        threads = [threading.Thread(target=guarded, args=(work,)) for work in (follow, read, ask)]
        for thread in threads:
            thread.start()
        for turn in range(25):
            store.append_many([{"category": "api", "action": "read", "message": f"{turn}"}] * 20)
            store.roll(early=True)
            store.upkeep.seal()
        last = store.last_seq
        while len(followed) < last and not wrong and threads[0].is_alive():
            stop.wait(0.01)
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong, wrong[:3]
    assert followed == list(range(1, last + 1))
    assert done[0] > 5


def test_F58_reading_while_days_are_pruned(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing from an answer is a beginning that was pruned; nothing is told as lost, nothing fails."""
    monkeypatch.setenv("STONELOG_RETENTION_MAX_BYTES", "60000")
    stop = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        reader = Reader(directory)
        try:
            while not stop.is_set():
                found = [line.seq for line in reader.lines(on_corrupt=wrong.append)]
                if any(one >= other for one, other in pairwise(found)):
                    wrong.append(f"out of order: {found}")
                with Index.open(directory) as index:
                    index.count("")
                    index.search("", limit=10)
        except BaseException as error:
            wrong.append(error)

    removed = 0
    with Store.open(directory) as store:
        thread = threading.Thread(target=read)
        thread.start()
        for _ in range(40):
            store.append_many([{"category": "api", "action": "read"}] * 10)
            store.roll(early=True)
            store.upkeep.seal()
            removed += len(store.upkeep.retain().removed)
        stop.set()
        thread.join()
        last = store.last_seq
    assert not wrong, wrong[:3]
    assert removed > 20
    found = seqs(directory)
    assert found == list(range(found[0], last + 1))


def test_empty_segments_are_dropped_and_the_newest_is_left(directory: Path) -> None:
    """A day on which nothing came leaves no archive; the newest segment is never touched."""
    by_ten(directory, 3)
    (directory / "events" / "2026-11-21.jsonl").write_bytes(b"")
    with Store.open(directory) as store:
        assert [manifest.file[8:] for manifest in store.upkeep.seal()] == ["20.jsonl.gz"]
    assert names(directory)[:2] == ["20.jsonl.gz", "20.manifest.json"]
    assert not [name for name in names(directory) if name.startswith("21")]


def test_an_orphan_manifest_stops_nothing(directory: Path) -> None:
    """Its archive was deleted by another hand: the days around it are sealed, and the newest one stays the newest."""
    by_ten(directory, 2)
    for day in (19, 20, 30):
        (directory / "events" / f"2026-11-{day}.001.manifest.json").write_bytes(b"{}")
    with Store.open(directory) as store:
        newest = Path(store.append(category="api", action="read").file)
        store.upkeep.seal()
        assert newest.exists()
        assert Path(store.append(category="api", action="read").file) == newest
    assert "20.jsonl.gz" in names(directory)


@pytest.mark.parametrize(("codec", "level"), [("gzip", "10"), ("zstd", "20"), ("lzma", "1"), ("gzip", "-1")])
def test_a_setting_that_cannot_be_is_named(
    directory: Path, monkeypatch: pytest.MonkeyPatch, codec: str, level: str
) -> None:
    """Codec or level out of range: InvalidSetting, and nothing is sealed."""
    by_ten(directory, 2)
    monkeypatch.setenv("STONELOG_SEAL_CODEC", codec)
    monkeypatch.setenv("STONELOG_SEAL_LEVEL", level)
    with Store.open(directory) as store, pytest.raises(InvalidSetting, match=r"(?i)level|codec"):
        store.upkeep.seal()
    assert "20.jsonl" in names(directory)


def test_F35_a_segment_that_cannot_be_read_does_not_stop_the_others(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad page in an old day: the other days are sealed, and the error names that one."""
    by_ten(directory, 4)
    real = seal.compress
    with Store.open(directory) as store:
        store.roll(early=True)

        def compress(codec: Codec, data: bytes, level: int) -> bytes:
            if data.startswith(b'{"seq":1,'):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(codec, data, level)

        monkeypatch.setattr(seal, "compress", compress)
        with pytest.raises(StoreReadOnly, match="Input/output error"):
            store.upkeep.seal()
    assert "20.jsonl" in names(directory)


def test_F36_an_archive_that_cannot_be_removed_stops_nothing(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody made it immutable: retention removes the others, holds can be placed, and it goes when it can."""
    by_ten(directory, 3)
    monkeypatch.setenv("STONELOG_RETENTION_MAX_BYTES", "1")
    with Store.open(directory) as store:
        store.roll(early=True)
        store.upkeep.seal()
        with monkeypatch.context() as patched:
            real = files.remove

            def remove(path: Path) -> None:
                if path.name == "2026-11-20.jsonl.gz":
                    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))
                real(path)

            patched.setattr(files, "remove", remove)
            store.upkeep.retain()
            assert "20.jsonl.gz" in names(directory)
            assert "21.jsonl.gz" not in names(directory)
            store.upkeep.hold(date(2026, 11, 1), date(2026, 11, 2), "case 1")
        store.upkeep.retain()
        assert "20.jsonl.gz" not in names(directory)
