"""The statistics of caches."""

import asyncio
import functools
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from stonelog.api.capture.cached import Counted
from stonelog.filestore import Store


def test_a_mapping_is_as_before_and_counted() -> None:
    """Questions are counted, each once; `in`, length and order are not."""
    cache = Counted({"a": 1, "b": 2}, name="c")
    assert (cache["a"], cache.get("b"), cache.get("z", 9), cache.setdefault("s", 4)) == (1, 2, 9, 4)
    with pytest.raises(KeyError):
        cache["y"]
    assert ("a" in cache, list(cache), len(cache), cache.pop("s"), cache.pop("s", None)) == (
        True,
        ["a", "b", "s"],
        3,
        4,
        None,
    )
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.size, stats.ratio) == (3, 4, 2, 3 / 7)


def test_what_the_wrapped_mapping_can_do_goes_through() -> None:
    """Methods of its own, and writing."""
    cache = Counted(OrderedDict(a=1, b=2), name="c")
    cache.move_to_end("a")
    cache["c"] = 3
    del cache["b"]
    assert list(cache.wrapped) == ["a", "c"]


def test_a_mapping_that_makes_what_is_missing_has_a_miss() -> None:
    """A defaultdict answers, but did not have it."""
    cache = Counted(defaultdict(list), name="c")
    assert (cache["a"], cache["a"]) == ([], [])
    assert cache.stats()[1:3] == (1, 1)


def test_caches_of_cachetools_have_their_size() -> None:
    """What has fallen out is a miss."""
    cachetools = pytest.importorskip("cachetools", reason="cachetools is not installed")
    cache = Counted(cachetools.LRUCache(1), name="c")
    cache["a"], cache["b"] = 1, 2
    assert (cache.get("a"), cache["b"]) == (None, 2)
    assert cache.stats()[1:] == (1, 1, 1, 1)


def test_a_function_with_counts_of_its_own_is_asked_for_them() -> None:
    """functools.lru_cache, also as a method; its other methods go through."""

    class Shop:
        @functools.partial(Counted, name="prices")
        @functools.lru_cache(maxsize=8)  # noqa: B019
        def price(self, item: str) -> int:
            return len(item)

    shop = Shop()
    assert (shop.price("ab"), shop.price("ab")) == (2, 2)
    assert Shop.price.stats() == ("prices", 1, 1, 1, 8)
    Shop.price.cache_clear()
    assert Shop.price.stats().ratio is None


def test_a_function_that_returns_nothing_had_nothing() -> None:
    """As the `get` of a client; asynchronous ones too."""
    found = Counted({"a": 1}.get, name="c")

    async def fetch(key: str) -> str | None:
        return key if key == "a" else None

    fetched = Counted(fetch, name="f")

    async def ask() -> list[Any]:
        return [await fetched("a"), await fetched("b")]

    assert (found("a"), found("b"), found("c")) == (1, None, None)
    assert asyncio.run(ask()) == ["a", None]
    assert (found.stats()[1:3], fetched.stats()[1:3]) == ((1, 2), (1, 1))


def test_a_report_is_one_event_with_what_is_new(store: Store, written: Any) -> None:
    """The counts since the beginning, and since the last report."""
    cache = Counted({"a": 1}, name="users")
    cache.get("a"), cache.get("b")
    assert cache.report(store)
    cache.get("a")
    assert cache.report(store)
    first, second = (event["metadata"] for event in written())
    assert first == {
        "cache": "users",
        "hits": 1,
        "misses": 1,
        "ratio": 0.5,
        "size": 1,
        "new_hits": 1,
        "new_misses": 1,
        "new_ratio": 0.5,
    }
    assert (second["hits"], second["new_hits"], second["new_misses"], second["new_ratio"]) == (2, 1, 0, 1.0)


def test_counts_that_begin_anew_are_no_negative_ones(store: Store, written: Any) -> None:
    """After `cache_clear` all that is counted is new."""
    square = Counted(functools.lru_cache(lambda x: x * x), name="s")
    square(2), square(2)
    square.report(store)
    square.cache_clear()
    square(3)
    square.report(store)
    assert [event["metadata"]["new_misses"] for event in written()] == [1, 1]


def test_threads_lose_no_count() -> None:
    """Every question is counted."""
    cache = Counted({"a": 1}, name="c")
    threads = [threading.Thread(target=lambda: [cache.get("a") for _ in range(2000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.stats().hits == 8000


def test_what_is_no_cache_is_refused() -> None:
    """Where it is wrapped, not when it is asked."""
    with pytest.raises(TypeError, match="expected a mapping or a callable"):
        Counted(7, name="c")  # type: ignore[arg-type]


def test_a_broken_store_never_breaks_a_report(broken: Any, lost: Callable[[], int]) -> None:
    """It is counted."""
    assert Counted({}, name="c").report(broken) is False
    assert lost() == 1


def test_going_through_a_mapping_is_no_question() -> None:
    """Its items, values and keys are those of the wrapped one, which would count itself otherwise."""
    cache = Counted({"a": 1, "b": 2}, name="c")
    assert (list(cache.items()), list(cache.values()), list(cache.keys())) == ([("a", 1), ("b", 2)], [1, 2], ["a", "b"])
    assert dict(cache) == {"a": 1, "b": 2}
    assert cache == {"a": 1, "b": 2}
    assert cache.stats()[1:3] == (2, 0), "dict() asks for each key"


def test_removing_is_as_in_the_wrapped_mapping() -> None:
    """`popitem` from its end, or with its arguments; `pop` with a default by name, as cachetools takes it."""
    cache = Counted(OrderedDict(a=1, b=2, c=3), name="c")
    assert (cache.popitem(last=False), cache.popitem(), Counted({"a": 1, "b": 2}, name="d").popitem()) == (
        ("a", 1),
        ("c", 3),
        ("b", 2),
    )
    assert cache.pop("z", default=9) == 9


def test_counting_may_be_interrupted_by_counting() -> None:
    """A `__del__` or a signal handler in the same thread waits for no lock that this thread holds."""
    cache = Counted({"a": 1}, name="c")
    with cache._turn:
        assert cache.get("a") == 1
    assert cache.stats().hits == 1
