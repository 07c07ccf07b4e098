"""Cursors: bound to their question, opaque, and never trusted."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonelog.indexer import QueryError
from stonelog.indexer.cursor import Cursor, filter_key, read_cursor, write_cursor

bounds = st.none() | st.integers(-(2**62) + 1, 2**62 - 1)
KEY = filter_key("q", None, None, "desc")


def forged(**fields: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


@given(st.integers(1, 2**53 - 1), bounds, bounds)
def test_a_cursor_is_read_back(seq: int, since: int | None, until: int | None) -> None:
    """What was written is read, and fits into a URL and a shell without quotes."""
    cursor = Cursor(seq, since, until)
    text = write_cursor(cursor, KEY)
    assert read_cursor(text, KEY) == cursor
    assert text.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=250))
def test_any_other_text_is_refused(text: str) -> None:
    """No text but a cursor is taken for one, and none raises anything but QueryError."""
    with pytest.raises(QueryError, match="cursor"):
        read_cursor(text, KEY)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["k", "p", "x"]), inner),
        max_leaves=5,
    )
)
def test_any_other_json_is_refused(value: object) -> None:
    """JSON in the dress of a cursor is refused unless it is one."""
    text = base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    with pytest.raises(QueryError, match="cursor"):
        read_cursor(text, KEY)


@pytest.mark.parametrize(
    "place",
    [
        [0, None, None],
        [-1, None, None],
        [2**53, None, None],
        [True, None, None],
        [1.0, None, None],
        ["1", None, None],
        [None, None, None],
        [1, 2**63, None],
        [1, None, -(2**63)],
        [1, None, 2**64 - 1],
        [1, False, None],
        [1, "0", None],
        [1, None],
        [1, None, None, None],
        {"a": 1, "b": 2, "c": 3},
        "123",
        None,
    ],
)
def test_a_forged_place_is_refused(place: object) -> None:
    """A cursor with the right key and a place that no page ends at is refused."""
    assert read_cursor(forged(k=KEY, p=[1, None, None]), KEY) == (1, None, None)
    with pytest.raises(QueryError, match="not one that a page gave"):
        read_cursor(forged(k=KEY, p=place), KEY)


def test_another_question_is_told_apart() -> None:
    """A cursor of another filter is refused in other words than one that is none."""
    with pytest.raises(QueryError, match="another filter or order"):
        read_cursor(write_cursor(Cursor(5, None, None), KEY), filter_key("q", None, None, "asc"))


def test_keys_differ_with_each_part() -> None:
    """Each part counts, in its place, whatever characters it holds."""
    parts = [
        ("a", "b", None),
        ("a", None, "b"),
        ("ab", "", None),
        ("a", "b", "None "),
        ("b", "a", None),
        ("\ud800", "", None),
    ]
    assert len({filter_key(*each) for each in parts}) == len(parts)
