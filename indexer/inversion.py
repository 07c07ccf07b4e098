"""Events turned inside out: which rows of a block have each key.

Lines come in runs, and the events of a run that have the same fields are read column by column: what is done for each
event costs several times what is done for each column, and a block has 32,768 rows.
"""

from __future__ import annotations

from array import array
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import Any, Final, TypeAlias, cast

from pyroaring import BitMap

from stonelog.filestore import FIELDS

from .fields import SEARCHED, fits, json_text, kind_of
from .keys import LONGEST, MARK, UNINDEXED, Key, Kind, address_key, cut, key_of_leaf
from .span import microseconds
from .words import split_words

__all__ = ["MAX_BYTES", "MAX_ROWS", "Inversion", "Lists", "Once", "Rows", "Some", "is_word"]

MAX_ROWS: Final = 32_768
"""The rows of a block, at most: making one takes some 60 MB; a bitmap's container could hold twice as many."""
MAX_BYTES: Final = 48 << 20
"""A block ends when its lines have so many bytes: their values are in memory while it is made."""

_MAX_LEAVES: Final = 512
"""An event with more leaves of metadata is loose: not all of them are held."""
_MAX_DEPTH: Final = 32
_MAX_PATH: Final = 300
"""Characters of a path in metadata; what lies deeper or has a longer path is not held."""
_MAX_PATHS: Final = 4_096
"""Paths of metadata in a block; the leaves of others are not held."""

_TIME_LENGTH: Final = len("2026-01-01T00:00:00.000000Z")
_MINUTE_LENGTH: Final = len("2026-01-01T00:00:")

_SCOPED: Final = frozenset(field for field in FIELDS if kind_of(field) == "text")
_WORDED: Final = frozenset({*SEARCHED, "tags"} - _SCOPED)
_LARGEST: Final = 2**63
_MAX_PLAIN: Final = 16
_SAMPLE: Final = 256
"""After so many values it is known whether a column's values mostly differ."""

Rows: TypeAlias = Sequence[int]
Some: TypeAlias = dict[Key, list[int]]
"""Keys with the rows that have them, ascending."""
Once: TypeAlias = dict[Key, int]
"""Keys that one row has, with it."""


def is_word(value: Key) -> bool:
    """Whether the text of the value is one word, folded as it is, and a key, so that it can be found as the word."""
    if type(value) is int:
        return value >= 0
    return (
        type(value) is str and len(value) <= LONGEST and value.isascii() and value.isalnum() and value == value.lower()
    )


class _Minutes(dict[str, int]):
    """The microseconds since the epoch at which a minute begins, by the text of a time up to it."""

    def __missing__(self, minute: str) -> int:
        value = self[minute] = microseconds(f"{minute}00+00:00")
        return value


class Lists:
    """The rows of each value of one column.

    Where most values differ, a list for each would cost more than all else: then values and rows wait side by side
    until all have come, and only a value that came twice gets a list.
    """

    def __init__(self) -> None:
        self._some: defaultdict[Key, list[int]] = defaultdict(list)
        self._once: Once = {}
        self._wide = False
        self._values: list[Key] = []
        self._at: list[int] = []
        self._taken = 0

    def extend(self, values: Sequence[Key], rows: Rows) -> None:
        """`values[n]` is one of those of the event at `rows[n]`; rows come in their order."""
        if self._wide:
            self._values += values
            self._at += rows
            return
        deque(map(list.append, map(self._some.__getitem__, values), rows), maxlen=0)
        self._taken += len(values)
        self._wide = self._taken >= _SAMPLE and len(self._some) * 2 > self._taken

    def settled(self) -> tuple[Some, Once]:
        """All that has come; no key is in both."""
        if self._values:
            some, last = self._some, dict(zip(self._values, self._at, strict=True))
            if len(last) < len(self._values):
                again = [(value, row) for value, row in zip(self._values, self._at, strict=True) if last[value] != row]
                for value, row in again:
                    some[value].append(row)
            for value in some.keys() & last.keys():
                some[value].append(last.pop(value))
            for value in [value for value, rows in some.items() if len(rows) == 1]:
                last[value] = some.pop(value)[0]
            self._once = last
            self._values, self._at = [], []
        return self._some, self._once


