"""UUIDs of version 7."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from stonelog.filestore.ids import uuid7


@given(st.integers(0, 2**48 - 1))
def test_an_id_is_a_uuid_of_version_7_with_its_time_in_front(milliseconds: int) -> None:
    """Python's own uuid module reads it as version 7 of RFC 9562, the first 48 bits being the milliseconds."""
    text = uuid7(milliseconds)
    value = uuid.UUID(text)
    assert str(value) == text
    assert (value.version, value.variant, value.int >> 80) == (7, uuid.RFC_4122, milliseconds)


def test_ids_of_one_millisecond_differ() -> None:
    """Ten thousand ids of the same time are ten thousand ids."""
    assert len({uuid7(1) for _ in range(10_000)}) == 10_000


def test_ids_sort_by_time() -> None:
    """The text of a later id is greater."""
    assert uuid7(1_000) < uuid7(1_001) < uuid7(2**47)


def test_every_random_bit_is_used() -> None:
    """Among a thousand ids each of the 74 random bits is sometimes 0 and sometimes 1."""
    numbers = [uuid.UUID(uuid7(0)).int for _ in range(1_000)]
    ones = zeros = 0
    for number in numbers:
        ones |= number
        zeros |= ~number
    assert (ones & zeros & (2**80 - 1)).bit_count() == 74


def test_ids_of_several_threads_differ() -> None:
    """No two threads are given the same id."""
    with ThreadPoolExecutor(8) as pool:
        lists = list(pool.map(lambda _: [uuid7(1) for _ in range(2_000)], range(8)))
    assert len({each for ids in lists for each in ids}) == 16_000


def test_F24_a_forked_child_has_ids_of_its_own() -> None:
    """The random bytes that a process holds for ids to come are not used by its child as well."""
    code = (
        "import os\n"
        "from stonelog.filestore.ids import uuid7\n"
        "uuid7(1)\n"
        "pid = os.fork()\n"
        "ids = [uuid7(1) for _ in range(600)]\n"
        "if pid:\n"
        "    os.waitpid(pid, 0)\n"
        "print(*ids, flush=True)\n"
        "if not pid:\n"
        "    os._exit(0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    ids = done.stdout.split()
    assert len(ids) == len(set(ids)) == 1_200
