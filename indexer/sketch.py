"""Summaries of many values that take little room, can be merged, and say how far off they may be.

They are kept with the blocks of the index as JSON in the form of `pack`; a change of it is one of the index's format.
"""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode, b64encode
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from hashlib import blake2b
from heapq import nlargest
from math import ceil, log
from typing import Final, Self

__all__ = ["Distinct", "Quantiles", "buckets_of"]

_GAMMA: Final = 1.0099 / 0.9901
"""Each bucket ends at so many times its beginning, so that its middle is within 0.99 % of all that is in it."""
_PER_LOG: Final = 1 / log(_GAMMA)
_LEAST: Final = 1e-3
"""What is not above this is read as 0."""
_LOWEST: Final = ceil(log(_LEAST) * _PER_LOG) - 1
_MOST_BUCKETS: Final = 2048

_FEW: Final = 512
"""So few hashes are looked through one by one in less time than many are sorted."""

_PRIME: Final = 0x1FFFFF61C8864639
"""Close to 2**61, so that what is left after the shift fills 32 bits; not so close that bytes could cancel."""
_FACTOR: Final = 0x1D8AF9E3C5B40D27
_UPPER_SHIFT: Final = 29


def buckets_of(values: Iterable[float]) -> list[int]:
    """For each value the number of its bucket in Quantiles."""
    lowest, least, per_log = _LOWEST, _LEAST, _PER_LOG
    return [ceil(log(value) * per_log) if value > least else lowest for value in values]


class Quantiles:
    """The quantiles of numbers, within 1 %: the DDSketch of Masson, Rim and Lee (VLDB 2019), buckets by logarithms.

    What is at most 0.001 counts as 0. Only with values further apart than 1e14 to 1 are the lowest thrown together.
    """

    ERROR: Final = 0.01
    """How far a quantile may be from the true one, as a share of it."""

    __slots__ = ("_counts",)

    def __init__(self, buckets: Mapping[int, int] | None = None) -> None:
        """The sketch of what `buckets` counts, by the numbers that `buckets_of` gives."""
        self._counts: Counter[int] = Counter(buckets)

    @property
    def count(self) -> int:
        """How many values there are."""
        return self._counts.total()

    def add(self, value: float, count: int = 1) -> None:
        """The value is in `count` times more."""
        self._counts[buckets_of((value,))[0]] += count

    def update(self, values: Iterable[float]) -> None:
        """Each of the values is in once more."""
        self._counts.update(buckets_of(values))

    def merge(self, other: Self) -> None:
        """All that is in the other is in this too."""
        self._counts.update(other._counts)

    def quantile(self, percent: float) -> float:
        """The value that at least so many percent of all do not exceed (nearest rank), within ERROR.

        Raises ValueError if there are no values.
        """
        need = ceil(self.count * percent / 100)
        for bucket, count in sorted(self._bounded().items()):
            need -= count
            if need <= 0:
                return 0.0 if bucket <= _LOWEST else _middle(bucket)
        raise ValueError("there are no values")

    def pack(self) -> list[int]:
        """The form for JSON: number and count of each bucket in turn, ascending."""
        return [number for pair in sorted(self._bounded().items()) for number in pair]

    @classmethod
    def unpack(cls, packed: list[int]) -> Self:
        """What `pack` gave."""
        return cls(dict(zip(packed[::2], packed[1::2], strict=True)))

    def _bounded(self) -> Counter[int]:
        """The buckets; the lowest are made one if there are too many."""
        excess = len(self._counts) - _MOST_BUCKETS
        if excess > 0:
            ordered = sorted(self._counts)
            kept = ordered[excess]
            for bucket in ordered[:excess]:
                self._counts[kept] += self._counts.pop(bucket)
        return self._counts


def _middle(bucket: int) -> float:
    """What is equally far, as a share, from both ends of the bucket; to six digits, which is far within the error."""
    try:
        return float(f"{2 * _GAMMA**bucket / (_GAMMA + 1):.6g}")
    except OverflowError:
        return sys.float_info.max


