"""Each call to the operating system fails once, or from then on: the promises hold at every one of them."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from failing import FailingSystem, in_time
from programs import check, run
from stonelog.filestore import CorruptLine, Reader, StonelogError, Store, files

CALLS = [
    "open",
    "close",
    "write",
    "pwrite",
    "pread",
    "fstat",
    "stat",
    "ftruncate",
    "fsync",
    "fdatasync",
    "rename",
    "unlink",
    "mkdir",
    "listdir",
]
"""What filestore.files asks of the operating system."""

EVENT = {"category": "api", "action": "create", "message": "x" * 150}


def work(directory: Path, acks: dict[int, str], seen: list[str]) -> None:
    """Opens, appends with rolls, reads, closes; what was acknowledged and which errors came is noted."""
    try:
        with Store.open(directory) as store:
            for turn in range(5):
                try:
                    receipts = [store.append(EVENT)] if turn % 2 else store.append_many([EVENT] * 3)
                    acks.update({receipt.seq: receipt.id for receipt in receipts})
                except StonelogError as error:
                    seen.append(str(error))
            for _ in range(2):
                told: list[CorruptLine] = []
                try:
                    lines = Reader(directory).lines(durable=True, on_corrupt=told.append)
                    assert set(acks) <= {line.seq for line in lines} or told
                except StonelogError as error:
                    seen.append(str(error))
    except StonelogError as error:
        seen.append(str(error))


@pytest.fixture
def before(directory: Path, monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """A store with a rolled segment and a torn end, so that opening has something to do."""
    monkeypatch.setenv("STONELOG_STORE_SEGMENT_BYTES", "700")
    monkeypatch.setenv("STONELOG_STORE_LOCK_SECONDS", "2")
    with Store.open(directory) as store:
        receipts = [store.append(EVENT) for _ in range(4)]
    with Path(receipts[-1].file).open("ab") as file:
        file.write(b"torn")
    return {receipt.seq: receipt.id for receipt in receipts}


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("call", CALLS)
def test_F36_any_call_that_fails_is_a_clear_error_and_loses_nothing(
    directory: Path, tmp_path: Path, before: dict[int, str], call: str, lasting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO at the nth call, for every n: a StonelogError for who asked or nothing, and all acknowledged events stay."""
    shutil.copytree(directory, tmp_path / "start")
    for nth in range(1, 200):
        shutil.rmtree(directory)
        shutil.copytree(tmp_path / "start", directory)
        acks, seen = dict(before), []
        system = FailingSystem(call, nth, lambda: OSError(errno.EIO, os.strerror(errno.EIO)), lasting=lasting)
        with monkeypatch.context() as patched:
            patched.setattr(files, "os", system)
            in_time(lambda a=acks, s=seen: work(directory, a, s))
        if not system.reached:
            break
        check(directory, acks)
    else:
        pytest.fail("there is no end to the calls")
    assert nth > 1 or call == "mkdir"


