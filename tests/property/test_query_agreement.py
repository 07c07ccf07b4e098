"""One meaning: what a tree is as text, over the index's terms, and over the event itself."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stonelog.indexer.errors import QueryError
from stonelog.indexer.match import compile_filter, line_filter
from stonelog.indexer.plan import plan
from stonelog.indexer.query import parse
from stonelog.indexer.tree import Equals, Node, Words
from strategies import WORDS, TermIndex, leaves_about, render, safe_text, stored_fields, text, trees


@given(trees)
@settings(max_examples=200)
def test_a_rendered_tree_is_read_back_as_itself(tree: Node) -> None:
    """Every tree can be written as a query, and the parser reads from it the same tree."""
    assert parse(render(tree)) == tree


@given(st.lists(stored_fields(), min_size=1, max_size=6), st.lists(trees, min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_the_plan_finds_all_that_the_event_says(events: list[dict[str, Any]], asked: list[Node]) -> None:
    """What the index finds holds every event that matches, and where the plan is exact no other."""
    index = TermIndex(events)
    for tree in asked:
        matches = compile_filter(tree)
        meant = {number for number, event in enumerate(events, 1) if matches(event)}
        found = index.find(question := plan(tree))
        assert meant <= found, (render(tree), question)
        assert not question.exact or meant == found, (render(tree), question)
    index.connection.close()


@given(stored_fields(), st.data())
@settings(max_examples=200, deadline=None)
def test_what_an_event_holds_is_found(event: dict[str, Any], data: st.DataObject) -> None:
    """A condition drawn from an event is read back from its text, and answered alike by the index and the event."""
    index = TermIndex([event])
    for _ in range(5):
        tree = data.draw(leaves_about(event))
        assert parse(render(tree)) == tree
        meant = {1} if compile_filter(tree)(event) else set()
        found = index.find(question := plan(tree))
        assert meant <= found
        assert not question.exact or meant == found
        assert meant or not isinstance(tree, Equals)
    index.connection.close()


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
    """Whatever the text, it is a QueryError, or a question that SQLite and the event can both answer, and agree on."""
    try:
        tree = parse(query)
    except QueryError:
        return
    index = TermIndex(events)
    matches = compile_filter(tree)
    meant = {number for number, event in enumerate(events, 1) if matches(event)}
    found = index.find(question := plan(tree))
    assert meant <= found
    assert not question.exact or meant == found
    index.connection.close()


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
    index = TermIndex(events)
    assert grepped <= index.find(plan(asked))
    index.connection.close()
