"""What rules keep in mind, bounded by the number of keys, and the file that it is saved in.

The file is `detect.state` in the store's directory: eight hexadecimal digits, the CRC-32 of all that follows them, then
JSON. It is replaced as a whole, never changed: a cut at any moment leaves the one before. It can be deleted; rules
begin to learn anew then.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from zlib import crc32

from stonelog.filestore import dumps, loads

from ..catalog import sync, write_private

__all__ = ["Keyed", "State", "read_state", "state_file", "write_state"]

_VERSION: Final = 1
Item = TypeVar("Item")


class Keyed(Generic[Item]):
    """Items by key, at most so many; those that nobody asked for go first.

    What was asked for or put lately is in `_young`. When that has half of all, it becomes the old half, and what was
    old and not asked for since is gone: that costs a look less than keeping all in order.
    """

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._young: dict[Hashable, Item] = {}
        self._old: dict[Hashable, Item] = {}

    def get(self, key: Hashable) -> Item | None:
        """The item, from now on one of the young; None if there is none."""
        item = self._young.get(key)
        if item is None and (item := self._old.pop(key, None)) is not None:
            self.put(key, item)
        return item

    def put(self, key: Hashable, item: Item) -> None:
        """The item is there."""
        if len(self._young) >= self._half and key not in self._young:
            self._old = self._young if self._half else {}
            self._young = {}
        self._old.pop(key, None)
        self._young[key] = item

    def replace(self, key: Hashable, item: Item) -> None:
        """The item is there instead of the one that was just asked for."""
        self._young[key] = item

    def drop(self, key: Hashable) -> None:
        """There is no item of the key."""
        self._young.pop(key, None)
        self._old.pop(key, None)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def __iter__(self) -> Iterator[tuple[Hashable, Item]]:
        yield from self._old.items()
        yield from self._young.items()

    def saved(self, pack: Callable[[Item], object]) -> list[list[object]]:
        """The items for JSON, the old ones first."""
        return [[key, pack(item)] for key, item in self]

    def restore(self, saved: list[list[Any]], unpack: Callable[[Any], Item]) -> None:
        """The items are those that `saved` gave. Raises ValueError, TypeError, KeyError, IndexError for others."""
        for key, packed in saved:
            self.put(tuple(key) if isinstance(key, list) else key, unpack(packed))


class State:
    """Up to which `seq` events were seen, and what each rule kept in mind, by id with a digest of the rule."""

    __slots__ = ("rules", "seq")

    def __init__(self, seq: int, rules: dict[str, dict[str, Any]]) -> None:
        self.seq = seq
        self.rules = rules


def state_file(directory: Path) -> Path:
    """The file of the state of the store in `directory`."""
    return directory / "detect.state"


def read_state(directory: Path) -> State | None:
    """The state that was saved; None if there is none. Raises ValueError if it is damaged, and OSError."""
    path = state_file(directory)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    if data[:8] != b"%08x" % crc32(data[8:]):
        raise ValueError(f"{path}: damaged")
    fields = loads(data[8:])
    if fields.get("version") != _VERSION:
        raise ValueError(f"{path}: of version {fields.get('version')}, expected {_VERSION}")
    return State(fields["seq"], fields["rules"])


def write_state(directory: Path, state: State) -> None:
    """The state is on stable storage in the place of the one before. Raises OSError."""
    data = dumps({"version": _VERSION, "seq": state.seq, "rules": state.rules})
    path = state_file(directory)
    part = path.with_name(f"{path.name}.part")
    write_private(part, b"%08x" % crc32(data) + data)
    part.replace(path)
    sync(directory)
