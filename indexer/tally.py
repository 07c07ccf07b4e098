"""Which values a field has in the events of a block: how many events have each, and which rows.

An event counts once for each of its distinct values. Values are given as lines write them: text as text, numbers of
top-level fields as numbers, and everything in metadata as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from socket import inet_ntoa
from typing import Any, Final, Protocol, TypeAlias

from pyroaring import BitMap

from stonelog.filestore import loads

from .block import Block
from .errors import IndexUnavailable, QueryError
from .fields import fits, json_text, kind_of, leaves_at, nearest_field
from .inversion import MAX_ROWS
from .keys import MARK, UNINDEXED, Key, cut, is_cut, shown_address
from .patience import Patience

__all__ = ["FacetValue", "Period", "covers", "far_fewer", "value_counts", "value_rows", "values_reader"]

FacetValue = str | int | float
Fields: TypeAlias = "dict[str, Any]"

_FEW: Final = 4
"""Lines are read where there are so many times fewer of them than values: an intersection each takes longer then."""
_NO_ROWS: Final = BitMap()


class Period(Protocol):
    """The bounds in time of a question, in microseconds, and whether there are no other conditions."""

    @property
    def plain(self) -> bool: ...
    @property
    def since(self) -> int | None: ...
    @property
    def until(self) -> int | None: ...


def covers(question: Period, block: Block) -> bool:
    """Whether every event of the block answers, and what is stored of the whole block holds."""
    return (
        question.plain
        and block.whole
        and (question.since is None or block.first_time >= question.since)
        and (question.until is None or block.last_time < question.until)
    )


def values_reader(name: str) -> Callable[[Fields], Iterable[FacetValue]]:
    """Reads the distinct values of a field from a line's fields. Raises QueryError for an unknown field."""
    kind = kind_of(name)
    if kind is None or name == "metadata":
        raise QueryError(f"{name}: there is no such field to count by", suggestion=nearest_field(name))
    if kind == "metadata":
        path = name.removeprefix("metadata.")
        return lambda fields: set(map(json_text, leaves_at(fields.get("metadata"), path)))
    if kind == "list":
        return lambda fields: set(fields[name]) if name in fields and fits(kind, fields[name]) else ()
    return lambda fields: (fields[name],) if name in fields and fits(kind, fields[name]) else ()


def value_counts(block: Block, name: str) -> dict[FacetValue, int] | None:
    """How many of all events of a block have each value, as it is stored; None if only the lines can tell."""
    kinds = _kinds(block, name)
    if kinds is None or not block.whole or (kind_of(name) == "metadata" and block.loose):
        return None
    counts: dict[FacetValue, int] = {}
    for kind in kinds:
        for keys, numbers in block.counts(name, kind):
            if kind == "text" and MARK in "".join(map(str, keys)):
                keys = [_value(block, name, kind, key, None) for key in keys]
            elif kind != "text":
                shown = [_value(block, name, kind, key, None) for key in keys]
                if not counts.keys().isdisjoint(shown):
                    _add_overlapping(block, name, kind, counts, zip(keys, shown, numbers, strict=True))
                    continue
                keys = shown
            counts.update(zip(keys, numbers, strict=True))
    return counts


def _add_overlapping(
    block: Block,
    name: str,
    kind: str,
    counts: dict[FacetValue, int],
    more: Iterable[tuple[Key, FacetValue, int]],
) -> None:
    """The values are counted, some of which an event may have as text and as a number: those events count once."""
    for key, value, number in more:
        both = 0
        if value in counts:
            both = block.get(name, "text", cut(str(value))).intersection_cardinality(block.get(name, kind, key))
        counts[value] = counts.get(value, 0) + number - both


def value_rows(block: Block, name: str, rows: BitMap, patience: Patience) -> Iterator[tuple[FacetValue, BitMap]]:
    """The values that the rows have, each with those that have it; a value may come twice, with other rows.

    Raises QueryStopped when patience ends.
    """
    kinds = _kinds(block, name)
    if kinds is None:
        yield from _read_rows(block, name, rows, patience)
        return
    if kind_of(name) == "metadata" and (loose := block.loose & rows):
        yield from _read_rows(block, name, loose, patience)
        rows = rows - loose
    if not rows or not kinds:
        return
    if far_fewer(rows, block, (name,)):
        yield from _read_rows(block, name, rows, patience)
        return
    others: dict[FacetValue, BitMap] = {}
    for kind in kinds[1:] if kinds[0] == "text" else kinds:
        for key, found in patience.over(block.postings(name, kind)):
            if here := found & rows:
                value = _value(block, name, kind, key, here)
                others[value] = others.get(value, _NO_ROWS) | here
    if kinds[0] == "text":
        for key, found in patience.over(block.postings(name, "text")):
            if here := found & rows:
                value = _value(block, name, "text", key, here)
                yield value, here | others.pop(value, _NO_ROWS)
    yield from others.items()


def far_fewer(rows: BitMap, block: Block, names: Sequence[str]) -> bool:
    """Whether it is quicker to read the lines of the rows than to look at all keys of the fields."""
    if len(rows) * _FEW >= MAX_ROWS * len(names):
        return False
    pieces = chain.from_iterable(block.counts(name, kind) for name in names for kind in _kinds(block, name) or ())
    return len(rows) * _FEW < sum(len(keys) for keys, _ in pieces)


def _kinds(block: Block, name: str) -> list[str] | None:
    """The kinds of keys that the field's values have in the block, text first; None if they have none."""
    if name in UNINDEXED or kind_of(name) in ("text", "time"):
        return None
    return sorted(block.fields().get(name, frozenset()) - {"any", "word"}, key=lambda kind: (kind != "text", kind))


def _value(block: Block, name: str, kind: str, key: Key, rows: BitMap | None) -> FacetValue:
    """What the lines have where the index has the key; one of the rows (None: of all that have it) may be read."""
    if kind == "text":
        if not is_cut(key):
            return str(key)
        found = block.get(name, kind, key) if rows is None else rows
        fields = loads(block.line(found.min()))
        for value in values_reader(name)(fields):
            if isinstance(value, str) and cut(value) == key:
                return value
        raise IndexUnavailable(f"event {fields['seq']} has not the {name} that the index tells of")
    if kind == "v4":
        return inet_ntoa(int(key).to_bytes(4))
    if kind == "v6":
        return shown_address("v6", key)
    typed: FacetValue = bool(key) if kind == "bool" else float(key) if kind == "float" else int(key)
    return json_text(typed) if kind_of(name) == "metadata" else typed


def _read_rows(block: Block, name: str, rows: BitMap, patience: Patience) -> Iterator[tuple[FacetValue, BitMap]]:
    """As `value_rows`, from the lines."""
    read = values_reader(name)
    found: dict[FacetValue, list[int]] = {}
    for row in patience.over(rows):
        for value in read(loads(block.line(row))):
            found.setdefault(value, []).append(row)
    for value, having in found.items():
        yield value, BitMap(having)
