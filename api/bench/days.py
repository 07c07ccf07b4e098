"""The store that index and queries are measured on: the workload's events in plain files, over ten days.

It is written by hand, in the format of data/README.md: what is appended stands on one day, today's.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from stonelog.filestore import FIELDS, Store, StoreSettings, dumps, load_section

from .rounds import Notice, quiet
from .workload import generate, to_fields

__all__ = ["FIRST_DAY", "event_files", "event_lines", "link_days", "seal_days", "written_days"]

FIRST_DAY: Final = "2026-01-01"
_DAYS: Final = 10
_SEED: Final = 7
_PIECE: Final = 1_000
"""Lines written at a time: a long run takes no more memory than a short one."""
_TOLD: Final = 20
"""In how many steps it is told how far writing is."""
_KNOWN_BY: Final = 100
"""So many lines tell one workload from another, so that none is taken for that of another version."""


def _lines(number: int) -> Iterator[tuple[str, bytes]]:
    """The day and the line, with its end, of each event: dense `seq`s from 1, the same bytes in every run."""
    chance = random.Random(_SEED)  # noqa: S311 (ids of a workload, not secrets)
    order = {name: place for place, name in enumerate(FIELDS)}
    for seq, event in enumerate(generate(number, seed=_SEED, days=_DAYS, start=FIRST_DAY), 1):
        day = event["timestamp"][:10]
        fields: dict[str, Any] = to_fields(event)
        fields["id"] = _identity(event["timestamp"], chance.getrandbits(74))
        fields["time"] = f"{event['timestamp'][:-1]}000Z"
        body = dumps({name: fields[name] for name in sorted(fields, key=order.__getitem__)})[1:-1]
        head = b'{"seq":%d,%b,"synced":%d' % (seq, body, seq - 1)
        yield day, b'%b,"hash":"%b"}\n' % (head, sha256(head).hexdigest()[:16].encode())


def _identity(time: str, bits: int) -> str:
    """A UUID of version 7 (RFC 9562) of this time, with these 74 bits."""
    moment = datetime.fromisoformat(time).astimezone(UTC)
    head = f"{round(moment.timestamp() * 1000):012x}"
    tail = f"{8 | bits >> 72:x}{bits >> 12 & 0xFFF_FFFF_FFFF_FFFF:015x}"
    return f"{head[:8]}-{head[8:]}-7{bits & 0xFFF:03x}-{tail[:4]}-{tail[4:]}"


@contextmanager
def written_days(place: Path, events: int, *, keep: Path | None = None, tell: Notice = quiet) -> Iterator[Path]:
    """Inside the block the store of so many events is there; nobody may change it (see `link_days`).

    With `keep`, a directory on the same file system, it is made there once and stays: making ten million events takes
    longer than all that is measured on them. What is kept is known by its size and the bytes of its first lines.
    """
    if keep is None:
        with TemporaryDirectory(dir=place) as directory:
            _write(Path(directory), events, tell)
            yield Path(directory)
        return
    known = sha256(b"".join(line for _, line in islice(_lines(events), _KNOWN_BY))).hexdigest()[:12]
    kept = keep / f"stonelog-workload-{events}-{known}"
    if not kept.exists():
        with TemporaryDirectory(dir=keep) as directory:
            made = Path(directory, "store")
            made.mkdir()
            _write(made, events, tell)
            made.rename(kept)  # only what is whole gets the name
    yield kept


def _write(directory: Path, events: int, tell: Notice) -> None:
    """The events stand in `directory`, a day's in as many segments as its bytes need."""
    within = directory / "events"
    within.mkdir(mode=0o700)
    most = load_section(StoreSettings, directory, "store").segment_bytes
    lines = _lines(events)
    open_day, size, number, done = "", 0, 0, 0
    while piece := list(islice(lines, _PIECE)):
        for day in dict.fromkeys(day for day, _ in piece):
            if day != open_day:
                open_day, size, number = day, 0, 0
            elif size >= most:
                size, number = 0, number + 1
            data = b"".join(line for of, line in piece if of == day)
            with Path(within, f"{day}.{number:03d}.jsonl" if number else f"{day}.jsonl").open("ab") as file:
                file.write(data)
            size += len(data)
        if done * _TOLD // events < (done + len(piece)) * _TOLD // events:
            tell(f"writing {events:,} events", (done + len(piece)) * _TOLD // events, _TOLD)
        done += len(piece)


def event_files(store: Path) -> list[Path]:
    """The plain segments of the store, oldest first."""
    # Of one day the first segment has no number: its name is the shortest, and sorts behind the others.
    return sorted(Path(store, "events").glob("*.jsonl"), key=lambda path: (path.name[:10], len(path.name), path.name))


def event_lines(store: Path) -> Iterator[bytes]:
    """Each line of the plain segments, with its end, by `seq`."""
    for path in event_files(store):
        with path.open("rb") as file:
            yield from file


def link_days(store: Path, directory: Path, *, most: int | None = None) -> Path:
    """A store of the same segments, or of the `most` oldest, in `directory`, to be indexed, sealed and appended to.

    The files are linked, not copied: nothing is ever appended to them, their days are over, and sealing takes a name
    away. `directory` is on the same file system.
    """
    within = directory / "events"
    within.mkdir(mode=0o700)
    for path in event_files(store)[:most]:
        os.link(path, within / path.name)
    return directory


def seal_days(store: Path) -> list[Path]:
    """All the days that were there are sealed; gives what is there in place of the plain files."""
    with Store.open(store) as opened:
        opened.roll(early=True)
        opened.upkeep.seal()
    return sorted(path for path in Path(store, "events").iterdir() if path.suffix != ".jsonl")
