"""A then B: the steps of a sequence, each so many events of the same key, all within a window."""

from __future__ import annotations

from collections.abc import Sequence as Several
from typing import Any

from .counting import Recent
from .finding import Finding
from .form import NONE, Bounds, Fields, Form
from .rules import SequenceRule
from .state import Keyed

__all__ = ["Sequence"]


class Sequence(Form[SequenceRule]):
    """An event counts for a step if all steps before it are complete within the window that it ends."""

    def __init__(self, rule: SequenceRule, bounds: Bounds) -> None:
        super().__init__(rule, bounds)
        self._needed = [step.at_least for step in rule.steps]
        self._keys: Keyed[list[Recent]] = Keyed(bounds.keys_of(sum(self._needed)))

    def see(self, event: Fields, seq: int, time: int, step: int) -> Several[Finding]:
        key = self._key_of(event)
        if key is None:
            return NONE
        steps = self._keys.get(key)
        if steps is None:
            if step:
                return NONE
            steps = [Recent(most) for most in self._needed]
            self._keys.put(key, steps)
        since, until = time - self.rule.window, time + self.bounds.late
        seqs: list[int] = []
        for place in range(step):
            found = steps[place].within(since, until)
            if len(found) < self._needed[place] or (seqs and found[-1] < seqs[-1]):
                return NONE
            seqs += found
        steps[step].add(time, seq, self.rule.window)
        if step < len(steps) - 1 or len(steps[step].moments) < self._needed[step]:
            return NONE
        last = steps[step].within(since, until)
        if len(last) < self._needed[step]:
            return NONE
        self._keys.drop(key)
        seqs += last
        return self._tell(event, key, time, seqs, len(seqs))

    def saved(self) -> dict[str, Any]:
        return {**super().saved(), "keys": self._keys.saved(lambda steps: [step.packed() for step in steps])}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)

        def steps_of(packed: list[Any]) -> list[Recent]:
            return [Recent.unpacked(each, most) for each, most in zip(packed, self._needed, strict=True)]

        self._keys.restore(saved["keys"], steps_of)
