"""N of X: so many events, or so many different values, of a key within a window."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any, TypeAlias

from .conditions import key_of
from .finding import Finding
from .form import NONE, Bounds, Fields, Form
from .rules import CountRule
from .state import Keyed

__all__ = ["Count", "Distinct", "Recent"]

Moment: TypeAlias = tuple[int, int]
"""The time and the `seq` of an event."""


class Recent:
    """The last events of a key, at most so many, in the order in which they came.

    Late ones stand where they came, so that times may go back: then those within the window are looked for one by one.
    A single time far ahead, of a clock that is wrong, hides nothing.
    """

    __slots__ = ("disordered", "moments", "newest")

    def __init__(self, most: int) -> None:
        self.moments: deque[Moment] = deque(maxlen=most)
        self.newest = -(2**63)
        self.disordered = False

    def add(self, time: int, seq: int, window: int) -> None:
        """The event is among them, and those before the window, as far as they come first, are not."""
        moments = self.moments
        moments.append((time, seq))
        if time < self.newest:
            self.disordered = True
        else:
            self.newest = time
        since = time - window
        while moments[0][0] <= since:
            moments.popleft()
        if self.disordered and len(moments) == 1:
            self.newest, self.disordered = time, False

    def within(self, since: int, until: int) -> list[int]:
        """The `seq`s of those after `since` and up to `until`."""
        return [seq for time, seq in self.moments if since < time <= until]

    def packed(self) -> list[Moment]:
        """For JSON."""
        return list(self.moments)

    @classmethod
    def unpacked(cls, packed: Sequence[Any], most: int) -> Recent:
        """What `packed` gave."""
        recent = cls(most)
        recent.moments.extend((int(time), int(seq)) for time, seq in packed)
        times = [time for time, _ in recent.moments]
        recent.newest = max(times, default=recent.newest)
        recent.disordered = times != sorted(times)
        return recent


class Count(Form[CountRule]):
    """So many events."""

    def __init__(self, rule: CountRule, bounds: Bounds) -> None:
        super().__init__(rule, bounds)
        self._keys: Keyed[Recent] = Keyed(bounds.keys_of(rule.at_least))

    def see(self, event: Fields, seq: int, time: int, step: int) -> Sequence[Finding]:
        key = self._key_of(event)
        if key is None:
            return NONE
        rule, recent = self.rule, self._keys.get(key)
        if recent is None:
            recent = Recent(rule.at_least)
            self._keys.put(key, recent)
        recent.add(time, seq, rule.window)
        if len(recent.moments) < rule.at_least:
            return NONE
        if not recent.disordered and self._is_quiet(key, time, seq):
            return NONE  # in a flood this is all that is done for an event
        seqs = recent.within(time - rule.window, time + self.bounds.late)
        return self._tell(event, key, time, seqs, len(seqs)) if len(seqs) >= rule.at_least else NONE

    def saved(self) -> dict[str, Any]:
        return {**super().saved(), "keys": self._keys.saved(Recent.packed)}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self._keys.restore(saved["keys"], lambda packed: Recent.unpacked(packed, self.rule.at_least))


Values: TypeAlias = OrderedDict[Any, Moment]


class Distinct(Form[CountRule]):
    """So many different values of a field."""

    def __init__(self, rule: CountRule, bounds: Bounds) -> None:
        super().__init__(rule, bounds)
        self._value_of = key_of((rule.distinct or "",))
        self._keys: Keyed[Values] = Keyed(bounds.keys_of(rule.at_least))

    def see(self, event: Fields, seq: int, time: int, step: int) -> Sequence[Finding]:
        key, value = self._key_of(event), self._value_of(event)
        if key is None or value is None:
            return NONE
        rule, values = self.rule, self._keys.get(key)
        if values is None:
            values = OrderedDict()
            self._keys.put(key, values)
        values[value[0]] = time, seq
        values.move_to_end(value[0])
        since, until = time - rule.window, time + self.bounds.late
        while next(iter(values.values()))[0] <= since:
            values.popitem(last=False)
        if len(values) < rule.at_least:
            return NONE
        seqs = sorted(seq for moment, seq in values.values() if since < moment <= until)
        found: Sequence[Finding] = NONE
        if len(seqs) >= rule.at_least:
            details = {"distinct": rule.distinct, "values": [str(each) for each in values][-10:]}
            found = self._tell(event, key, time, seqs, len(seqs), details=lambda: details)
        if len(values) > rule.at_least:
            values.popitem(last=False)
        return found

    def saved(self) -> dict[str, Any]:
        pack = self._keys.saved(lambda values: [[value, *moment] for value, moment in values.items()])
        return {**super().saved(), "keys": pack}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self._keys.restore(
            saved["keys"], lambda packed: OrderedDict((value, (int(time), int(seq))) for value, time, seq in packed)
        )
