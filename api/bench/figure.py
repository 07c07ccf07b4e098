"""One figure of a benchmark: ours, the reference's, their ratio, and whether the target is met. Pure values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

__all__ = ["Figure", "Target", "Unit", "percentile"]

Unit = Literal["events/s", "events", "s", "B"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is held to: `of` it, its ratio to the reference or our own value, must be `at` least or most it."""

    at: Literal["least", "most"]
    limit: float
    of: Literal["ratio", "ours"] = "ratio"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table, from one value of ours and one of the reference's for each round, in the same order."""

    name: str
    unit: Unit
    against: str
    """What the reference is."""
    our_rounds: tuple[float, ...]
    reference_rounds: tuple[float, ...]
    target: Target | None = None
    """None: shown for information."""
    note: str = ""

    @classmethod
    def of(
        cls,
        name: str,
        unit: Unit,
        ours: Sequence[float],
        against: str,
        reference: Sequence[float],
        target: Target | None = None,
        note: str = "",
    ) -> Figure:
        """The figure of these rounds; raises ValueError if there are none, or not as many of both."""
        if not ours or len(ours) != len(reference):
            raise ValueError(f"{name}: {len(ours)} rounds of ours, {len(reference)} of {against}")
        return cls(name, unit, against, tuple(ours), tuple(reference), target, note)

    @property
    def ours(self) -> float:
        """The median of our rounds."""
        return median(self.our_rounds)

    @property
    def reference(self) -> float:
        """The median of the reference's rounds."""
        return median(self.reference_rounds)

    @property
    def ratio(self) -> float:
        """The median of the ratios within a round: a disk that drifts from round to round does not change it."""
        return median(ours / other for ours, other in zip(self.our_rounds, self.reference_rounds, strict=True))

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None if there is none."""
        if self.target is None:
            return None
        value = self.ratio if self.target.of == "ratio" else self.ours
        return value >= self.target.limit if self.target.at == "least" else value <= self.target.limit


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed (nearest rank)."""
    ranked = sorted(values)
    rank = -int(-share * len(ranked) // 1)  # rounded up
    return ranked[max(rank, 1) - 1]
