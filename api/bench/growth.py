"""How figures grow with the size of the run: this run's beside those that an earlier one wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from stonelog.filestore import StonelogError

from ..cli.tables import table
from .figure import Figure
from .report import with_unit

__all__ = ["Earlier"]


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier run: the number of its events, and our figures by measure and reference."""

    events: int
    ours: dict[tuple[str, str], float]

    @classmethod
    def read(cls, path: Path, benchmark: str) -> Self:
        """The run whose document the file is. Raises StonelogError if it is not one of this benchmark, OSError."""
        try:
            document = json.loads(path.read_bytes())
            ours = {(each["name"], each["against"]): float(each["ours"]) for each in document["figures"]}
            earlier, kind = cls(int(document["events"]), ours), document["benchmark"]
        except (ValueError, TypeError, KeyError):
            kind = None
        if kind != benchmark:
            raise StonelogError(f"{path}: `stonelog bench {benchmark} -o` did not write it", hint="name what it wrote")
        return earlier

    def lines(self, figures: Sequence[Figure], events: int) -> list[str]:
        """A table of the measures that both runs have, once each, with how many times the earlier figure is now."""
        rows: dict[str, tuple[str, ...]] = {}
        for figure in figures:
            before = self.ours.get((figure.name, figure.against))
            if before:
                then, now = with_unit(before, figure.unit), with_unit(figure.ours, figure.unit)
                rows.setdefault(figure.name, (figure.name, then, now, f"{figure.ours / before:,.2f}"))
        return table(("measure", f"{self.events:,} events", f"{events:,} events", "times"), list(rows.values()))
