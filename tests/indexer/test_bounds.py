from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from fakeblock import FakeBlock
from stonelog.indexer.block import Block
from stonelog.indexer.bounds import Bounds, bounds
from stonelog.indexer.errors import QueryStopped
from stonelog.indexer.fields import kind_of
from stonelog.indexer.match import compile_filter
from stonelog.indexer.patience import Patience
from stonelog.indexer.query import parse
from stonelog.indexer.tree import Equals, Everything, Exists, Node, Range, Wildcard, Words, all_of, any_of, negated
from stonelog.indexer.words import lookup, needles
from strategies import leaves, leaves_about, render, stored_fields, trees

TIME = "2026-11-23T14:05:06.000007Z"


def block_of(*events: dict[str, Any], **more: Any) -> FakeBlock:
    return FakeBlock({row: {"time": TIME} | event for row, event in enumerate(events)}, **more)


def found(query: str, block: Block) -> tuple[list[int], list[int]]:
    sure, maybe = bounds(parse(query), block)
    return list(sure), list(maybe)


def check(tree: Node, events: dict[int, dict[str, Any]], block: FakeBlock) -> Bounds:
    """What is sure is true, and what is true is among what may be."""
    matches = compile_filter(tree)
    meant = BitMap(row for row in block.rows if matches(events[row]))
    result = bounds(tree, block)
    assert result.sure <= meant <= result.maybe <= block.rows, (render(tree), result, meant)
    return result


@given(
    st.lists(stored_fields(), min_size=1, max_size=6),
    st.lists(trees, min_size=1, max_size=6),
    st.frozensets(st.integers(0, 11), max_size=3),
    st.frozensets(st.integers(0, 11), max_size=3),
)
@settings(max_examples=300, deadline=None)
def test_the_bounds_hold(
    given_events: list[dict[str, Any]], asked: list[Node], forgotten: frozenset[int], gone: frozenset[int]
) -> None:
    """Whatever the events and the tree: what is sure matches, and what matches may."""
    events = {2 * place: event | {"seq": 5 + 2 * place} for place, event in enumerate(given_events)}
    block = FakeBlock(events, first_seq=5, forgotten=forgotten & set(events), gone=gone)
    for tree in asked:
        check(tree, events, block)


@given(st.lists(stored_fields(), min_size=1, max_size=4), st.booleans(), st.data())
@settings(max_examples=300, deadline=None)
def test_what_an_event_holds_is_found(given_events: list[dict[str, Any]], forgotten: bool, data: st.DataObject) -> None:
    """Conditions drawn from events, alone and together, keep the bounds, and are certain where the index tells all."""
    events = {row: event | {"seq": 1 + row} for row, event in enumerate(given_events)}
    block = FakeBlock(events, forgotten=frozenset([0]) if forgotten else frozenset())
    asked = data.draw(st.lists(st.sampled_from(given_events).flatmap(leaves_about), min_size=2, max_size=5))
    for tree in (*asked, all_of(asked), any_of(asked), negated(any_of(asked)), all_of([asked[0], negated(asked[1])])):
        result = check(tree, events, block)
        if certain(tree, block):
            assert result.sure == result.maybe, render(tree)


