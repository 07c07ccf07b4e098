"""What a check says, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

__all__ = ["ORDER", "Check", "Repair", "State", "some"]

State = Literal["ok", "warn", "problem"]

ORDER: Final = ("modes", "pruned", "manifest", "open", "index")
"""The kinds of repairs, in the order in which they are made: opening the store relies on its records."""


class Repair(NamedTuple):
    """What `--fix` would do. `act` does it and says what it did; it raises StonelogError or OSError if it cannot."""

    kind: str
    text: str
    act: Callable[[], str]
    subject: str = ""
    """What it is done to, where there can be several of a kind."""


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    state: State
    text: str
    advice: str = ""
    repair: Repair | None = None


def some(names: list[str]) -> str:
    """The first three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
