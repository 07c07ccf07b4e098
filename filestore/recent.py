"""What was read last, kept in memory as far as it fits."""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["Recent"]


class Recent:
    """Bytes by their key, the least recently used of which go when there are more than `most` bytes. For one thread.

    A key is an owner, whose own all goes with `drop`, and where in it the bytes are.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._kept: OrderedDict[tuple[object, int], bytes] = OrderedDict()

    def get(self, key: tuple[object, int]) -> bytes | None:
        """The bytes of that key, None if they are not kept."""
        data = self._kept.get(key)
        if data is not None:
            self._kept.move_to_end(key)
        return data

    def put(self, key: tuple[object, int], data: bytes) -> None:
        """They are kept, alone if they are too many by themselves."""
        self._held += len(data) - len(self._kept.pop(key, b""))
        self._kept[key] = data
        while self._held > self._most and len(self._kept) > 1:
            self._held -= len(self._kept.popitem(last=False)[1])

    def drop(self, owner: object) -> None:
        """Nothing of this owner is kept any more."""
        for key in [key for key in self._kept if key[0] is owner]:
            self._held -= len(self._kept.pop(key))
