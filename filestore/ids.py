"""UUIDs of version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, then 74 random bits."""

from __future__ import annotations

import os

__all__ = ["uuid7"]


def uuid7(milliseconds: int) -> str:
    """A new UUID whose time is `milliseconds` since the epoch, in the usual 36 characters."""
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76  # version
    value = value & ~(0x3 << 62) | 0x2 << 62  # variant
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