class Distinct:
    """The number of different texts: exact up to 2,047, from then on nearly always within 7 %.

    Of the hashes of the texts the 2,048 least are kept ("k minimum values": Bar-Yossef and others, RANDOM 2002; Beyer
    and others, SIGMOD 2007). How closely they stand tells how many there are, with a standard deviation of
    1 / sqrt(k - 2), 2.2 %.

    A hash is a number of 64 bits. Its upper half is quick to make and decides which are the least: the text, as a
    number, times a constant, modulo a prime (Carter and Wegman, 1979; pairwise independence is all that the error
    above asks for). The lower half, made only for those, is of BLAKE2b: no two texts can be made to look the same.
    """

    KEPT: Final = 2048
    ERROR: Final = 0.07
    """Three standard deviations and a little: how far the number may be from the true one, as a share of it."""
    _ALL: Final = 2**64

    __slots__ = ("_below", "_seen")

    def __init__(self, texts: Collection[str] = ()) -> None:
        """The sketch of the texts, which are different."""
        self._below = self._ALL
        self._seen: set[int] = set()
        self.update(texts)

    def update(self, texts: Collection[str]) -> None:
        """The texts, which are different, have been seen."""
        self._seen.update(_least_hashes(texts, self.KEPT))
        if len(texts) >= self.KEPT:
            self._below = min(self._below, self._least()[-1] + 1)
        self._trim()

    def merge(self, other: Self) -> None:
        """All that the other has seen has been seen. The other keeps no more than it needs from then on."""
        if len(other._seen) > self.KEPT:
            least = other._least()
            other._below, other._seen = least[-1] + 1, set(least)
        self._below = min(self._below, other._below)
        if len(self._seen) < _FEW:
            self._seen = {number for number in self._seen if number < self._below}
        self._seen |= other._seen
        self._trim()

    def merge_packed(self, packed: str) -> None:
        """All that the packed sketch has seen has been seen. Of many sketches only the least hashes are looked at."""
        hashes = array("Q", b64decode(packed))
        if sys.byteorder == "big":
            hashes.byteswap()
        if len(hashes) >= self.KEPT:
            self._below = min(self._below, hashes[-1] + 1)
        self._seen.update(hashes[: bisect_left(hashes, self._below)])
        self._trim()

    @property
    def exact(self) -> bool:
        """Whether the number is that of the texts and not guessed."""
        return self._below == self._ALL and len(self._seen) < self.KEPT

    def count(self) -> int:
        """How many different texts there are, within ERROR."""
        if self.exact:
            return len(self._seen)
        more = len(self._seen) - self.KEPT
        greatest = nlargest(more + 1, self._seen)[-1] if more < _FEW else self._least()[-1]
        return round((self.KEPT - 1) * self._ALL / greatest)

    def pack(self) -> str:
        """The form for JSON: Base64 of the least hashes, ascending, little-endian."""
        hashes = array("Q", self._least())
        if sys.byteorder == "big":
            hashes.byteswap()
        return b64encode(hashes).decode()

    def _least(self) -> list[int]:
        return sorted(self._seen)[: self.KEPT]

    def _trim(self) -> None:
        if len(self._seen) > 2 * self.KEPT:
            least = self._least()
            self._below = least[-1] + 1
            self._seen = set(least)


def _least_hashes(texts: Collection[str], number: int) -> list[int]:
    """The least hashes of different texts, at least so many; of fewer texts all."""
    number_of, factor, prime = int.from_bytes, _FACTOR, _PRIME
    encoded = list(map(str.encode, texts))
    uppers = [number_of(text, "big") * factor % prime >> _UPPER_SHIFT for text in encoded]
    limit = 2**32
    if len(uppers) > 2 * number:
        limit = (2**32 * number * 5) // (len(uppers) * 4)  # about so many, and a quarter more
        if sum(upper < limit for upper in uppers) < number:
            limit = sorted(uppers)[number - 1] + 1
    return [
        upper << 32 | number_of(blake2b(text, digest_size=4).digest(), "big")
        for upper, text in zip(uppers, encoded, strict=True)
        if upper < limit
    ]
