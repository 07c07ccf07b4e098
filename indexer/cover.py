"""Ranges of keys as prefixes: keys are numbers of a fixed count of hexadecimal digits."""

from __future__ import annotations

from math import ceil, floor
from typing import Final

from .terms import EXACT_INTEGERS, NUMBER_DIGITS, number_key
from .tree import Value

__all__ = ["cover", "number_bounds"]


_ALL_KEYS: Final = 1 << (4 * NUMBER_DIGITS)


def cover(first: int, last: int, digits: int, limit: int) -> tuple[list[str], bool]:
    """The fewest prefixes that all keys from `first` to `last`, both within, begin with and no other key does.

    If they were more than `limit`, fewer that let in some keys beyond the ends, and False.
    """
    exact = True
    for spared in range(digits + 1):
        block = 1 << 4 * spared
        prefixes = _prefixes(first // block, last // block, digits - spared, limit)
        if prefixes is not None:
            return prefixes, exact
        exact = False
    return [""], False


def _prefixes(first: int, last: int, digits: int, limit: int) -> list[str] | None:
    """The prefixes, or None if they are more than `limit`."""
    prefixes: list[str] = []
    while first <= last:
        spared = 0
        while spared < digits and first % (16 << 4 * spared) == 0 and first + (16 << 4 * spared) - 1 <= last:
            spared += 1
        length = digits - spared
        prefixes.append(f"{first // (1 << 4 * spared):0{length}x}" if length else "")
        if len(prefixes) > limit:
            return None
        first += 1 << 4 * spared
    return prefixes


def number_bounds(
    low: Value | None, high: Value | None, low_open: bool, high_open: bool, *, whole: bool
) -> tuple[int, int, bool]:
    """The first and the last key of the numbers between the bounds, and whether no other number has a key between.

    Of whole numbers the keys may reach up to the next one outside, where they take fewer prefixes.
    """
    first, last = 0, _ALL_KEYS - 1
    exact = True
    if isinstance(low, int | float):
        exact = exact and abs(low) < EXACT_INTEGERS
        if whole and exact:
            least = floor(low) + 1 if low_open else ceil(low)
            first = _rounded_down(number_key(least), number_key(least - 1) + 1)
        else:
            first = number_key(low) + (low_open and exact)
    if isinstance(high, int | float):
        sure = abs(high) < EXACT_INTEGERS
        exact = exact and sure
        if whole and sure:
            most = ceil(high) - 1 if high_open else floor(high)
            last = _rounded_up(number_key(most), number_key(most + 1) - 1)
        else:
            last = number_key(high) - (high_open and sure)
    return first, last, exact


def _rounded_down(key: int, least: int) -> int:
    """The key with as many zeros at its end as still leave it at `least` or above."""
    block = 1
    while block < _ALL_KEYS and key - key % (block * 16) >= least:
        block *= 16
    return key - key % block


def _rounded_up(key: int, most: int) -> int:
    """The key with as many f at its end as still leave it at `most` or below."""
    block = 1
    while block < _ALL_KEYS and key - key % (block * 16) + block * 16 - 1 <= most:
        block *= 16
    return key - key % block + block - 1
