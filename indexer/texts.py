"""Texts among the keys of a block: equal, beginning so, fitting a pattern, lying between two others.

Of a text that is too long, and of one that holds the mark, the key is cut: it has the beginning of the text and a hash
of all of it (keys.py). What the beginning does not decide only the line does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeAlias

from pyroaring import BitMap

from .block import Block
from .keys import HEAD, MARK, cut, is_cut
from .match import leaf_test
from .tree import Range, Wildcard

__all__ = [
    "Bounds",
    "beginning",
    "between_texts",
    "either",
    "exact",
    "fitting",
    "loosely",
    "same_text",
    "texts",
    "union",
]

_OfHead: TypeAlias = Callable[[str], bool | None]
"""What is known of a text by the beginning that a cut key holds: fits, does not fit, or None."""

_TAIL: Final = len(MARK) + 16
"""The characters of a cut key behind the beginning of its text."""


class Bounds(NamedTuple):
    """All rows of `sure` are meant, and none outside of `maybe` is. `sure` is part of `maybe`."""

    sure: BitMap
    maybe: BitMap


def exact(rows: BitMap) -> Bounds:
    """These rows, for sure."""
    return Bounds(rows, rows)


def loosely(found: Bounds) -> Bounds:
    """The same rows, none of them for sure."""
    return Bounds(BitMap(), found.maybe)


def union(found: Iterable[BitMap]) -> BitMap:
    """The rows of all of them, in one go."""
    every = list(found)
    return BitMap.union(*every) if every else BitMap()


def either(parts: Iterable[Bounds]) -> Bounds:
    """What is true when one of the parts is."""
    every = list(parts)
    if len(every) == 1:
        return every[0]
    return Bounds(union(part.sure for part in every), union(part.maybe for part in every))


def same_text(text: str, field: str, kind: str, block: Block) -> Bounds:
    """The rows that have the very text, or word."""
    key = cut(text)
    rows = block.get(field, kind, key)
    return Bounds(BitMap(), rows) if is_cut(key) else exact(rows)


def texts(
    field: str,
    kind: str,
    block: Block,
    test: Callable[[str], bool],
    of_head: _OfHead = lambda head: None,
    low: str | None = None,
    high: str | None = None,
) -> Bounds:
    """The rows of the keys that pass the test; `low` and `high` may let in others, but must leave out none."""
    sure, unsure = [], []
    for key, rows in block.postings(field, kind, low, high):
        text = str(key)
        verdict = of_head(text[:-_TAIL]) if MARK in text else test(text)
        if verdict:
            sure.append(rows)
        elif verdict is None:
            unsure.append(rows)
    found = union(sure)
    return Bounds(found, union([found, *unsure]) if unsure else found)


def _after(text: str) -> str | None:
    """The least text that no text beginning so sorts behind; None if there is none."""
    for length in range(len(text), 0, -1):
        code = ord(text[length - 1]) + 1
        if code < 0x110000:
            return text[: length - 1] + chr(0xE000 if code == 0xD800 else code)  # no text holds a surrogate
    return None


def beginning(start: str, field: str, kind: str, block: Block) -> Bounds:
    """The texts that begin so."""

    def of_head(head: str) -> bool | None:
        return True if head.startswith(start) else None if start.startswith(head) else False

    low = start[:HEAD]
    return texts(field, kind, block, lambda text: text.startswith(start), of_head, low, _after(low))


def fitting(node: Wildcard, block: Block) -> Bounds:
    """The texts that fit the pattern."""
    start, *others = node.parts
    if others == [""]:
        return beginning(start, node.field, "text", block)

    def of_head(head: str) -> bool | None:
        return None if head.startswith(start) or start.startswith(head) else False

    low = start[:HEAD]
    return texts(node.field, "text", block, leaf_test(node), of_head, low, _after(low))


def between_texts(node: Range, block: Block) -> Bounds:
    """The texts between the bounds of a range, by code point."""
    low, high = (bound if isinstance(bound, str) else None for bound in (node.low, node.high))

    def of_head(head: str) -> bool | None:
        # The whole text is the head, or sorts behind it, and before all that is behind what begins with the head.
        if low is not None and head <= low:
            return None if low.startswith(head) else False
        if high is not None and head >= high:
            return None if head == high and not node.high_open else False
        return None if high is not None and high.startswith(head) else True

    return texts(node.field, "text", block, leaf_test(node), of_head, low and low[:HEAD], high and _last_key(high))


def _last_key(high: str) -> str | None:
    """A text behind the keys of all texts up to `high`, or None: a cut key can sort behind its text."""
    marked = high.find(MARK, 0, HEAD)
    if marked >= 0:
        return _after(high[: marked + 1])
    return high if len(high) < HEAD else _after(high[:HEAD])
