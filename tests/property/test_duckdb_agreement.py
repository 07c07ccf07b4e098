"""What a query finds and counts is what DuckDB finds and counts, by SQL over the same files."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from answers import walk, write_lines
from asked import (
    LEVELS,
    Asked,
    about,
    at_level,
    begins,
    both,
    compared,
    either,
    equals,
    everything,
    fits,
    holds,
    in_network,
    leaf_equals,
    number_written,
    numbered,
    ranged,
    text_ranged,
    there,
    timed,
    within_addresses,
    without,
    words,
)
from duck import Duck
from shards import lose, shard_by_shard
from stonelog.indexer import Index
from stonelog.indexer.planning import Sizes

pytest.importorskip("duckdb")

BASE = datetime(2026, 11, 23, tzinfo=UTC)
STEPS = {"1m": "1 minute", "7m": "7 minutes", "1h": "1 hour", "1d": "1 day", "1w": "7 days"}
WORDS = ["login", "Login", "FAILED", "logins", "a", "5", "5.0", "foo_bar", "true", "Café", "x-y", "10.0.0.1"]
TEXTS = [*WORDS, "login failed", "Login: failed!", "failed login a", "a_b%c", "a\\b", '"', "*", "::", "", " ", "a\0b"]
TEXTS += ["/v1/users", "/v1/", "/v12", "/V1/x", "東京都", "\ue000", "w" * 119 + "x", "w" * 120 + "x", "w" * 120 + "y"]
PATHS = [f"metadata.{path}" for path in ("a", "b", "a.b", "b.c", "a.a", "", "A", "a b", 'k"', "a.b.c")]
PLAIN = ["message", "user_agent", "error_message", "stack_trace"]
STRINGS = ["username", "path", "entity_id", "session_id", "service", "error_type", "method", "user_id"]
LISTS = ["tags", "risk_reasons"]
NUMBERS = ["status_code", "risk_score", "asn", "response_time_ms", "seq"]
FIELDS = [*STRINGS, *LISTS, *NUMBERS, *PLAIN, "level", "category", "ip_address", "time", "id", *PATHS]
V4 = ["10.0.0.1", "10.0.0.2", "10.255.0.1", "192.168.1.9", "0.0.0.0", "255.255.255.255"]
V6 = ["::1", "::", "fe80::1", "2001:db8::5", "2001:db8:0:1:2:3:4:5"]
SPELLED = {"2001:DB8:0::5": "2001:db8::5", "0:0:0:0:0:0:0:1": "::1", "FE80::1%eth0": "fe80::1%eth0"}
NOTATIONS = {"404.0": 404.0, "4.04e2": 404.0, "5e0": 5.0, "-0": 0, "1E16": 1e16, "9007199254740993.0": 2.0**53}
WHOLE = [0, 1, -1, 5, 200, 404, 2**53, 2**53 + 1, 2**63, -(2**63), 2**64 - 1]
REAL = [-0.0, 5.0, 2.5, 404.0, 0.1, 2.0**53, 1e16, 1e-5, 1e300, -1e300, 5e-324]

chosen = st.sampled_from
text = chosen(TEXTS)
number = st.one_of(chosen(WHOLE), chosen(REAL), st.integers(-9, 600), st.floats(-1e6, 1e6))
moment = st.integers(0, 3 * 86_400_000_000).map(lambda us: BASE + timedelta(microseconds=us))
time = st.one_of(chosen([BASE, BASE + timedelta(days=1), BASE + timedelta(days=1, microseconds=-1)]), moment)
leaf = st.one_of(st.none(), st.booleans(), number, text)
key = chosen(["a", "b", "a.b", "b.c", "", "A", "a b", 'k"'])
metadata = st.dictionaries(
    key,
    st.recursive(
        leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(key, inner, max_size=2), max_leaves=5
    ),
    max_size=4,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys([*PLAIN, *STRINGS], text),
    **dict.fromkeys(LISTS, st.lists(text, max_size=3)),
    "ip_address": chosen([*V4, *V6, "fe80::1%eth0"]) | st.ip_addresses(v=4).map(str),
    "country": chosen(["DE", "US"]),
    "asn": chosen([0, 5, 404, 2**32 - 1]),
    "status_code": chosen([200, 404, 500]) | st.integers(100, 599),
    "response_time_ms": chosen([0.0, 5.0, 99.9, 404.0, 1e16, 1e-5]) | st.floats(0, 1e6),
    "risk_score": chosen([0, 5, 70, 100]) | st.integers(0, 100),
    "metadata": metadata,
}
event = st.fixed_dictionaries(
    {
        "time": time.map(lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")),
        "level": chosen(LEVELS),
        "category": chosen(["authentication", "api"]),
        "action": chosen(["login", "read"]),
    },
    optional=VALUES,
)
events = st.lists(event, min_size=3, max_size=14)

SIGNS = [">", ">=", "<", "<="]
sign = chosen(SIGNS)
written_time = st.one_of(
    chosen(["2026-11-23", "2026-11-24"]),
    time.map(lambda at: at.isoformat()),
    time.map(lambda at: at.isoformat().replace("+00:00", "Z")),
    time.map(lambda at: (at + timedelta(hours=2)).replace(tzinfo=None).isoformat() + "+02:00"),
)
bound = st.none() | time | written_time
worded = chosen([value for value in TEXTS if any(c.isascii() and c.isalnum() for c in value)]).map(
    lambda value: value.replace("é", "e")
)
numbered_field = chosen(NUMBERS + PATHS)
string_field = chosen(STRINGS + PATHS)
ordered_text = chosen([value for value in TEXTS if value not in ("5", "5.0")])


def number_equals(field: str, value: int | float, written: str) -> Asked:
    if field.startswith("metadata."):
        return leaf_equals(field, written, value)
    return numbered(field, value, written)


def leaf_is(path: str, value: str) -> Asked:
    return leaf_equals(path, value, number_written(value))


def number_between(field: str, bounds: list[int | float], low_open: bool, high_open: bool) -> Asked:
    return ranged(field, min(bounds), max(bounds), low_open, high_open)


conditions: st.SearchStrategy[Asked] = st.one_of(
    st.just(everything()),
    st.builds(equals, chosen(STRINGS + LISTS), text),
    chosen(["authentication", "Authentication", "API", "nothing"]).map(
        lambda name: equals("category", name, name.lower())
    ),
    chosen(["de", "US"]).map(lambda name: equals("country", name, name.upper())),
    st.builds(leaf_is, chosen(PATHS), text | chosen(["true", "false"])),
    chosen(list(SPELLED)).map(lambda given: equals("ip_address", given, SPELLED[given])),
    chosen(V4 + V6).map(lambda given: equals("ip_address", given)),
    numbered_field.flatmap(lambda field: number.map(lambda value: number_equals(field, value, repr(value)))),
    st.builds(lambda field, note: number_equals(field, NOTATIONS[note], note), numbered_field, chosen(list(NOTATIONS))),
    st.builds(compared, numbered_field, sign, number),
    st.builds(number_between, numbered_field, st.lists(number, min_size=2, max_size=2), st.booleans(), st.booleans()),
    st.builds(text_ranged, string_field, ordered_text, st.none() | ordered_text, st.booleans()),
    st.builds(text_ranged, string_field, st.none(), ordered_text, st.just(False), st.booleans()),
    st.builds(at_level, sign | st.just(""), chosen([*LEVELS, "Warning", "ERROR"])),
    st.builds(timed, sign | st.just(""), written_time),
    st.builds(there, chosen([*FIELDS, "metadata", "country"])),
    st.builds(begins, string_field | chosen(LISTS), text.filter(bool)),
    st.builds(
        fits, chosen(STRINGS + LISTS + PATHS + ["status_code", "ip_address", "asn"]), text | chosen("145w/"), text
    ),
    st.builds(lambda field, part: fits(field, "", part, ""), chosen(STRINGS + PATHS + PLAIN), text.filter(bool)),
    st.builds(words, worded, st.none() | chosen(PLAIN), prefix=st.booleans()),
    chosen(["::", '"', "*"]).map(holds),
    st.builds(lambda address, bits: in_network(f"{address}/{bits}"), chosen(V4), st.integers(0, 32)),
    st.builds(lambda address, bits: in_network(f"{address}/{bits}"), chosen(V6), st.integers(0, 128)),
    st.lists(chosen(V4), min_size=2, max_size=2).map(lambda two: within_addresses(*two)),
    st.lists(chosen(V6), min_size=2, max_size=2).map(lambda two: within_addresses(*two)),
)


def questions(duck: Duck) -> st.SearchStrategy[Asked]:
    """Questions of which our language and SQL say the same, many of them of values that occur."""
    occurring = chosen(duck.leaves()).flatmap(lambda leaf: chosen(about(*leaf)))
    return st.recursive(
        st.integers(0, 2).flatmap(lambda way: occurring if way else conditions),
        lambda inner: st.one_of(
            st.builds(both, inner, inner, sign=chosen([" ", " AND "])),
            st.builds(either, inner, inner, inner),
            st.builds(without, inner, chosen(["NOT ", "-"])),
        ),
        max_leaves=6,
    )


@pytest.fixture(scope="module")
def duck() -> Iterator[Duck]:
    """A DuckDB that all examples share: beginning one takes longer than all it is asked."""
    made = Duck()
    yield made
    made.close()


@contextmanager
def views(duck: Duck, lines: list[dict[str, Any]], data: st.DataObject) -> Iterator[list[Index]]:
    """The lines in a store: as an index of it sees them that has shards, perhaps a gap, and a tail; and by scanning."""
    split = data.draw(st.integers(0, len(lines)), "indexed")
    with tempfile.TemporaryDirectory() as parent, ExitStack() as stack:
        directory = Path(parent)
        write_lines(directory, lines[:split])
        assert shard_by_shard(directory, data.draw(chosen([Sizes(), Sizes(block=2, shard=4)]), "sizes")) == split
        write_lines(directory, lines[split:], first=split + 1, day=data.draw(chosen(["2026-11-23", "2026-11-24"])))
        if data.draw(st.booleans(), "a shard is lost"):
            lose(directory)
        assert duck.read(directory) == len(lines)
        yield [stack.enter_context(Index.open(directory, scan=scan)) for scan in (False, True)]


def every_kind() -> list[dict[str, Any]]:
    """Events that hold each text, number, address, shape and time of the above."""
    shapes: list[Any] = [
        *({"a": value} for value in (None, True, False, [], {}, ["5", 5, 5.0], [None, [1, ["x"]]], {"": 1}, {"b": 2})),
        *({"a.b": 1}, {"a.b": {"c": "5"}}, {"a": {"b.c": "x"}}, {"a": [{"b": {"c": 5}}, {"b": None}]}, {"a.b.c": True}),
        *({"": {"": "x"}}, {"": "x", "A": "x"}, {'k"': "x", "a b": [1, "1"]}, {}),
    ]
    given: list[dict[str, Any]] = [
        *({"message": value, "metadata": {"a": value}} for value in TEXTS),
        *({"username": value, "tags": [value, "x", value]} for value in TEXTS[::3]),
        *({"metadata": {"a": value}} for value in WHOLE + REAL),
        *({"ip_address": value} for value in [*V4, *V6, "fe80::1%eth0", "10.0.0.0", "11.0.0.0", "fe80::2"]),
        *({"status_code": 400 + place, "response_time_ms": place / 2, "risk_score": place} for place in range(9)),
        *({"metadata": shape} for shape in shapes),
        *(
            {field: f"in {field}", "country": "DE"}
            for field in [*PLAIN, *STRINGS, "entity_type", "entity_name", "host"]
        ),
    ]
    moments = [BASE + timedelta(days=days, microseconds=us) for days in (0, 1, 2) for us in (-1, 0, 1)]
    return [
        {
            "time": moments[place % len(moments)].strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "level": LEVELS[place % len(LEVELS)],
            "category": "api",
            "action": "read",
            **fields,
        }
        for place, fields in enumerate(given)
    ]


def test_each_condition_on_each_value(duck: Duck, tmp_path: Path) -> None:
    """What the forms of condition find of each value, and how often each value occurs, is the same to DuckDB."""
    lines = every_kind()
    write_lines(tmp_path, lines[::2])
    assert shard_by_shard(tmp_path, Sizes(block=32, shard=32)) == len(lines[::2])
    write_lines(tmp_path, lines[1::2], first=len(lines[::2]) + 1)
    assert duck.read(tmp_path) == len(lines)
    leaves = [leaf for leaf in duck.leaves() if leaf[0] not in ("id", "hash", "seq", "synced")]
    asked = list(dict.fromkeys(one for place, leaf in enumerate(leaves) for one in about(*leaf)[place % 2 :: 2]))
    asked += [compared("metadata.a", sign, bound) for sign in SIGNS for bound in WHOLE + REAL]
    asked += [numbered("metadata.a", value, note) for note, value in NOTATIONS.items()]
    asked += [equals("ip_address", *spelled) for spelled in SPELLED.items()]
    asked += [there(path) for path in (*PATHS, "metadata", "tags", "country")]
    asked += [words(f"in {field}") for field in FIELDS]
    asked += [equals("category", "API", "api"), equals("country", "de", "DE"), at_level("<", "Warning")]
    login, named, grave = words("login"), there("username"), at_level(">=", "error")
    asked += [both(without(login), named), both(without(grave, "-"), login, sign=" "), without(either(grave, named))]
    asked += [either(both(login, grave), named), both(either(login, named), grave), without(both(grave, named))]
    with Index.open(tmp_path) as index, Index.open(tmp_path, scan=True) as scan:
        for place, one in enumerate(asked):
            seqs = duck.seqs(one)
            for view in (index, scan)[: 1 + (place % 5 == 0)]:
                assert [event.seq for event in view.search(one.q, limit=1000, order="asc").events] == seqs, one
                assert view.count(one.q) == len(seqs), one
        facets = duck.found(everything()).facets(FIELDS, 1000)
        assert index.facets("", FIELDS, limit=1000) == scan.facets("", FIELDS, limit=1000) == facets


@given(lines=events, data=st.data())
@settings(max_examples=18, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_duckdb_finds_the_same(duck: Duck, lines: list[dict[str, Any]], data: st.DataObject) -> None:
    """All pages of a query's answers, in both orders, and their count are those of DuckDB."""
    limit = data.draw(st.integers(1, 9), "limit")
    since, until = data.draw(bound, "since"), data.draw(bound, "until")
    with views(duck, lines, data) as indexes:
        for one in data.draw(st.lists(questions(duck), min_size=4, max_size=9), "asked"):
            expected = duck.seqs(one, since=since, until=until)
            for index in indexes:
                for order, seqs in (("asc", expected), ("desc", expected[::-1])):
                    assert walk(index, one.q, order=order, limit=limit, since=since, until=until) == seqs, one
                assert index.count(one.q, since=since, until=until) == len(expected), one


