"""What is missing: numbers in a row of the store's or an application's, or events for a while."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .conditions import value_of
from .finding import Finding
from .form import NONE, Bounds, Fields, Form
from .rules import GapRule
from .state import Keyed

__all__ = ["Gap"]


class Gap(Form[GapRule]):
    """A number went on by more than one, or nothing came for longer than the silence."""

    def __init__(self, rule: GapRule, bounds: Bounds) -> None:
        super().__init__(rule, bounds)
        self._number_of = value_of(rule.field)
        self._keys: Keyed[tuple[int, int]] = Keyed(bounds.keys)

    @property
    def of_the_store(self) -> bool:
        """Whether it looks at the store's own `seq`, of which the engine tells it what is missing."""
        return self.rule.field == "seq" and self.rule.silence is None

    def missing(self, event: Fields, seq: int, time: int, first: int) -> Sequence[Finding]:
        """The findings about the `seq`s from `first` to before `seq` being gone."""
        if seq - first < self.rule.at_least:
            return NONE
        details = {"missing_first": first, "missing_last": seq - 1}
        found = self._finding(event, (), time, (seq,), seq - first, {}, details)
        return (found,)  # each gap is told: no other says the same

    def see(self, event: Fields, seq: int, time: int, step: int) -> Sequence[Finding]:
        key = self._key_of(event)
        if key is None:
            return NONE
        if self.rule.silence is None:
            return self._number(event, seq, time, key)
        before = self._keys.get(key)
        self._keys.put(key, (time, seq))
        if before is None or time - before[0] < self.rule.silence:
            if before is not None and 0 <= before[0] - time <= self.bounds.late:
                self._keys.put(key, before)  # a late one: silence counts from the newest
            return NONE
        details = {"silent_seconds": (time - before[0]) / 1_000_000}
        return self._tell(event, key, time, (before[1], seq), 1, details=lambda: details)

    def _number(self, event: Fields, seq: int, time: int, key: tuple[Any, ...]) -> Sequence[Finding]:
        number = self._number_of(event)
        if type(number) is not int or abs(number) >= 2**63:
            return NONE
        before = self._keys.get(key)
        self._keys.put(key, (number, seq))
        if before is None or number - before[0] - 1 < self.rule.at_least:
            return NONE
        details = {"missing_first": before[0] + 1, "missing_last": number - 1}
        return self._tell(event, key, time, (before[1], seq), number - before[0] - 1, details=lambda: details)

    def saved(self) -> dict[str, Any]:
        return {**super().saved(), "keys": self._keys.saved(list)}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self._keys.restore(saved["keys"], lambda packed: (int(packed[0]), int(packed[1])))
