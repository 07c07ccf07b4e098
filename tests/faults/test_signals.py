"""Signals at any moment of a program that appends, and programs that end or close with events in the queue."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from answers import wait_until
from programs import check, run
from stonelog.filestore import Reader, Store, files

# A timer fires all the time, and its handler raises in the main thread wherever that is, as a time limit does; other
# threads append meanwhile, and must not be left waiting by what happens to the main one.
TIME_LIMITS = """
import os, random, signal, sys, threading
from stonelog.filestore import StonelogError, Store
class Limit(Exception): pass
armed = False
def handler(number, frame):
    if armed: raise Limit
signal.signal(signal.SIGALRM, handler)
store = Store.open(sys.argv[1])
acks, cut = [], 0
def work():
    for turn in range(100):
        acks.append(store.append(category="api", action="read"))
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
chance = random.Random(3)
while any(thread.is_alive() for thread in threads) or cut < 40:
    try:
        try:
            armed = True
            signal.setitimer(signal.ITIMER_REAL, chance.random() * 0.002 + 1e-6)
            receipt = store.append(category="api", action="create")
        finally:
            armed = False
        acks.append(receipt)
    except Limit:
        cut += 1
for thread in threads: thread.join()
store.close()
for receipt in acks: print(receipt.seq, receipt.id)
"""

HANDLED = """
import signal, sys
from stonelog.filestore import Store
count = 0
def handler(number, frame):
    global count
    count += 1
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
with Store.open(sys.argv[1]) as one, Store.open(sys.argv[1]) as two:
    for turn in range(150):
        for store in (one, two):
            receipt = store.append(category="api", action="read")
            print(receipt.seq, receipt.id)
signal.setitimer(signal.ITIMER_REAL, 0)
assert count > 10, count
"""


@pytest.mark.parametrize("program", [TIME_LIMITS, HANDLED], ids=["raising", "interrupting"])
def test_F22_F37_signals_at_any_moment_lose_and_hang_nothing(directory: Path, program: str) -> None:
    """System calls are interrupted, or the caller gives up in the middle: acknowledged events once, nobody waits."""
    out = run(program, directory, wrap=("timeout", "60"), STONELOG_STORE_SEGMENT_BYTES="20000")
    acks = {int(seq): identity for seq, identity in map(str.split, out.splitlines())}
    assert len(acks) >= 300
    check(directory, acks)


@pytest.mark.parametrize("ending", ["pass", "sys.exit(3)", "raise SystemExit(3)", "raise RuntimeError"])
def test_F22_a_program_that_ends_without_closing_leaves_no_event_in_the_queue(directory: Path, ending: str) -> None:
    """What `emit` took is written when the interpreter ends in an orderly way, with an error too."""
    code = (
        "import sys, threading\n"
        "from stonelog.filestore import Store\n"
        "store = Store.open(sys.argv[1])\n"
        "for turn in range(500): assert store.emit(category='api', action='read')\n"
        f"{ending}\n"
    )
    run(
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', sys.argv[1], sys.argv[2]], stderr=-3)",
        code,
        directory,
    )
    assert len([event for event in Reader(directory).read() if event.action == "read"]) == 500
    check(directory, {})


def test_F22_closing_that_is_interrupted_can_be_done_again(directory: Path) -> None:
    """Ctrl-C while `close` waits for the disk: closing again, or the end of the program, still writes the queue."""
    run(
        "import os, signal, sys, threading, time\n"
        "from stonelog.filestore import Store, files\n"
        "store = Store.open(sys.argv[1])\n"
        "store.append(category='api', action='read')\n"
        "real, reached = files.sync_data, threading.Event()\n"
        "def slow(fd):\n"
        "    reached.set()\n"
        "    threading.Event().wait(0.5)\n"
        "    real(fd)\n"
        "files.sync_data = slow\n"
        "for turn in range(3):\n"
        "    store.emit(category='api', action='read')\n"
        "    reached.wait(5)\n"
        "threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "try: store.close()\n"
        "except KeyboardInterrupt: pass\n"
        "else: raise AssertionError('was not interrupted')\n"
        "store.close()\n",
        directory,
    )
    assert len([event for event in Reader(directory).read() if event.action == "read"]) == 4
    check(directory, {})


def test_F28_F30_a_file_size_limit_at_every_byte_of_a_line(directory: Path) -> None:
    """Wherever the kernel cuts the write short: DiskFull, the file as it was, and the next goes when there is room."""
    out = run(
        "import os, resource, sys\n"
        "from stonelog.filestore import DiskFull, Store\n"
        "with Store.open(sys.argv[1]) as store:\n"
        "    first = store.append(category='api', action='read')\n"
        "    end = os.path.getsize(first.file)\n"
        "    for room in range(end + 1):\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (end + room, resource.RLIM_INFINITY))\n"
        "        try: store.append(category='api', action='read')\n"
        "        except DiskFull: assert os.path.getsize(first.file) == end, room\n"
        "        else: print(room, end); break\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "    print(store.append(category='api', action='read').seq)\n",
        directory,
    )
    room, last = out.splitlines()
    assert room.split()[0] == room.split()[1]  # the lines are equally long, and it went when a whole one had room
    assert last == "3"
    check(directory, {})


def test_F38_what_was_dropped_while_the_disk_was_slow_is_told_though_the_store_is_closing(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full queue, a sync that takes its time, and a close that comes before it is done: the count is recorded."""
    monkeypatch.setenv("STONELOG_STORE_EMIT_EVENTS", "3")
    real, reached, go_on = files.sync_data, threading.Event(), threading.Event()

    def slow(fd: int) -> None:
        reached.set()
        go_on.wait(20)
        real(fd)

    store = Store.open(directory)
    with monkeypatch.context() as patched:
        patched.setattr(files, "sync_data", slow)
        for _ in range(8):
            store.emit(category="api", action="read")
        assert reached.wait(20)
        closing = threading.Thread(target=store.close)
        closing.start()
        wait_until(lambda: store.trouble is not None)  # it has begun
        go_on.set()
        closing.join(20)
    assert store.dropped == 5
    told = [event.metadata or {} for event in Reader(directory).read() if event.action == "events_dropped"]
    assert sum(int(each["dropped"]) for each in told) == 5
