"""Sources that are one JSON document over many lines, told from sources with a record on each line."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from . import strict_json
from .sources import Line

__all__ = ["lines_or_document"]

_LOOK: Final = 100
_KEPT: Final = 1 << 20


def lines_or_document(lines: Iterator[Line], limit: int) -> Iterator[Line]:
    """The lines as they are, if the first that is not blank is a JSON value; else the whole source as one line.

    A source that is neither (a bad first line among good ones, or a document with an error or above `limit` bytes)
    gives its lines if some other line is an object from its first column on, else one line with the document's fault.
    """
    first = next((line for line in lines if line.data.strip() or line.fault), None)
    if first is None:
        return
    if first.fault or _error_of(first.data) is None:
        yield first
        yield from lines
        return
    gathered = [first]
    size = len(first.data)
    for line in lines:
        gathered.append(line)
        size += len(line.data) + 1
        if line.fault or size > limit:
            break
    whole = b"\n".join(line.data for line in gathered)
    fault = gathered[-1].fault
    if fault is None and size > limit:
        fault = f"a document of more than {limit:,} bytes; split it, or write one record on each line"
    error = fault or _error_of(whole)
    if error is None:
        yield Line(first.number, first.offset, whole)
    elif any(line.data.startswith(b"{") and _error_of(line.data) is None for line in gathered[1:_LOOK]):
        yield from itertools.chain(gathered, lines)
    else:
        yield Line(first.number, first.offset, whole[:_KEPT], error)


def _error_of(data: bytes) -> str | None:
    try:
        strict_json.parse(data)
    except strict_json.JsonError as error:
        return str(error)
    return None
