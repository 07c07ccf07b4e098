"""The place for bytes that could not be kept: `quarantine/NAME` has them, `quarantine/NAME.json` says where from.

The record is written after the bytes, both durably, so that one with a record is whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from . import files
from .codec import dumps
from .explain import naming
from .layout import Layout
from .values import format_time

__all__ = ["Quarantine", "RejectFile"]

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_LENGTH: Final = 80
_FLUSH: Final = 1 << 20


def _now() -> str:
    return format_time(datetime.now(UTC))


class Quarantine:
    """The quarantine of the store in `directory`."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Layout(Path(directory)).quarantine

    def keep(self, source: str, offset: int, data: bytes, reason: str) -> str:
        """The bytes, which stood at `offset` of `source`, and a record of them are on stable storage; gives their name.

        The same bytes of the same place get the same name, so that doing it again after a cut changes nothing.
        """
        files.make_directory(self.directory)
        name = f"{_safe(source)}.{offset}.{sha256(data).hexdigest()[:8]}"
        record = {"file": source, "offset": offset, "length": len(data), "reason": reason, "time": _now()}
        with naming(self.directory / name):
            files.write_whole(self.directory / name, data)
            files.write_whole(self.directory / f"{name}.json", dumps(record) + b"\n")
        return name

    @contextmanager
    def rejects(self, source: str) -> Iterator[RejectFile]:
        """A file for the lines of `source` that were refused; nothing is made while there are none."""
        rejects = RejectFile(self.directory, source)
        try:
            yield rejects
        finally:
            rejects.close()


class RejectFile:
    """The refused lines of one input: `NAME` holds them as they are given, `NAME.json` the place and reason of each."""

    def __init__(self, directory: Path, source: str) -> None:
        self.name: str | None = None
        self.count = 0
        self._directory = directory
        self._source = source
        self._fds: tuple[int, int] | None = None
        self._raw = bytearray()
        self._records = bytearray()
        self._length = 0

    def add(self, raw: bytes, *, line: int, offset: int, reason: str) -> None:
        """The line (its number from 1, its offset in the plain input) is kept; durable after `close`."""
        if self._fds is None:
            self._begin()
        self._records += b",\n  " if self.count else b"\n  "
        self._records += dumps({"line": line, "offset": offset, "length": len(raw), "reason": reason})
        self._raw += raw
        self._raw += b"\n"
        self._length += len(raw) + 1
        self.count += 1
        if len(self._raw) + len(self._records) > _FLUSH:
            self._flush()

    def close(self) -> None:
        """What was added is on stable storage."""
        if self._fds is None:
            return
        self._records += b'\n],\n"offset": 0, "length": %d\n}\n' % self._length
        self._flush()
        for fd in self._fds:
            files.fsync(fd)
            files.close(fd)
        self._fds = None
        files.fsync_directory(self._directory)

    def _begin(self) -> None:
        files.make_directory(self._directory)
        stem = f"ingest-{_now().replace(':', '').replace('-', '')}-{_safe(self._source)}"
        number = 0
        while self._fds is None:
            self.name = f"{stem}.{number}.rejected" if number else f"{stem}.rejected"
            try:
                self._fds = (
                    files.create(self._directory / self.name),
                    files.create(self._directory / f"{self.name}.json"),
                )
            except FileExistsError:
                number += 1
        head = {"file": self._source, "reason": "lines refused by ingest", "time": _now()}
        self._records += dumps(head)[:-1] + b',\n"lines": ['

    def _flush(self) -> None:
        if self._fds is not None:
            files.write_all(self._fds[0], bytes(self._raw))
            files.write_all(self._fds[1], bytes(self._records))
        self._raw.clear()
        self._records.clear()


def _safe(source: str) -> str:
    """The last part of a path with only characters that are harmless in a file name."""
    return _UNSAFE.sub("_", source.replace("\\", "/").rsplit("/", 1)[-1])[:_NAME_LENGTH].lstrip(".") or "input"
