"""What one process leaves when it is killed, and another that lives goes on from, under a power cut."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Any

import pytest

from crashlab import on
from powercut import Disk, Killed
from stonelog.filestore import Store, StoreReadOnly

files = importlib.import_module("stonelog.filestore.files")


class Dying:
    """The disk as a process sees it that is killed before a call: from then on nothing of it runs."""

    def __init__(self, disk: Disk, call: str, name: str) -> None:
        self._disk, self._call, self._name = disk, call, name
        self.dead = False

    def __getattr__(self, called: str) -> Any:
        real = getattr(self._disk, called)
        if called not in {"open", "write", "pwrite", "fsync", "fdatasync", "ftruncate", "unlink", "rename", "mkdir"}:
            return real

        def passed(*given: Any, **more: Any) -> Any:
            there = str(self._disk._names.get(given[0], "") if isinstance(given[0], int) else given[0])
            self.dead = self.dead or (called == self._call and there.endswith(self._name))
            if self.dead:
                raise Killed
            return real(*given, **more)

        return passed


@pytest.mark.parametrize(("call", "name"), [("open", ".001.jsonl"), ("fsync", ".001.jsonl"), ("fsync", "events")])
def test_F13_F20_a_roll_that_was_cut_short_is_made_durable_by_who_goes_on(place: Path, call: str, name: str) -> None:
    """One writer is killed at a step of beginning a segment; another, which was open all the time, is acknowledged in
    it; after a power cut its event is there."""
    disk = Disk(place, watch=False)
    acknowledged: list[int] = []

    def run() -> None:
        one = Store.open(place / "store")
        acknowledged.append(one.append(category="api", action="one").seq)
        other = Store.open(place / "store")
        files.os = Dying(disk, call, name)
        assert not isinstance(other._committer._roll(early=True), str)
        other._committer._segment.close()
        files.os = disk
        acknowledged.append(one.append(category="api", action="two").seq)

    with on(disk):
        thread = threading.Thread(target=run)  # not the main one, so that each writer works in it by itself
        thread.start()
        thread.join()
        lost = {node: disk._extreme(node, False) for node in disk._nodes(disk._top) if node.pending}
        tree = disk._tree(lost)
    cut = place / "cut"
    cut.mkdir()
    for path, content in tree:
        if content is None:
            (cut / path).mkdir(mode=0o700)
        else:
            (cut / path).write_bytes(content)
    assert acknowledged == [1, 2]
    with Store.open(cut / "store") as store:
        assert [(event.seq, event.action) for event in store.read()][:2] == [(1, "one"), (2, "two")]


def test_R03_a_seq_is_not_given_again_where_none_can_be_known(place: Path) -> None:
    """The newest sealed segment and its manifest are both unreadable and nothing stands after them: no appending."""
    with Store.open(place / "store") as store:
        store.append_many([{"category": "api", "action": "read"}] * 5)
        store.roll(early=True)
        store.upkeep.seal()
        store.roll(early=True)
        store.upkeep.seal()
    events = place / "store" / "events"
    archive = max(events.glob("*.gz"), key=lambda path: path.name.partition(".jsonl")[0])
    manifest = archive.with_name(archive.name.replace(".jsonl.gz", ".manifest.json"))
    for damaged in (archive, manifest):
        data = bytearray(damaged.read_bytes())
        data[len(data) // 2] ^= 0xFF
        damaged.write_bytes(data)
    for later in events.glob("*.jsonl"):
        later.write_bytes(b"")
    with pytest.raises(StoreReadOnly, match="nobody knows which seq is next"):
        Store.open(place / "store")
