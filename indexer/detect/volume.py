"""How much: the sum of a number, such as exported rows or bytes, over a window."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import isfinite
from typing import Any, Final

from .conditions import value_of
from .finding import Finding
from .form import NONE, Bounds, Fields, Form
from .rules import VolumeRule
from .state import Keyed

__all__ = ["Volume"]

_MOST: Final = 500
"""So many amounts of a key are kept; the next one joins the last."""


class _Amounts:
    """The amounts of a key: time, `seq` and how much, in the order in which they came."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Sequence[Any]] = ()) -> None:
        self.parts: deque[tuple[int, int, float]] = deque((int(time), int(seq), much) for time, seq, much in parts)

    def add(self, time: int, seq: int, much: float, window: int) -> None:
        parts = self.parts
        if len(parts) >= _MOST:
            much += parts.pop()[2]
        parts.append((time, seq, much))
        while parts[0][0] <= time - window:
            parts.popleft()

    def within(self, since: int, until: int) -> tuple[float, list[int]]:
        found = [part for part in self.parts if since < part[0] <= until]
        return sum(part[2] for part in found), [part[1] for part in found]


class Volume(Form[VolumeRule]):
    """The sum has reached the amount."""

    def __init__(self, rule: VolumeRule, bounds: Bounds) -> None:
        super().__init__(rule, bounds)
        self._numbers = [value_of(field) for field in rule.sum]
        self._keys: Keyed[_Amounts] = Keyed(bounds.keys_of(20))

    def _much(self, event: Fields) -> float:
        for number in self._numbers:
            value = number(event)
            if type(value) in (int, float) and isfinite(value):
                return float(max(value, 0))
        return 0.0

    def see(self, event: Fields, seq: int, time: int, step: int) -> Sequence[Finding]:
        key, much = self._key_of(event), self._much(event)
        if key is None or much <= 0:
            return NONE
        amounts = self._keys.get(key)
        if amounts is None:
            amounts = _Amounts()
            self._keys.put(key, amounts)
        amounts.add(time, seq, much, self.rule.window)
        total, seqs = amounts.within(time - self.rule.window, time + self.bounds.late)
        if total < self.rule.at_least:
            return NONE
        return self._tell(event, key, time, seqs, len(seqs), details=lambda: {"sum": total})

    def saved(self) -> dict[str, Any]:
        return {**super().saved(), "keys": self._keys.saved(lambda amounts: list(amounts.parts))}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self._keys.restore(saved["keys"], _Amounts)
