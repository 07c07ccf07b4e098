"""How well a cache does: hits, misses and their ratio, of a mapping or of a function that keeps its results.

users = Counted(cachetools.TTLCache(1000, 60), name="users")
price = Counted(functools.lru_cache(price), name="prices")
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextvars import Context
from types import MethodType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from .given import completed
from .offer import offer

if TYPE_CHECKING:
    from stonelog.filestore import Store

__all__ = ["CacheStats", "Counted"]

_ABSENT: Final = object()


class CacheStats(NamedTuple):
    """What a cache did since it was wrapped, or emptied with its own counts."""

    name: str
    hits: int
    misses: int
    size: int | None
    max_size: int | None

    @property
    def ratio(self) -> float | None:
        """Which part of the questions it answered, 0 to 1; None if there was none."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else None


class Counted(MutableMapping[Any, Any]):
    """Takes the place of the mapping or function that it wraps, and counts how often it had what was asked for.

    A mapping is asked by `[key]`, `get`, `pop` and `setdefault`; `in` and going through it are no
    questions. A function
    that counts by itself (`cache_info`, as of functools.lru_cache) is asked for its counts. Of another function
    `missing` is what it returns where it has nothing, as `None` from the `get` of a client of a cache; it may be
    asynchronous. Everything else that the wrapped thing can do goes through to it. From any thread.
    """

    def __init__(self, wrapped: Mapping[Any, Any] | Callable[..., Any], *, name: str, missing: object = None) -> None:
        if not callable(wrapped) and not isinstance(wrapped, Mapping) and not hasattr(wrapped, "__getitem__"):
            raise TypeError(f"{wrapped!r}: expected a mapping or a callable")
        self.name = name
        self.wrapped: Any = wrapped
        self._missing = missing
        self._turn = threading.RLock()  # a `__del__` may log in the middle, in this thread
        self._hits = self._misses = 0
        self._told = (0, 0)

    def stats(self) -> CacheStats:
        """The counts now."""
        info = getattr(self.wrapped, "cache_info", None)
        if callable(info):
            found = info()
            return CacheStats(self.name, found.hits, found.misses, found.currsize, found.maxsize)
        try:
            size = len(self.wrapped)
        except TypeError:
            size = None
        return CacheStats(self.name, self._hits, self._misses, size, getattr(self.wrapped, "maxsize", None))

    def report(self, store: Store | None = None) -> bool:
        """One event `cache_stats` with the counts, and those since the last report; whether it was taken."""
        try:
            event = self._event()
        except Exception:  # noqa: BLE001 (a wrapped thing that cannot be counted breaks no program)
            return False
        return Context().run(offer, store, event)

    def _event(self) -> dict[str, Any]:
        stats = self.stats()
        with self._turn:
            hits, misses = self._told
            self._told = (stats.hits, stats.misses)
        if stats.hits < hits or stats.misses < misses:  # counts that began anew
            hits = misses = 0
        since = CacheStats(self.name, stats.hits - hits, stats.misses - misses, None, None)
        metadata = {"cache": self.name, "hits": stats.hits, "misses": stats.misses, "ratio": _rounded(stats.ratio)}
        metadata |= {"size": stats.size, "max_size": stats.max_size}
        metadata |= {"new_hits": since.hits, "new_misses": since.misses, "new_ratio": _rounded(since.ratio)}
        message = f"cache {self.name}: {stats.hits:,} of {stats.hits + stats.misses:,} found"
        present = {name: value for name, value in metadata.items() if value is not None}
        return completed({"message": message}, present, "system_management", "cache_stats")

    def _count(self, hit: bool) -> None:
        with self._turn:
            if hit:
                self._hits += 1
            else:
                self._misses += 1

    def __getitem__(self, key: Any) -> Any:
        # Where a missing key makes a value, as in a defaultdict, it can only be asked for before.
        hit = key in self.wrapped if hasattr(type(self.wrapped), "__missing__") else None
        try:
            value = self.wrapped[key]
        except KeyError:
            self._count(False)
            raise
        self._count(hit is not False)
        return value

    def get(self, key: Any, default: Any = None) -> Any:
        value = self.wrapped.get(key, _ABSENT)
        self._count(value is not _ABSENT)
        return default if value is _ABSENT else value

    def pop(self, key: Any, *default: Any, **named: Any) -> Any:
        if "default" in named and not default:
            default = (named.pop("default"),)
        value = self.wrapped.pop(key, _ABSENT, **named)
        self._count(value is not _ABSENT)
        if value is not _ABSENT:
            return value
        if not default:
            raise KeyError(key)
        return default[0]

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self._count(key in self.wrapped)
        return self.wrapped.setdefault(key, default)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        result = self.wrapped(*args, **keywords)
        if hasattr(self.wrapped, "cache_info"):
            return result
        if inspect.iscoroutine(result):
            return self._awaited(result)
        self._count(result is not self._missing)
        return result

    async def _awaited(self, result: Any) -> Any:
        found = await result
        self._count(found is not self._missing)
        return found

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """As a method: bound, as the function would be. A cache that is no function is given as it is."""
        if instance is None or not callable(self.wrapped):
            return self
        return MethodType(cast("Callable[..., Any]", self), instance)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.wrapped[key] = value

    def __delitem__(self, key: Any) -> None:
        del self.wrapped[key]

    def __contains__(self, key: object) -> bool:
        return key in self.wrapped

    def __iter__(self) -> Iterator[Any]:
        return iter(self.wrapped)

    def __len__(self) -> int:
        return len(self.wrapped)

    def __bool__(self) -> bool:
        return callable(self.wrapped) or bool(self.wrapped)

    def popitem(self, *args: Any, **named: Any) -> Any:
        return self.wrapped.popitem(*args, **named)

    def keys(self) -> Any:
        return self.wrapped.keys()

    def values(self) -> Any:
        return self.wrapped.values()

    def items(self) -> Any:
        return self.wrapped.items()

    def clear(self) -> None:
        self.wrapped.clear()

    def __getattr__(self, name: str) -> Any:
        if name == "wrapped":  # not there yet, as while it is being copied
            raise AttributeError(name)
        return getattr(self.wrapped, name)

    def __repr__(self) -> str:
        return f"Counted({self.wrapped!r}, name={self.name!r})"


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 4)
