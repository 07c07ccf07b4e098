"""How figures grow with the size of the run, ours and the references': this run's beside those of an earlier one."""

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
    """An earlier run: the number of its events; our figures and the references', by measure and reference."""

    events: int
    ours: dict[tuple[str, str], float]
    references: dict[tuple[str, str], float]

    @classmethod
    def read(cls, path: Path, benchmark: str) -> Self:
        """The run whose document the file is. Raises StonelogError if it is not one of this benchmark, OSError."""
        try:
            document = json.loads(path.read_bytes())
            figures = {(each["name"], each["against"]): each for each in document["figures"]}
            ours, references = (
                {key: float(each[whose]) for key, each in figures.items()} for whose in ("ours", "reference")
            )
            earlier, kind = cls(int(document["events"]), ours, references), document["benchmark"]
        except (ValueError, TypeError, KeyError):
            kind = None
        if kind != benchmark:
            raise StonelogError(f"{path}: `stonelog bench {benchmark} -o` did not write it", hint="name what it wrote")
        return earlier

    def lines(self, figures: Sequence[Figure], events: int) -> list[str]:
        """A table of the measures that both runs have, and how many times each figure is what it was.

        Of each measure ours stands first, once, then each reference.
        """
        rows: dict[tuple[str, str], tuple[str, ...]] = {}
        for figure in figures:
            key = figure.name, figure.against
            for who, before, after in (
                ("ours", self.ours.get(key), figure.ours),
                (figure.against, self.references.get(key), figure.reference),
            ):
                if before:
                    then, now = with_unit(before, figure.unit), with_unit(after, figure.unit)
                    rows.setdefault((figure.name, who), (figure.name, who, then, now, f"{after / before:,.2f}"))
        return table(("measure", "of", f"{self.events:,} events", f"{events:,} events", "times"), list(rows.values()))
