"""Events as text: the short line, the CSV row, the block."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stonelog.api.cli.lines import ShortLines, block, csv_row
from stonelog.filestore import FIELDS

EVENT = {
    "seq": 7,
    "time": "2026-11-23T14:05:06.123456Z",
    "level": "warning",
    "category": "api",
    "action": "api_call",
    "message": "slow",
    "username": "ada",
    "ip_address": "203.0.113.7",
    "method": "GET",
    "path": "/v1/orders",
    "status_code": 404,
    "response_time_ms": 12.34,
}


def short(*events):
    return ShortLines().lines(events)


def test_short_line_has_what_an_operator_asks_for():
    """seq, UTC time to the millisecond, LEVEL, category.action, user@address, method path status ms, message."""
    assert short(EVENT) == [
        "7 2026-11-23 14:05:06.123Z WARNING  api.api_call ada@203.0.113.7 GET /v1/orders 404 12ms slow"
    ]


def test_short_lines_are_aligned():
    """What stands behind a column begins in the same place on every line."""
    one, two = short(EVENT, {**EVENT, "seq": 1234, "level": "info", "username": None, "action": "read"})
    assert one.index("GET") == two.index("GET")
    assert one.index("WARNING") == two.index("INFO")


def test_short_lines_stay_aligned_from_page_to_page():
    """A later page is no narrower than the one before."""
    lines = ShortLines()
    (first,) = lines.lines([{**EVENT, "username": "somebody"}])
    (later,) = lines.lines([EVENT])
    assert first.index("GET") == later.index("GET")


def test_one_long_name_does_not_push_all_lines_away():
    """Columns have a limit: beyond it only the long line itself is shifted."""
    long, usual = short({**EVENT, "username": "x" * 500}, EVENT)
    assert len(usual) < 200
    assert "x" * 500 in long


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"username": None}, "203.0.113.7 GET /v1/orders 404 12ms slow"),
        ({"ip_address": None}, "ada GET /v1/orders 404 12ms slow"),
        ({"username": None, "user_id": "u-1"}, "u-1@203.0.113.7 GET /v1/orders 404 12ms slow"),
        ({"response_time_ms": 0.26}, "404 0.3ms slow"),
        ({"method": None, "path": None, "status_code": None, "response_time_ms": None}, "ada@203.0.113.7 slow"),
        ({"message": None, "error_type": "KeyError", "error_message": "'x'"}, "12ms KeyError: 'x'"),
        ({"message": None, "entity_type": "order", "entity_id": "17"}, "12ms order 17"),
        ({"message": None}, "404 12ms"),
    ],
)
def test_short_line_leaves_out_what_is_absent(fields, end):
    """Absent parts leave no gap, and an event without message says what it is about."""
    event = {key: value for key, value in {**EVENT, **fields}.items() if value is not None}
    (line,) = short(event)
    assert line.endswith(end)


@given(st.dictionaries(st.sampled_from(sorted(EVENT)), st.text()))
@example({"time": "2026-11-23T14:05:06.\x1b[31m0Z"})
def test_S02_a_short_line_is_one_line_without_controls(fields):
    """Whatever the texts, an event is one line, and nothing in it is obeyed by a terminal."""
    (line,) = short({**EVENT, **fields})
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or char in "\u2028\u2029\u202e" for char in line)


def test_csv_has_every_field_in_order_and_quotes_all():
    """The header names the fields in their order; every cell is quoted, absent ones are empty."""
    (header,) = csv.reader([csv_row(FIELDS)])
    assert tuple(header) == FIELDS
    row = csv_row(FIELDS, EVENT)
    assert row.startswith('"7","","2026-11-23T14:05:06.123456Z","warning"')
    assert row.count('"') == 2 * len(FIELDS)


def test_csv_holds_lists_and_metadata_as_json():
    """Lists and metadata are JSON in their cells."""
    event = {"tags": ["a", "b"], "metadata": {"größe": [1, None]}}
    assert next(csv.reader([csv_row(["tags", "metadata"], event)])) == ['["a","b"]', '{"größe":[1,null]}']


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_S12_a_formula_is_text(start):
    """A text that a spreadsheet would run gets a leading apostrophe, whatever its field."""
    text = f"{start}cmd|' /C calc'!A0"
    for field in ("message", "username", "path", "user_agent"):
        assert next(csv.reader(io.StringIO(csv_row([field], {field: text}), newline=""))) == ["'" + text]


def test_S12_numbers_are_numbers():
    """A number of a numeric field is as it is, even with a sign."""
    assert (
        csv_row(["response_time_ms", "status_code"], {"response_time_ms": -0.5, "status_code": 200}) == '"-0.5","200"'
    )


@given(st.dictionaries(st.sampled_from(["message", "username", "path"]), st.text(st.characters(codec="utf-8"))))
def test_csv_reads_back(event):
    """Every text comes back from the cell, but for the apostrophe before a formula."""
    names = ["message", "username", "path"]
    row = next(csv.reader(io.StringIO(csv_row(names, event), newline="")))
    for name, cell in zip(names, row, strict=True):
        assert cell.removeprefix("'") == event.get(name, "").removeprefix("'")


def test_block_gives_a_field_a_line_and_metadata_by_path():
    """The block has each field, lists in short, metadata by its paths, and texts of several lines as such."""
    event = {
        "seq": 7,
        "tags": ["a", "b"],
        "stack_trace": "one\ntwo\x1b",
        "metadata": {"order": {"id": 1}, "none": None},
    }
    assert block(event) == [
        "seq                7",
        "tags               a, b",
        "stack_trace        one",
        "                   two\\u001b",
        "metadata.order.id  1",
        "metadata.none      null",
    ]
