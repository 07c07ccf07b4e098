"""Pages of a file that the disk does not give, as Linux tells of them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import pytest

__all__ = ["PAGE", "spoil"]

PAGE = 4096


def spoil(monkeypatch: pytest.MonkeyPatch, suffix: str, *places: int) -> None:
    """Of every file whose name ends so, the pages with these bytes are EIO; a read ends early before one of them."""
    bad = sorted(place // PAGE * PAGE for place in places)
    real: Callable[[int, int, int], bytes] = os.pread

    def pread(fd: int, length: int, offset: int) -> bytes:
        if os.readlink(f"/proc/self/fd/{fd}").endswith(suffix):
            for page in bad:
                if page <= offset < page + PAGE:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                if offset < page < offset + length:
                    length = page - offset
        return real(fd, length, offset)

    monkeypatch.setattr(os, "pread", pread)
