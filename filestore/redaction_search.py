"""All that finds secrets in one text, behind one quick look that tells whether any of it can.

Each finder has a gate, which costs next to nothing and passes over what the finder cannot find. The gates of an event
are asked once, of all its texts joined.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from . import redaction_numbers as numbers
from .redaction_headers import bearers, commands, escaped_name, queries, statements, url_passwords
from .redaction_keys import KeyNames
from .redaction_numbers import is_card_number
from .redaction_patterns import Span, long_run, private_keys, tokens
from .redaction_texts import NamedValues, lowered
from .redaction_values import MARKED

__all__ = ["Gate", "Search"]

_MOST: Final = 200
"""So many secrets of one sort in one text are told apart; what comes after them is taken out in one piece, so that
neither the time nor the marks can grow without end."""
_MOST_LOOKS: Final = 400
"""So many places are looked at that may have one, likewise: names without a value, `Bearer` without a token."""
_REST: Final = "rest"
_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{4}")
_SHAPES: Final = 0
_NAMES: Final = 1


class _Finder(NamedTuple):
    gate: Callable[[str, str], object]
    """Whether the finder is worth asking for a text, and the text in small letters."""
    find: Callable[[str, str], Iterable[Span]]
    rank: int
    """Where two find the same, the kind of the lower rank is named."""


class Search:
    """Finds what is secret in texts; says of texts whether there can be anything."""

    def __init__(
        self,
        names: KeyNames,
        further_keys: Iterable[str] = (),
        personal: Iterable[str] = ("cards",),
        patterns: Mapping[str, re.Pattern[str]] | None = None,
        allowed: Iterable[str] = (),
    ) -> None:
        named = NamedValues(names, further_keys)
        finders = [
            _Finder(named.worth, named, _NAMES),
            _Finder(_has_run, lambda text, low: tokens(text), _SHAPES),
            _Finder(lambda text, low: "-----BEGIN " in text, lambda text, low: private_keys(text), _SHAPES),
            _Finder(lambda text, low: "://" in text and "@" in text, lambda text, low: url_passwords(text), _NAMES),
            _Finder(lambda text, low: "bearer" in low or "basic" in low, bearers, _NAMES),
            _Finder(_has_command, lambda text, low: commands(text, low, names), _NAMES),
            _Finder(_has_statement, statements, _NAMES),
            _Finder(_has_query, lambda text, low: queries(text, names), _NAMES),
            *(_PERSONAL[what] for what in _PERSONAL if what in set(personal)),
        ]
        finders.extend(_own(name, pattern) for name, pattern in (patterns or {}).items())
        self._allowed: Final = frozenset(allowed)
        self._finders: Final = tuple(finders)
        gates = [finder.gate for finder in finders if finder.gate is not _has_query]
        self._gates: Final = (*gates, escaped_name, _has_json)
        self.cards: Final = "cards" in set(personal)
        """Whether numbers of cards are secret."""

    def worth(self, text: str) -> bool:
        """Whether there can be anything secret in the text; for most there cannot."""
        low = lowered(text)
        for gate in self._gates:  # noqa: SIM110 (a loop costs a third of what `any` does)
            if gate(text, low):
                return True
        return False

    def __call__(self, text: str) -> list[Span]:
        """What is secret in the text, from left to right, nothing twice."""
        low = lowered(text)
        found = [
            (start, end, finder.rank, kind)
            for finder in self._finders
            if finder.gate(text, low)
            for start, end, kind in _first(finder.find(text, low), len(text))
            if start < end and kind not in self._allowed
        ]
        if not found:
            return []
        marked = "[redacted:" in text or "[sha:" in text
        marks = [match.span() for match in MARKED.finditer(text)] if marked else []
        return _joined(sorted(found, key=lambda one: (one[0], -one[1])), marks)


class Gate:
    """A quick look at values in depth, which tells whether there can be anything secret in them."""

    def __init__(self, names: KeyNames, search: Search) -> None:
        self._names, self._search = names, search
        self._keys_seen: dict[str, bool] = {}

    def inside(self, value: Any, texts: list[str]) -> bool:
        """Whether a key or a number inside says that there is something; the texts inside are added to `texts`."""
        if value.__class__ is dict:
            return self._in_object(value, texts)
        if value.__class__ is list or value.__class__ is tuple:
            return self._in_list(value, texts)
        if value.__class__ is int:
            return is_card_number(value)
        if value is None or value.__class__ is bool or value.__class__ is float:
            return False
        if isinstance(value, str):
            texts.append(value)
            return False
        if isinstance(value, (list, tuple)):
            return self._in_list(value, texts)
        if isinstance(value, Mapping):
            return self._in_object(value, texts)
        return isinstance(value, int) and is_card_number(value)

    def _in_object(self, values: Mapping[Any, Any], texts: list[str]) -> bool:
        for key, each in values.items():
            if each.__class__ is str:
                texts.append(each)
            elif each is not None and each.__class__ is not bool and self.inside(each, texts):
                return True
            if self._keys_seen.get(key, True) and self._key_worth(key):
                return True
        about: Any = values.get("name", values.get("key")) if "value" in values else None
        return isinstance(about, str) and self._names.named(about) is not None

    def _in_list(self, values: Sequence[Any], texts: list[str]) -> bool:
        for each in values:
            if each.__class__ is str:
                texts.append(each)
                if each.startswith("-") and self._names.named(each) is not None:
                    return True
            elif self.inside(each, texts):
                return True
        return len(values) == 2 and isinstance(values[0], str) and self._names.named(values[0]) is not None

    def _key_worth(self, key: Any) -> bool:
        """Whether the key names a secret or may hold one; remembered for the keys that do not."""
        if not isinstance(key, str):
            return False
        worth = self._names.named(key) is not None or self._search.worth(key)
        if not worth and len(key) <= 128:
            if len(self._keys_seen) >= 4096:
                self._keys_seen.clear()
            self._keys_seen[key] = False
        return worth


def _first(spans: Iterable[Span], length: int) -> Iterator[Span]:
    """The first spans, and if there are more, the rest of the text as one."""
    count = 0
    for looks, span in enumerate(spans):
        count += span[1] > span[0]
        if count > _MOST or looks >= _MOST_LOOKS:
            yield span[0], length, _REST
            return
        yield span


def _joined(found: list[tuple[int, int, int, str]], marks: list[tuple[int, int]]) -> list[Span]:
    """The places with those that overlap as one; none that lies inside a mark, for there nothing is left."""
    joined: list[Span] = []
    last = -1  # the rank of the last one
    mark = 0
    for start, end, rank, kind in found:
        while mark < len(marks) and marks[mark][1] <= start:
            mark += 1
        if mark < len(marks) and marks[mark][0] <= start and end <= marks[mark][1]:
            continue
        if joined and start < joined[-1][1]:
            before = joined[-1]
            better = kind == _REST or (rank < last and before[2] != _REST)
            joined[-1] = (before[0], max(end, before[1]), kind if better else before[2])
            last = rank if better else last
        else:
            joined.append((start, end, kind))
            last = rank
    return joined


def _has_run(text: str, low: str) -> bool:
    return long_run(text) or "hooks.slack" in low


def _has_command(text: str, low: str) -> bool:
    if "-" in low and ("-p" in low or "-u " in low or "-token" in low or "-secret" in low or "-key" in low):
        return True
    return " user " in low and "net" in low


def _has_query(text: str, low: str) -> bool:
    return "=" in text and ("?" in text or "&" in text)


def _has_json(text: str, low: str) -> object:
    """Whether there may be JSON with what only who parses it sees: names with escapes, names after their values."""
    return "{" in text and (("\\u" in text and _ESCAPE.search(text)) or '"value"' in low)


def _has_statement(text: str, low: str) -> bool:
    return ("'" in low or '"' in low) and ("password" in low or "identified" in low)


def _own(name: str, pattern: re.Pattern[str]) -> _Finder:
    def find(text: str, low: str) -> Iterator[Span]:
        for match in pattern.finditer(text):
            yield *match.span(), name

    return _Finder(lambda text, low: pattern.search(text), find, _SHAPES)


def _always(text: str, low: str) -> bool:
    return True


_PERSONAL: Final = {
    "ssns": _Finder(lambda text, low: "-" in text, lambda text, low: numbers.social_security_numbers(text), _NAMES),
    "cards": _Finder(lambda text, low: numbers.many_digits(text), lambda text, low: numbers.cards(text), _NAMES),
    "emails": _Finder(lambda text, low: "@" in text, lambda text, low: numbers.emails(text), _NAMES),
    "phones": _Finder(lambda text, low: numbers.some_digits(text), lambda text, low: numbers.phones(text), _NAMES),
    "ibans": _Finder(_always, lambda text, low: numbers.ibans(text), _NAMES),
}
