"""Writers killed with SIGKILL at random moments: every acknowledged event is there, once, and the next append works."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import BinaryIO

import pytest

from programs import whole_lines
from stonelog.filestore import Reader, Store

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    "PYTHONDONTWRITEBYTECODE": "1",
}

# Imports once, then forks a writer for each line it is told, with no store open in it yet. A writer appends from
# several threads until it is killed, and prints "seq id" for each event after its receipt, in whole lines.
NURSERY = """
import os, signal, sys, threading
from stonelog.filestore import Store
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
def work(store, name, pad):
    turn = 0
    while True:
        turn += 1
        if turn % 4:
            receipts = [store.append(category="api", action="read", message=f"{name} {turn} {pad}")]
        else:
            event = dict(category="api", action="create", message=f"{name} {turn} {pad}")
            receipts = store.append_many([event] * 5)
        os.write(1, "".join(f"{receipt.seq} {receipt.id}\\n" for receipt in receipts).encode())
for line in sys.stdin:
    directory, fifo, threads = line.rstrip("\\n").split("\\t")
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(os.open(fifo, os.O_WRONLY), 1)
        store = Store.open(directory)
        for name in range(int(threads)):
            threading.Thread(target=work, args=(store, name, "x" * 100)).start()
        threading.Event().wait()
    print(pid, flush=True)
"""

# Says when its 8 MiB are about to be written, and what it was told afterwards.
LARGE = """
import os, sys
from stonelog.filestore import Store, files
store = Store.open(sys.argv[1])
store.append(category="api", action="read")
events = [dict(category="api", action="create", message="x" * 32_000)] * 256
real = files.write_all
def announce(fd, data):
    os.write(1, b"writing\\n")
    real(fd, data)
files.write_all = announce
receipts = store.append_many(events)
os.write(1, b"acknowledged\\n")
sys.stdin.read()
"""


class Writer:
    """A process that appends until it is killed."""

    def __init__(self, pid: int, out: BinaryIO) -> None:
        self.pid = pid
        self.out = out

    def killed_after(self, events: int, spin: int = 0, by: int = signal.SIGKILL) -> dict[int, str]:
        """Kills it some turns of the processor after `events` acknowledgements; gives all that it acknowledged."""
        text = b"".join(self.out.readline() for _ in range(events))
        for _ in range(spin):
            pass
        os.kill(self.pid, by)
        with self.out:
            text += self.out.read()  # ends when the process has
        pairs = [line.split() for line in text[: text.rfind(b"\n") + 1].decode().splitlines()]
        acknowledged = {int(seq): identity for seq, identity in pairs}
        assert len(acknowledged) == len(pairs), "two receipts of one process had the same seq"
        assert len(acknowledged) >= events
        return acknowledged


Start = Callable[..., Writer]


@pytest.fixture
def start(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a writer on the test's store; small segments, so that there are rolls."""
    monkeypatch.setenv("STONELOG_STORE_SEGMENT_BYTES", "100000")
    environment = {**ENVIRONMENT, "STONELOG_STORE_SEGMENT_BYTES": "100000"}
    command = [sys.executable, "-c", NURSERY]
    pipes: dict[str, int] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    numbers = count()
    with subprocess.Popen(command, env=environment, text=True, bufsize=1, **pipes) as nursery:  # type: ignore[call-overload]

        def begin(threads: int = 3) -> Writer:
            fifo = directory.with_name(f"pipe{next(numbers)}")
            os.mkfifo(fifo)
            nursery.stdin.write(f"{directory}\t{fifo}\t{threads}\n")
            return Writer(int(nursery.stdout.readline()), fifo.open("rb"))

        yield begin
        nursery.stdin.close()


def check(directory: Path, acknowledged: dict[int, str]) -> int:
    """After opening again: acknowledged events once with their id, dense `seq`s, whole lines; gives the next `seq`."""
    with Store.open(directory) as store:
        assert store.recovered.faults == []
        stored = list(whole_lines(directory))
        assert [seq for seq, _ in stored] == list(range(1, len(stored) + 1))
        by_seq = dict(stored)
        assert {seq: by_seq.get(seq) for seq in acknowledged} == acknowledged
        assert len({identity for _, identity in stored}) == len(stored)
        receipt = store.append(category="api", action="read")
        assert receipt.seq == len(stored) + 1
        assert [event.seq for event in store.read(receipt.seq - 1)] == [receipt.seq]
    return receipt.seq


def test_F18_fifty_kills_lose_nothing(directory: Path, start: Start) -> None:
    """One writer with three threads, killed fifty times in one store that goes on growing and rolling."""
    chance = random.Random(1)
    acknowledged: dict[int, str] = {}
    last = 0
    for _ in range(50):
        got = start().killed_after(chance.randrange(1, 40), chance.randrange(20_000))
        assert min(got) > last
        acknowledged |= got
        last = check(directory, acknowledged)
    assert len(acknowledged) >= 50
    assert len(Reader(directory).segments()) > 1


def test_F18_two_writers_killed_in_turn_share_one_order(directory: Path, start: Start) -> None:
    """Two processes append at once; one is killed while the other goes on, then that one too."""
    chance = random.Random(2)
    acknowledged: dict[int, str] = {}
    for _ in range(5):
        one, two = start(2), start(2)
        with ThreadPoolExecutor(1) as pool:
            longer = pool.submit(two.killed_after, 80)
            first = one.killed_after(chance.randrange(1, 30), chance.randrange(20_000))
            second = longer.result()
        assert not first.keys() & second.keys(), "two processes were given the same seq"
        acknowledged |= first | second
        check(directory, acknowledged)


def test_F25_a_reader_beside_two_writers_sees_one_order(directory: Path, start: Start) -> None:
    """While two processes write, following gives each `seq` once, in order, and never a half line."""
    one, two = start(2), start(2)
    stop, seqs = threading.Event(), []
    with ThreadPoolExecutor(2) as pool:
        pending = [pool.submit(each.killed_after, 150) for each in (one, two)]
        for event in Reader(directory).follow(stop=stop):
            seqs.append(event.seq)
            if len(seqs) == 200:
                stop.set()
        first, second = (each.result() for each in pending)
    assert seqs == list(range(1, 201))
    assert not first.keys() & second.keys()
    check(directory, first | second)


@pytest.mark.parametrize("turn", range(8))
def test_F19_a_kill_in_the_middle_of_eight_mebibytes_leaves_whole_events(directory: Path, turn: int) -> None:
    """Killed during one write of 256 events: the first ones are left whole; the torn rest is set aside."""
    chance = random.Random(turn)
    command = [sys.executable, "-c", LARGE, str(directory)]
    with subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        path = Reader(directory).segments()[0].path
        wanted = chance.random() * 8_000_000
        while path.stat().st_size < wanted:
            pass
        process.kill()
        told = process.stdout.read()
    before = path.read_bytes()
    with Store.open(directory) as store:
        kept = [(directory / "quarantine" / name).read_bytes() for name in store.recovered.quarantined]
        written = [event for event in store.read() if event.action == "create"]
        assert store.recovered.faults == []
    own = 1 if kept else 0  # the event about the recovery
    lines = path.read_bytes().split(b"\n")[: -1 - own]
    assert b"\n".join([*lines, b""]) + b"".join(kept) == before
    assert [event.seq for event in written] == list(range(2, 2 + len(written)))
    assert len(written) == 256 or not told
    check(directory, {})


def test_F22_sigterm_ends_a_writer_with_nothing_lost(directory: Path, start: Start) -> None:
    """The default action of SIGTERM is a kill like any other for the store."""
    check(directory, start(1).killed_after(20, by=signal.SIGTERM))
