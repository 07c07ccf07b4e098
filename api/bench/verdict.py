"""Who is first: ours, question by question, against the best of the peers in the same run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..cli.tables import table
from .figure import Figure, Unit
from .report import with_unit

__all__ = ["Verdict", "verdict_lines", "verdicts"]


class Verdict(NamedTuple):
    """Of one measure ours, the best peer and what it has, and how many times that ours is."""

    name: str
    unit: Unit
    ours: float
    peer: str
    best: float
    times: float

    @property
    def ahead(self) -> bool:
        """Whether no peer has less."""
        return self.times <= 1


def verdicts(figures: Sequence[Figure], peers: Sequence[str]) -> list[Verdict]:
    """One for each measure that must be at most that of each of the `peers`, in the order of the figures."""
    best: dict[str, Figure] = {}
    for figure in figures:
        target = figure.target
        if figure.against in peers and target and (target.at, target.of, target.limit) == ("most", "ratio", 1):
            best[figure.name] = min(best.get(figure.name, figure), figure, key=lambda each: each.reference)
    return [
        Verdict(each.name, each.unit, each.ours, each.against, each.reference, each.ratio) for each in best.values()
    ]


def verdict_lines(found: Sequence[Verdict]) -> list[str]:
    """A table of them, and how many are ahead; nothing if there are none."""
    if not found:
        return []
    rows = [
        (
            each.name,
            with_unit(each.ours, each.unit),
            with_unit(each.best, each.unit),
            each.peer,
            f"{each.times:,.2f}",
            "ahead" if each.ahead else "BEHIND",
        )
        for each in found
    ]
    ahead = sum(each.ahead for each in found)
    heads = ("measure", "ours", "best peer", "of", "ratio", "")
    return ["", *table(heads, rows), f"Ahead of the best peer in {ahead} of {len(found)}.", ""]
