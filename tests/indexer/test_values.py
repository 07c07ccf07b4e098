import pytest

from stonelog.indexer import QueryError
from stonelog.indexer.tree import Equals, Exists, Range, Wildcard, Words
from stonelog.indexer.values import compared, matched, ranged


def test_stars_part_a_value() -> None:
    """One part is the value itself; more are a pattern, or on a text field that ends in a star the start of a word."""
    assert matched("username", ("a",), 0) == Equals("username", "a")
    assert matched("username", ("a", ""), 0) == Wildcard("username", ("a", ""))
    assert matched("message", ("a", ""), 0) == Words("a", "message", prefix=True)
    assert matched("message", ("", "a"), 0) == Wildcard("message", ("", "a"))


def test_a_pattern_gets_the_case_of_its_field() -> None:
    """Fields that are stored in one case are asked in it, with a pattern as with a value."""
    assert matched("action", ("LOGIN_", ""), 0) == Wildcard("action", ("login_", ""))
    assert matched("country", ("d", ""), 0) == Wildcard("country", ("D", ""))
    assert matched("username", ("D", ""), 0) == Wildcard("username", ("D", ""))


def test_a_comparison_has_one_bound() -> None:
    """Signs with = take the bound in, those without leave it out."""
    assert compared("asn", ">", "5", 0) == Range("asn", 5, None, low_open=True)
    assert compared("asn", ">=", "5", 0) == Range("asn", 5, None)
    assert compared("asn", "<", "5", 0) == Range("asn", None, 5, high_open=True)
    assert compared("asn", "<=", "5", 0) == Range("asn", None, 5)


def test_without_bounds_a_range_is_existence() -> None:
    """A range open at both ends asks whether the field is there."""
    assert ranged("asn", (None, 0), (None, 0), True, True) == Exists("asn")


def test_metadata_is_compared_as_what_the_bounds_are() -> None:
    """Two numbers compare numbers; if one of them is none, both are texts."""
    assert ranged("metadata.n", ("1", 0), ("2.5", 0), False, False) == Range("metadata.n", 1, 2.5)
    assert ranged("metadata.n", ("1", 0), ("b", 0), False, False) == Range("metadata.n", "1", "b")
    assert ranged("metadata.n", ("1", 0), (None, 0), False, False) == Range("metadata.n", 1, None)


@pytest.mark.parametrize("text", ["warn", "ERR", "fatal", "inf", "eror"])
def test_a_level_that_is_none_leads_to_one(text: str) -> None:
    """Other systems' names and slips lead to the level that was meant."""
    with pytest.raises(QueryError) as caught:
        matched("level", (text,), 3)
    assert caught.value.position == 3
    assert caught.value.suggestion in {"warning", "error", "critical", "info"}
