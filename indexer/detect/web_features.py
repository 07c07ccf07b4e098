"""Signs of an attack, each with a weight; a text shows the attack when the weights of its signs reach ENOUGH."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from typing import Final

__all__ = ["ENOUGH", "Sign", "after", "called", "reaches", "sign", "words"]

ENOUGH: Final = 10
"""The sum from which a text shows an attack: one sign that nothing harmless has, or two that are rare in it."""

Sign = tuple[int, str, re.Pattern[str]]


def sign(weight: int, needle: str, pattern: str) -> Sign:
    """A sign of that weight, looked for only in texts that have the needle, which all that it finds must have.

    Patterns are of lower-cased text. They repeat single characters or sets of them only, with a bound, and nothing
    that repeats stands inside something that repeats, so that looking takes time proportional to the text.
    """
    return weight, needle, re.compile(pattern)


def after(mark: str, *words: str) -> str:
    """The pattern of a mark that comes after one of the words, such as a parenthesis after a function's name.

    It begins with the mark, which the search skips to: a dozen times as fast as beginning with the words.
    """
    mark = re.escape(mark)
    return mark + "(?:" + "|".join(rf"(?<=\b{word}{mark})" for word in words) + ")"


def reaches(text: str, signs: Sequence[Sign]) -> bool:
    """Whether the signs that the text has weigh enough. It ends as soon as the answer is known."""
    total = 0
    for weight, needle, pattern in signs:
        if needle in text and pattern.search(text):
            total += weight
            if total >= ENOUGH:
                return True
    return False


def called(calls: Iterable[tuple[str, str]], names: Container[str], begins: str) -> bool:
    """Whether one of the functions is called with something that begins with one of these characters."""
    return any(name in names and first in begins for name, first in calls)


def words(text: str) -> frozenset[str]:
    """The words of the text, as a set."""
    return frozenset(text.split())
