import sqlite3
import struct
from collections import Counter
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stonelog.indexer.fields import address_of, json_text, kind_of, leaves_at
from stonelog.indexer.schema import TOKENIZER
from stonelog.indexer.terms import (
    address_key,
    address_term,
    decode,
    decode_field,
    encode,
    event_terms,
    field_bounds,
    field_term,
    is_cut,
    key_prefix,
    name_prefix,
    number_key,
    number_text,
    prefix_term,
    word_prefix,
    word_term,
)
from strategies import addresses, keys, metadata, numbers, safe_text, stored_fields, text


def vocabulary(*rows: set[str]) -> Counter[str]:
    """The terms that FTS5 made of the rows, each with the number of rows that have it."""
    connection = sqlite3.connect(":memory:")
    connection.execute(
        f'CREATE VIRTUAL TABLE terms USING fts5(t, content="", detail=none, columnsize=0, tokenize="{TOKENIZER}")'
    )
    connection.execute("CREATE VIRTUAL TABLE vocabulary USING fts5vocab(terms, row)")
    for number, terms in enumerate(rows, 1):
        connection.execute("INSERT INTO terms(rowid, t) VALUES (?, ?)", (number, " ".join(terms)))
    found = Counter(dict(connection.execute("SELECT term, doc FROM vocabulary")))
    connection.close()
    return found


@given(safe_text | text)
def test_a_text_is_read_back_from_its_code(value: str) -> None:
    """Encoding loses nothing: any text comes back, private-use characters and NUL included."""
    assert decode(encode(value)) == value
    assert "\0" not in encode(value)


@given(text, text)
def test_a_code_is_made_character_by_character(one: str, other: str) -> None:
    """The code of a text begins with the code of each beginning of it, and no two texts share one."""
    assert encode(one + other) == encode(one) + encode(other)
    assert (encode(one) == encode(other)) == (one == other)


@given(stored_fields())
@settings(deadline=None)
def test_terms_pass_fts5_unchanged(event: dict[str, Any]) -> None:
    """What FTS5 keeps of an event are its terms, one for one, to the last character."""
    assert vocabulary(terms := event_terms(event)) == Counter(terms)


def test_an_event_has_the_terms_of_its_fields() -> None:
    """Words of the searched fields, whole values, sortable keys, scoped words, and presence: no more, no less."""
    event = {
        "seq": 1,
        "id": "x",
        "time": "2026-11-23T00:00:00.000000Z",
        "level": "info",
        "category": "api",
        "action": "read",
        "message": "Hello",
        "ip_address": "10.0.0.1",
        "status_code": 200,
        "tags": ["T 1"],
        "stack_trace": "at x",
        "metadata": {"n": 5, "f": 5.0, "b": True, "z": None, "o": {"k.k": ["v"]}, "a=": "e"},
        "synced": 0,
        "hash": "0",
    }
    assert event_terms(event) == {
        *("hello", "t", "1", "5", "0", "true", "v", "e"),
        *(":level=info", ":category=api", ":action=read", ":message", ":stack_trace"),
        *(":ip_address<40a000001", ":status_code<c069000000000000", ":tags=\ue054\ue0201"),
        *(":stack_trace~at", ":stack_trace~x"),
        *(":metadata.n<c014000000000000", ":metadata.f<c014000000000000.", ":metadata.b=true"),
        *(":metadata.o.k.k=v", ":metadata.a\ue03d=e"),
    }


@pytest.mark.parametrize(("length", "cut"), [(119, False), (120, False), (121, True), (60_000, True)])
def test_a_long_value_is_cut(length: int, cut: bool) -> None:
    """Above 120 characters a term keeps the beginning and a hash, stays short, and says that it is cut."""
    for term in (field_term("path", "p" * length), word_term("w" * length)):
        assert is_cut(term) is cut
        assert len(term) < 140
    assert field_term("path", "p" * length) != field_term("path", "p" * (length + 1))
    assert field_term("path", "p" * length).startswith(prefix_term("path", "p" * length)[0])
    assert word_term("w" * length).startswith(word_prefix("w" * length)[0])
    assert decode(word_term("w" * length)) == (None if cut else "w" * length)


