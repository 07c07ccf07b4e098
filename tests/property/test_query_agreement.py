"""One meaning: what a tree is as text, over the index's terms, and over the event itself."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from fakeblock import FakeBlock
from stonelog.indexer.block import Block
from stonelog.indexer.bounds import bounds
from stonelog.indexer.errors import QueryError
from stonelog.indexer.match import compile_filter, line_filter
from stonelog.indexer.query import parse
from stonelog.indexer.tree import Equals, Node, Words
from stored import events_of, stored_blocks
from strategies import WORDS, leaves_about, render, safe_text, stored_fields, text, trees


@given(trees)
@settings(max_examples=200)
def test_a_rendered_tree_is_read_back_as_itself(tree: Node) -> None:
    """Every tree can be written as a query, and the parser reads from it the same tree."""
    assert parse(render(tree)) == tree


def check(tree: Node, blocks: list[Block]) -> int:
    """Of each block what is sure matches, and what matches may be meant; gives how many events match."""
    matches, number = compile_filter(tree), 0
    for block in blocks:
        meant = BitMap(row for row, event in events_of(block).items() if matches(event))
        sure, maybe = bounds(tree, block)
        assert sure <= meant <= maybe <= block.rows, (render(tree), sure, meant, maybe)
        number += len(meant)
    return number


@given(
    st.lists(stored_fields(), min_size=1, max_size=6),
    st.lists(trees, min_size=1, max_size=6),
    st.sampled_from([1, 3, 32_768]),
)
@settings(max_examples=200, deadline=None)
def test_the_index_finds_all_that_the_event_says(events: list[dict[str, Any]], asked: list[Node], most: int) -> None:
    """Over the stored keys of events, whatever is sure matches, and whatever matches may be meant."""
    with stored_blocks(events, most) as blocks:
        for tree in asked:
            check(tree, blocks)


@given(stored_fields(), st.data())
@settings(max_examples=200, deadline=None)
def test_what_an_event_holds_is_found(event: dict[str, Any], data: st.DataObject) -> None:
    """A condition drawn from an event is read back from its text, and answered alike by the index and the event."""
    with stored_blocks([event]) as blocks:
        (stored,) = events_of(blocks[0]).values()
        for _ in range(5):
            tree = data.draw(leaves_about(stored))
            assert parse(render(tree)) == tree
            assert check(tree, blocks) or not isinstance(tree, Equals)


@given(stored_fields(), trees)
@settings(max_examples=100, deadline=None)
def test_the_raw_line_is_asked_the_same(event: dict[str, Any], tree: Node) -> None:
    """A query over the bytes of a line answers as it does over its fields."""
    assert line_filter(render(tree))(orjson.dumps(event)) == compile_filter(tree)(event)


_SYNTAX = [
    *("AND", "OR", "NOT", "TO", "(", ")", "[", "]", "{", "}", "*", '"', "-", "\\", ":", "<", ">", ">=", "/8"),
    *("level:", "message:*", "status_code:>", "metadata.", "tags:", "ip_address:"),
]
_NOISE = 'ab5:*"()[]{}<>=-\\.,/ \u0301\u093c自が'
_queries = (
    safe_text
    | st.text(st.sampled_from(_NOISE), max_size=30)
    | st.lists(st.sampled_from([*WORDS, *_SYNTAX]), max_size=8).map("".join)
    | st.lists(st.sampled_from([*WORDS, *_SYNTAX]), max_size=8).map(" ".join)
)


@given(_queries, st.lists(stored_fields(), min_size=1, max_size=2))
@settings(max_examples=200, deadline=None)
def test_any_text_is_answered_or_refused(query: str, events: list[dict[str, Any]]) -> None:
    """Whatever the text, it is a QueryError, or a question that index and event can both answer, and agree on."""
    try:
        tree = parse(query)
    except QueryError:
        return
    with stored_blocks(events) as blocks:
        check(tree, blocks)


_GREP = shutil.which("grep")
_lines = text.filter(lambda value: value.isprintable() or not set(value) & set("\n\r\0"))
_known = st.text(st.characters(exclude_categories=("Cs", "Cn", "Co", "Cc")), max_size=6)
"""Characters of the Unicode version that Python knows: grep may know newer letters."""


@pytest.mark.skipif(_GREP is None, reason="there is no grep here")
@given(st.lists(_lines | _known, min_size=1, max_size=8), st.data())
@settings(max_examples=100, deadline=None)
def test_what_grep_finds_is_found(values: list[str], data: st.DataObject) -> None:
    """A text that `grep -iw` finds in a value is found there: by the test of the event, and so by the index."""
    value = data.draw(st.sampled_from(values))
    start = data.draw(st.integers(0, len(value)))
    wanted = data.draw(
        st.just(value[start : data.draw(st.integers(start, len(value)))]) | st.sampled_from(WORDS) | _known
    )
    if not wanted or set(wanted) & set("\n\r\0"):
        return
    done = subprocess.run(
        [str(_GREP), "-n", "-a", "-i", "-w", "-F", "-e", wanted],
        input="".join(f"{value}\n" for value in values).encode(),
        capture_output=True,
        env={"LC_ALL": "C.UTF-8"},
    )
    assert done.returncode < 2, done.stderr
    grepped = {int(line.split(b":")[0]) for line in done.stdout.split(b"\n") if line}
    asked = parse(render(Words(wanted)))
    matches = compile_filter(asked)
    events: list[dict[str, Any]] = [{"message": value} for value in values]
    found = {number for number, event in enumerate(events, 1) if matches(event)}
    assert grepped <= found
    block = FakeBlock(
        {number: {"time": "2026-11-23T00:00:00.000000Z", **event} for number, event in enumerate(events, 1)}
    )
    assert grepped <= set(bounds(asked, block).maybe)
