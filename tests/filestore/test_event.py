"""What one event is, and what each field may hold."""

from __future__ import annotations

import json
import string
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonelog.filestore import ACTIONS, CATEGORIES, FIELDS, LEVELS, Event, InvalidEvent, Store, format_time, parse_time
from stonelog.filestore.codec import encode, seal_line

REQUIRED = {"category": "api", "action": "read"}
GIVEN = ["seq", "id", "redacted", "synced", "hash"]
TEXTS = [
    "message",
    "entity_type",
    "entity_id",
    "entity_name",
    "user_id",
    "username",
    "user_agent",
    "session_id",
    "device_id",
    "region",
    "city",
    "method",
    "path",
    "request_id",
    "service",
    "host",
    "error_type",
    "error_message",
    "stack_trace",
]
DOCUMENTED = (
    "seq id time level category action message outcome entity_type entity_id entity_name user_id username ip_address "
    "user_agent session_id device_id country region city asn method path status_code response_time_ms request_id "
    "trace_id span_id risk_score risk_reasons service host tags error_type error_message stack_trace redacted metadata "
    "synced hash"
)

WIDE = {"n": 2**53 + 1, "big": 2**64 - 1, "low": -(2**63)}
ACCEPTED: list[tuple[str, Any, Any]] = [
    *((name, text, text) for name in TEXTS for text in ("", "Ada", "日本", "a\nb\0\x1b[31m", "x" * 10_000)),
    *(("category", each, each) for each in (*CATEGORIES, "billing", "a", "a" * 64, "a0_")),
    *(("action", each, each) for each in (*ACTIONS, "order.paid", "a", "a" * 64, "a..b")),
    *(("level", each, each) for each in LEVELS),
    *(("outcome", each, each) for each in ("success", "failure", "unknown")),
    ("time", "2026-11-23T14:05:06Z", "2026-11-23T14:05:06.000000Z"),
    ("time", "2026-11-23t14:05:06.1z", "2026-11-23T14:05:06.100000Z"),
    ("time", "2026-11-23 14:05:06.123456789+05:30", "2026-11-23T08:35:06.123456Z"),
    ("time", "2026-03-01T00:00:00+00:01", "2026-02-28T23:59:00.000000Z"),
    ("time", datetime(2024, 2, 29, 23, 59, 59, 999_999, UTC), "2024-02-29T23:59:59.999999Z"),
    ("time", datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=-3, minutes=-30))), "2026-01-01T03:30:00.000000Z"),
    ("time", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
    ("ip_address", "203.0.113.7", "203.0.113.7"),
    ("ip_address", "2001:DB8:0:0::1", "2001:db8::1"),
    ("country", "GB", "GB"),
    ("asn", 0, 0),
    ("asn", 2**32 - 1, 2**32 - 1),
    ("status_code", 100, 100),
    ("status_code", 599, 599),
    ("response_time_ms", 0, 0.0),
    ("response_time_ms", 1.5, 1.5),
    ("trace_id", "0af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd8448eb211c80319c"),
    ("span_id", "b7ad6b7169203331", "b7ad6b7169203331"),
    ("risk_score", 0, 0),
    ("risk_score", 100, 100),
    ("tags", ["a", "", "日本"], ["a", "", "日本"]),
    ("tags", [], []),
    ("risk_reasons", ["new device"], ["new device"]),
    ("metadata", {}, {}),
    (
        "metadata",
        {"n": 2**53 + 1, "big": 2**64 - 1, "low": -(2**63)},
        {"n": 2**53 + 1, "big": 2**64 - 1, "low": -(2**63)},
    ),
    ("metadata", {"a.b": [{"": None}, True, 1e300]}, {"a.b": [{"": None}, True, 1e300]}),
]
WRONG_TEXT: list[Any] = [1, True, b"x", ["a"], {}]
REFUSED: list[tuple[str, Any]] = [
    *((name, value) for name in TEXTS for value in WRONG_TEXT),
    *((name, "x") for name in GIVEN),
    *(("category", each) for each in ("", "Api", "1a", "_a", "a.b", "a-b", "a" * 65, "api\n", "é", 5, ["api"])),
    *(("action", each) for each in ("", "Read", ".a", "a b", "a" * 65, "read\n", 5)),
    *(("level", each) for each in ("", "INFO", "warn", 20, "info ")),
    *(("outcome", each) for each in ("", "ok", True, 1)),
    *(
        ("time", each)
        for each in ("", "2026-11-23", "2026-11-23T14:05:06", "2026-02-30T00:00:00Z", "now", 0, 1.5, None.__class__)
    ),
    *(("time", each) for each in ("2026-11-23T24:00:00Z", "2026-11-23T14:05:06+24:00", "٢٠٢٦-١١-٢٣T14:05:06Z")),
    *(("time", each) for each in (datetime(2026, 1, 1), "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01")),
    *(
        ("ip_address", each)
        for each in ("", "localhost", "10.0.0.1:80", "10.0.0.0/8", "010.0.0.1", "1.2.3", "10.0.0.1\n", 1, b"\1\2\3\4")
    ),
    *(("country", each) for each in ("", "gb", "GBR", "G", "GB\n", 1)),
    *(("asn", each) for each in (-1, 2**32, "1", 1.0, True)),
    *(("status_code", each) for each in (99, 600, "200", 200.0, True, -200)),
    *(("response_time_ms", each) for each in (-0.1, "1", float("nan"), float("inf"), True)),
    *(("trace_id", each) for each in ("0AF7651916CD43DD8448EB211C80319C", "0af7", "g" * 32, "0" * 33, 1)),
    *(("span_id", each) for each in ("B7AD6B7169203331", "b7", "0" * 32, 1)),
    *(("risk_score", each) for each in (-1, 101, 50.0, "50", True)),
    *((name, each) for name in ("tags", "risk_reasons") for each in ("a", [1], [None], [["a"]], {"a": 1}, 1)),
    *(("metadata", each) for each in ([], "x", 1, {1: 1}, {"a": {1, 2}}, {"a": b"x"}, {"a": object()}, {None: 1})),
    *(
        ("metadata", {"a": each})
        for each in (2**64, -(2**63) - 1, float("nan"), float("-inf"), "\ud800", {"\udfff": 1})
    ),
    *((name, 1) for name in ("foo", "Category", "message ", "__class__", "line", "_line", "fields")),
]


