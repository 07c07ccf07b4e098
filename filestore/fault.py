"""What `verify` tells: one place in the store's files that is not as the store wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Fault", "Kind", "span_text"]

Kind = Literal[
    "bytes",  # not lines as the store writes them
    "missing",  # events that are nowhere
    "order",  # lines that stand where they do not belong
    "watermark",  # a line that vouches for what had not been written
    "tail",  # bytes after the last acknowledged line: a write under way, or torn
    "again",  # lines that the next segment holds again, after a failed sync
    "archive",  # a sealed segment's file
    "manifest",  # or its manifest
    "upkeep",  # a sealing or a removal that is under way or was cut off
    "pruned",  # the record of what retention removed
    "holds",  # the record of the legal holds
    "name",  # something that is no file of the store's, under a name that would be one
    "unreadable",  # a file that the system does not give
]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, or with `note` something that is none but that a person may want to know.

    `line` counts from 1, None if bytes before it cannot be had; `offset` and `length` are bytes, of a sealed segment
    its plain bytes; `seqs` are the first and the last of the events concerned, where that is known.
    """

    kind: Kind
    file: str
    line: int | None
    offset: int
    length: int
    reason: str
    advice: str = ""
    seqs: tuple[int, int] | None = None
    note: bool = False

    @property
    def place(self) -> str:
        """`file:line:offset`, with `?` for a line that is not known."""
        return f"{self.file}:{'?' if self.line is None else self.line}:{self.offset}"


def span_text(first: int, last: int) -> str:
    """`seq 5`, or `seq 5 to 7`."""
    return f"seq {first}" if first == last else f"seq {first} to {last}"
