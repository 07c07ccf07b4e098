"""Legal holds: days whose segments retention may not remove, with the reason. Kept in DIR/holds.json."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from .errors import CorruptLine
from .event import format_time
from .layout import Layout
from .record import read_record, write_record

__all__ = ["Hold", "add_hold", "read_holds", "write_holds"]


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold on the segments of the days from `first` to `last`, both in (UTC, the days of their names)."""

    id: str
    first: date
    last: date
    reason: str
    placed_at: str

    def covers(self, day: date) -> bool:
        """Whether the day's segments are held."""
        return self.first <= day <= self.last


def read_holds(layout: Layout) -> list[Hold]:
    """The holds in force. Raises CorruptLine if the record was damaged: nothing may be removed then."""
    fields = read_record(layout.holds) or {"holds": []}
    try:
        return [
            Hold(
                str(each["id"]),
                date.fromisoformat(each["first"]),
                date.fromisoformat(each["last"]),
                str(each["reason"]),
                str(each["placed_at"]),
            )
            for each in fields["holds"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptLine(layout.holds.name, 1, 0, 0, f"not as the store writes it: {error}") from None


def add_hold(holds: Iterable[Hold], first: date, last: date, reason: str) -> Hold:
    """A new hold, with an id that none of `holds` has; nothing is written."""
    number = max((int(each.id[1:]) for each in holds if each.id[1:].isdecimal()), default=0) + 1
    return Hold(f"H{number}", first, last, reason, format_time(datetime.now(UTC)))


def write_holds(layout: Layout, holds: Iterable[Hold]) -> None:
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
    write_record(layout.holds, {"holds": listed})