@given(keys, keys, text)
def test_no_two_paths_share_a_term(one: str, other: str, value: str) -> None:
    """Signs in a key cannot be mistaken for those that part the name from the value."""
    terms = {field_term(f"metadata.{path}", value) for path in (one, other)}
    assert len(terms) == len({one, other})
    assert field_term(f"metadata.{one}.{other}", value).startswith(name_prefix(f"metadata.{one}")[0])


@given(numbers, numbers)
def test_keys_sort_as_numbers_do(one: float, other: float) -> None:
    """The key of a number is larger when its double is, equal when it is equal, and of 16 digits."""
    assert (number_key(one) < number_key(other)) == (float(one) < float(other))
    assert (number_key(one) == number_key(other)) == (float(one) == float(other))
    assert 0 <= number_key(one) < 2**64


def test_the_bits_of_a_key_are_those_of_ieee_754() -> None:
    """The key of a positive double is its bits with the sign bit set."""
    assert number_key(1) == 0x3FF0000000000000 | 1 << 63
    assert number_key(-1) == 0x3FF0000000000000 ^ 0x7FFFFFFFFFFFFFFF
    assert number_key(10**400) == number_key(float("inf")) == struct.unpack(">Q", b"\x7f\xf0" + bytes(6))[0] | 1 << 63


@given(numbers)
def test_a_number_is_read_back_from_its_term(number: float) -> None:
    """The term keeps what the key leaves out: whole floats, the sign of zero, and digits beyond a double."""
    back = decode_field("response_time_ms", f":response_time_ms<{number_text(number)}")
    assert (repr(back), type(back)) == (repr(number), type(number))


@given(addresses)
def test_an_address_is_read_back_from_its_term(address: str) -> None:
    """The term of an address holds its family, all its digits, and its scope."""
    back = decode_field("ip_address", address_term("ip_address", address))
    assert address_of(str(back)) == ip_address(address)
    assert address_term("ip_address", address).startswith(key_prefix("ip_address", address_key(ip_address(address))))


def test_a_text_that_is_no_address_keeps_its_text() -> None:
    """What an older version let through as an address is indexed as it is."""
    assert decode_field("ip_address", address_term("ip_address", "localhost")) == "localhost"


def facet_of(event: dict[str, Any], field: str) -> set[tuple[str, str]]:
    if kind_of(field) == "metadata":
        path = field.removeprefix("metadata.")
        return {("str", json_text(leaf)) for leaf in leaves_at(event.get("metadata"), path)}
    values = event.get(field, [])
    return {(type(value).__name__, str(value)) for value in (values if isinstance(values, list) else [values])}


@given(st.lists(stored_fields() | st.builds(lambda m: {"metadata": m}, metadata), max_size=3), st.data())
@settings(deadline=None)
def test_the_vocabulary_counts_the_values_of_a_field(events: list[dict[str, Any]], data: st.DataObject) -> None:
    """The terms within a field's bounds are its values with how many events have each, unless one is cut."""
    paths = {f"metadata.{key}" for event in events for key in event.get("metadata", {})}
    field = data.draw(
        st.sampled_from(["username", "ip_address", "status_code", "response_time_ms", "tags", *sorted(paths)])
    )
    low, high = field_bounds(field)
    counts = {}
    for term, number in vocabulary(*map(event_terms, events)).items():
        if low <= term < high:
            value = decode_field(field, term)
            counts[type(value).__name__, str(value)] = number
    expected = Counter(value for event in events for value in facet_of(event, field))
    if ("NoneType", "None") in counts:
        assert any(len(value) > 120 for _, value in expected)
    else:
        assert counts == expected
