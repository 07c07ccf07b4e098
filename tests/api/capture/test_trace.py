"""W3C traceparent, by the examples and rules of the recommendation."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonelog.api.capture.trace import new_span_id, parse_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_the_example_of_the_recommendation() -> None:
    """A valid header gives the trace and the span that the request comes from."""
    assert parse_traceparent(f"00-{TRACE}-{SPAN}-01") == (TRACE, SPAN)
    assert parse_traceparent(f" 00-{TRACE}-{SPAN}-00\t") == (TRACE, SPAN)


def test_a_later_version_may_say_more() -> None:
    """Of a version above 00 what is known is read, whatever follows after a dash."""
    assert parse_traceparent(f"cc-{TRACE}-{SPAN}-01") == (TRACE, SPAN)
    assert parse_traceparent(f"cc-{TRACE}-{SPAN}-01-what-the-future") == (TRACE, SPAN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"cc-{TRACE}-{SPAN}-011",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1g",
        f"00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00_{TRACE}_{SPAN}_01",
    ],
)
def test_what_is_not_valid_is_no_trace(text: str) -> None:
    """Version ff, zeros, capitals, wrong lengths, two headers: as if there were none."""
    assert parse_traceparent(text) is None


@given(st.text(max_size=80))
def test_any_text_gives_a_trace_that_can_be_stored_or_none(text: str) -> None:
    """What is given out is 32 and 16 lower-case hexadecimal digits."""
    found = parse_traceparent(text)
    assert found is None or (re.fullmatch("[0-9a-f]{32}", found.trace_id) and re.fullmatch("[0-9a-f]{16}", found[1]))


def test_spans_differ() -> None:
    """Each request has a span of its own."""
    spans = {new_span_id() for _ in range(100)}
    assert len(spans) == 100
    assert all(re.fullmatch("[0-9a-f]{16}", span) for span in spans)
