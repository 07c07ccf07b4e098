"""Events turned inside out: which rows of a block have each key.

Lines come in runs, and the events of a run that have the same fields are read column by column: what is done for each
event costs several times what is done for each column, and a block has 32,768 rows.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, compress, repeat
from typing import Any, Final, TypeAlias, cast

from pyroaring import BitMap

from stonelog.filestore import FIELDS

from .column import Column, Postings
from .fields import SEARCHED, fits, json_text, kind_of
from .keys import LONGEST, UNINDEXED, Key, Kind, address_key, cut_all, key_of_leaf
from .span import microseconds
from .words import split_words

__all__ = ["MAX_BYTES", "MAX_ROWS", "Inversion", "Rows", "is_word"]

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
"""With so many different values it is worth it to look for words among them instead of holding them twice."""
_ONCE: Final = 2
"""Where a value comes less often than that on average, most come once."""
_OFTEN: Final = 32
"""Where a value comes so often on average, all its rows are added at once to each of its words."""

Rows: TypeAlias = Sequence[int]


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


class Inversion:
    """The keys of the events of one block, gathered run by run."""

    def __init__(self) -> None:
        self._columns: defaultdict[tuple[str, Kind], Column] = defaultdict(Column)
        self._any: defaultdict[str, BitMap] = defaultdict(BitMap)
        self._words: defaultdict[str, Column] = defaultdict(Column)
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
        for shape, group, rows in _by_shape(events, array("I", range(row, row + len(events)))):
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
                    self._columns[field, "text"].extend(elements, repeat(row, len(elements)))
            else:
                self._columns[field, "text"].extend(values, rows)

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
        kept = array("I", [rows[place] for place in good])
        odd = set(rows).difference(kept)
        self.loose |= odd
        self._any[field] -= BitMap(odd)
        return [values[place] for place in good], kept

    def _seen(self, field: str, rows: Rows) -> None:
        """The events of these rows have the field."""
        self._any[field].update(rows)

    def _take_words(self, scope: str, texts: Sequence[str], rows: Rows) -> None:
        words = split_words(texts)
        self._words[scope].extend(chain.from_iterable(words), chain.from_iterable(map(repeat, rows, map(len, words))))

    def _take_metadata(self, values: Sequence[Any], rows: Rows) -> None:
        if set(map(type, values)) != {dict}:  # by another hand: whatever it is, it is looked through on the line
            self.loose.update(row for value, row in zip(values, rows, strict=True) if type(value) is not dict)
            rows = array("I", [row for value, row in zip(values, rows, strict=True) if type(value) is dict])
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
            self._columns[field, kind].extend(values, rows)
            if field.startswith("metadata."):
                self._seen(field, rows)

    def _take_leaf(self, field: str, value: Any, row: int) -> None:
        leaves: dict[tuple[str, Kind, Key], None] = {}
        if not self._walk(field, value, leaves, 0):
            self.loose.add(row)
            if value == 0 and not field.startswith("metadata."):
                leaves[field, "float", 0.0] = None  # -0.0, which is counted, if not asked for, as the same
        for path, kind, key in leaves:
            self._columns[path, kind].extend([key], [row])
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

    def column(self, field: str, kind: str) -> Column | None:
        """The column, its values whole, before `take` has given it; None if there is none."""
        return self._columns.get((field, cast(Kind, kind)))

    def presence(self) -> Iterator[tuple[str, BitMap]]:
        """Each field and path with the rows of the events that have it."""
        yield from self._any.items()

    def take(self) -> Iterator[tuple[str, Kind, Postings]]:
        """Each field and kind with its keys. What is given is gone from here.

        A value that is a word itself, as numbers and most identifiers are, is not held a second time among the words
        where nearly every event has another one: `plain` tells of which columns that is so.
        """
        while self._columns:
            (field, kind), column = self._columns.popitem()
            names = column.values()
            if not names:
                continue
            if field in _WORDED or field.startswith("metadata."):
                self._add_words((field, kind), column, names)
            if kind_of(field) == "address":
                yield from _addresses(field, column, names)
            else:
                yield field, kind, column.postings(cut_all(column.texts()) if kind == "text" else names)
        while self._words:
            scope, words = self._words.popitem()
            yield scope, "word", words.postings(cut_all(words.texts()))

    def _add_words(self, place: tuple[str, Kind], column: Column, names: list[Key]) -> None:
        """The words of the column's values are held too."""
        texts = list(map(json_text, names))
        many = len(names) > _SAMPLE and column.repeats < _ONCE
        if many and place[1] in ("text", "int") and len(self.plain) < _MAX_PLAIN:
            others = _not_words(names, texts)
            if others != texts:
                self.plain.add(place)
                if not any(others):
                    return
                texts = others
        words, split = self._words[""], split_words(texts)
        if column.repeats >= _OFTEN:
            for found, rows in zip(split, column.bitmaps(), strict=True):
                for word in found:
                    words.add(word, rows)
            return
        lengths = list(map(len, split))
        words.extend(
            chain.from_iterable(map(split.__getitem__, column.codes)),
            chain.from_iterable(map(repeat, column.rows, map(lengths.__getitem__, column.codes))),
        )


def _one_kind(kinds: set[type], values: Sequence[Any]) -> Kind | None:
    """The kind under which all values of a column can stand as they are, None if each must be looked at."""
    if kinds == {str}:
        return "text"
    if kinds == {int} and min(values) >= -_LARGEST and max(values) < _LARGEST:
        return "int"
    return "float" if kinds == {float} and all(values) else None


def _not_words(names: list[Key], texts: list[str]) -> list[str]:
    """The texts of the names, empty in the place of those that are words."""
    joined = "".join(texts)
    are_words = joined.isascii() and joined.isalnum() and joined == joined.lower() and "" not in texts
    if are_words and max(map(len, texts)) <= LONGEST:
        return [""] * len(texts)  # a column is of one kind: a minus sign or a capital would have shown
    return ["" if is_word(name) else text for name, text in zip(names, texts, strict=True)]


def _by_shape(
    objects: Sequence[dict[str, Any]], rows: Rows
) -> Iterator[tuple[tuple[str, ...], Sequence[dict[str, Any]], Rows]]:
    """The objects that have the same names in the same order, with their rows."""
    names = list(map(tuple, objects))
    if names and names.count(names[0]) == len(names):
        yield names[0], objects, rows
        return
    shapes: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        shapes[name].append(place)
    for shape, places in shapes.items():
        yield shape, [objects[place] for place in places], array("I", map(rows.__getitem__, places))


def _addresses(field: str, column: Column, names: list[Key]) -> Iterator[tuple[str, Kind, Postings]]:
    """The keys of addresses, by their kinds; several texts may write the same."""
    kinds, keys = zip(*(address_key(str(text)) for text in names), strict=True)
    for kind in dict.fromkeys(kinds):
        if kinds.count(kind) == len(kinds):
            yield field, kind, column.postings(keys)
            continue
        wanted = [kinds[number] == kind for number in column.codes]
        part = Column()
        part.extend(compress(map(keys.__getitem__, column.codes), wanted), compress(column.rows, wanted))
        yield field, kind, part.postings()
