"""Cursors: where a page ended, bound to the question it belongs to. Opaque to their bearer, and never trusted."""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256
from typing import Final, NamedTuple

from stonelog.filestore import dumps, loads

from .errors import QueryError

__all__ = ["Cursor", "filter_key", "read_cursor", "write_cursor"]

_LONGEST: Final = 200


class Cursor(NamedTuple):
    """The last `seq` of the page before, and the time bounds as they were resolved for the first page."""

    seq: int
    since: int | None
    until: int | None


def filter_key(*parts: object) -> str:
    """A short digest of what a cursor is bound to."""
    return sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def write_cursor(cursor: Cursor, key: str) -> str:
    """The cursor as text that is safe in a URL."""
    return base64.urlsafe_b64encode(dumps({"k": key, "p": list(cursor)})).decode().rstrip("=")


def read_cursor(text: str, key: str) -> Cursor:
    """The cursor in the text. Raises QueryError if it is none, or was made for another question."""
    bad = QueryError("the cursor is not one that a page gave", suggestion="again without a cursor")
    if len(text) > _LONGEST:
        raise bad
    try:
        fields = loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
        seq, since, until = fields["p"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise bad from None
    bounds = [bound for bound in (since, until) if bound is not None]
    if type(seq) is not int or not 0 < seq < 2**53 or any(type(b) is not int or abs(b) >= 2**62 for b in bounds):
        raise bad
    if fields.get("k") != key:
        raise QueryError("the cursor belongs to another filter or order", suggestion="again without a cursor")
    return Cursor(seq, since, until)
