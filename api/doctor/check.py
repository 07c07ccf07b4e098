"""What a check says."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Check", "State", "some"]

State = Literal["ok", "warn", "problem"]


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    state: State
    text: str
    advice: str = ""


def some(names: list[str]) -> str:
    """The first three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
