"""Values of a program as values that JSON holds."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from stonelog.api.capture.plain import fitting, plain, shortened
from stonelog.filestore import dumps
from stonelog.filestore.values import check_metadata


class Colour(Enum):
    RED = "red"


@dataclass
class Login:
    name: str
    password: str
    token: str = field(default="t", repr=False)


class Model(BaseModel):
    name: str
    secret: str = Field(repr=False)


class Failing:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2026, 11, 23, tzinfo=UTC), "2026-11-23T00:00:00+00:00"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Decimal("1.10"), "1.10"),
        (PurePosixPath("a/b"), "a/b"),
        (Colour.RED, "red"),
        (b"a\xff", "a\\xff"),
        (float("nan"), "nan"),
        (2**70, hex(2**70)),
        ("\ud800", "\\ud800"),
        ({1: {2}, None: (True, None)}, {"1": [2], "None": [True, None]}),
        (ValueError("bad"), "ValueError: bad"),
    ],
)
def test_values_that_are_not_json_become_what_a_person_would_write(value: object, expected: object) -> None:
    """Times, ids, numbers beyond JSON, bytes and lone surrogates have a form that JSON holds."""
    assert plain(value) == expected


def test_objects_become_the_fields_that_their_repr_shows() -> None:
    """By name, so that redaction finds them; a field that its class hides stays hidden."""
    assert plain(Login("ada", "hunter2")) == {"name": "ada", "password": "hunter2"}
    assert plain(Model(name="ada", secret="x")) == {"name": "ada"}


def test_what_cannot_be_shown_is_named() -> None:
    """A value whose own methods fail costs itself only."""
    assert plain({"a": Failing(), "b": 1}) == {"a": "<Failing>", "b": 1}


def test_what_nests_without_end_ends() -> None:
    """A cycle, and lists of many lists, are cut after so many values."""
    cycle: list[Any] = []
    cycle.extend([cycle] * 90)
    assert len(dumps(plain(cycle))) < 50_000


def test_long_texts_say_how_long_they_were() -> None:
    """The cut is told, and its place is not within a character."""
    assert shortened("é" * 5000, 100).endswith("… (5,000 characters)")


def test_of_too_much_metadata_the_largest_values_go() -> None:
    """What is small stays; of the rest the size is told."""
    kept = fitting({"small": 1, "large": "x" * 30_000})
    assert kept == {"small": 1, "large": "… (30,002 bytes left out)"}


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text() | st.integers(), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=100)
@given(ANYTHING)
def test_whatever_it_is_the_store_takes_it(value: object) -> None:
    """Every plain value may stand in metadata."""
    metadata = fitting({"value": plain(value)})
    assert check_metadata(metadata) == metadata


@settings(max_examples=100)
@given(st.text(st.characters(), max_size=400), st.integers(10, 600))
def test_a_shortened_text_is_no_longer_than_was_said(text: str, limit: int) -> None:
    """As JSON, but for the words that tell of the cut."""
    assert len(dumps(shortened(text, limit))) <= limit + 30