def nested(depth: int) -> dict[str, Any]:
    """An object in which `depth` objects and lists stand one in another."""
    inner: Any = []
    for level in range(depth - 1):
        inner = {"a": inner} if level % 2 == 0 or level == depth - 2 else [inner]
    return inner if isinstance(inner, dict) else {}


def test_fields_are_those_of_the_table_in_its_order() -> None:
    """FIELDS is the documented list, in the order of the line."""
    assert " ".join(FIELDS) == DOCUMENTED


def test_the_shared_categories_and_actions_are_named() -> None:
    """Ten categories and eighteen actions are constants; levels stand by severity."""
    assert (len(set(CATEGORIES)), len(set(ACTIONS))) == (10, 18)
    assert LEVELS == ("debug", "info", "notice", "warning", "error", "critical")


@pytest.mark.parametrize(("field", "value", "kept"), ACCEPTED)
def test_what_the_table_allows_is_accepted(field: str, value: Any, kept: Any) -> None:
    """The value is taken, in its canonical form where the field has one."""
    assert Event.check({**REQUIRED, field: value}).fields()[field] == kept


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_what_the_table_does_not_allow_is_refused_by_name(field: str, value: Any) -> None:
    """InvalidEvent names the field, shows what was given, and tells what is allowed, on one printable line."""
    with pytest.raises(InvalidEvent) as caught:
        Event.check({**REQUIRED, field: value}, index=7)
    error = caught.value
    assert error.field.split(".")[0] == field
    assert error.index == 7
    assert error.allowed
    assert len(error.given) <= 60
    assert str(error).isprintable()


@pytest.mark.parametrize("missing", ["category", "action"])
def test_category_and_action_are_required(missing: str) -> None:
    """Without one of them there is no event, and None is the same as not there."""
    for fields in ({key: value for key, value in REQUIRED.items() if key != missing}, {**REQUIRED, missing: None}):
        with pytest.raises(InvalidEvent) as caught:
            Event.check(fields)
        assert caught.value.field == missing


def test_absent_fields_are_absent_and_level_is_info() -> None:
    """None is the same as leaving out; the only default is the level."""
    everything = dict.fromkeys(FIELDS) | REQUIRED
    assert Event.check(everything).fields() == {"level": "info", **REQUIRED}


def test_description_is_accepted_for_message() -> None:
    """`description` is stored as `message`; both together are refused."""
    assert Event.check({**REQUIRED, "description": "d"}).message == "d"
    with pytest.raises(InvalidEvent, match="message or description, not both"):
        Event.check({**REQUIRED, "description": "d", "message": "m"})


def test_metadata_nests_to_sixteen() -> None:
    """Sixteen objects and lists in one another are taken, seventeen are not, nor is one that contains itself."""
    assert Event.check({**REQUIRED, "metadata": nested(16)}).metadata == nested(16)
    endless: dict[str, Any] = {}
    endless["a"] = endless
    for metadata in (nested(17), nested(2_000), endless):
        with pytest.raises(InvalidEvent, match="at most 16 deep"):
            Event.check({**REQUIRED, "metadata": metadata})


def test_an_event_cannot_be_changed() -> None:
    """Events are frozen."""
    event = Event.check(REQUIRED)
    with pytest.raises(ValueError):
        event.message = "other"  # type: ignore[misc]


@pytest.mark.parametrize("value", ["2026-11-23T14:05:06Z", datetime(2026, 11, 23, 14, 5, 6, tzinfo=UTC)])
def test_T03_a_time_is_an_instant_in_utc(value: object) -> None:
    """Texts and datetimes become aware UTC datetimes; formatted they have six digits and `Z`."""
    moment = parse_time(value)
    assert moment == datetime(2026, 11, 23, 14, 5, 6, tzinfo=UTC)
    assert moment.tzinfo is UTC
    assert format_time(moment) == "2026-11-23T14:05:06.000000Z"


