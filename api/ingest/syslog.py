"""Syslog lines in files: their head (RFC 3164 or RFC 3339 stamps), and the year that RFC 3164 leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from . import values
from .format import Rejected

__all__ = ["Head", "YearCount", "parse_head"]

_HEAD = re.compile(
    r"(?:<\d{1,3}>)?"
    r"(?:(?P<month>[A-Z][a-z]{2}) (?P<day>[ \d]\d) (?:(?P<year>\d{4}) )?(?P<clock>\d\d:\d\d:\d\d)(?:\.\d{1,9})?"
    r"|(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:?\d\d)))"
    r" (?P<host>\S++) (?P<rest>.*)",
    re.ASCII | re.DOTALL,
)
_PROGRAM = re.compile(r"(?P<program>[^\s:\[\]]++)(?:\[(?P<pid>\d{1,10})\])?: ?(?P<message>.*)", re.ASCII | re.DOTALL)
_REPEATED = re.compile(r"message repeated (\d{1,9}) times: \[ ?(.*)\]", re.DOTALL)
_STAMP = re.compile(rb"(?:<\d{1,3}>)?([A-Z][a-z]{2}) ([ \d]\d) (\d\d:\d\d:\d\d)")

_AHEAD = timedelta(hours=14)
"""Stamps without a zone are taken as UTC; a host whose clock shows local time can be this far ahead of it."""


class Head(NamedTuple):
    """A syslog line taken apart; `text` is the message without the "message repeated" around it."""

    time: datetime
    host: str
    program: str | None
    pid: int | None
    message: str
    text: str
    repeated: int | None


class YearCount:
    """The year of each stamp of a source whose lines are in order, from its first or its newest line.

    A year begins where the month falls by six or more; a December line right after January's first is a late one.
    """

    def __init__(self, first: int | None, now: datetime) -> None:
        self._year = first
        self._now = now
        self._month: int | None = None

    def look_ahead(self, lines: Iterable[bytes]) -> None:
        """Unless it was given, the first line's year is the latest for which the newest line is not in the future."""
        if self._year is not None:
            return
        count = YearCount(0, self._now)
        newest = (0, 0, 0, "")
        leap_days: set[int] = set()
        for line in lines:
            stamp = _STAMP.match(line)
            month = values.MONTHS.get(stamp[1].decode()) if stamp else None
            if stamp is None or month is None:
                continue
            day = int(stamp[2])
            year = count.of(month, day, "")
            newest = max(newest, (year, month, day, stamp[3].decode()))
            if (month, day) == (2, 29):
                leap_days.add(year)
        years, month, day, clock = newest
        if month:
            self._year = self._latest(month, day, clock, [leap - years for leap in leap_days]) - years

    def of(self, month: int, day: int, clock: str) -> int:
        """The year of the next line's stamp."""
        if self._year is None:
            self._year = self._latest(month, day, clock, [0] if (month, day) == (2, 29) else [])
        if self._month is not None:
            if month == 12 and self._month == 1:
                return self._year - 1
            if self._month - month >= 6:
                self._year += 1
        self._month = month
        return self._year

    def _latest(self, month: int, day: int, clock: str, leap_years: list[int]) -> int:
        for year in range(self._now.year + 1, self._now.year - 9, -1):
            moment = values.iso_time(f"{year}-{month:02}-{day:02}T{clock}")
            leaps = all(values.iso_time(f"{year + leap}-02-29T00:00:00") for leap in leap_years)
            if moment is not None and moment <= self._now + _AHEAD and leaps:
                return year
        return self._now.year


def parse_head(line: str, years: YearCount) -> Head:
    """The line's head; raises Rejected if there is no time or host."""
    match = _HEAD.fullmatch(line)
    if match is None:
        raise Rejected(
            "time: expected a syslog line, such as `Mar 27 13:06:56 host sshd[1]: text` or an RFC 3339 time with offset"
        )
    program = _PROGRAM.fullmatch(match["rest"])
    message = program["message"] if program else match["rest"]
    repeated = _REPEATED.fullmatch(message)
    return Head(
        time=_time(match, years),
        host=match["host"],
        program=program["program"] if program else None,
        pid=int(program["pid"]) if program and program["pid"] else None,
        message=message,
        text=repeated[2] if repeated else message,
        repeated=int(repeated[1]) if repeated else None,
    )


def _time(match: re.Match[str], years: YearCount) -> datetime:
    if match["iso"]:
        moment, shown = values.iso_time(match["iso"]), match["iso"]
    else:
        month, day, clock = values.MONTHS.get(match["month"]), int(match["day"]), match["clock"]
        shown = f"{match['month']} {match['day']} {clock}"
        if month is None:
            raise Rejected(f"time: {shown!r} has no English month name of three letters")
        year = int(match["year"]) if match["year"] else years.of(month, day, clock)
        moment = values.iso_time(f"{year:04}-{month:02}-{day:02}T{clock}")
    if moment is None:
        raise Rejected(f"time: {shown!r} is no date or time of day that exists")
    return moment
