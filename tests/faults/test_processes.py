"""Several processes at one store: killed, stopped, interrupted, forked, and all at work at once."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from programs import ENVIRONMENT, Nursery, check, nursery, run, whole_lines
from stonelog.filestore import Reader, Store, StoreLocked

ROUNDS = int(os.environ.get("STONELOG_KILL_ROUNDS", "3"))
"""How often each number of processes is killed."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Nursery]:
    """Appenders with small segments, so that there are rolls."""
    with nursery(tmp_path / "pipes", {"STONELOG_STORE_SEGMENT_BYTES": "30000"}) as started:
        yield started


@pytest.mark.parametrize("processes", [1, 3, 16])
def test_F18_processes_killed_at_random_lose_nothing(directory: Path, start: Nursery, processes: int) -> None:
    """All are killed one after the other while the rest goes on; what each had acknowledged is there, once."""
    chance = random.Random(processes)
    acknowledged: dict[int, str] = {}
    for turn in range(ROUNDS):
        if turn % 5 == 0:  # every opening goes through all segments: with hundreds of them it is that which is tried
            acknowledged, directory = {}, directory.with_name(f"data{turn}")
        writers = [start.start(directory, threads=2) for _ in range(processes)]
        chance.shuffle(writers)
        for writer in writers:
            writer.wait_for(chance.randrange(1, 30))
            writer.signal(signal.SIGKILL)
        for writer in writers:
            for ack in writer.finish():
                assert ack.seq not in acknowledged, "a seq was given twice"
                acknowledged[ack.seq] = ack.id
            assert writer.errors == []
        check(directory, acknowledged)
    assert len(Reader(directory).segments()) > 1 or processes == 1


@pytest.mark.parametrize(("processes", "threads"), [(1, 8), (4, 4), (16, 2)])
def test_F25_processes_and_threads_make_one_order(
    directory: Path, start: Nursery, processes: int, threads: int
) -> None:
    """Until all have done their share: `seq`s dense and in the order of the lines, acknowledged events = lines."""
    writers = [start.start(directory, threads=threads, events=12) for _ in range(processes)]
    acks = [ack for writer in writers for ack in writer.finish()]
    assert [error for writer in writers for error in writer.errors] == []
    assert len(acks) == processes * threads * (9 + 3 * 5)
    assert sorted((ack.seq, ack.id) for ack in acks) == list(whole_lines(directory))
    assert len(Reader(directory).segments()) > 1
    check(directory, {ack.seq: ack.id for ack in acks})


def test_F07_many_processes_may_make_the_same_store(directory: Path, start: Nursery) -> None:
    """Sixteen processes that open a directory that is not there yet agree on one store."""
    writers = [start.start(directory / "deep" / "down", events=1) for _ in range(16)]
    acks = [ack for writer in writers for ack in writer.finish()]
    assert [error for writer in writers for error in writer.errors] == []
    assert sorted(ack.seq for ack in acks) == list(range(1, 17))


# A writer that says when it holds the lock with its line written, and goes on when it is told.
HALF_WAY = """
import os, sys
from stonelog.filestore import Store, files
store = Store.open(sys.argv[1])
store.append(category="api", action="read")
real = files.write_all
def announce(fd, data):
    real(fd, data[:40])
    os.write(1, b"half\\n")
    sys.stdin.readline()
    real(fd, data[40:])
files.write_all = announce
receipt = store.append(category="api", action="read")
os.write(1, b"%d\\n" % receipt.seq)
"""


