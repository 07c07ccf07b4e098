"""How long opening a store takes, old and large against young and small.

The stores are written by hand, in the format of data/README.md: appending a thousand days takes a thousand days.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from typing import Final

from stonelog.filestore import Store

__all__ = ["EVENTS_OF_A_DAY", "build_store", "open_once"]

EVENTS_OF_A_DAY: Final = 10
_PIECE: Final = 10_000
"""Lines written at a time."""


def build_store(directory: Path, lines: Sequence[bytes], *, days: int, active_bytes: int) -> None:
    """A store of so many sealed days before today, and an active segment of about so many bytes.

    `lines` are stored lines; the new ones are the same but for `seq`, `synced` and `hash`.
    """
    events = directory / "events"
    events.mkdir(mode=0o700, parents=True)
    today = datetime.now(UTC).date()
    numbered = _numbered(lines)
    for age in range(days, 0, -1):
        _write(events, today - timedelta(days=age), [next(numbered) for _ in range(EVENTS_OF_A_DAY)])
    left = active_bytes
    while left > 0:
        piece: list[bytes] = []
        while left > 0 and len(piece) < _PIECE:
            piece.append(next(numbered))
            left -= len(piece[-1])
        _write(events, today, piece)
    with Store.open(directory) as store:
        store.upkeep.seal()


def _numbered(lines: Sequence[bytes]) -> Iterator[bytes]:
    """The lines again and again with dense `seq`s from 1, each as if it had been synced before the next was written."""
    bodies = [line[line.index(b",") : line.rindex(b',"synced":')] for line in lines]
    for seq, body in enumerate(cycle(bodies), 1):
        head = b'{"seq":%d%b,"synced":%d' % (seq, body, seq - 1)
        yield b'%b,"hash":"%b"}\n' % (head, sha256(head).hexdigest()[:16].encode())


def _write(events: Path, day: date, lines: Sequence[bytes]) -> None:
    with Path(events, f"{day}.jsonl").open("ab") as file:
        file.write(b"".join(lines))


def open_once(directory: Path) -> float:
    """Seconds that `Store.open` took."""
    began = time.perf_counter()
    store = Store.open(directory, durability="fsync")
    seconds = time.perf_counter() - began
    store.close()
    return seconds
