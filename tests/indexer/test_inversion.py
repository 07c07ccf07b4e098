"""What is held of events, and what is not: loose rows, columns that stand for words, limits."""

from array import array
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answers import write_lines
from fakeblock import FakeBlock
from shards import EVENT, shard_by_shard
from stonelog.indexer import Index, inversion
from stonelog.indexer.column import bitmap_of
from stonelog.indexer.inversion import Inversion, is_word
from stonelog.indexer.keys import MARK
from stonelog.indexer.planning import Sizes
from stonelog.indexer.words import words_of
from strategies import stored_fields

Taken = dict[tuple[str, str], dict[Any, list[int]]]


def inverted(events: list[dict[str, Any]], *, runs: int = 1) -> tuple[Inversion, Taken]:
    """The events taken in as so many runs, and what is given of them."""
    made = Inversion()
    size = -(-len(events) // runs)
    for first in range(0, len(events), size):
        made.add(events[first : first + size], first)
    taken: Taken = {}
    for field, kind, postings in made.take():
        assert (field, kind) not in taken
        assert postings.keys == sorted(set(postings.keys))
        found = taken[field, kind] = {}
        for key, number, rows in zip(*postings, strict=True):
            found[key] = list(bitmap_of(rows, number))
            assert len(found[key]) == number
    return made, {column: keys for column, keys in taken.items() if keys}


@given(st.lists(stored_fields(), min_size=1, max_size=12), st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_events_are_turned_inside_out(events: list[dict[str, Any]], runs: int) -> None:
    """However the lines come, each key has the rows whose events have it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inversion, "_OFTEN", 2)  # so that words come in both ways
        patch.setattr(inversion, "_MAX_PLAIN", 0)
        patch.setattr(inversion, "_MAX_PATH", 10_000)
        made, taken = inverted(events, runs=runs)
    fake = FakeBlock(dict(enumerate(events)))
    expected = {
        column: {key: sorted(rows) for key, rows in keys.items()}
        for column, keys in fake.held.items()
        if column[1] != "any" and keys
    }
    assert taken == expected
    present = {field: sorted(rows) for field, rows in made.presence() if rows}
    assert present == {field: sorted(keys[0]) for (field, kind), keys in fake.held.items() if kind == "any"}
    assert made.loose == set(fake.loose)
    assert list(made.rows) == list(range(len(events)))
    assert made.times == array("q", [time for span in fake.spans() for time in fake.times(span)])


def loose(*metadata: dict[str, Any]) -> set[int]:
    return inverted([{**EVENT, "metadata": value} for value in metadata])[0].loose


def nested(depth: int, leaf: Any) -> Any:
    for _ in range(depth):
        leaf = {"a": leaf}
    return leaf


def test_what_is_too_much_makes_a_row_loose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too deep, too many leaves, too long a path, and numbers that no key holds exactly; just within is all held."""
    assert loose(nested(30, 1), nested(40, 1), {"a": [[[1]]]}) == {1}
    assert loose({"a": list(range(512))}, {"a": list(range(513))}) == {1}
    assert loose({str(n): n for n in range(512)}, {str(n): n for n in range(513)}) == {1}
    assert loose({"k" * 291: 1}, {"k" * 292: 1}) == {1}
    assert loose({"n": 2**63 - 1}, {"n": 2**63}, {"n": -(2**63)}, {"n": -(2**63) - 1}, {"n": -0.0}) == {1, 3, 4}
    monkeypatch.setattr(inversion, "_MAX_PATHS", 3)
    assert loose({"a": 1, "b": 2}, {"c": 1}, {"a": 5, "d": 1}, {"a": 7}, {"e": {"f": 1}}) == {2, 4}


def test_what_is_held_of_a_loose_row_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fields beside metadata, and the leaves that fit."""
    _, taken = inverted([{**EVENT, "username": "ada", "metadata": {"a": 5, "b": 2**70}}])
    assert taken["username", "text"] == {"ada": [0]}
    assert taken["metadata.a", "int"] == {5: [0]}
    assert ("metadata.b", "int") not in taken


def test_minus_zero_is_counted_as_zero() -> None:
    """As a response time; what asks for its sign reads the line."""
    made, taken = inverted([{**EVENT, "response_time_ms": value} for value in (-0.0, 0.0, 1.5)])
    assert taken["response_time_ms", "float"] == {0.0: [0, 1], 1.5: [2]}
    assert made.loose == {0}


def test_addresses_have_the_keys_of_their_kinds() -> None:
    """However they are written; what is shown of a key is what the line has."""
    texts = ["10.0.0.1", "2001:db8::1", "fe80::1%eth0", "nowhere", "10.0.0.1", "010.0.0.1"]
    _, taken = inverted([{**EVENT, "ip_address": text} for text in texts])
    assert taken["ip_address", "v4"] == {0x0A000001: [0, 4]}
    assert taken["ip_address", "v6"] == {"20010db8000000000000000000000001": [1]}
    assert taken["ip_address", "text"] == {"fe80::1%eth0": [2], "nowhere": [3], "010.0.0.1": [5]}


@pytest.mark.parametrize("text", ["2001:DB8::1", "2001:db8:0::1", "::ffff:1.2.3.4", "::ffff:102:304"])
def test_an_address_that_is_written_in_another_way_is_a_text(text: str) -> None:
    """So that what is counted is what the line has; conditions read it."""
    _, taken = inverted([{**EVENT, "ip_address": text}])
    assert taken["ip_address", "text"] == {text: [0]}


def test_long_texts_are_cut() -> None:
    """Two of the same beginning have two keys."""
    texts = ["x" * 121, "x" * 121 + "y", "x" * 120, f"a{MARK}b"]
    _, taken = inverted([{**EVENT, "session_id": text, "username": text} for text in texts])
    keys = taken["session_id", "text"]
    assert len(keys) == 4
    assert [keys[key] for key in sorted(keys, key=keys.__getitem__)] == [[0], [1], [2], [3]]
    assert [key for key in keys if MARK not in key] == ["x" * 120]
    assert all(len(key) <= 120 for key in keys)


def test_columns_whose_values_are_words_stand_for_them() -> None:
    """What one event has, and is a word, is not held among the words again."""
    events = [
        {**EVENT, "username": f"u{n}" if n % 2 else f"U {n}", "metadata": {"n": n, "s": "same"}} for n in range(700)
    ]
    made, taken = inverted(events, runs=3)
    assert made.plain == {("username", "text"), ("metadata.n", "int")}
    assert "u7" not in taken["", "word"]
    assert taken["", "word"]["u"] == list(range(0, 700, 2))
    assert taken["", "word"]["same"] == list(range(700))
    assert made.loose == set()


@given(st.text(max_size=8) | st.integers(-(10**18), 10**18))
def test_a_value_that_is_a_word_has_it_as_its_only_one(value: str | int) -> None:
    """So it can be found as the word, and as no other."""
    if is_word(value):
        assert words_of([str(value)]) == {str(value)}


@pytest.mark.parametrize("bad", [{}, {"time": None}, {"time": "x" * 27}, {"time": "2026-11-23"}])
def test_nothing_is_taken_in_if_one_has_no_time(bad: dict[str, Any]) -> None:
    """Who gave the events gives the others again."""
    made = Inversion()
    with pytest.raises((KeyError, TypeError, ValueError)):
        made.add([EVENT, bad], 0)
    assert (len(made.rows), len(made.times), dict(made.presence())) == (0, 0, {})


@pytest.mark.parametrize(
    ("values", "word", "beginning"),
    [
        ([f"req{n}" for n in range(3000)], "req1700", "req170*"),
        ([1_763_856_000_000_000_000 + n for n in range(3000)], "1763856000000001700", "176385600000000170*"),
        ([2**63 - 1 - n for n in range(3000)], str(2**63 - 1), f"{2**63 - 1}"[:15] + "*"),
        ([2**63 + n for n in range(3000)], str(2**63 + 7), f"{2**63}"[:15] + "*"),
        ([f"{n:04d}" + "a1" * 70 for n in range(3000)], "1700" + "a1" * 70, "1700a1*"),
        ([f"{n:04d}" + "a1" * 58 for n in range(3000)], "1700" + "a1" * 58, "1700a1*"),
    ],
    ids=["short", "19 digits", "the largest", "larger", "long", "as long as a key"],
)
@pytest.mark.parametrize("sizes", [Sizes(), Sizes(block=1000, shard=1000)])
def test_a_value_that_is_one_word_is_found_as_one(
    tmp_path: Path, values: list[object], word: str, beginning: str, sizes: Sizes
) -> None:
    """Where each event has its own, they are held as values only, and no other words may be there at all."""
    write_lines(tmp_path, [{**EVENT, "metadata": {"value": value}} for value in values])
    shard_by_shard(tmp_path, sizes)
    with Index.open(tmp_path) as index, Index.open(tmp_path, scan=True) as scan:
        for q in (word, f"-{word}", beginning, f"m AND {word}"):
            assert index.count(q) == scan.count(q), q
        assert index.count(word) == 1
        assert index.status().gaps == 0
