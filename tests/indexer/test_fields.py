import re
from ipaddress import ip_address
from typing import Any

import orjson
import pytest
from hypothesis import given

from stonelog.filestore import FIELDS, Event
from stonelog.indexer.fields import (
    address_of,
    json_text,
    kind_of,
    leaves_at,
    leaves_below,
    leaves_from,
    nearest_field,
    number_of,
    searched_texts,
)
from strategies import leaf, metadata, numbers, stored_fields


def test_every_field_of_an_event_has_a_kind() -> None:
    """What can stand on a line can be asked for; nothing else can, but any path of metadata."""
    assert all(kind_of(field) for field in FIELDS)
    assert kind_of("metadata.any.thing") == "metadata"
    assert kind_of("nothing") is None
    assert kind_of("Level") is None


def test_kinds_follow_the_types_of_the_event() -> None:
    """Whole numbers, floats and lists are asked for as what Event declares them to be."""
    declared = {name: str(info.annotation) for name, info in Event.model_fields.items()}
    for field in FIELDS:
        if field == "metadata":
            continue
        assert (kind_of(field) == "list") == ("list[" in declared[field]), field
        assert (kind_of(field) == "int") == bool(re.search(r"\bint\b", declared[field])), field
        assert (kind_of(field) == "float") == bool(re.search(r"\bfloat\b", declared[field])), field


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("usrname", "username"),
        ("user", "username"),
        ("ip", "ip_address"),
        ("Status", "status_code"),
        ("sesion_id", "session_id"),
        ("LEVEL", "level"),
        ("code", "status_code"),
        ("order_number", "metadata.order_number"),
    ],
)
def test_an_unknown_name_has_a_nearest_field(name: str, nearest: str) -> None:
    """A misspelt, shortened or customary name leads to the field; any other to metadata."""
    assert nearest_field(name) == nearest


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), ("-5", -5), ("5.0", 5.0), ("1e3", 1000.0), ("9007199254740993", 9007199254740993), ("007", 7)],
)
def test_a_number_is_read_exactly(text: str, number: float) -> None:
    """Whole numbers stay whole, however large; a point or exponent makes a float."""
    assert number_of(text) == number
    assert type(number_of(text)) is type(number)


@pytest.mark.parametrize("text", ["", "abc", "5 ", "+5", ".5", "5.", "1e999", "nan", "inf", "٣", "1_000", "9" * 5000])
def test_what_is_no_number_is_none(text: str) -> None:
    """Only what JSON could write as a finite number is one."""
    assert number_of(text) is None


@given(numbers)
def test_a_number_survives_its_text(number: float) -> None:
    """The text of a number, as the line writes it, reads back as the same number."""
    assert number_of(json_text(number)) == number
    assert json_text(number) == orjson.dumps(number).decode()


def test_truth_has_the_text_of_json() -> None:
    """True and false are texts, not Python's names and not numbers."""
    assert (json_text(True), json_text(False), json_text("x")) == ("true", "false", "x")


def test_an_address_is_read_or_none() -> None:
    """Any spelling of an address is the same address; no text that is none becomes one."""
    assert address_of("2001:DB8::0:1") == ip_address("2001:db8::1")
    assert address_of("10.0.0.1/8") is None
    assert address_of("localhost") is None


@pytest.mark.parametrize(
    ("value", "path", "expected"),
    [
        ({"a": {"b": 1}}, "a.b", [1]),
        ({"a.b": 1}, "a.b", [1]),
        ({"a.b": {"c": 1}, "a": {"b.c": 2, "b": {"c": 3}}}, "a.b.c", [2, 3, 1]),
        ({"a": [{"b": 1}, [{"b": [2, [3]]}], 4]}, "a.b", [1, 2, 3]),
        ({"a": [1, None, [False]]}, "a", [1, False]),
        ({"a": {"b": 1}}, "a", []),
        ({"a": None}, "a", []),
        ({"": {"": 0}}, ".", [0]),
        (None, "a", []),
    ],
)
def test_leaves_are_found_along_a_path(value: Any, path: str, expected: list[object]) -> None:
    """Lists are looked through, keys may hold dots themselves, null is not there, and objects are no leaves."""
    assert list(leaves_at(value, path)) == expected


@pytest.mark.parametrize("path", ["a", "a.b", "x", "x.y"])
def test_a_path_leads_to_all_that_goes_on_from_it(path: str) -> None:
    """At or below a path are the leaves whose joined keys are the path, or go on from it behind a dot."""
    value = {"a": {"b": [1, {"c": None, "d": 2}]}, "ab": 0, "x.y": 1, "x": [{"y.z": {"w": 2}}]}
    assert list(leaves_from(value, path)) == [1, 2]


def paths_of(value: Any, path: str) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in paths_of(item, f"{path}.{key}")]
    if isinstance(value, list):
        return [found for item in value for found in paths_of(item, path)]
    return [] if value is None else [(path, value)]


@given(metadata)
def test_every_leaf_is_found_at_its_path(value: dict[str, Any]) -> None:
    """Each leaf stands at the keys that lead to it, joined by dots, and at no path that they do not make."""
    named = [found for key, item in value.items() for found in paths_of(item, key)]
    assert [leaf for _, leaf in named] == leaves_below(value)
    for path in {path for path, _ in named}:
        expected = [leaf for name, leaf in named if name == path]
        assert sorted(map(repr, leaves_at(value, path))) == sorted(map(repr, expected))


@given(leaf)
def test_a_leaf_is_below_itself(value: object) -> None:
    """A leaf that is not null is what lies below it."""
    assert leaves_below(value) == ([] if value is None else [value])


@given(stored_fields())
def test_bare_words_see_the_fields_of_the_contract(event: dict[str, Any]) -> None:
    """The searched values are those of the nine text fields, the tags, and metadata's leaves; none else."""
    named = "message username entity_type entity_id entity_name path user_agent error_type error_message"
    expected = [event[field] for field in named.split() if field in event] + event.get("tags", [])
    expected += [json_text(value) for value in leaves_below(event.get("metadata"))]
    assert searched_texts(event) == expected


def test_S07_a_path_of_very_many_dots_is_none() -> None:
    """Trying all ways to part a path at its dots takes the square of their number: a query cannot ask for that."""
    assert kind_of("metadata." + "a" * 5000) == "metadata"
    assert kind_of("metadata." + "." * 8000) is None
