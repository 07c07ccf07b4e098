"""The front of the file store: append, read, follow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stonelog.filestore import Event, EventTooLarge, InvalidEvent, Receipt, Store, StoreReadOnly, files

EVENT: dict[str, Any] = {"category": "api", "action": "read"}


def seqs(store: Store) -> list[int | None]:
    """The `seq`s of all events."""
    return [event.seq for event in store.read()]


def run(code: str, *given: object) -> str:
    """What a Python program with these arguments prints, with warnings of forks beside threads silenced."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, given)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_receipt_says_where_the_event_is(store: Store) -> None:
    """The line stands in the file of the receipt, at its offset, with its `seq` and id."""
    for _ in range(3):
        receipt = store.append(**EVENT)
        data = Path(receipt.file).read_bytes()[receipt.offset :]
        fields = json.loads(data)
        assert data.endswith(b"}\n")
        assert (fields["seq"], fields["id"]) == (receipt.seq, receipt.id)
        assert (Path(receipt.file).is_absolute(), receipt.durability) == (True, "fsync")


def test_id_and_time_are_those_of_the_writing(store: Store) -> None:
    """The id is a UUIDv7 of now; a given time is kept, an absent one is now, to the same millisecond."""
    before = datetime.now(UTC)
    receipt = store.append(EVENT)
    old = store.append(EVENT, time="1999-12-31T23:59:59.5+01:00")
    now, then = store.read()
    assert now.time is not None
    assert before <= now.time <= datetime.now(UTC)
    assert then.time == datetime(1999, 12, 31, 22, 59, 59, 500_000, UTC)
    milliseconds = uuid.UUID(receipt.id).int >> 80
    assert milliseconds == (now.time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert uuid.UUID(old.id).int >> 80 >= milliseconds


def test_an_event_is_given_by_name_as_mapping_or_as_event(store: Store) -> None:
    """The three ways are the same; fields by name are put on top of what was given in one piece."""
    store.append(**EVENT, message="m")
    store.append({**EVENT, "message": "m"})
    store.append(Event.check({**EVENT, "message": "m"}))
    store.append(EVENT, message="m")
    store.append(Event.check({**EVENT, "message": "other"}), message="m")
    assert [event.message for event in store.read()] == ["m"] * 5


def test_an_event_that_was_read_can_be_appended_again(store: Store) -> None:
    """It is a new event with a new `seq`, id and hash; its own fields and time stay."""
    store.append(EVENT, message="m", tags=["a"])
    first = next(store.read())
    receipt = store.append(first)
    second = list(store.read())[1]
    assert (second.seq, second.id) == (receipt.seq, receipt.id) != (first.seq, first.id)
    assert (second.message, second.tags, second.time) == ("m", ["a"], first.time)
    store.append(first, message="changed")
    assert list(store.read())[2].message == "changed"


@pytest.mark.parametrize(
    "event", [{}, {"category": "api"}, {**EVENT, "foo": 1}, {**EVENT, "seq": 1}, 5, "text", [EVENT]]
)
def test_a_refused_event_leaves_nothing(store: Store, event: Any) -> None:
    """InvalidEvent, no line, no `seq` used up; what is no mapping is refused like a wrong field."""
    with pytest.raises(InvalidEvent):
        store.append(event)
    assert (seqs(store), store.last_seq) == ([], 0)
    assert store.append(EVENT).seq == 1


@pytest.mark.parametrize("text", ["x" * 66_000, "\u202e" * 12_000])
def test_S04_a_line_that_is_too_long_is_refused_whole(store: Store, text: str) -> None:
    """EventTooLarge tells size and limit, and nothing is written."""
    with pytest.raises(EventTooLarge) as caught:
        store.append(EVENT, message=text)
    assert caught.value.size > caught.value.limit == 65_535
    assert seqs(store) == []


@pytest.mark.parametrize("field", ["message", "metadata", "tags"])
def test_S04_lone_surrogates_are_refused(store: Store, field: str) -> None:
    """What UTF-8 cannot hold never reaches the file; the field is named."""
    value: Any = {"message": "\ud800", "metadata": {"a": ["\udc00"]}, "tags": ["ok", "\ud800"]}[field]
    with pytest.raises(InvalidEvent) as caught:
        store.append({**EVENT, field: value})
    assert caught.value.field.split(".")[0] == field
    assert seqs(store) == []


def test_append_many_is_one_piece(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One write, one sync, a receipt for each event in order, from any iterable; none for none."""
    calls: list[str] = []
    for name in ("write_all", "sync_data"):
        real = getattr(files, name)
        monkeypatch.setattr(files, name, lambda *a, _n=name, _r=real: (calls.append(_n), _r(*a))[1])
    receipts = store.append_many({**EVENT, "message": str(n)} for n in range(100))
    assert calls == ["write_all", "sync_data"]
    assert [receipt.seq for receipt in receipts] == list(range(1, 101))
    assert store.append_many([]) == []
    data = Path(receipts[0].file).read_bytes()
    assert [json.loads(data[r.offset :].split(b"\n")[0])["message"] for r in receipts] == [str(n) for n in range(100)]
    assert len({receipt.id for receipt in receipts}) == 100


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"category": "api"}, InvalidEvent), (7, InvalidEvent), ({**EVENT, "message": "x" * 70_000}, EventTooLarge)],
)
def test_append_many_takes_all_or_none(store: Store, wrong: Any, error: type[InvalidEvent | EventTooLarge]) -> None:
    """If one is wrong none is written, and the error says which by its index."""
    with pytest.raises(error) as caught:
        store.append_many([EVENT, EVENT, wrong, EVENT])
    assert caught.value.index == 2
    assert "event 2" in str(caught.value)
    assert (seqs(store), store.last_seq) == ([], 0)


def test_append_many_with_a_source_that_fails_writes_nothing(store: Store) -> None:
    """An error of the iterable itself reaches the caller unchanged."""

    def source() -> Any:
        yield EVENT
        raise LookupError("gone")

    with pytest.raises(LookupError):
        store.append_many(source())
    assert seqs(store) == []


def test_one_order_over_threads_and_restarts(directory: Path) -> None:
    """`seq` is dense whoever appends and however often the store is opened; each receipt has its own."""
    given: list[Receipt] = []
    for _ in range(3):
        with Store.open(directory) as store, ThreadPoolExecutor(6) as pool:
            given += pool.map(lambda n: store.append(EVENT, message=str(n)), range(60))
    with Store.open(directory) as store:
        stored = {event.seq: event.id for event in store.read()}
    assert sorted(stored) == list(range(1, 181))
    assert stored == {receipt.seq: receipt.id for receipt in given}


def test_read_begins_after_a_seq(store: Store) -> None:
    """`after` is exclusive."""
    store.append_many([EVENT] * 5)
    assert [event.seq for event in store.read(after=3)] == [4, 5]
    assert list(store.read(after=5)) == list(store.read(after=99)) == []


def test_a_relative_directory_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changing the working directory later does not move the store."""
    monkeypatch.chdir(tmp_path)
    with Store.open("data") as store:
        monkeypatch.chdir("/")
        assert store.append(EVENT).file.startswith(str(tmp_path))
        assert store.directory == tmp_path / "data"
        assert seqs(store) == [1]


def test_a_closed_store_takes_no_events_but_can_be_read(store: Store) -> None:
    """After close appending and rolling are StoreReadOnly; closing again does nothing; the files can be read."""
    store.append(EVENT)
    store.close()
    store.close()
    for attempt in (lambda: store.append(EVENT), lambda: store.append_many([EVENT]), store.roll):
        with pytest.raises(StoreReadOnly, match="the store is closed; open it again"):
            attempt()
    assert seqs(store) == [1]


def test_a_store_that_is_forgotten_lets_go(directory: Path) -> None:
    """Without close, the end of the program or of the last reference closes it; nothing acknowledged is lost."""
    before = len(os.listdir("/proc/self/fd"))
    store = Store.open(directory)
    store.append(EVENT)
    threads = threading.active_count()
    del store
    assert threading.active_count() == threads - 1
    assert len(os.listdir("/proc/self/fd")) == before
    run(
        "import sys; from stonelog.filestore import Store; Store.open(sys.argv[1]).append(category='a', action='b')",
        directory,
    )
    with Store.open(directory) as store:
        assert seqs(store) == [1, 2]
        assert not store.recovered


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_place_that_is_no_directory_is_a_clear_error(tmp_path: Path, place: str) -> None:
    """A file where the directory should be is a StonelogError, not a traceback."""
    from stonelog.filestore import StonelogError

    (tmp_path / "file").write_text("x")
    with pytest.raises(StonelogError, match="file"):
        Store.open(tmp_path / place)
    assert (tmp_path / "file").read_text() == "x"


def test_opening_that_cannot_record_its_recovery_lets_everything_go(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the event of the recovery cannot be written, opening fails, and leaves no thread and no descriptor."""
    with Store.open(directory) as store:
        path = Path(store.append(EVENT).file)
    with path.open("ab") as file:
        file.write(b"torn")
    before = (len(os.listdir("/proc/self/fd")), threading.active_count())

    real = files.create

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    def only_in_quarantine(path: Path) -> int:
        return real(path) if path.parent.name == "quarantine" else fail(path) or 0

    with monkeypatch.context() as patched:
        patched.setattr(files, "create", only_in_quarantine)
        patched.setattr(files, "sync_data", fail)
        with pytest.raises(StoreReadOnly):
            Store.open(directory)
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


# Processes


def test_F24_a_forked_child_is_refused_and_the_parent_goes_on(directory: Path) -> None:
    """In the child appending, rolling and asyncio's way are StoreReadOnly; its end leaves the parent's store whole."""
    out = run(
        "import asyncio, os, sys\n"
        "from stonelog.filestore import Store, StoreReadOnly\n"
        "E = dict(category='api', action='read')\n"
        "store = Store.open(sys.argv[1]); store.append(E)\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    for call in (lambda: store.append(E), store.roll, lambda: asyncio.run(store.append_async(E))):\n"
        "        try: call()\n"
        "        except StoreReadOnly as error: print('before a fork' in str(error), flush=True)\n"
        "    print(len(list(store.read())), flush=True)\n"
        "    store.close()\n"
        "    with Store.open(sys.argv[1]) as own: print(own.append(E).seq, flush=True)\n"
        "    sys.exit()\n"
        "os.waitpid(pid, 0)\n"
        "print('parent', store.append(E).seq)\n",
        directory,
    )
    assert out.split() == ["True"] * 3 + ["1", "2", "parent", "3"]


def test_F24_a_fork_while_others_append_does_not_hang_the_child(directory: Path) -> None:
    """Even if at the moment of the fork another thread held the store's own locks, the child gets its refusal."""
    out = run(
        "import os, sys\n"
        "from stonelog.filestore import Store, StoreReadOnly\n"
        "store = Store.open(sys.argv[1]); store.append(category='api', action='read')\n"
        "with store._closing:\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        for call in (lambda: store.append(category='api', action='read'), store.roll):\n"
        "            try: call()\n"
        "            except StoreReadOnly: print('refused', flush=True)\n"
        "        store.close()\n"
        "        os._exit(0)\n"
        "os.waitpid(pid, 0)\n",
        directory,
    )
    assert out.split() == ["refused", "refused"]


def test_F22_an_interrupt_while_waiting_leaves_a_store_that_works(directory: Path) -> None:
    """Ctrl-C in the middle of an append: KeyboardInterrupt for the caller; the store goes on, and has no gap."""
    out = run(
        "import signal, sys, threading\n"
        "from stonelog.filestore import Store, files\n"
        "store = Store.open(sys.argv[1]); real = files.sync_data; go = threading.Event()\n"
        "def once(*_): signal.signal(signal.SIGINT, signal.SIG_IGN); raise KeyboardInterrupt\n"
        "signal.signal(signal.SIGINT, once)\n"
        "def sync(fd):\n"
        # Again until it is heard: a signal that comes just before the main thread begins to wait wakes nobody.
        "    while not go.wait(0.01): signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)\n"
        "    real(fd)\n"
        "files.sync_data = sync\n"
        "try: store.append(category='api', action='read')\n"
        "except KeyboardInterrupt: print('interrupted')\n"
        "go.set()\n"
        "print(store.append(category='api', action='read').seq)\n"
        "store.close(); print([event.seq for event in store.read()])\n",
        directory,
    )
    assert out == "interrupted\n2\n[1, 2]\n"


def test_importing_the_file_store_loads_no_database_network_or_scheduler() -> None:
    """A program that only writes does not pay for the index, the watcher, the scheduler, asyncio or the API."""
    out = run("import sys; import stonelog.filestore; print(*sorted(sys.modules))")
    loaded = {name.split(".")[0] for name in out.split()}
    assert not loaded & {
        "sqlite3",
        "sqlite_utils",
        "watchdog",
        "apscheduler",
        "fastapi",
        "uvicorn",
        "click",
        "http",
    }
    assert not loaded & {"pydantic", "asyncio"}, "nor does one that only reads pay for the checks of an event"
