"""What a shard can hold: nothing that it holds is denied, and little else is not."""

import os
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stonelog.indexer.query import parse
from stonelog.indexer.summary import Summary, may_match, read_summary, write_summary
from stonelog.indexer.words import words_of

FIELDS = st.sampled_from(["service", "username", "metadata.a", "metadata.a.b", "tags"])
KEYS = st.one_of(
    st.tuples(FIELDS, st.just("text"), st.lists(st.text(max_size=20), min_size=1, max_size=5)),
    st.tuples(st.just("status_code"), st.just("int"), st.lists(st.integers(-(2**63), 2**63), min_size=1, max_size=5)),
    st.tuples(
        FIELDS, st.just("float"), st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5)
    ),
    st.tuples(FIELDS, st.just("bool"), st.just([True])),
    st.tuples(FIELDS, st.just("any"), st.just([0])),
)


def summary(path: Path, *keys, loose: bool = False) -> Summary:
    write_summary(path / "000001.keys", keys, loose=loose)
    found = read_summary(path / "000001.keys")
    assert found is not None
    return found


@settings(deadline=None)
@given(st.lists(KEYS, max_size=20))
def test_what_is_there_is_never_denied(tmp_path_factory: pytest.TempPathFactory, keys) -> None:
    """Each key may be there, each field is, and each number lies where it is."""
    found = summary(tmp_path_factory.mktemp("keys"), *keys)
    for field, kind, some in keys:
        assert found.has(field)
        assert found.below(field)
        for key in some:
            assert found.may_hold(field, kind, key)
            if kind in ("int", "float"):
                assert found.may_lie(field, key, key)
                assert found.may_lie(field, None, key)
    assert not found.has("session_id")
    assert not found.may_hold("session_id", "text", "x")


def test_few_are_there_that_are_not(tmp_path: Path) -> None:
    """Of 100,000 keys nearly none of others is taken for one, whether they look alike or not."""
    keys = [f"user-{number:06}" for number in range(0, 200_000, 2)]
    found = summary(tmp_path, ("user_id", "text", keys), ("n", "int", range(0, 100_000, 2)))
    assert sum(found.may_hold("user_id", "text", f"user-{number:06}") for number in range(1, 10_001, 2)) < 100
    assert sum(found.may_hold("username", "text", key) for key in keys[:1000]) == 0
    assert sum(found.may_hold("user_id", "text", os.urandom(8).hex()) for _ in range(5000)) < 100
    assert not found.may_lie("n", 100_000, None)


@pytest.mark.parametrize("start", [0, 8, 12, 40, -30_000, -100])
def test_F52_a_damaged_summary_denies_nothing(tmp_path: Path, start: int) -> None:
    """F52: with bytes overwritten anywhere, every key that is there still may be."""
    keys = [f"k{number}" for number in range(20_000)]
    path = tmp_path / "000001.keys"
    write_summary(path, [("service", "text", keys)])
    data = bytearray(path.read_bytes())
    start %= len(data)
    for damage in (bytes(64), os.urandom(64)):
        data[start : start + 64] = damage[: len(data) - start]
        path.write_bytes(data)
        found = read_summary(path)
        assert found is None or all(found.may_hold("service", "text", key) for key in keys)
    for size in (0, 5, 30, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        found = read_summary(path)
        assert found is None or all(found.may_hold("service", "text", key) for key in keys)


def test_no_file_no_summary(tmp_path: Path) -> None:
    """Nothing is known then, and nothing denied."""
    assert read_summary(tmp_path / "nothing.keys") is None


EVENTS = (
    ("level", "text", ["info", "error"]),
    ("username", "text", ["ada"]),
    ("status_code", "int", [200, 404]),
    ("response_time_ms", "float", [1.5, 9.25]),
    ("response_time_ms", "int", [3]),
    ("ip_address", "v4", [int(ip_address("10.0.0.7"))]),
    ("ip_address", "v6", [f"{int(ip_address('2001:db8::1')):032x}"]),
    ("message", "any", [0]),
    ("message", "word", sorted(words_of(["Login failed", "東京"]))),
    ("stack_trace", "word", ["traceback"]),
    ("", "word", ["ada"]),
    ("metadata.order.id", "int", [1234]),
    ("metadata.ok", "bool", [True]),
    ("metadata.text", "text", ["12.0"]),
)


@pytest.mark.parametrize(
    "q",
    [
        "",
        "login",
        '"login failed"',
        "log*",
        "LOGIN",
        "ada",
        "message:failed",
        "東京",
        "level:error",
        "level:>=info",
        "username:ada",
        "username:a*",
        "status_code:404",
        "status_code:>=300",
        "response_time_ms:3",
        "response_time_ms:3.0",
        "response_time_ms:[2 TO 2.5]",
        "ip_address:10.0.0.7",
        "ip_address:2001:db8:0::1",
        "ip_address:10.0.0.0/8",
        "metadata.order.id:1234",
        "metadata.order.id:1234.0",
        "metadata.order:*",
        "metadata.ok:true",
        "metadata.text:12.0",
        "-nothing",
        "nothing OR ada",
        "stack_trace:traceback",
        "seq:7",
        "time:2026-11-23",
        '"::"',
        "id:0190",
    ],
)
def test_a_shard_with_an_answer_is_asked(tmp_path: Path, q: str) -> None:
    """Whatever may be answered is."""
    assert may_match(parse(q), summary(tmp_path, *EVENTS))


@pytest.mark.parametrize(
    "q",
    [
        "nothing",
        '"login nothing"',
        "traceback",
        "message:ada",
        "京都",
        "level:critical",
        "username:grace",
        "status_code:500",
        "status_code:>404",
        "status_code:<200",
        "response_time_ms:>9.25",
        "ip_address:10.0.0.8",
        "ip_address:2001:db8::2",
        "metadata.order.id:1235",
        "metadata.text:13.5",
        "metadata.nothing:*",
        "metadata.nothing:>5",
        "session_id:*",
        "ada nothing",
        "nothing OR username:grace",
    ],
)
def test_a_shard_without_an_answer_is_not_opened(tmp_path: Path, q: str) -> None:
    """What is rare or not there at all is known beforehand."""
    assert not may_match(parse(q), summary(tmp_path, *EVENTS))


def test_loose_rows_may_hold_anything(tmp_path: Path) -> None:
    """Where the shard does not hold everything, metadata and words are not denied; other fields are."""
    found = summary(tmp_path, *EVENTS, loose=True)
    for q in ("nothing", "metadata.nothing:*", "metadata.order.id:1235", "metadata.nothing:>5"):
        assert may_match(parse(q), found)
    assert not may_match(parse("username:grace"), found)


def test_addresses_may_be_written_in_ways_of_their_own(tmp_path: Path) -> None:
    """An IPv6 address that another hand wrote otherwise has its text for a key, and equals what is asked for."""
    found = summary(tmp_path, ("ip_address", "text", ["2001:DB8::5"]))
    assert may_match(parse("ip_address:2001\\:db8\\:\\:5"), found)
    assert not may_match(parse("ip_address:10.0.0.1"), found)
