"""W3C Trace Context: what `traceparent` says, and the span of a request within that trace.

https://www.w3.org/TR/trace-context/#traceparent-header, section 3.2.
"""

from __future__ import annotations

import os
import re
from random import Random
from typing import Final, NamedTuple

__all__ = ["Parent", "new_request_id", "new_span_id", "parse_traceparent"]

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16

# Not a secret, so the system need not be asked each time: that would let other threads in before the response. Its own
# generator, for a program may seed the common one; a forked child begins another sequence.
_random: Final = Random()  # noqa: S311
os.register_at_fork(after_in_child=_random.seed)


class Parent(NamedTuple):
    """The trace that a request belongs to, and the span that it comes from."""

    trace_id: str
    span_id: str


def parse_traceparent(text: str) -> Parent | None:
    """What the header says, or None if it is not valid: then there is no trace, as the recommendation has it.

    Of a version above 00, more may follow after another dash.
    """
    text = text.strip(" \t")
    match = _TRACEPARENT.match(text)
    if match is None:
        return None
    version, trace_id, span_id = match.groups()
    rest = text[match.end() :]
    if version == "ff" or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    if rest and (version == "00" or not rest.startswith("-")):
        return None
    return Parent(trace_id, span_id)


def new_span_id() -> str:
    """16 hexadecimal digits that no other span has, and that are not all 0."""
    return f"{_random.getrandbits(64) or 1:016x}"


def new_request_id() -> str:
    """32 hexadecimal digits that no other request has."""
    return f"{_random.getrandbits(128):032x}"
