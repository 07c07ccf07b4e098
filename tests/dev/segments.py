"""Segments made by hand, from the description of the format and not with the codec; and what a store makes of them."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from stonelog.filestore import Store, stamp

__all__ = ["DAY", "NEXT_DAY", "batches", "is_own", "kept", "lay", "line", "reopen", "rest"]

DAY = "2026-11-23.jsonl"
NEXT_DAY = "2026-11-24.jsonl"


def line(seq: int, synced: int, text: str = "") -> bytes:
    """A line as the format has it, with its end."""
    fields = f'"id":"{seq:036d}","time":"2026-11-23T00:00:00.000000Z","level":"info","category":"api","action":"read"'
    head = f'{{"seq":{seq},{fields},"message":"{text or "m" * (seq % 7)}","synced":{synced}'.encode()
    return head + b',"hash":"' + hashlib.sha256(head).hexdigest()[:16].encode() + b'"}\n'


def batches(*sizes: int, first: int = 1, text: str = "") -> list[bytes]:
    """Group commits of these sizes, each acknowledged before the next was written."""
    found = []
    for size in sizes:
        found.append(b"".join(line(seq, first - 1, text) for seq in range(first, first + size)))
        first += size
    return found


def lay(directory: Path, **segments: bytes) -> Path:
    """A store whose segments hold these bytes; the names are the days, `d23` for the 23rd."""
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "events").mkdir(parents=True, mode=0o700)
    for name, data in segments.items():
        day, _, number = name[1:].partition("_")
        (directory / "events" / f"2026-11-{day}{number and '.' + number}.jsonl").write_bytes(data)
    return directory


def reopen(directory: Path) -> tuple[list[int], list[str], bytes]:
    """Opens and closes: the `seq`s that stayed, the faults reported, and the bytes put into quarantine."""
    with Store.open(directory) as store:
        faults = [str(fault) for fault in store.recovered.faults]
        quarantined = b"".join(kept(directory, name) for name in store.recovered.quarantined)
        assert store.recovered.quarantined_bytes == len(quarantined)
        assert bool(store.recovered) == bool(faults or quarantined)
        events = [event for event in store.read() if event.action != "store_recovered"]
        own = [event for event in store.read() if event.action == "store_recovered"]
        assert len(own) == bool(quarantined)
    return [event.seq or 0 for event in events], faults, quarantined


def kept(directory: Path, name: str) -> bytes:
    """The bytes of one name in quarantine, having checked their record."""
    data = (directory / "quarantine" / name).read_bytes()
    record = json.loads((directory / "quarantine" / f"{name}.json").read_bytes())
    assert record["length"] == len(data)
    assert name.startswith(f"{record['file']}.{record['offset']}.")
    return data


def rest(directory: Path, name: str = DAY) -> bytes:
    """What the segment holds apart from the store's own events at its end."""
    data = (directory / "events" / name).read_bytes()
    return b"".join(each for each in data.splitlines(keepends=True) if not is_own(each))


def is_own(line: bytes) -> bool:
    """Whether it is a good line in which the store tells of a recovery; damage may look like a part of one."""
    return b'"action":"store_recovered"' in line and stamp(line.rstrip(b"\n")) is not None
