import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonelog.indexer.cover import cover, number_bounds
from stonelog.indexer.terms import number_key
from strategies import numbers

digits = st.integers(0, 16**4 - 1)


@given(digits, digits, digits)
def test_prefixes_hold_a_range_and_nothing_else(first: int, last: int, key: int) -> None:
    """A key begins with one of the prefixes if and only if it lies in the range."""
    prefixes, exact = cover(first, last, 4, 1000)
    assert exact
    for each in (first - 1, first, key, last, last + 1):
        if 0 <= each < 16**4:
            assert any(f"{each:04x}".startswith(prefix) for prefix in prefixes) == (first <= each <= last)


@given(digits, digits, digits, st.integers(1, 20))
def test_few_prefixes_let_in_more_but_miss_nothing(first: int, last: int, key: int, limit: int) -> None:
    """When too many prefixes are needed there are fewer, that hold the whole range, and it is said."""
    prefixes, exact = cover(first, last, 4, limit)
    assert len(prefixes) <= limit
    if first <= key <= last:
        assert any(f"{key:04x}".startswith(prefix) for prefix in prefixes)
    if exact:
        assert prefixes == cover(first, last, 4, 1000)[0]


def test_round_ranges_take_few_prefixes() -> None:
    """A range that ends at round keys takes a prefix or two, and an empty one none."""
    assert cover(0, 16**8 - 1, 8, 9) == ([""], True)
    assert cover(0x0A000000, 0x0AFFFFFF, 8, 9) == (["0a"], True)
    assert cover(5, 4, 8, 9) == ([], True)


@given(numbers, numbers, numbers, st.booleans(), st.booleans())
def test_the_bounds_of_numbers_hold_what_lies_between(
    low: float, high: float, number: float, low_open: bool, high_open: bool
) -> None:
    """A number between the bounds has a key between theirs; where that is exact no other has."""
    for whole in (False, True):
        if whole and isinstance(number, float):
            continue
        first, last, exact = number_bounds(low, high, low_open, high_open, whole=whole)
        inside = (low < number if low_open else low <= number) and (number < high if high_open else number <= high)
        within = first <= number_key(number) <= last
        assert within or not inside
        assert not exact or within == inside


@pytest.mark.parametrize(("low", "high", "most"), [(400, 499, 12), (70, None, 60), (None, 200, 60), (200, 200, 1)])
def test_whole_numbers_take_few_prefixes(low: int | None, high: int | None, most: int) -> None:
    """The gaps between whole numbers are used to shorten the prefixes."""
    first, last, exact = number_bounds(low, high, False, False, whole=True)
    assert exact
    assert len(cover(first, last, 16, 1000)[0]) <= most