@given(st.lists(stored_fields(), min_size=1, max_size=4), st.lists(leaves, min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_the_index_alone_answers_most_conditions(events: list[dict[str, Any]], asked: list[Node]) -> None:
    """Where no text is cut and nothing was left out, a condition on values, presence, time or one word is certain."""
    block = FakeBlock(dict(enumerate(events)))
    for tree in asked:
        if certain(tree, block):
            result = bounds(tree, block)
            assert result.sure == result.maybe, render(tree)


def certain(node: Node, block: FakeBlock) -> bool:
    """Whether the keys of the block tell all that the condition asks."""
    cut = any("\ue081" in str(key) for keys in block.held.values() for key in keys)
    if isinstance(node, Everything):
        return True
    if cut or block.loose or not isinstance(node, Words | Equals | Exists | Range | Wildcard):
        return False
    if isinstance(node, Exists):
        return True
    if isinstance(node, Words):
        wanted = needles(node.text, prefix=node.prefix)
        return bool(wanted) and all(lookup(needle)[1] for needle in wanted) and "\ue081" not in node.text
    if node.field in ("seq", "time"):
        return not isinstance(node, Wildcard)
    if "\ue081" in repr(node) or len(repr(node)) > 120:
        return False
    patterned = isinstance(node, Wildcard) and kind_of(node.field) in ("text", "address")
    return node.field not in ("id", "synced", "hash") and not patterned


LONG = "x" * 99 + "y" * 60
MARKED = "a\ue081b"


@pytest.mark.parametrize(
    ("query", "sure", "maybe"),
    [
        (f"username:{LONG}", [], [0]),
        (f"username:{LONG}z", [], []),
        (f"-username:{LONG}", [1, 2, 3], [0, 1, 2, 3]),
        (f"username:{'x' * 99}*", [0], [0]),
        (f"username:{'x' * 99}yy*", [], [0]),
        (f"username:{'x' * 99}z*", [], []),
        ("username:*y", [], [0, 1]),
        ("username:x*y", [], [0]),
        (f"username:[{'x' * 99} TO y]", [0], [0]),
        (f"username:[{'x' * 99}yya TO y]", [], [0]),
        (f"username:[a TO {'x' * 99}yz]", [1, 2], [0, 1, 2]),
        (f"username:[a TO {'x' * 100}]", [1, 2], [1, 2]),
        (f"username:[a TO {MARKED}]", [], [1]),
        (f"username:[{MARKED} TO b]", [2], [1, 2]),
        (f"username:{MARKED}", [], [1]),
        (f"username:[{MARKED}a TO b]", [2], [1, 2]),
        ("username:*", [0, 1, 2], [0, 1, 2]),
        ("x" * 130, [], [3]),
        ("x" * 130 + "*", [], [3]),
        ("x" * 99 + "*", [0, 3], [0, 3]),
    ],
)
def test_a_cut_text_is_certain_only_by_its_beginning(query: str, sure: list[int], maybe: list[int]) -> None:
    """Of a text that is cut, or holds the mark, equality and end stay open; what the beginning tells is sure."""
    block = block_of({"username": LONG}, {"username": MARKED}, {"username": "b"}, {"message": "x" * 130})
    assert found(query, block) == (sure, maybe)


@pytest.mark.parametrize(
    "query", ["metadata.a:5", "metadata:*", "metadata.b.c:*", "word", "metadata.a:<3", "message:x"]
)
def test_a_loose_row_is_never_certain(query: str) -> None:
    """Of a row of which not everything is held, neither a condition on metadata or words nor its opposite is sure."""
    events = [{"metadata": {"a": 5}, "message": "x"}, {"metadata": {"a": 2, "b": {"c": "word"}}}, {"username": "ada"}]
    block = block_of(*events, forgotten=frozenset([1]))
    for text in (query, f"NOT {query}"):
        sure, maybe = found(text, block)
        assert 1 not in sure
        assert 1 in maybe
    assert found("username:ada", block) == ([2], [2])
    assert found("NOT username:ada", block) == ([0, 1], [0, 1])


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("", [0, 1, 2]),
        ("-*", []),
        ("login", [0, 1]),
        ("LOGIN -failed", [1]),
        ("log*", [0, 1]),
        ("message:login", [0]),
        ("message:*", [0]),
        ("login OR -login", [0, 1, 2]),
        ("seq:[8 TO 9}", [1]),
        ("seq:7.5", []),
        ("seq:>100000000", []),
        ("seq:<=7 OR seq:9", [0, 2]),
        ("time:2026-11-23", [0, 2]),
        ("time:<2026-11-24T00:00:00Z", [0, 2]),
        ("time:>9999-12-31", []),
        ("level:>=error", [1]),
        ("level:e*", [1]),
        ("status_code:40.5", []),
        ("status_code:[200 TO 404}", [0]),
        ("status_code:{199.5 TO 403.5}", [0]),
        ("status_code:{200 TO 404]", [1]),
        ("status_code:4*", [1]),
        ("response_time_ms:12", [2]),
        ("response_time_ms:>0.1", [1, 2]),
        ("ip_address:10.0.0.0/8", [0]),
        ("ip_address:10.*", [0]),
        ("ip_address:10.0.0.*", [0]),
        ("ip_address:[::1 TO ::2}", [1]),
        ("ip_address:fe80::/16", [2]),
        ("ip_address:fe80\\:\\:1%eth0", [2]),
        ("ip_address:fe80\\:\\:1", []),
        ("metadata.n:5", [0, 1, 2]),
        ("metadata.n:5.0", [0, 1]),
        ("metadata.n:<6", [0, 1]),
        ("metadata.t:true", [0, 1]),
        ("metadata.t:t*", [0, 1]),
        ("metadata.o:*", [2]),
        ("metadata:*", [0, 1, 2]),
        ("tags:*", [1]),
        ("tags:b", [1]),
        ("metadata.big:>=9223372036854775808", []),
        ("metadata.n:<99999999999999999999999", [0, 1]),
    ],
)
def test_an_exact_condition(query: str, rows: list[int]) -> None:
    """What the keys hold in full is answered without a doubt."""
    block = block_of(
        {
            "message": "Login failed",
            "level": "info",
            "status_code": 200,
            "response_time_ms": 0.1,
            "ip_address": "10.0.0.1",
            "metadata": {"n": 5, "t": True},
            "tags": [],
        },
        {
            "username": "login",
            "time": "2026-11-24T00:00:00.000000Z",
            "level": "error",
            "status_code": 404,
            "response_time_ms": 12.5,
            "ip_address": "::1",
            "metadata": {"n": 5.0, "t": "true"},
            "tags": ["a", "b"],
        },
        {"response_time_ms": 12, "ip_address": "fe80::1%eth0", "metadata": {"n": "5", "o": {"": 1}}},
        first_seq=7,
    )
    assert found(query, block) == (rows, rows)


