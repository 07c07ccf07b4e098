import pytest

from stonelog.api.ingest import values


@pytest.mark.parametrize(
    ("given", "instant"),
    [
        ("2026-11-23T12:00:00Z", "2026-11-23T12:00:00+00:00"),
        ("2026-11-23t12:00:00z", "2026-11-23T12:00:00+00:00"),
        ("2026-11-23 12:00:00,5 +0530", "2026-11-23T06:30:00.500000+00:00"),
        ("2026-11-23T12:00:00.123456789-06", "2026-11-23T18:00:00.123456+00:00"),
        ("2026-11-23 12:00", "2026-11-23T12:00:00+00:00"),
        ("2026-11-23 12:00:00 UTC", "2026-11-23T12:00:00+00:00"),
    ],
)
def test_relatives_of_rfc3339_are_times(given, instant):
    """Spaces, commas, short offsets and none are read; digits beyond microseconds are cut."""
    assert values.iso_time(given).isoformat() == instant


@pytest.mark.parametrize(
    "given", ["", "2026-02-30T00:00:00Z", "2026-11-23", "0001-01-01T00:00:00+14:00", 5, None, "2026-11-23T24:00:00Z"]
)
def test_what_is_no_time_is_none(given):
    """A date that does not exist, or no text, is no time."""
    assert values.iso_time(given) is None


def test_epochs_are_exact():
    """Nanoseconds as integers or text lose nothing above the microsecond; absurd numbers are None."""
    assert values.epoch_time("1544712660300000123", 10**9).isoformat() == "2018-12-13T14:51:00.300000+00:00"
    assert values.epoch_time(1700000000.123456).microsecond == 123456
    assert [values.epoch_time(given) for given in ("", "x", True, 10**30, "1e300", None)] == [None] * 6


def test_numbers_and_texts():
    """Digits in text are numbers, booleans are not; JSON writes what becomes text."""
    assert [values.whole(given) for given in ("200", " 7 ", 3.0, 3.5, True, "x", "+-5", None)] == [
        200,
        7,
        3,
        None,
        None,
        None,
        None,
        None,
    ]
    assert [values.number(given) for given in ("0.5", 2, "-1e3", "NaN", "1e999", False)] == [
        0.5,
        2.0,
        -1000.0,
        None,
        None,
        None,
    ]
    assert [values.text(given) for given in (1, True, 1.5, ["é"], None)] == ["1", "true", "1.5", '["é"]', None]
    assert [values.status(given) for given in ("200", 99, 600, "000")] == [200, None, None, None]
    assert [values.milliseconds(given) for given in ("0.253", 0, "-1", "x")] == [253.0, 0.0, None, None]


def test_names_take_the_form_of_ours():
    """Case, spaces and dashes give way; what has no letter first is no name."""
    assert values.name("User Logged-In") == "user_logged_in"
    assert values.name("a.b") == "a.b"
    assert values.name("a.b", dots=False) == "a_b"
    assert [values.name(given) for given in ("", "9x", "é", None)] == [None] * 4