@given(lines=events, data=st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_duckdb_counts_the_same(duck: Duck, lines: list[dict[str, Any]], data: st.DataObject) -> None:
    """Facets, histograms and figures of a query's answers are those of DuckDB."""
    limit = data.draw(st.integers(1, 9), "limit")
    since, until = data.draw(bound, "since"), data.draw(bound, "until")
    fields = data.draw(st.lists(chosen(FIELDS), min_size=1, max_size=6, unique=True), "fields")
    step, by = (
        data.draw(chosen(list(STEPS)), "step"),
        data.draw(chosen(["level", "username", "tags", "metadata.a"]), "by"),
    )
    with views(duck, lines, data) as indexes:
        for one in [everything(), *data.draw(st.lists(questions(duck), min_size=2, max_size=4), "asked")]:
            found = duck.found(one, since=since, until=until)
            facets = found.facets(fields, limit)
            hours, levels = found.histogram(STEPS[step]), found.histogram("1 hour", "level")
            split, stats = found.histogram(STEPS[step], by), found.stats()
            for index in indexes:
                assert index.facets(one.q, fields, limit=limit, since=since, until=until) == facets, one
                assert index.histogram(one.q, step=step, since=since, until=until) == hours, one
                assert index.histogram(one.q, step="1h", by="level", since=since, until=until) == levels, one
                assert index.histogram(one.q, step=step, by=by, since=since, until=until) == split, one
                assert dataclasses.asdict(index.stats(one.q, since=since, until=until)) == stats, one