@pytest.mark.parametrize(
    ("call", "code"), [("open", errno.EMFILE), ("write", errno.EDQUOT), ("fdatasync", errno.ENOSPC)]
)
def test_F36_other_errors_too(
    directory: Path, tmp_path: Path, before: dict[int, str], call: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No descriptor, no quota, no space, at the nth call: as with EIO."""
    shutil.copytree(directory, tmp_path / "start")
    for nth in range(1, 200):
        shutil.rmtree(directory)
        shutil.copytree(tmp_path / "start", directory)
        acks, seen = dict(before), []
        system = FailingSystem(call, nth, lambda: OSError(code, os.strerror(code)))
        with monkeypatch.context() as patched:
            patched.setattr(files, "os", system)
            in_time(lambda a=acks, s=seen: work(directory, a, s))
        if not system.reached:
            break
        check(directory, acks)
    assert nth > 3


class NthCall:
    """A trace function that raises MemoryError when the nth function of the file store is entered, in any thread."""

    SPARED = frozenset({"unlock", "close", "truncate", "_let_go", "_explain"})
    """What gives back what was taken: no program can promise to clean up without the means to call a function."""

    def __init__(self, nth: int) -> None:
        self.left = nth
        self.where = ""
        self.armed = True

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if not self.armed or event != "call" or "/filestore/" not in code.co_filename or code.co_name in self.SPARED:
            return
        self.left -= 1
        if self.left == 0:
            self.where = f"{Path(code.co_filename).name}: {code.co_name}"
            raise MemoryError


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_F40_no_memory_at_any_function_of_the_writer(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MemoryError where the nth function begins, for every n: not acknowledged or whole; nobody waits for ever."""
    monkeypatch.setenv("STONELOG_STORE_SEGMENT_BYTES", "700")
    monkeypatch.setenv("STONELOG_STORE_LOCK_SECONDS", "2")
    hung = []
    for nth in range(1, 300):
        shutil.rmtree(directory, ignore_errors=True)
        store = Store.open(directory)
        first = store.append(EVENT)
        store.append_many([EVENT] * 2)
        store.close()
        acks = {first.seq: first.id}
        tracer = NthCall(nth)
        threading.settrace(tracer)  # for the committer, should it be a thread, and for the one that appends

        def append(opened: Store, acks: dict[int, str] = acks) -> None:
            try:
                receipt = opened.append(EVENT)
                acks[receipt.seq] = receipt.id
            except (StonelogError, MemoryError):
                pass

        tracer.armed = False
        store = Store.open(directory)
        tracer.armed = True
        try:
            in_time(lambda s=store: append(s), seconds=4)
        except AssertionError:
            hung.append(tracer.where)
        finally:
            threading.settrace(None)  # type: ignore[arg-type]
        reached, tracer.armed = tracer.left <= 0, False
        if not reached:
            break
        if tracer.where in hung:
            continue
        in_time(lambda s=store: append(s))
        assert len(acks) >= 2, tracer.where
        in_time(store.close)
        check(directory, acks)
    assert hung == []
    assert nth > 20


def test_F39_without_descriptors_appending_goes_on_and_the_rest_is_a_clear_error(directory: Path) -> None:
    """RLIMIT_NOFILE reached: the open segment goes on, also past its size; a reader says what is missing."""
    out = run(
        "import os, resource, sys\n"
        "from stonelog.filestore import Reader, StonelogError, Store\n"
        "store = Store.open(sys.argv[1])\n"
        "def attempt(name, call):\n"
        "    try: print(name, call())\n"
        "    except StonelogError as error: print(name, type(error).__name__, 'open files' in str(error))\n"
        "def append(text): return store.append(category='api', action='read', message=text).seq\n"
        "append('first')\n"
        "free = os.dup(0); os.close(free)\n"
        "soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))\n"
        "attempt('append', lambda: append('second'))\n"
        "attempt('large', lambda: append('x' * 3000))\n"
        "attempt('roll', lambda: append('third'))\n"
        "attempt('read', lambda: [event.seq for event in store.read()])\n"
        "attempt('last', lambda: Reader(sys.argv[1]).last_seq)\n"
        "attempt('segments', lambda: Reader(sys.argv[1]).segments())\n"
        "attempt('open', lambda: Store.open(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))\n"
        "attempt('again', lambda: append('fourth'))\n",
        directory,
        STONELOG_STORE_SEGMENT_BYTES="2000",
    )
    assert out.splitlines() == [
        "append 2",
        "large 3",
        "roll 4",
        "read StonelogError True",
        "last StonelogError True",
        "segments StonelogError True",
        "open InvalidSetting True",
        "again 5",
    ]
    check(directory, {})


@pytest.mark.parametrize("code", [errno.ENFILE, errno.EMFILE])
def test_F39_with_no_file_to_be_had_on_the_whole_machine_it_is_the_same(
    directory: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """No `open` succeeds: the descriptors that are held go on, also past the segment's size; the rest is named."""
    monkeypatch.setenv("STONELOG_STORE_SEGMENT_BYTES", "700")
    with Store.open(directory) as store:
        acks = {receipt.seq: receipt.id for receipt in (store.append(EVENT) for _ in range(2))}
        system = FailingSystem("open", 1, lambda: OSError(code, os.strerror(code)), lasting=True)
        with monkeypatch.context() as patched:
            patched.setattr(files, "os", system)
            for _ in range(5):
                receipt = store.append(EVENT)
                acks[receipt.seq] = receipt.id
            for attempt in (lambda: list(store.read()), lambda: Reader(directory).last_seq):
                with pytest.raises(StonelogError, match=r"Too many open files.*; look at .* how many files"):
                    attempt()
            with pytest.raises(StonelogError, match=r"Too many open files.*; let the process \(ulimit -n\)"):
                Store.open(directory)
        assert system.reached
        assert len(Reader(directory).segments()) == 1
        acks[8] = store.append(EVENT).id
        assert len(Reader(directory).segments()) == 2
    check(directory, acks)


def test_F35_a_page_that_cannot_be_read_is_named_and_the_rest_is_given(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO for one page in the middle of a day: the reader names the place and gives the lines around it."""
    with Store.open(directory) as store:
        receipts = [store.append(EVENT) for _ in range(60)]
    bad = range(8192, 12288)

    class Rotten:
        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        def pread(self, fd: int, length: int, offset: int) -> bytes:
            if fd > 2 and offset < bad.stop and offset + length > bad.start:
                if offset >= bad.start:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                length = bad.start - offset  # as the kernel does: what it has before the bad page
            return os.pread(fd, length, offset)

    monkeypatch.setattr(files, "os", Rotten())
    told: list[CorruptLine] = []
    given = [line.seq for line in Reader(directory).lines(on_corrupt=told.append)]
    ends = [receipt.offset for receipt in receipts[1:]] + [10**9]
    outside = [
        each.seq for each, end in zip(receipts, ends, strict=True) if end <= bad.start or each.offset >= bad.stop
    ]
    assert set(outside) <= set(given)
    assert told
    assert told[0].offset in range(bad.stop)


@pytest.mark.parametrize("then", ["lock", "read"])
def test_F33_after_a_failed_sync_nobody_is_told_that_nothing_was_written(
    directory: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """The sync fails, then the lock is not to be had or the lines cannot be read back: StoreReadOnly, not `try again`.

    The line is in the file and may come to the disk: to send it again would make two of it.
    """
    monkeypatch.setenv("STONELOG_STORE_LOCK_SECONDS", "0.2")
    other = -1
    with Store.open(directory) as store, monkeypatch.context() as patched:
        store.append(EVENT)

        def fail(fd: int) -> None:
            nonlocal other
            if then == "lock":
                other = files.open_lock(directory / "lock")
                assert files.lock(other)
            else:
                system = FailingSystem("pread", 2, lambda: OSError(errno.EIO, os.strerror(errno.EIO)), lasting=True)
                patched.setattr(files, "os", system)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        patched.setattr(files, "sync_data", fail)
        with pytest.raises(StonelogError) as caught:
            in_time(lambda: store.append(EVENT))
        if other >= 0:
            files.close(other)
    assert type(caught.value).__name__ == "StoreReadOnly"
    assert "nothing" not in str(caught.value)