class Inversion:
    """The keys of the events of one block, gathered run by run."""

    def __init__(self) -> None:
        self._columns: dict[tuple[str, Kind], Lists] = {}
        self._any: defaultdict[str, BitMap] = defaultdict(BitMap)
        self._words: defaultdict[str, defaultdict[Key, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._minutes = _Minutes()
        self._paths: set[str] = set()
        self.plain: set[tuple[str, Kind]] = set()
        """The columns in which a word is looked for too: values that are words are not held as words."""
        self.loose: set[int] = set()
        """Rows of which not everything is held."""
        self.rows = array("H")
        """The rows that hold an event."""
        self.times = array("q")
        """The microseconds since the epoch of each of them."""

    def add(self, events: Sequence[dict[str, Any]], row: int) -> None:
        """The events, which stand at `row` and those after it, are taken in.

        Raises KeyError, TypeError or ValueError, and takes in none, if one has no time that can be read.
        """
        self.times.extend(self._times([event["time"] for event in events]))
        self.rows.extend(range(row, row + len(events)))
        for shape, group, rows in _by_shape(events, range(row, row + len(events))):
            for field, values in zip(shape, zip(*map(dict.values, group), strict=True), strict=True):
                if field not in UNINDEXED:
                    self._take(field, values, rows)

    def _times(self, texts: list[str]) -> list[int]:
        if set(map(len, texts)) == {_TIME_LENGTH}:
            minutes = self._minutes
            return [minutes[t[:_MINUTE_LENGTH]] + int(t[17:19] + t[20:26]) for t in texts]
        return list(map(microseconds, texts))

    def _take(self, field: str, values: Sequence[Any], rows: Rows) -> None:
        """One field of some events: `values[n]` is that of the event at `rows[n]`."""
        self._seen(field, rows)
        kind = kind_of(field)
        if kind in ("int", "float"):
            self._take_leaves(field, values, rows)
        elif kind == "metadata":
            self._take_metadata(values, rows)
        elif kind is not None:
            values, rows = self._read(field, values, rows)
            if kind == "text":
                self._take_words(field, values, rows)
            elif kind == "list":
                for value, row in zip(values, rows, strict=True):
                    elements = list(dict.fromkeys(value))
                    self._column(field, "text").extend(elements, [row] * len(elements))
            else:
                self._column(field, "text").extend(values, rows)

    def _read(self, field: str, values: Sequence[Any], rows: Rows) -> tuple[Sequence[Any], Rows]:
        """The values that are texts, or lists of texts, and their rows."""
        wanted = list if kind_of(field) == "list" else str
        try:
            "".join(values if wanted is str else chain.from_iterable(values))
            if wanted is str or set(map(type, values)) <= {list}:
                return values, rows
        except TypeError:
            pass
        return self._fitting(field, values, rows)

    def _fitting(self, field: str, values: Sequence[Any], rows: Rows) -> tuple[Sequence[Any], Rows]:
        """The values of the field's type; others, by another hand, are not seen, and their rows are loose."""
        kind = kind_of(field)
        good = [place for place, value in enumerate(values) if fits(kind, value)]
        kept = [rows[place] for place in good]
        odd = set(rows).difference(kept)
        self.loose |= odd
        self._any[field] -= BitMap(odd)
        return [values[place] for place in good], kept

    def _seen(self, field: str, rows: Rows) -> None:
        """The events of these rows have the field."""
        if isinstance(rows, range):
            self._any[field].add_range(rows.start, rows.stop)
        else:
            self._any[field].update(rows)

    def _column(self, field: str, kind: Kind) -> Lists:
        lists = self._columns.get((field, kind))
        if lists is None:
            lists = self._columns[field, kind] = Lists()
        return lists

    def _take_words(self, scope: str, texts: Sequence[str], rows: Rows) -> None:
        words = list(map(set, split_words(texts)))
        at = chain.from_iterable(map(repeat, rows, map(len, words)))
        lists = self._words[scope]
        deque(map(list.append, map(lists.__getitem__, chain.from_iterable(words)), at), maxlen=0)

    def _take_metadata(self, values: Sequence[Any], rows: Rows) -> None:
        if set(map(type, values)) != {dict}:  # by another hand: whatever it is, it is looked through on the line
            self.loose.update(row for value, row in zip(values, rows, strict=True) if type(value) is not dict)
            rows = [row for value, row in zip(values, rows, strict=True) if type(value) is dict]
            values = [value for value in values if type(value) is dict]
        for shape, group, here in _by_shape(values, rows):
            if len(shape) > _MAX_LEAVES:
                self.loose.update(here)
                continue
            for name, column in zip(shape, zip(*map(dict.values, group), strict=True), strict=True):
                self._take_leaves(f"metadata.{name}", column, here)

    def _take_leaves(self, field: str, values: Sequence[Any], rows: Rows) -> None:
        """Values of any JSON type, those of metadata or of a field of numbers."""
        kinds = set(map(type, values))
        if not kinds <= {int, float} and not field.startswith("metadata."):
            values, rows = self._fitting(field, values, rows)
            kinds = set(map(type, values))
        kind = _one_kind(kinds, values)
        if kind is None:
            for value, row in zip(values, rows, strict=True):
                self._take_leaf(field, value, row)
        elif not self._holds(field):
            self.loose.update(rows)
        else:
            self._column(field, kind).extend(values, rows)
            if field.startswith("metadata."):
                self._seen(field, rows)

    def _take_leaf(self, field: str, value: Any, row: int) -> None:
        leaves: dict[tuple[str, Kind, Key], None] = {}
        if not self._walk(field, value, leaves, 0):
            self.loose.add(row)
            if value == 0 and not field.startswith("metadata."):
                leaves[field, "float", 0.0] = None  # -0.0, which is counted, if not asked for, as the same
        for path, kind, key in leaves:
            self._column(path, kind).extend([key], [row])
        for path in dict.fromkeys(path for path, _, _ in leaves):
            if path.startswith("metadata."):
                self._any[path].add(row)

    def _walk(self, path: str, value: Any, leaves: dict[tuple[str, Kind, Key], None], depth: int) -> bool:
        """The leaves at and below the path that are held go to `leaves`; False if not all are."""
        if isinstance(value, dict | list):
            below = (
                ((f"{path}.{key}", item) for key, item in value.items())
                if isinstance(value, dict)
                else ((path, item) for item in value)
            )
            held = [depth < _MAX_DEPTH and self._walk(at, item, leaves, depth + 1) for at, item in below]
            return all(held)
        if value is None:
            return True
        found = key_of_leaf(value)
        if found is None or len(leaves) >= _MAX_LEAVES or not self._holds(path):
            return False
        leaves[path, *found] = None
        return True

    def _holds(self, path: str) -> bool:
        """Whether the leaves at this path are held."""
        if path in self._paths:
            return True
        if len(path) > _MAX_PATH or len(self._paths) >= _MAX_PATHS:
            return False
        self._paths.add(path)
        return True

    def lists(self, field: str, kind: str) -> Iterator[tuple[Key, Rows]]:
        """Each value of the column, whole, with the rows that have it, ascending; before `take` is asked for them."""
        lists = self._columns.get((field, cast(Kind, kind)))
        some, once = lists.settled() if lists else ({}, {})
        yield from some.items()
        yield from zip(once, zip(once.values()))  # noqa: B905 (of one length, and quicker without looking)

    def presence(self) -> Iterator[tuple[str, BitMap]]:
        """Each field and path with the rows of the events that have it."""
        yield from self._any.items()

    def take(self) -> Iterator[tuple[str, Kind, Some, Once]]:
        """Each field and kind with the rows of its keys. What is given is gone from here.

        A value that is a word itself, as numbers and most identifiers are, is not held a second time among the words if
        one event has it: `plain` tells of which columns that is so.
        """
        other = self._words[""]
        while self._columns:
            (field, kind), lists = self._columns.popitem()
            some, once = lists.settled()
            if field in _WORDED or field.startswith("metadata."):
                worded = once
                if kind in ("text", "int") and len(once) > _SAMPLE and len(self.plain) < _MAX_PLAIN:
                    worded = _not_words(once)
                    if len(worded) < len(once):
                        self.plain.add((field, kind))
                _add_words(other, some, worded)
            if kind_of(field) == "address":
                yield from _addresses(field, some, once)
            else:
                yield field, kind, *(_cut(some, once) if kind == "text" else (some, once))
        while self._words:
            scope, words = self._words.popitem()
            # A row comes once for each value of it that has the word.
            yield scope, "word", *_cut(words, {})


def _one_kind(kinds: set[type], values: Sequence[Any]) -> Kind | None:
    """The kind under which all values of a column can stand as they are, None if each must be looked at."""
    if kinds == {str}:
        return "text"
    if kinds == {int} and min(values) >= -_LARGEST and max(values) < _LARGEST:
        return "int"
    return "float" if kinds == {float} and all(values) else None


def _not_words(once: Once) -> Once:
    """What of it is no word."""
    texts = list(map(str, once))
    joined = "".join(texts)
    are_words = joined.isascii() and joined.isalnum() and joined == joined.lower() and "" not in once
    if are_words and max(map(len, texts)) <= LONGEST:
        return {}  # a column is of one kind: a minus sign or a capital would have shown
    return {key: row for key, row in once.items() if not is_word(key)}


def _by_shape(
    objects: Sequence[dict[str, Any]], rows: Rows
) -> Iterator[tuple[tuple[str, ...], Sequence[dict[str, Any]], Rows]]:
    """The objects that have the same names in the same order, with their rows."""
    shapes: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, value in enumerate(objects):
        shapes[tuple(value)].append(place)
    for shape, places in shapes.items():
        if len(places) == len(objects):
            yield shape, objects, rows
        else:
            yield shape, [objects[place] for place in places], [rows[place] for place in places]


def _add_words(words: defaultdict[Key, list[int]], some: Some, once: Once) -> None:
    """The words of the values are added to `words`."""
    for rows, found in zip(some.values(), split_words(list(map(json_text, some))), strict=True):
        for word in dict.fromkeys(found):
            words[word] += rows
    split = split_words(list(map(json_text, once)))
    at = chain.from_iterable(map(repeat, once.values(), map(len, split)))
    deque(map(list.append, map(words.__getitem__, chain.from_iterable(split)), at), maxlen=0)


def _cut(some: Some, once: Once) -> tuple[Some, Once]:
    """The same rows, under keys that are not too long."""
    for key in [*_long(some), *_long(once)]:
        rows = [once.pop(key)] if key in once else some.pop(key)
        some.setdefault(cut(str(key)), []).extend(rows)
    return some, once


def _long(keys: Iterable[Key]) -> list[Key]:
    """Those of the texts that cannot be keys as they are."""
    texts = list(map(str, keys))
    joined = "".join(texts)
    if max(map(len, texts), default=0) <= LONGEST and (joined.isascii() or MARK not in joined):
        return []
    return [text for text in texts if len(text) > LONGEST or MARK in text]


def _addresses(field: str, some: Some, once: Once) -> Iterator[tuple[str, Kind, Some, Once]]:
    """The rows of addresses, by their kinds; several texts may write the same."""
    kinds: dict[Kind, Some] = {}
    for text, rows in chain(some.items(), ((text, [row]) for text, row in once.items())):
        kind, key = address_key(str(text))
        kinds.setdefault(kind, {}).setdefault(key, []).extend(rows)
    for kind, found in kinds.items():
        yield field, kind, found, {}
