"""Legal holds: days whose segments retention may not remove, with the reason. Kept in DIR/holds.json."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from .errors import CorruptLine
from .layout import Layout
from .record import read_record, write_record

__all__ = ["LONGEST_REASON", "Hold", "read_holds", "write_holds"]

LONGEST_REASON: Final = 1_000
"""Characters of a hold's reason, which stands in an event too."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold on what was written on the days from `first` to `last`, both in (UTC)."""

    id: str
    first: date
    last: date
    reason: str
    placed_at: str

    def covers(self, first: date, last: date) -> bool:
        """Whether one of these days is held."""
        return self.first <= last and first <= self.last


def read_holds(layout: Layout) -> tuple[list[Hold], int]:
    """The holds in force, and how many were ever placed: ids are not used again.

    Raises CorruptLine if the record was damaged: nothing may be removed then.
    """
    fields = read_record(layout.holds) or {"issued": 0, "holds": []}
    try:
        holds = [
            Hold(
                str(each["id"]),
                date.fromisoformat(each["first"]),
                date.fromisoformat(each["last"]),
                str(each["reason"]),
                str(each["placed_at"]),
            )
            for each in fields["holds"]
        ]
        return holds, int(fields["issued"])
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptLine(layout.holds.name, 1, 0, 0, f"not as the store writes it: {error}") from None


def write_holds(layout: Layout, holds: Iterable[Hold], issued: int) -> None:
    """The record is on stable storage. Raises OSError."""
    listed = [
        {
            "id": each.id,
            "first": each.first.isoformat(),
            "last": each.last.isoformat(),
            "reason": each.reason,
            "placed_at": each.placed_at,
        }
        for each in holds
    ]
    write_record(layout.holds, {"issued": issued, "holds": listed})
