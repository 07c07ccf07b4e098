"""Sketches: how near they are, that merging is the same as seeing all, and what their stored form keeps."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonelog.indexer.sketch import Distinct, Quantiles

milliseconds = st.floats(0, 1e9) | st.sampled_from([0, 1e-3, 5, 5e-324, 0.0010001, 1e6])


def nearest_rank(values: list[float], percent: float) -> float:
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def quantiles(values: list[float]) -> Quantiles:
    sketch = Quantiles()
    sketch.update(values)
    return sketch


@given(st.lists(milliseconds, min_size=1, max_size=200), st.sampled_from([1, 50, 95, 99, 100]))
def test_a_quantile_is_within_the_stated_error(values: list[float], percent: int) -> None:
    """One per cent of the value of that rank; what is at most a microsecond may be 0."""
    found, true = quantiles(values).quantile(percent), nearest_rank(values, percent)
    assert abs(found - true) <= (Quantiles.ERROR * true if true > 1e-3 else 1e-3)


@given(st.lists(milliseconds, min_size=1, max_size=50), st.lists(milliseconds, max_size=50))
def test_merged_quantiles_are_those_of_all_values(some: list[float], others: list[float]) -> None:
    """However the values are split, and through the stored form."""
    merged = quantiles(some)
    merged.merge(Quantiles.unpack(json.loads(json.dumps(quantiles(others).pack()))))
    assert merged.pack() == quantiles(some + others).pack()
    assert merged.count == len(some) + len(others)


def test_a_value_counts_as_often_as_it_is_added() -> None:
    """The rank goes by the counts."""
    sketch = Quantiles()
    sketch.add(10, 98)
    sketch.add(1000, 2)
    assert sketch.quantile(98) == pytest.approx(10, rel=0.01)
    assert sketch.quantile(99) == pytest.approx(1000, rel=0.01)


def test_quantiles_have_bounded_room() -> None:
    """Of values that lie further apart than anything real, the lowest are thrown together, the highest are not."""
    values = [10.0**power for power in range(-2, 300)] + [1.02**power for power in range(5000)]
    sketch = quantiles(values)
    assert len(sketch.pack()) == 2 * 2048
    assert sketch.count == len(values)
    assert sketch.quantile(99) == pytest.approx(nearest_rank(values, 99), rel=0.01)


def test_the_greatest_float_has_a_bucket() -> None:
    """Its middle would be beyond what a float can hold."""
    assert quantiles([1.7976931348623157e308]).quantile(50) == pytest.approx(1.797e308, rel=0.01)


def test_no_values_have_no_quantile() -> None:
    """There is nothing that could be told."""
    with pytest.raises(ValueError, match="no values"):
        Quantiles().quantile(50)


SHAPES = {
    "numbered": "user-{}",
    "padded": "{:08}",
    "hexadecimal": "{:x}",
    "addresses": "10.{0}.0.1",
    "mail": "someone.with.a.long.name.{}@department.example.org",
    "scattered": "{1:032x}",
    "symbols": "ключ-{}",
}


def texts(shape: str, number: int) -> list[str]:
    scatter = random.Random(number)
    return [SHAPES[shape].format(at, scatter.getrandbits(128)) for at in range(number)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("number", [2_048, 5_000, 40_000, 100_000])
def test_the_number_of_texts_is_within_the_stated_error(shape: str, number: int) -> None:
    """Whatever the texts look like: numbered ones differ by little, and their hashes must not show it."""
    found = Distinct(texts(shape, number))
    assert not found.exact
    assert found.count() == pytest.approx(number, rel=Distinct.ERROR)


@given(st.sets(st.text(max_size=5), max_size=50), st.sets(st.text(max_size=5), max_size=50))
def test_few_texts_are_counted_exactly(some: set[str], others: set[str]) -> None:
    """Merged in either way, and through the stored form."""
    packed, whole = Distinct(), Distinct(some)
    packed.merge_packed(Distinct(some).pack())
    packed.merge_packed(Distinct(others).pack())
    whole.merge(Distinct(others))
    assert packed.exact
    assert packed.count() == whole.count() == len(some | others)
    assert packed.pack() == whole.pack()


@pytest.mark.parametrize("sizes", [(2047, 0), (2047, 1), (2048, 5), (3000, 3000), (5, 9000), (9000, 9000)])
def test_merged_sketches_are_those_of_all_texts(sizes: tuple[int, int]) -> None:
    """In any order, and one by one, the same hashes are left; half of the texts are in both."""
    some, others = texts("numbered", sizes[0]), [f"user-{at}" for at in range(sizes[0] // 2, sizes[0] // 2 + sizes[1])]
    union = Distinct(set(some) | set(others))
    one_by_one = Distinct()
    for text in (*others, *some):
        one_by_one.update((text,))
    first, second = Distinct(some), Distinct(others)
    backwards = Distinct(others)
    backwards.merge_packed(first.pack())
    first.merge(second)
    assert first.pack() == backwards.pack() == one_by_one.pack() == union.pack()
    assert first.count() == backwards.count() == one_by_one.count() == union.count()
    assert union.exact == (len(set(some) | set(others)) < Distinct.KEPT)


def test_the_stored_form_stays() -> None:
    """A change of it is one of the index's format."""
    assert Distinct(["ada", "grace"]).pack() == "F+jnyvqNKxEYXo1OYIDtpw=="
    assert quantiles([0, 5, 5, 250.5]).pack() == [-349, 1, 82, 2, 279, 1]
