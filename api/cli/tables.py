"""Figures as text: tables with small bars, histograms, the summary that `stats` gives. Pure functions to lines."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from .terminal import pad, visible, width

if TYPE_CHECKING:
    from stonelog.indexer import Bucket, FacetValue, Stats

__all__ = ["facet_lines", "histogram_lines", "stats_lines", "table"]

FACET_BAR: Final = 24
_VALUE_COLUMNS: Final = 60
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_FILLS: Final = "█▓▒░#=+-·o"
_ASCII_FILLS: Final = "#=+-o*x%:."
_LEGEND: Final = 6


def _blocks() -> bool:
    """Whether the output's encoding has block characters."""
    return (sys.stdout.encoding or "").lower().replace("-", "") in ("utf8", "utf8sig")


def bar(count: float, most: float, columns: int) -> str:
    """A bar of at most so many columns, to an eighth of one; something is there for every count above 0."""
    if count <= 0 or most <= 0 or columns <= 0:
        return ""
    if not _blocks():
        return "#" * max(1, round(columns * count / most))
    eighths = max(1, round(8 * columns * count / most))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """The rows under their heads, aligned; numbers stand right."""
    cells = [[f"{cell:,}" if isinstance(cell, int) else visible(str(cell)) for cell in row] for row in rows]
    right = [bool(rows) and all(isinstance(row[column], int) for row in rows) for column in range(len(heads))]
    widths = [max(width(line[column]) for line in [list(heads), *cells]) for column in range(len(heads))]
    return [
        "  ".join(
            cell.rjust(size) if to_right else pad(cell, size)
            for cell, size, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in [list(heads), *cells]
    ]


def facet_lines(facets: Mapping[str, Sequence[tuple[FacetValue, int]]]) -> list[str]:
    """A table for each field: value, count, and a bar that compares it with the field's highest."""
    lines: list[str] = []
    for field, pairs in facets.items():
        shown = [(visible(_text(value)), count) for value, count in pairs]
        columns = min(_VALUE_COLUMNS, max([width(text) for text, _ in shown], default=0))
        columns = max(columns, width(visible(field)))
        digits = max([len(f"{count:,}") for _, count in shown], default=0)
        digits = max(digits, len("count"))
        most = max((count for _, count in shown), default=0)
        lines.extend(["", f"{pad(visible(field), columns)}  {'count':>{digits}}"])
        lines.extend(
            f"{pad(text, columns)}  {count:>{digits},}  {bar(count, most, FACET_BAR)}".rstrip() for text, count in shown
        )
    return lines[1:]


def _text(value: FacetValue) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _starts(times: Sequence[datetime]) -> list[str]:
    """The starts of buckets, to the minute where no bucket needs the second."""
    seconds = any(time.second or time.microsecond for time in times)
    return [f"{time:%Y-%m-%d %H:%M:%S}Z" if seconds else f"{time:%Y-%m-%d %H:%M}Z" for time in times]


def histogram_lines(buckets: Sequence[Bucket], columns: int) -> list[str]:
    """A line for each bucket: start (UTC), count, and a bar; the highest fills the width.

    Bars that are split by values are made of parts in the order of the legend, which comes first; beyond six values the
    rest are shown together.
    """
    split = [(start, value) for start, value in buckets if isinstance(value, dict)]
    if split:
        return _stacked_lines(split, columns)
    plain = [(start, value) for start, value in buckets if isinstance(value, int)]
    most = max((count for _, count in plain), default=0)
    digits = len(f"{most:,}")
    starts = _starts([time for time, _ in plain])
    room = _room(starts, digits, columns)
    return [
        f"{start}  {count:>{digits},}  {bar(count, most, room)}".rstrip()
        for start, (_, count) in zip(starts, plain, strict=True)
    ]


def _room(starts: Sequence[str], digits: int, columns: int) -> int:
    """The columns that are left for bars."""
    return max(10, columns - max((len(start) for start in starts), default=0) - digits - 4)


def _stacked_lines(buckets: Sequence[tuple[datetime, Mapping[FacetValue, int]]], columns: int) -> list[str]:
    totals: dict[str, int] = {}
    for _, parts in buckets:
        for value, count in parts.items():
            totals[_text(value)] = totals.get(_text(value), 0) + count
    ranked = sorted(totals, key=lambda value: (-totals[value], value))
    named, rest = ranked[:_LEGEND], ranked[_LEGEND:]
    fills = _FILLS if _blocks() else _ASCII_FILLS
    legend = [f"{fill} {visible(value)} {totals[value]:,}" for fill, value in zip(fills, named, strict=False)]
    if rest:
        legend.append(f"{fills[_LEGEND]} {len(rest)} more {sum(totals[value] for value in rest):,}")
    sums = [sum(parts.values()) for _, parts in buckets]
    most = max(sums, default=0)
    digits = len(f"{most:,}")
    starts = _starts([time for time, _ in buckets])
    room = _room(starts, digits, columns)
    lines = ["   ".join(legend)] if legend else []
    for start, total, (_, parts) in zip(starts, sums, buckets, strict=True):
        texts = {_text(value): count for value, count in parts.items()}
        counts = [texts.pop(value, 0) for value in named] + [sum(texts.values())]
        lines.append(f"{start}  {total:>{digits},}  {_stack(counts, total, most, room, fills)}".rstrip())
    return lines


def _stack(counts: Sequence[int], total: int, most: int, room: int, fills: str) -> str:
    """A bar whose parts end where the running sum says, so that their lengths add up to the whole."""
    if not total:
        return ""
    length = max(1, round(room * total / most))
    stack, running, drawn = "", 0, 0
    for fill, count in zip(fills, counts, strict=False):
        running += count
        end = round(length * running / total)
        stack += fill * (end - drawn)
        drawn = end
    return stack


def stats_lines(stats: Stats) -> list[str]:
    """What there is in short: a line for each figure that the events have."""
    rows = [("events", f"{stats.events:,}")]
    if stats.first_time and stats.last_time:
        rows.append(("time", f"{stats.first_time:%Y-%m-%d %H:%M:%S}Z to {stats.last_time:%Y-%m-%d %H:%M:%S}Z"))
    share = f" ({stats.errors / stats.events:.1%})" if stats.events else ""
    rows.append(("errors", f"{stats.errors:,}{share}"))
    rows.append(("level", _counts(stats.by_level)))
    rows.append(("category", _counts(stats.by_category)))
    near = {name: f"  (within {share:.0%})" for name, share in stats.within.items()}
    rows.extend((name, f"{getattr(stats, name):,}{near.get(name, '')}") for name in ("users", "sessions", "addresses"))
    if stats.response_time_ms:
        times = "  ".join(f"{name} {value:,.1f} ms" for name, value in stats.response_time_ms.items())
        rows.append(("response time", times + near.get("response_time_ms", "")))
    if stats.risk_score:
        rows.append(("risk score", "  ".join(f"{name} {value:,.1f}" for name, value in stats.risk_score.items())))
    columns = max(len(name) for name, _ in rows)
    return [f"{name:<{columns}}  {text}".rstrip() for name, text in rows]


def _counts(counts: Mapping[str, int]) -> str:
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return "  ".join(f"{visible(name)} {count:,}" for name, count in ranked) or "-"
