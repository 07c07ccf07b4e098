"""One event by its `seq` or its `id`, from the files alone."""

from __future__ import annotations

import re
from typing import Final

from stonelog.filestore import Line, Reader

from .errors import QueryError
from .foreign import event_of
from .patience import Patience

__all__ = ["find_event"]

_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_NEAR: Final = 2_000
"""How many events around the place where its time says it is are looked at first: threads and processes overlap."""


def find_event(reader: Reader, key: int | str, patience: Patience) -> Line | None:
    """The line of this `seq` (a number, or its digits) or `id`, or None. Raises QueryError, QueryStopped."""
    text = str(key).strip().lower()
    if text.isdecimal() and text.isascii():
        return reader.get(int(text)) if len(text) <= 16 else None
    if not _ID.fullmatch(text):
        raise QueryError(f"{text[:60]!r} is neither a seq nor an id", suggestion="17, or a UUID of version 7")
    return _by_id(reader, text, patience)


def _by_id(reader: Reader, identity: str, patience: Patience) -> Line | None:
    """Ids carry their time and stand about in its order, so halving finds the place; if not, all is looked at."""
    low, high = 1, reader.last_seq
    while high - low > _NEAR:
        middle = (low + high) // 2
        line = next(reader.lines(middle - 1), None)
        if line is None or _id(line)[:13] >= identity[:13]:
            high = middle
        else:
            low = middle
    wanted = f'"id":"{identity}"'.encode()
    first = max(0, low - _NEAR)
    for line in patience.over(reader.lines(first)):
        if line.seq > high + _NEAR:
            break
        if wanted in line.raw and _id(line) == identity:
            return line
    everything = patience.over(reader.lines())
    return next((line for line in everything if wanted in line.raw and _id(line) == identity), None)


def _id(line: Line) -> str:
    """The id of a line, which by another hand may have none."""
    return str((event_of(line.raw) or {}).get("id", ""))
