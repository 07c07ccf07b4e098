"""What was found or added up once, kept in memory for the next question."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from .tally import covers

if TYPE_CHECKING:
    from .block import Block
    from .view import Question, View

__all__ = ["Kept", "stored_sum"]

_MOST_ENTRIES: Final = 64
MOST_VALUES: Final = 100_000
"""What has more values is not kept: an entry takes some 10 MB at most."""


class Kept:
    """The entries last asked for, at most `most`, which are not to be changed. Safe to use from several threads."""

    def __init__(self, most: int = _MOST_ENTRIES) -> None:
        self._most = most
        self._entries: OrderedDict[Hashable, Any] = OrderedDict()
        self._turn = threading.Lock()

    def get(self, key: Hashable) -> Any:
        """The entry, None if there is none."""
        with self._turn:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key]

    def put(self, key: Hashable, entry: Any) -> None:
        """The entry is kept, the one that was not asked for the longest is not if there are too many."""
        with self._turn:
            self._entries[key] = entry
            self._entries.move_to_end(key)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)

    def sift(self, left: Callable[[Any, Any], Any]) -> None:
        """Each entry becomes what `left` gives for its key and itself; None: it is gone."""
        with self._turn:
            for key, entry in list(self._entries.items()):
                self._entries[key] = left(key, entry)
                if self._entries[key] is None:
                    del self._entries[key]


_LARGE: Final = 256
"""Events: smaller blocks are soon made part of larger ones."""


class Sum(Protocol):
    """What can be added up over blocks. Its length is how much room it takes."""

    def update(self, other: Any, /) -> None: ...
    def __len__(self) -> int: ...


Total = TypeVar("Total", bound=Sum)


def stored_sum(
    view: View, question: Question, what: Hashable, empty: Callable[[], Total], add: Callable[[Total, Block], bool]
) -> tuple[Total, frozenset[Hashable]]:
    """The sum over the large blocks whose stored figures say all that is asked, and the identities of what is in it.

    The sum is not to be changed. `add` adds those of one block to a sum; False if they do not say it all. Sums are kept
    in `view.cache` for `what`: of each shard, of all sealed ones, of all; what an active one gets is added to its own.
    """
    sealed: list[tuple[Hashable, list[Block]]] = []
    active: list[tuple[Hashable, list[Block]]] = []
    for shard, blocks in view.shards(question):
        large = [block for block in blocks if block.events >= _LARGE and covers(question, block)]
        (sealed if shard.sealed else active).append((shard.identity, large))
    total, done = _sum(view, what, sealed, empty, add)
    if active:
        more, within = _sum(view, what, active, empty, add)
        if within:
            total = _both(view, (what, done, within), total, more, empty)
            done |= within
    return total, done


def _sum(
    view: View,
    what: Hashable,
    shards: list[tuple[Hashable, list[Block]]],
    empty: Callable[[], Total],
    add: Callable[[Total, Block], bool],
) -> tuple[Total, frozenset[Hashable]]:
    """The sum over these blocks of these shards."""
    key = what, tuple((identity, *(block.identity for block in blocks)) for identity, blocks in shards)
    entry: tuple[Total, frozenset[Hashable]] | None = view.cache.get(key)
    if entry is None:
        total, done = empty(), set[Hashable]()
        for identity, blocks in shards:
            total.update(_shard_sum(view, (what, identity), blocks, empty, add, done))
        entry = total, frozenset(done)
        if len(total) <= MOST_VALUES:
            view.cache.put(key, entry)
    return entry


def _both(view: View, key: Hashable, one: Total, other: Total, empty: Callable[[], Total]) -> Total:
    found: Total | None = view.cache.get(key)
    if found is None:
        found = empty()
        found.update(one)
        found.update(other)
        if len(found) <= MOST_VALUES:
            view.cache.put(key, found)
    return found


def _shard_sum(
    view: View,
    key: Hashable,
    blocks: list[Block],
    empty: Callable[[], Total],
    add: Callable[[Total, Block], bool],
    done: set[Hashable],
) -> Total:
    """The sum over the blocks of a shard, or over those before the first that does not say it all."""
    identities = [block.identity for block in blocks]
    known: tuple[list[Hashable], Total] | None = view.cache.get(key)
    if known is None or known[0] != identities[: len(known[0])]:
        known = [], empty()
    within, total = list(known[0]), known[1]
    if len(within) < len(identities):
        total = empty()
        total.update(known[1])
        for block in view.patience.over(blocks[len(within) :]):
            if not add(total, block):
                break
            within.append(block.identity)
        if len(total) <= MOST_VALUES:
            view.cache.put(key, (within, total))
    done.update(within)
    return total