@given(st.datetimes(timezones=st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))))
def test_T03_any_aware_datetime_comes_back_as_the_same_instant(moment: datetime) -> None:
    """Parsing what was formatted gives the same instant, to the microsecond, whatever the offset was."""
    try:
        parsed = parse_time(moment)
    except ValueError:
        assert moment.year in (1, 9999)
        return
    assert parsed == moment
    assert parse_time(format_time(parsed)) == moment


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
hexadecimal = st.text("0123456789abcdef", min_size=32, max_size=32)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
optional: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(TEXTS, texts),
    "time": st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC)).map(format_time),
    "level": st.sampled_from(LEVELS),
    "outcome": st.sampled_from(["success", "failure", "unknown"]),
    "ip_address": st.ip_addresses().map(str),
    "country": st.text(string.ascii_uppercase, min_size=2, max_size=2),
    "asn": st.integers(0, 2**32 - 1),
    "status_code": st.integers(100, 599),
    "response_time_ms": st.floats(0, allow_nan=False, allow_infinity=False),
    "trace_id": hexadecimal,
    "span_id": hexadecimal.map(lambda text: text[:16]),
    "risk_score": st.integers(0, 100),
    "risk_reasons": st.lists(texts, max_size=3),
    "tags": st.lists(texts, max_size=3),
    "metadata": st.dictionaries(texts, json_values, max_size=4),
}
events = st.fixed_dictionaries(
    {
        "category": st.from_regex(r"[a-z][a-z0-9_]{0,63}", fullmatch=True),
        "action": st.from_regex(r"[a-z][a-z0-9_.]{0,63}", fullmatch=True),
    },
    optional=optional,
)


@given(events, st.integers(1, 2**53 - 1))
def test_S01_any_event_comes_back_equal_from_its_one_line(fields: dict[str, Any], seq: int) -> None:
    """Checked, encoded, sealed and read back, every field is what it was, in the order of the table, on one line."""
    fields.setdefault("time", "2026-11-23T14:05:06.000000Z")
    checked = Event.check(fields)
    line = seal_line(encode(checked.fields()), seq, seq - 1)
    stored = Event.stored(line)
    assert b"\n" not in line
    assert stored.line == line
    assert {name: stored.fields()[name] for name in checked.fields()} == checked.fields()
    assert checked.fields() == {"level": "info", **fields}
    assert (stored.seq, stored.synced, stored.time) == (seq, seq - 1, checked.time)
    keys = list(json.loads(line))
    assert keys == [name for name in FIELDS if name in keys]
    assert keys[-1] == "hash"


def test_a_line_of_a_newer_version_is_read(store: Store) -> None:
    """F62: unknown keys and levels do not stop the reading; they stand in `.line`."""
    body = encode({"time": "2026-11-23T14:05:06.000000Z", "level": "loud", **REQUIRED, "colour": "red"})
    event = Event.stored(seal_line(body, 1, 0))
    assert event.level == "loud"
    assert event.message is None
    assert b'"colour":"red"' in event.line
    fields = json.loads(event.line)
    assert Event.stored(event.line, fields) == event
    assert fields == json.loads(event.line), "what was given stays as it was"


@pytest.mark.parametrize("line", [b"", b"[]", b"{", b"null", b'"text"', b"{}", b'{"time":5}', b'{"time":"yesterday"}'])
def test_S04_what_is_not_an_event_is_a_value_error(line: bytes) -> None:
    """`Event.stored` raises ValueError, nothing else, for bytes that the store cannot have written."""
    with pytest.raises(ValueError):
        Event.stored(line)


def test_S01_naughty_strings_come_back_from_the_file(store: Store) -> None:
    """Every naughty string, as text, tag, key and value, is read back equal; the file has one line for each event."""
    path = Path(__file__).parents[2] / "../shared/data/unicode/blns.json"
    if not path.exists():
        pytest.skip("the shared data is absent")
    strings = [*json.loads(path.read_bytes()), "\u009b31m", "\u202e", "\x7f", "\u2028", "a\r\nb", "\0"]
    receipts = store.append_many([{**REQUIRED, "message": s, "tags": [s], "metadata": {s: [s]}} for s in strings])
    assert [event.message for event in store.read()] == strings
    assert [event.tags for event in store.read()] == [[s] for s in strings]
    assert [event.metadata for event in store.read()] == [{s: [s]} for s in strings]
    data = Path(receipts[0].file).read_bytes()
    assert data.count(b"\n") == len(strings)
    assert not [
        c for c in [0x7F, *range(0x80, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A)] if chr(c).encode() in data
    ]
    assert len(data.decode().splitlines()) == len(strings)


def test_the_table_of_names_is_that_of_the_event() -> None:
    """The names that readers use, who load no pydantic, are the fields of an event in their order."""
    assert tuple(Event.model_fields) == FIELDS
