"""Small records beside the events (manifests, holds, what was pruned): one JSON object with a hash over its bytes.

They are written as lines are: the last key is `hash`, the first 16 hex digits of the SHA-256 of the bytes before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from . import files
from .codec import dumps, loads
from .errors import CorruptLine
from .explain import naming

__all__ = ["read_record", "write_record"]

_LARGEST: Final = 64 * 1024 * 1024
_HASH: Final = b',"hash":"'


def write_record(path: Path, fields: Mapping[str, Any]) -> None:
    """The file holds the record, durably, or what it held before. Raises OSError."""
    head = dumps(dict(fields))[:-1]
    files.write_whole(path, b'%b%b%b"}\n' % (head, _HASH, sha256(head).hexdigest()[:16].encode()))


def read_record(path: Path) -> dict[str, Any] | None:
    """The fields of the record without its hash, None if there is none.

    Raises CorruptLine if it is not as it was written, OSError if it cannot be read.
    """
    try:
        fd = files.open_read(path)
    except FileNotFoundError:
        return None
    try:
        with naming(path):
            data = files.read_at(fd, 0, min(files.size(fd), _LARGEST))
    finally:
        files.close(fd)
    head, _, end = data.rpartition(_HASH)
    if end != b'%b"}\n' % sha256(head).hexdigest()[:16].encode():
        raise CorruptLine(path.name, 1, 0, len(data), "the hash does not fit: it was damaged or changed by hand")
    try:
        return loads(head + b"}")
    except ValueError:
        raise CorruptLine(path.name, 1, 0, len(data), "it is not JSON") from None
