"""Memory that is not there, at any allocation of the interpreter's on the writer's path."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from programs import check, run

# In a thread of its own, which writes by itself, or in the main one, for which the committer's does. The nth
# allocation fails, for n from 1 on, until none is left. Each time another store on the same directory appends, which
# needs the lock. The event is made before: orjson, given no memory, ends the process. Prints what became of each, and
# then what was acknowledged.
_PROGRAM = """
import _testcapi, sys, threading
from stonelog.filestore import Store
from stonelog.filestore.batch import Request
from stonelog.filestore.prepare import prepare
store, other = Store.open(sys.argv[1]), Store.open(sys.argv[1])
event = dict(category="api", action="create", message="x" * 100)
def work():
    n = fine = 0
    while fine < 40:
        n += 1
        identity, body = prepare(None, event)
        seq, kind = 0, ""
        _testcapi.set_nomemory(n, n + 1)
        try:
            seq = store._commit_and_wait(Request([body])).seq
        except BaseException as error:
            _testcapi.remove_mem_hooks()
            kind = type(error).__name__
        finally:
            _testcapi.remove_mem_hooks()
        fine = fine + 1 if seq else 0
        print(seq, identity if seq else kind)
        for each in (other, store):
            receipt = each.append(event)
            print(receipt.seq, receipt.id)
if sys.argv[2] == "main":
    work()
else:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
store.close()
other.close()
"""


@pytest.mark.skipif(importlib.util.find_spec("_testcapi") is None, reason="needs _testcapi, which comes with CPython")
@pytest.mark.parametrize("thread", ["main", "other"])
@pytest.mark.parametrize("rolls", [False, True])
def test_F40_no_memory_for_the_nth_allocation(directory: Path, rolls: bool, thread: str) -> None:
    """For every n: not acknowledged, or there; the lock is free for another, and the next append works."""
    environment = {"STONELOG_STORE_LOCK_SECONDS": "2"}
    if rolls:
        environment["STONELOG_STORE_SEGMENT_BYTES"] = "1000"
    said = [line.split() for line in run(_PROGRAM, directory, thread, **environment).split("\n")[:-1]]
    refused = [kind for seq, kind in said if seq == "0"]
    assert len(refused) > 50
    assert set(refused) <= {"MemoryError", "StonelogError", "RuntimeError"}
    acknowledged = {int(seq): identity for seq, identity in said if seq != "0"}
    assert len(acknowledged) == len(said) - len(refused)
    check(directory, acknowledged)
