"""What `verify` tells of a store, for tests."""

from __future__ import annotations

import shutil
from pathlib import Path

from freezegun import freeze_time

from segments import batches, lay, line
from stonelog.filestore import Fault, Store, verify

__all__ = ["GZIP", "MANIFEST", "ZSTD", "faults", "notes", "only", "sealed"]

GZIP, ZSTD, MANIFEST = "2026-11-23.jsonl.gz", "2026-11-23.jsonl.zst", "2026-11-23.manifest.json"


def faults(directory: Path) -> list[Fault]:
    """What is told as a fault."""
    return [fault for fault in verify(directory) if not fault.note]


def notes(directory: Path) -> list[Fault]:
    """What is told as a note; there is no fault."""
    found = list(verify(directory))
    assert all(fault.note for fault in found), found
    return found


def only(directory: Path) -> Fault:
    """The one fault there is."""
    found = faults(directory)
    assert len(found) == 1, found
    return found[0]


def sealed(directory: Path, codec: str = "gzip", count: int = 6) -> Path:
    """A store with one sealed segment, the day of the tests, of `count` events, and one event after it."""
    shutil.rmtree(directory, ignore_errors=True)
    lay(directory, d23=b"".join(batches(*[1] * count)), d24=line(count + 1, count))
    (directory / "stonelog.toml").write_text(f'[seal]\ncodec = "{codec}"\n')
    with freeze_time("2026-11-24 12:00"), Store.open(directory) as store:
        store.upkeep.seal()
    return directory / "events"
