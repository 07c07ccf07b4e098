from datetime import UTC, datetime

import pytest

from stonelog.api.ingest.syslog import YearCount
from stonelog.api.ingest.values import MONTHS


def years(stamps, now, first=None):
    count = YearCount(first, now)
    count.look_ahead(f"{month} {day:>2} {clock} host x".encode() for month, day, clock in stamps)
    return [count.of(MONTHS[month], day, clock) for month, day, clock in stamps]


@pytest.mark.parametrize(
    ("stamps", "now", "expected"),
    [
        ([("Mar", 27), ("Apr", 20)], "2026-11-23", [2026, 2026]),
        ([("Mar", 27), ("Apr", 20)], "2026-04-01", [2025, 2025]),
        ([("Nov", 1), ("Dec", 31), ("Jan", 1)], "2026-06-01", [2025, 2025, 2026]),
        ([("Nov", 1), ("Dec", 31), ("Jan", 1)], "2026-01-01", [2025, 2025, 2026]),
        ([("Dec", 31), ("Jan", 1), ("Dec", 31), ("Jan", 2)], "2026-06-01", [2025, 2026, 2025, 2026]),
        ([("Mar", 2), ("Mar", 1), ("Apr", 1), ("Mar", 31)], "2026-06-01", [2026, 2026, 2026, 2026]),
        ([("Jan", 1), ("Jun", 1), ("Dec", 1)], "2026-12-24", [2026, 2026, 2026]),
        ([("Feb", 29), ("Mar", 1)], "2026-06-01", [2024, 2024]),
        ([("Nov", 23)], "2026-11-23", [2026]),
    ],
)
def test_the_years_follow_from_the_newest_line(stamps, now, expected):
    """The first year is the latest for which no line lies in the future and every date exists."""
    moment = datetime.fromisoformat(f"{now}T12:00:00").replace(tzinfo=UTC)
    assert years([(*stamp, "00:00:00") for stamp in stamps], moment) == expected


def test_a_given_year_is_the_first_lines():
    """The year of --year belongs to the first line, and the count goes on from there."""
    stamps = [("Dec", 31, "23:00:00"), ("Jan", 1, "00:00:00")]
    assert years(stamps, datetime(2026, 6, 1, tzinfo=UTC), first=2016) == [2016, 2017]


def test_a_host_whose_clock_shows_local_time_is_not_put_a_year_back():
    """A stamp some hours ahead of UTC is taken for a time zone, not for last year."""
    now = datetime(2026, 3, 27, 12, tzinfo=UTC)
    assert years([("Mar", 28, "01:30:00")], now) == [2026]
    assert years([("Mar", 28, "02:30:00")], now) == [2025]
