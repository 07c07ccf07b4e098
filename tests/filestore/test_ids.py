"""UUIDs of version 7."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from stonelog.filestore.ids import uuid7


@given(st.integers(0, 2**48 - 1))
def test_an_id_is_a_uuid_of_version_7_with_its_time_in_front(milliseconds: int) -> None:
    """Python's own uuid module reads it as version 7 of RFC 9562, the first 48 bits being the milliseconds."""
    text = uuid7(milliseconds)
    value = uuid.UUID(text)
    assert str(value) == text
    assert (value.version, value.variant, value.int >> 80) == (7, uuid.RFC_4122, milliseconds)


def test_ids_of_one_millisecond_differ() -> None:
    """Ten thousand ids of the same time are ten thousand ids."""
    assert len({uuid7(1) for _ in range(10_000)}) == 10_000


def test_ids_sort_by_time() -> None:
    """The text of a later id is greater."""
    assert uuid7(1_000) < uuid7(1_001) < uuid7(2**47)
