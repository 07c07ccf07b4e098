"""append_async: from an event loop, without blocking it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from stonelog.filestore import InvalidEvent, Receipt, Store, StoreReadOnly, files

EVENT: dict[str, Any] = {"category": "api", "action": "read"}


def seqs(store: Store) -> list[int | None]:
    """The `seq`s of all events."""
    return [event.seq for event in store.read()]


def test_append_async_gives_the_same_receipt(store: Store) -> None:
    """Awaited one by one or together, each event has its receipt, and the loop's own tasks go on meanwhile."""

    async def main() -> list[Receipt]:
        one = await store.append_async(EVENT, message="m")
        return [one, *await asyncio.gather(*(store.append_async(**EVENT) for _ in range(20)))]

    receipts = asyncio.run(main())
    assert sorted(receipt.seq for receipt in receipts) == list(range(1, 22))
    assert {event.seq: event.id for event in store.read()} == {receipt.seq: receipt.id for receipt in receipts}


def test_append_async_does_not_block_the_loop(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk is busy the loop runs: it is the loop that lets the sync go on."""
    go_on, real = threading.Event(), files.sync_data
    monkeypatch.setattr(files, "sync_data", lambda fd: (go_on.wait(), real(fd))[1])

    async def main() -> int:
        task = asyncio.create_task(store.append_async(EVENT))
        await asyncio.sleep(0)
        go_on.set()
        return (await task).seq

    assert asyncio.run(main()) == 1


def test_append_async_raises_as_append_does(store: Store) -> None:
    """InvalidEvent before anything is queued; StoreReadOnly after close."""
    with pytest.raises(InvalidEvent):
        asyncio.run(store.append_async(category="api"))
    store.close()
    with pytest.raises(StoreReadOnly):
        asyncio.run(store.append_async(EVENT))


def test_a_cancelled_append_async_leaves_the_store_in_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the event is written is open; the next ones work, and `seq` stays dense."""
    go_on, reached, real = threading.Event(), threading.Event(), files.sync_data
    monkeypatch.setattr(files, "sync_data", lambda fd: (reached.set(), go_on.wait(), real(fd))[2])

    async def main() -> int:
        task = asyncio.create_task(store.append_async(EVENT))
        await asyncio.sleep(0)
        await asyncio.to_thread(reached.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        return (await store.append_async(EVENT)).seq

    assert asyncio.run(main()) == 2
    assert seqs(store) == [1, 2]


def test_a_loop_that_closed_meanwhile_does_not_stop_the_committer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the loop ended before the disk answered, the event is written and the next append works."""
    go_on, reached, real = threading.Event(), threading.Event(), files.sync_data
    monkeypatch.setattr(files, "sync_data", lambda fd: (reached.set(), go_on.wait(), real(fd))[2])

    async def main() -> None:
        task = asyncio.create_task(store.append_async(EVENT))
        await asyncio.sleep(0)
        await asyncio.to_thread(reached.wait)
        task.cancel()

    asyncio.run(main())
    go_on.set()
    assert store.append(EVENT).seq == 2