@pytest.mark.parametrize(
    ("query", "maybe"),
    [
        ('"login failed"', [0]),
        ("message:*ogi*", [0, 1]),
        ('message:"::"', [0, 1]),
        ("::", [0, 1, 2]),
        ("id:x", [0, 1, 2]),
        ("id:x login", [0, 2]),
        ("-id:x", [0, 1, 2]),
        ('"failed login"', [0]),
        ('"ada failed"', []),
    ],
)
def test_what_only_the_line_decides(query: str, maybe: list[int]) -> None:
    """A phrase, a pattern over free text and fields without keys narrow the rows, and are sure of none."""
    block = block_of({"message": "login failed"}, {"message": "x"}, {"username": "ada", "path": "/login"})
    assert found(query, block) == ([], maybe)


def test_a_prefix_takes_in_the_last_character_there_is() -> None:
    """Whatever stands behind it, a text that begins so is found, and one that only sorts near it is not."""
    last = chr(0x10FFFF)
    block = block_of(*({"username": name} for name in (f"a{last}{last}b", "b", f"{last}{last}", "\ud7ffx", "\ue000")))
    assert found("username:a*", block) == ([0], [0])
    assert found(f"username:{last}*", block) == ([2], [2])
    assert found("username:\ud7ff*", block) == ([3], [3])


def test_a_number_that_no_key_holds_is_left_to_the_line() -> None:
    """Minus zero equals zero, and integers may go beyond 64 bits: such rows are loose."""
    block = block_of({"response_time_ms": -0.0, "metadata": {"n": 2**63}}, {"response_time_ms": 0.0})
    assert found("response_time_ms:0", block) == ([1], [0, 1])
    assert found("response_time_ms:>5", block) == ([], [0])
    assert found("response_time_ms:*", block) == ([0, 1], [0, 1])
    assert found("metadata.n:9223372036854775808", block) == ([], [0])
    assert found("NOT metadata.n:>=-1e300", block) == ([1], [0, 1])


def test_a_time_beyond_the_last_is_the_last() -> None:
    """A bound after the year 9999 means the last microsecond there is, as it does on the line."""
    events = {0: {"time": "9999-12-31T23:59:59.999999Z"}, 1: {"time": TIME}}
    result = check(parse("time:>9999-12-31"), events, FakeBlock(events))
    assert result.sure == result.maybe == BitMap([0])


def test_ipv6_is_written_in_many_ways() -> None:
    """A pattern over addresses leaves IPv6 to the lines, unless none can be written so."""
    block = block_of(*({"ip_address": text} for text in ("::1", "10.0.0.1", "10.1.0.1", "100.1.1.1", "no address")))
    assert found("ip_address:10.*", block) == ([1, 2], [1, 2])
    assert found("ip_address:10.0*", block) == ([1], [1])
    assert found("ip_address:*.1", block) == ([1, 2, 3], [0, 1, 2, 3])
    assert found("ip_address:\\:*", block) == ([], [0])
    assert found("ip_address:n*", block) == ([4], [4])
    assert found("ip_address:\\:\\:1", block) == ([0], [0])
    assert found("ip_address:\\:\\:1%eth0", block) == ([], [])
    assert found("ip_address:300.*", block) == ([], [])


class _Counted(FakeBlock):
    """Counts the fields that are asked for."""

    asked: list[str]

    def get(self, field: str, kind: str, key: Any) -> BitMap:
        self.asked.append(field)
        return super().get(field, kind, key)

    def postings(self, field: str, kind: str, low: Any = None, high: Any = None) -> Iterator[tuple[Any, BitMap]]:
        self.asked.append(field)
        return super().postings(field, kind, low, high)


def test_what_decides_ends_the_search() -> None:
    """An And that nothing can meet any more, and an Or that everything meets, ask no further; cheap ones come first."""
    block = _Counted({0: {"time": TIME, "username": "ada"}, 1: {"time": TIME, "username": "bob"}})
    block.asked = []
    assert found("path:*x AND username:cy", block) == ([], [])
    assert found("path:*x OR username:ada OR username:bob OR host:c", block) == ([0, 1], [0, 1])
    assert block.asked == ["username"] * 3


def test_patience_ends_between_conditions() -> None:
    """A question whose time is up ends before its next condition."""
    block = block_of({"username": "ada"})
    with pytest.raises(QueryStopped):
        bounds(parse("username:ada"), block, Patience(0))


def test_a_thousand_conditions() -> None:
    """Wide and deep trees are answered like any other."""
    block = block_of(*({"username": f"u{number}", "status_code": 100 + number} for number in range(500)))
    every = list(range(500))
    names = [Equals("username", f"u{number}") for number in range(1000)]
    assert list(bounds(any_of(names), block).sure) == every
    assert not bounds(all_of(map(negated, names)), block).maybe
    assert found("(NOT " * 30 + "username:u7" + ")" * 30, block) == ([7], [7])
    assert found("status_code:>=100", block) == (every, every)
