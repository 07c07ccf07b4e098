"""What is new or rare for a key: a user from a country for the first time, an action that a user hardly ever does."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from .conditions import Key, key_of
from .finding import Finding
from .form import NONE, Bounds, Fields, Form
from .rules import FirstSeenRule, RareRule
from .state import Keyed

__all__ = ["FirstSeen", "Rare"]

_MOST_VALUES: Final = 200
_HALVED_AT: Final = 20_000
"""From so many events of a key on, counts are halved: what was long ago weighs less."""


class _Known:
    """The values that a key had, the least recent first, and how many events of it there were."""

    __slots__ = ("events", "values")

    def __init__(self, values: Sequence[Key] = (), events: int = 0) -> None:
        self.values: OrderedDict[Key, None] = OrderedDict.fromkeys(values)
        self.events = events


class FirstSeen(Form[FirstSeenRule]):
    """A value is new."""

    def __init__(self, rule: FirstSeenRule, bounds: Bounds) -> None:
        super().__init__(rule, bounds)
        self.needed |= frozenset(rule.value)
        self._value_of = key_of(rule.value)
        self._keys: Keyed[_Known] = Keyed(bounds.keys_of(min(rule.remember, 20)))

    def see(self, event: Fields, seq: int, time: int, step: int) -> Sequence[Finding]:
        key, value = self._key_of(event), self._value_of(event)
        if key is None or value is None:
            return NONE
        known = self._keys.get(key)
        if known is None:
            self._keys.put(key, _Known((value,), 1))
            return NONE
        known.events += 1
        if value in known.values:
            known.values.move_to_end(value)
            return NONE
        known.values[value] = None
        if len(known.values) > self.rule.remember:
            known.values.popitem(last=False)
        if known.events <= self.rule.after:
            return NONE
        new = dict(zip(self.rule.value, value, strict=True))
        return self._tell(event, key, time, (seq,), 1, details=lambda: {"new": new, "known": len(known.values) - 1})

    def saved(self) -> dict[str, Any]:
        return {**super().saved(), "keys": self._keys.saved(lambda known: [list(known.values), known.events])}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self._keys.restore(saved["keys"], lambda packed: _Known([tuple(value) for value in packed[0]], packed[1]))


class _Counts:
    """How often a key had each value, and how many events of it there were."""

    __slots__ = ("events", "values")

    def __init__(self, values: dict[Key, int], events: int) -> None:
        self.values = values
        self.events = events

    def halve(self) -> None:
        self.values = {value: count // 2 for value, count in self.values.items() if count > 1}
        self.events = sum(self.values.values())


class Rare(Form[RareRule]):
    """A value has at most a share of the key's events."""

    def __init__(self, rule: RareRule, bounds: Bounds) -> None:
        super().__init__(rule, bounds)
        self.needed |= frozenset(rule.value)
        self._value_of = key_of(rule.value)
        self._keys: Keyed[_Counts] = Keyed(bounds.keys_of(20))

    def see(self, event: Fields, seq: int, time: int, step: int) -> Sequence[Finding]:
        key, value = self._key_of(event), self._value_of(event)
        if key is None or value is None:
            return NONE
        counts = self._keys.get(key)
        if counts is None:
            self._keys.put(key, _Counts({value: 1}, 1))
            return NONE
        count = counts.values.get(value, 0) + 1
        counts.values[value] = count
        counts.events += 1
        if len(counts.values) > _MOST_VALUES:
            others = (each for each in counts.values if each != value)
            del counts.values[min(others, key=counts.values.__getitem__)]
        if counts.events > self.rule.after and count <= self.rule.at_most * counts.events:
            rare = dict(zip(self.rule.value, value, strict=True))
            return self._tell(
                event, key, time, (seq,), 1, details=lambda: {"rare": rare, "seen": count, "of": counts.events}
            )
        if counts.events >= _HALVED_AT:
            counts.halve()
        return NONE

    def saved(self) -> dict[str, Any]:
        pack = self._keys.saved(lambda counts: [list(counts.values.items()), counts.events])
        return {**super().saved(), "keys": pack}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)

        def counts_of(packed: list[Any]) -> _Counts:
            return _Counts({tuple(value): count for value, count in packed[0]}, packed[1])

        self._keys.restore(saved["keys"], counts_of)
