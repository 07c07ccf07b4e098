"""System calls that fail, take long or never return, by strace; and a record of them, in the right order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from programs import check
from stonelog.filestore import Reader, Store
from traced import calls, traced

# Appends one event, and when it is told one for each line it gets; says what became of each.
APPENDS = """
import os, sys
from stonelog.filestore import StonelogError, Store
store = Store.open(sys.argv[1])
first = store.append(category="api", action="read")
os.write(1, b"ready\\n")
for line in sys.stdin:
    try:
        receipt = store.append(category="api", action="create", message=line.strip())
        os.write(1, f"ack {receipt.seq} {receipt.id}\\n".encode())
    except StonelogError as error:
        os.write(1, f"{type(error).__name__} {error}\\n".encode())
store.close()
"""

# Three threads append when they are told, each printing what it was given.
THREADS = """
import os, sys, threading
from stonelog.filestore import Store
store = Store.open(sys.argv[1])
os.write(1, b"ready\\n")
sys.stdin.readline()
def work():
    for turn in range(15):
        receipts = store.append_many([dict(category="api", action="create")] * (1 + turn % 3))
        os.write(1, ("ack " + " ".join(str(each.seq) for each in receipts) + "\\n").encode())
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
os.write(1, b"done\\n")
"""


def test_W01_no_acknowledgement_before_the_sync_that_covers_it(directory: Path, tmp_path: Path) -> None:
    """Of each event: its write had ended when a sync of that file began, and that had returned 0 before the ack."""
    record = tmp_path / "record"
    options = ["-y", "-s", "1000000", "-o", str(record), "-e", "trace=write,pwrite64,writev,fdatasync,fsync"]
    with traced(THREADS, directory, options=options, environment={"STONELOG_STORE_SEGMENT_BYTES": "5000"}) as program:
        program.tell()
        assert program.rest()[-1] == "done"
    written: dict[int, tuple[int, str]] = {}
    syncs: list[tuple[int, int, str]] = []
    acknowledged: list[int] = []
    for call in calls(record):
        place = re.search(r"<([^>]*)>", call.text)
        if place is None:
            continue
        if place[1].endswith(".jsonl") and call.name in {"write", "pwrite64"}:
            assert call.result > 0
            for seq in re.findall(r'\{\\"seq\\":(\d+),', call.text):
                written.setdefault(int(seq), (call.end, place[1]))
        elif call.name in {"fdatasync", "fsync"}:
            assert call.result == 0
            syncs.append((call.begin, call.end, place[1]))
        elif ack := re.search(r'"ack ([\d ]+)\\n"', call.text):
            for seq in map(int, ack[1].split()):
                at, file = written[seq]
                assert any(at < begin and end < call.begin and file == other for begin, end, other in syncs), seq
                acknowledged.append(seq)
    assert sorted(acknowledged) == list(range(1, 3 * 15 * 2 + 1))
    assert len({file for _, file in written.values()}) > 1


@pytest.mark.parametrize("code", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("nth", [1, 3])
def test_F32_an_fdatasync_that_fails_once_costs_no_acknowledged_event(directory: Path, code: str, nth: int) -> None:
    """The kernel's answer is an error once: the event stands in a new segment, is acknowledged, and is told."""
    with traced(APPENDS, directory, options=["-e", f"inject=fdatasync:error={code}:when={nth}"]) as program:
        acks = []
        for turn in range(5):
            program.tell(turn)
            acks.append(program.line().split())
        program.tell("end")
    assert all(ack[0] == "ack" for ack in acks), acks
    assert len(Reader(directory).segments()) == 2
    assert any(event.action == "store_sync_failed" for event in Reader(directory).read())
    check(directory, {int(seq): identity for _, seq, identity in acks})


def test_F33_if_the_new_segment_cannot_be_synced_either_nothing_more_is_taken(directory: Path) -> None:
    """With fdatasync and fsync both failing: StoreReadOnly then and later, although later syncs would succeed."""
    options = ["-e", "inject=fdatasync:error=EIO:when=2", "-e", "inject=fsync:error=EIO:when=1"]
    with traced(APPENDS, directory, options=options) as program:
        said = []
        for turn in range(4):
            program.tell(turn)
            said.append(program.line())
    assert [line.split()[0] for line in said] == ["ack", "StoreReadOnly", "StoreReadOnly", "StoreReadOnly"]
    assert "sync failed" in said[1]
    _, seq, identity = said[0].split()
    check(directory, {int(seq): identity})


