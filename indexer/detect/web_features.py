"""Signs of an attack, each with a weight; a text shows the attack when the weights of its signs reach ENOUGH."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

__all__ = ["ENOUGH", "Sign", "reaches", "sign"]

ENOUGH: Final = 10
"""The sum from which a text shows an attack: one sign that nothing harmless has, or two that are rare in it."""

Sign = tuple[int, re.Pattern[str]]


def sign(weight: int, pattern: str) -> Sign:
    """A sign of that weight. Patterns are of lower-cased text, start with a character that is rare, and repeat
    single characters only, with a bound, so that looking takes time proportional to the text."""
    return weight, re.compile(pattern)


def reaches(text: str, signs: Sequence[Sign], start: int = 0) -> bool:
    """Whether the signs that the text has weigh enough, with `start` already found elsewhere.

    Give the heaviest first: it ends as soon as the answer is known.
    """
    total = start
    for weight, pattern in signs:
        if pattern.search(text):
            total += weight
            if total >= ENOUGH:
                return True
    return False