def test_F21_a_writer_stopped_in_the_middle_of_a_write_loses_nothing(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is stopped others hear StoreLocked and readers see whole lines only; then both go on."""
    monkeypatch.setenv("STONELOG_STORE_LOCK_SECONDS", "0.1")
    other = Store.open(directory)
    with subprocess.Popen(
        [sys.executable, "-c", HALF_WAY, str(directory)],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(StoreLocked):
            other.append(category="api", action="read")
        seen = [event.seq for event in other.read()]
        assert seen in ([], [1])  # nothing says yet that the first is not part of what may be taken back
        assert not list((directory / "quarantine").glob("*")), "bytes of a write under way were set aside"
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.send_signal(signal.SIGCONT)
        assert process.stdout.readline() == b"2\n"
    assert other.append(category="api", action="read").seq == 3
    other.close()
    check(directory, {})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_F22_a_signal_that_ends_a_program_loses_nothing_it_was_told(directory: Path, number: signal.Signals) -> None:
    """A program that turns the signal into an exit closes its store: what was acknowledged and emitted is there."""
    code = (
        "import os, signal, sys\n"
        "from stonelog.filestore import Store\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "turn = 0\n"
        "try:\n"
        "    with Store.open(sys.argv[1]) as store:\n"
        "        while True:\n"
        "            turn += 1\n"
        "            store.emit(category='api', action='create', message=str(turn))\n"
        "            receipt = store.append(category='api', action='read')\n"
        "            os.write(1, f'{turn} {receipt.seq} {receipt.id}\\n'.encode())\n"
        "except KeyboardInterrupt: pass\n"
    )
    command = [sys.executable, "-c", code, str(directory)]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(25)]
        process.send_signal(number)
        lines += process.stdout.read().splitlines(keepends=True)
    assert process.returncode == 0
    acks = [line.split() for line in lines if line.endswith(b"\n")]
    last_turn = int(acks[-1][0])
    emitted = {event.message for event in Reader(directory).read() if event.action == "create"}
    assert {str(turn) for turn in range(1, last_turn + 1)} <= emitted
    check(directory, {int(seq): identity.decode() for _, seq, identity in acks})


def _append_in_child(directory: str, answers: multiprocessing.Queue[list[int]]) -> None:
    with Store.open(directory) as store:
        answers.put([store.append(category="api", action="create").seq for _ in range(5)])


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_F24_children_of_a_threaded_parent_open_their_own(directory: Path, method: str) -> None:
    """While threads of the parent append, children that open the store themselves share its one order."""
    context = multiprocessing.get_context(method)
    answers = context.Queue()
    stop = threading.Event()
    seqs: list[int] = []

    def work(store: Store) -> None:
        while not stop.is_set():
            seqs.append(store.append(category="api", action="read").seq)

    with Store.open(directory) as store, ThreadPoolExecutor(3) as pool:
        running = [pool.submit(work, store) for _ in range(3)]
        try:
            children = [context.Process(target=_append_in_child, args=(str(directory), answers)) for _ in range(3)]
            for child in children:
                child.start()
            for _ in children:
                seqs += answers.get(timeout=60)
            for child in children:
                child.join(60)
                assert child.exitcode == 0
        finally:
            stop.set()
        for each in running:
            each.result()
    assert sorted(seqs) == list(range(1, len(seqs) + 1))
    check(directory, {})


def test_F24_a_fork_while_a_reader_looks_does_not_keep_the_lock(directory: Path) -> None:
    """A child forked at the moment when a thread reads the settled size leaves the store's lock to others."""
    out = run(
        "import os, signal, sys\n"
        "from stonelog.filestore import Reader, Store, StoreLocked, files\n"
        "store = Store.open(sys.argv[1])\n"
        "store.append(category='api', action='read')\n"
        "real, children = files.lock, []\n"
        "def lock(fd):\n"
        "    held = real(fd)\n"
        "    if held and not children:\n"
        "        children.append(os.fork())\n"
        "        if not children[0]: signal.pause()\n"
        "    return held\n"
        "files.lock = lock\n"
        "list(Reader(sys.argv[1]).read())\n"
        "try: print(store.append(category='api', action='read').seq)\n"
        "except StoreLocked as error: print(error)\n"
        "finally: os.kill(children[0], signal.SIGKILL)\n",
        directory,
        STONELOG_STORE_LOCK_SECONDS="0.5",
    )
    assert out == "2\n"


def test_F24_following_in_a_forked_child_is_refused_or_works(directory: Path) -> None:
    """`follow` of a store that was opened before a fork does not wait for a thread that the child does not have."""
    out = run(
        "import os, sys, threading\n"
        "from stonelog.filestore import StonelogError, Store\n"
        "store = Store.open(sys.argv[1])\n"
        "store.append(category='api', action='read')\n"
        "committed = store._committer.committed\n"
        "committed.acquire()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    stop = threading.Event()\n"
        "    def follow():\n"
        "        try:\n"
        "            for event in store.follow(stop=stop): pass\n"
        "        except StonelogError: pass\n"
        "    thread = threading.Thread(target=follow, daemon=True)\n"
        "    thread.start()\n"
        "    threading.Event().wait(0.3)\n"
        "    stop.set()\n"
        "    thread.join(5)\n"
        "    os._exit(thread.is_alive())\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "committed.release()\n",
        directory,
    )
    assert out == "0\n"