def test_F32_a_process_beside_one_whose_sync_fails_goes_on(directory: Path) -> None:
    """The other process finds the new segment, and both go on in one order."""
    with (
        Store.open(directory) as other,
        traced(APPENDS, directory, options=["-e", "inject=fdatasync:error=EIO:when=2"]) as program,
    ):
        acks: dict[int, str] = {}
        for turn in range(4):
            program.tell(turn)
            word, seq, identity = program.line().split()
            assert word == "ack"
            receipt = other.append(category="api", action="read")
            acks |= {int(seq): identity, receipt.seq: receipt.id}
    check(directory, acks)


SMALL = {"STONELOG_STORE_SEGMENT_BYTES": "300"}

KILLED_AT = [
    *(("write", nth) for nth in range(1, 5)),
    *(("fdatasync", nth) for nth in range(1, 5)),
    *(("fsync", nth) for nth in range(1, 5)),
    *(("pwrite64", nth) for nth in range(1, 3)),
    *(("openat", nth) for nth in range(1, 5)),
    *(("flock", nth) for nth in range(1, 9)),
]


@pytest.mark.parametrize(
    "then", ["inject=pwrite64:signal=KILL:when=1", "inject=fsync:error=EIO:when=2"], ids=["killed", "directory"]
)
def test_F34_what_another_process_acknowledged_survives_a_half_done_rewriting(directory: Path, then: str) -> None:
    """A process whose sync failed wrote its events anew and got no further; what another appends then is there."""
    acks: dict[int, str] = {}
    with Store.open(directory) as other:
        receipts = [other.append(category="api", action="read")]
        options = ["-e", "inject=fdatasync:error=EIO:when=2", "-e", then]
        with traced(APPENDS, directory, options=options) as program:
            program.tell("good")
            word, seq, identity = program.line().split()
            assert word == "ack"
            acks[int(seq)] = identity
            program.tell("bad")
            assert not program.line().startswith("ack")
            receipts.append(other.append(category="api", action="read"))
    check(directory, acks | {receipt.seq: receipt.id for receipt in receipts})


@pytest.mark.parametrize(("call", "nth"), KILLED_AT)
def test_F20_a_writer_killed_at_any_call_harms_nobody(directory: Path, call: str, nth: int) -> None:
    """One that rolls is killed at its nth call; another, which does not have to roll, goes on and is torn itself.

    Whatever the first left, what the second acknowledged is there, and its own torn write is no damage.
    """
    acks: dict[int, str] = {}
    with Store.open(directory) as other:
        receipts = [other.append(category="api", action="read")]
        options = ["-e", f"inject={call}:signal=KILL:when={nth}"]
        with traced(APPENDS, directory, options=options, environment=SMALL) as program:
            for turn in range(8):
                program.tell(turn)
                words = program.line().split()
                if not words:
                    break
                acks[int(words[1])] = words[2]
            else:
                pytest.fail("was not killed")
        receipts += [other.append(category="api", action="read") for _ in range(2)]
    torn = Path(receipts[-1].file)
    torn.write_bytes(torn.read_bytes() + torn.read_bytes()[:100])
    check(directory, acks | {receipt.seq: receipt.id for receipt in receipts})


def test_F38_a_slow_sync_keeps_nobody_else_from_writing(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the sync of one process takes a second, another that waits 0.2 s for the lock at most appends."""
    monkeypatch.setenv("STONELOG_STORE_LOCK_SECONDS", "0.2")
    acks: dict[int, str] = {}
    with (
        Store.open(directory) as other,
        traced(APPENDS, directory, options=["-e", "inject=fdatasync:delay_enter=1000000"]) as program,
    ):
        for turn in range(2):
            program.tell(turn)
            for _ in range(20):
                receipt = other.append(category="api", action="read")
                acks[receipt.seq] = receipt.id
            word, seq, identity = program.line().split()
            assert word == "ack"
            acks[int(seq)] = identity
    check(directory, acks)
