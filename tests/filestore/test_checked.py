"""The quick way that nearly all events take through the check gives what the exact one gives."""

from __future__ import annotations

import enum
import math
import types
from collections import OrderedDict
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stonelog.filestore import FIELDS, Event, InvalidEvent, event
from stonelog.filestore.codec import encode
from stonelog.filestore.event import checked
from stonelog.filestore.prepare import prepare

REQUIRED: dict[str, Any] = {"category": "api", "action": "read"}


class Word(str):
    """A text of a subclass."""


class Name(enum.StrEnum):
    """Texts that are members of an enum."""

    API = "api"
    INFO = "info"


class Code(enum.IntEnum):
    """Whole numbers that are members of an enum."""

    OK = 200


TIMES = [
    *("2026-11-23T14:05:06Z", "2026-11-23T14:05:06.1Z", "2026-11-23T14:05:06.123456Z", "2026-11-23T14:05:06.1234567Z"),
    *("2026-11-23t14:05:06.1z", "2026-11-23 14:05:06+05:30", "2024-02-29T00:00:00Z", "0001-01-01T00:00:00+00:01"),
    *("2026-02-29T00:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T23:60:00Z", "2026-11-23T23:59:60Z", "2026-11-23"),
    *("0000-01-01T00:00:00Z", "2026-11-23T14:05:06.Z", "2026-11-23T14:05:06Z\n", "٢٠٢٦-١١-٢٣T14:05:06Z"),
    *(datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=3)))),
]
ADDRESSES = [
    "10.0.0.1",
    "255.255.255.255",
    "256.0.0.1",
    "010.0.0.1",
    "1.2.3",
    "1.2.3.4\n",
    "::1",
    "2001:DB8::1",
    "::1/8",
]
LEAVES = [
    *(
        None,
        True,
        "",
        "api",
        "info",
        "x",
        "é",
        "日本",
        "\ud800",
        "\u202e",
        "a\n",
        "GB",
        "success",
        Word("api"),
        Name.API,
    ),
    *(0, 5, 100, 200, -1, 2**32, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, Code.OK, 1.5, -0.1, math.nan, math.inf),
    *("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "0AF7", b"x", 10**400, object),
]
values = st.sampled_from([*LEAVES, *TIMES, *ADDRESSES])
keys = st.sampled_from(["a", "é", "\ud800", Word("a"), Name.API, 1, None])
nested = st.recursive(
    values,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(keys, inner, max_size=2)
        | st.dictionaries(keys, inner, max_size=2).map(OrderedDict)
        | st.dictionaries(keys, inner, max_size=2).map(types.MappingProxyType)
    ),
    max_leaves=4,
)
likely = st.fixed_dictionaries(
    {},
    optional={
        "time": st.sampled_from(TIMES),
        "ip_address": st.sampled_from(ADDRESSES),
        "tags": st.lists(st.sampled_from(["a", "é", Word("b"), Name.API]), max_size=2),
        "metadata": st.dictionaries(st.sampled_from(["a", Word("b"), Name.INFO]), values, max_size=3),
        "level": st.sampled_from(["info", "error", Name.INFO, None]),
    },
)
anything = st.dictionaries(
    st.sampled_from([*FIELDS, "description", "colour", Word("city"), 1, None]), nested, max_size=3
)
fields = st.builds(
    lambda *parts: {**parts[0], **parts[1], **parts[2]}, st.sampled_from([REQUIRED, {}]), likely, anything
)


def refuse(given: object) -> dict[str, Any]:
    """A quick way that takes nothing, so that all must go the exact one."""
    raise ValueError


def outcome(given: dict[str, Any]) -> object:
    """The order, the values and the bytes of what is taken, or all that is told of what is not."""
    try:
        present = checked(given, 3)
        return list(present.items()), encode(present, index=3)
    except InvalidEvent as error:
        return error.field, error.given, error.allowed, error.index


@settings(max_examples=500, deadline=None)
@example(REQUIRED | {"metadata": types.MappingProxyType({"a": 1})})
@example(REQUIRED | {"metadata": {"a": "\ud800"}, "time": None})
@given(fields)
def test_the_quick_way_agrees_with_the_exact_one(given: dict[str, Any]) -> None:
    """Whatever is given: the same is taken, with the same values in the same order, and refused with the same words."""
    quick = outcome(given)
    with mock.patch.object(event, "_quick", refuse):
        assert quick == outcome(given)


@settings(max_examples=300, deadline=None)
@given(likely.map(lambda given: REQUIRED | given) | fields)
def test_what_is_written_is_the_event_that_pydantic_makes(given: dict[str, Any]) -> None:
    """Event's own validation takes the same fields, and the body of its fields is the body that `prepare` makes."""
    try:
        body = prepare({"time": TIMES[0], **given}, {})[1]
    except InvalidEvent:
        return
    renamed = {
        "message" if name == "description" else name: value for name, value in given.items() if value is not None
    }
    made = Event.model_validate({"time": TIMES[0]} | {name: renamed[name] for name in renamed if name in FIELDS})
    if given.get("time", TIMES[0]) is not None:
        assert body[len('"id":"01a2086e-3fdf-7613-b250-bc8bdf76bbf5",') :] == encode(made.fields())


def test_the_usual_event_takes_the_quick_way() -> None:
    """Fields as programs give them, some of them None, never reach the exact check, which takes far longer."""
    usual = REQUIRED | {
        "time": "2026-11-23T14:05:06.123Z",
        "level": "info",
        "username": "ada",
        "city": None,
        "ip_address": "2001:db8::1",
        "status_code": 200,
        "tags": ["a"],
        "metadata": {"order": 7, "items": [{"sku": "x", "price": 1.5}], "gift": True, "note": None},
    }
    with mock.patch.object(event, "_exact", refuse):
        present = checked(usual)
    assert list(present) == [name for name in FIELDS if usual.get(name) is not None]
    assert present["time"] == "2026-11-23T14:05:06.123000Z"


@pytest.mark.parametrize("more", [{}, {"city": None}, {"level": None}, {"description": "d"}, {"colour": None}])
def test_an_iterator_of_tags_is_read_once(more: dict[str, Any]) -> None:
    """A generator is taken as a list of texts, with all it gives, also where the fields must be looked at twice."""
    assert checked({**REQUIRED, "tags": (tag for tag in "ab"), **more})["tags"] == ["a", "b"]


def test_an_event_keeps_a_copy_of_its_metadata() -> None:
    """What the caller does to the dict afterwards does not change the event."""
    for metadata in ({"a": 1}, {"a": 1.5}):
        made = Event.check({**REQUIRED, "metadata": metadata})
        metadata["a"] = 2
        assert made.metadata != metadata


def test_the_names_that_were_given_are_known() -> None:
    """`model_fields_set` holds the fields that were given and not None, by their names on the line."""
    given = {**REQUIRED, "description": "d", "city": None, "level": None, "time": TIMES[0]}
    assert Event.check(given).model_fields_set == {"category", "action", "message", "time"}
    assert Event.check({**REQUIRED, "level": "info"}).model_fields_set == {"category", "action", "level"}
