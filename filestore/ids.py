"""UUIDs of version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, then 74 random bits."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

__all__ = ["time_of", "uuid7"]

_BLOCK: Final = 256
"""For how many ids random bytes are asked of the system at once: a call for each takes longer than all the rest."""

_VERSION_7: Final = int.from_bytes(bytes.fromhex("70008000000000000000") * _BLOCK)
_RANDOM: Final = int.from_bytes(bytes.fromhex("0fff3fffffffffffffff") * _BLOCK)

_ID: Final = re.compile(rb'"id":"([0-9a-f]{8})-([0-9a-f]{4})-7')
_ID_MOST: Final = 64
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_split = re.compile("(.{4})(.{4})(.{12})").findall

_tails: list[str] = []  # the random parts of ids to come; `pop` and `extend` are safe between threads
os.register_at_fork(after_in_child=_tails.clear)  # the parent will give these out


def uuid7(milliseconds: int) -> str:
    """A new UUID whose time is `milliseconds` since the epoch, in the usual 36 characters."""
    try:
        tail = _tails.pop()
    except IndexError:
        tail, *others = _random_tails()
        _tails.extend(others)
    return f"{_head(milliseconds)}-{tail}"


def time_of(line: bytes) -> datetime | None:
    """When the event of a stored line was given its `id`, None if that is no UUIDv7, or of no year we know."""
    found = _ID.search(line, 0, _ID_MOST)
    try:
        return _EPOCH + timedelta(milliseconds=int(found[1] + found[2], 16)) if found else None
    except OverflowError:
        return None  # 48 bits reach beyond the year 9999


@lru_cache(maxsize=4)
def _head(milliseconds: int) -> str:
    digits = f"{milliseconds & 0xFFFF_FFFF_FFFF:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def _random_tails() -> Iterator[str]:
    bits = int.from_bytes(os.urandom(10 * _BLOCK)) & _RANDOM | _VERSION_7
    return map("-".join, _split(f"{bits:0{20 * _BLOCK}x}"))
