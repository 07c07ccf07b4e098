"""Figures of blocks: they add up to what a loop over the events finds, however the events lie in time."""

from __future__ import annotations

import json
from array import array
from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakeblock import block_of, finder
from stonelog.filestore import format_time
from stonelog.indexer import rollup as rollup_module
from stonelog.indexer.keys import cut
from stonelog.indexer.rollup import DIMENSIONS, Columns, Rollup, block_figures, block_rollups, status_class
from stonelog.indexer.sketch import Distinct, Quantiles
from stonelog.indexer.span import DAY, HOUR, MINUTE, microseconds, moment
from strategies import stored_fields

events_of_a_block = st.lists(stored_fields(seq=1), min_size=1, max_size=12).map(
    lambda events: [event | {"seq": seq} for seq, event in enumerate(events, 1)]
)


def dimension(event: dict[str, Any], name: str) -> str | None:
    if name == "status":
        return status_class(event["status_code"]) if "status_code" in event else None
    return event.get(name)


def expected(events: list[dict[str, Any]], names: tuple[str, ...]) -> dict[str, Any]:
    """The figures of the events, but for sketches."""
    found: dict[str, Any] = {name: Counter(dimension(event, name) for event in events) for name in names}
    for counts in found.values():
        del counts[None]
    risks = [event["risk_score"] for event in events if "risk_score" in event]
    return {**found, "risk": [len(risks), sum(risks), max(risks)] if risks else []}


def texts(events: list[dict[str, Any]], *names: str) -> set[str]:
    given = (next((event[name] for name in names if event.get(name)), None) for event in events)
    return {text for text in given if text is not None}


def response(events: list[dict[str, Any]]) -> list[int]:
    sketch = Quantiles()
    sketch.update(event["response_time_ms"] for event in events if "response_time_ms" in event)
    return sketch.pack()


def count(packed: str) -> int:
    sketch = Distinct()
    sketch.merge_packed(packed)
    return sketch.count()


def check_distinct(figures: dict[str, Any], events: list[dict[str, Any]]) -> None:
    assert count(figures.get("users", "")) == len(texts(events, "user_id", "username"))
    for name, field in (("sessions", "session_id"), ("addresses", "ip_address")):
        assert count(figures.get(name, "")) == len({event[field] for event in events if field in event})


@settings(max_examples=50, deadline=None)
@given(events_of_a_block)
def test_the_figures_of_a_block_are_those_of_its_events(events: list[dict[str, Any]]) -> None:
    """All are there, the empty ones too."""
    found = block_of(events).figures()
    times = [microseconds(event["time"]) for event in events]
    assert (found["events"], found["first"], found["last"]) == (len(events), min(times), max(times))
    assert {name: found[name] for name in ("level", "category", "risk")} == expected(events, ("level", "category"))
    assert found["response"] == response(events)
    check_distinct(json.loads(json.dumps(found)), events)


@settings(max_examples=50, deadline=None)
@given(events_of_a_block)
def test_the_rollups_of_a_width_are_those_of_its_steps(events: list[dict[str, Any]]) -> None:
    """Each step that has events has a rollup of each width; steps start at multiples of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollup_module, "_FEWEST", 0)
        block = block_of(events)
        assert block.widths == {MINUTE, HOUR, DAY}
    for width in block.widths:
        steps = defaultdict(list)
        for event in events:
            steps[microseconds(event["time"]) // width * width].append(event)
        rollups = list(block.rollups(width, None, None))
        assert [(start, number) for start, number, _ in rollups] == sorted((at, len(own)) for at, own in steps.items())
        for start, _, packed in rollups:
            figures, own = json.loads(packed), steps[start]
            true = expected(own, DIMENSIONS)
            assert {name: figures.get(name, []) or {} for name in true} == {name: true[name] or {} for name in true}
            assert figures.get("response", []) == ([] if width == MINUTE else response(own))
            if width == DAY:
                check_distinct(figures, own)


def rollups_of(times: list[int]) -> list[Rollup]:
    find = finder({("level", "text"): {"info": range(len(times))}})
    return block_rollups(Columns(find, array("q", times), range(len(times))))


@pytest.mark.parametrize(
    ("apart", "widths"),
    [(900_000, {MINUTE, HOUR, DAY}), (1_000_000, {HOUR, DAY}), (57_000_000, {DAY}), (HOUR, {DAY})],
)
def test_a_width_with_few_events_a_step_is_left_out(apart: int, widths: set[int]) -> None:
    """64 events a step are worth it; days are always there."""
    assert {rollup.width for rollup in rollups_of([at * apart for at in range(128)])} == widths


def test_times_before_the_epoch_have_steps() -> None:
    """A step begins before its events, not after."""
    (found,) = (rollup for rollup in rollups_of([-1]) if rollup.width == DAY)
    assert (found.start, format_time(moment(found.start))) == (-DAY, "1969-12-31T00:00:00.000000Z")


def test_rows_need_not_be_in_the_order_of_time() -> None:
    """Nor need every row hold an event."""
    find = finder({("level", "text"): {"info": [0, 3], "error": [1]}, ("user_id", "text"): {"a": [0, 1], "b": [3]}})
    columns = Columns(find, array("q", [DAY + 1, 5, 0, DAY - 1]), [0, 1, 3])
    figures = block_figures(columns)
    assert (figures["first"], figures["last"], figures["level"]) == (5, DAY + 1, {"info": 2, "error": 1})
    days = [rollup for rollup in block_rollups(columns) if rollup.width == DAY]
    assert [(day.start, day.events, json.loads(day.figures)["level"]) for day in days] == [
        (0, 2, {"error": 1, "info": 1}),
        (DAY, 1, {"info": 1}),
    ]


@pytest.mark.parametrize("kind", ["int", "float"])
def test_response_times_that_every_event_has(kind: str) -> None:
    """Whole numbers or not, in the order of their rows."""
    find = finder({("response_time_ms", kind): {3: [0, 2], 5: [1]}})
    sketch = Quantiles()
    sketch.update([3, 5, 3])
    assert block_figures(Columns(find, array("q", [1, 2, 3]), range(3)))["response"] == sketch.pack()


def test_a_long_text_counts_as_its_key() -> None:
    """So that it is the same whether it comes from a line or from the index."""
    long = "w" * 500
    columns = Columns(finder({("session_id", "text"): {long: [0]}}), array("q", [0]), [0])
    assert block_figures(columns)["sessions"] == Distinct([cut(long)]).pack()
