from datetime import UTC, datetime, timedelta, timezone

import pytest

from stonelog.indexer import QueryError
from stonelog.indexer.span import date_start, instant, moment, stamp_text, step

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T12:00:00Z", NOW),
        ("2026-11-23T13:30:00.25+01:30", NOW + timedelta(milliseconds=250)),
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
        ("30s", NOW - timedelta(seconds=30)),
        ("15m", NOW - timedelta(minutes=15)),
        ("24h", NOW - timedelta(hours=24)),
        (" 7d ", NOW - timedelta(days=7)),
        ("2w", NOW - timedelta(weeks=2)),
    ],
)
def test_an_instant_is_written_as_time_date_or_span(text: str, expected: datetime) -> None:
    """RFC 3339 with any offset, a date (its midnight in UTC) and a span back from now are understood."""
    assert moment(instant(text, NOW)) == expected


def test_an_aware_datetime_is_an_instant() -> None:
    """A datetime of any time zone is taken; one without is not."""
    assert moment(instant(NOW.astimezone(timezone(timedelta(hours=9))))) == NOW
    with pytest.raises(QueryError):
        instant(NOW.replace(tzinfo=None))


@pytest.mark.parametrize(
    "text", ["", "yesterday", "24", "-1h", "1.5h", "2026-02-30", "2026-11-23T12:00:00", "٣h", "7D"]
)
def test_another_text_is_refused_and_told_what_is_allowed(text: str) -> None:
    """What is no time raises QueryError that shows the three forms."""
    with pytest.raises(QueryError) as caught:
        instant(text, NOW)
    assert "24h" in caught.value.suggestion


def test_a_span_before_all_time_is_the_beginning() -> None:
    """A span of more years than there are ends at the first instant."""
    assert moment(instant("999999999w", NOW)) == datetime.min.replace(tzinfo=UTC)


def test_stamps_sort_as_instants_do() -> None:
    """The written form has one length, so that text order is time order."""
    instants = [instant("0001-01-01"), -1, 0, 1, 999_999, 1_000_000, instant("9999-12-31")]
    stamps = [stamp_text(each) for each in instants]
    assert stamps == sorted(stamps)
    assert {len(stamp) for stamp in stamps} == {27}


def test_only_a_date_starts_a_day() -> None:
    """A date gives its midnight, anything else nothing."""
    assert date_start("1970-01-02") == 86_400_000_000
    assert date_start("1970-13-02") is None
    assert date_start("1970-01-02T00:00:00Z") is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("1m", 60), ("5m", 300), ("1h", 3600), ("1d", 86_400), ("1w", 604_800)]
)
def test_a_step_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    """Steps are microseconds."""
    assert step(text) == seconds * 1_000_000


@pytest.mark.parametrize("text", ["", "0h", "1", "h", "1y", "1h30m", "-1h"])
def test_another_step_is_refused(text: str) -> None:
    """What is no step raises QueryError with examples."""
    with pytest.raises(QueryError) as caught:
        step(text)
    assert "1h" in caught.value.suggestion
