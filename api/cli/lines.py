"""One event as text: the short line, the CSV row, the block that `show` gives. Controls are shown, never obeyed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from .terminal import coloured, pad, visible, width

__all__ = ["ShortLines", "block", "csv_row"]

Fields = Mapping[str, Any]

_LEVEL_COLUMNS: Final = len("CRITICAL")
_NAME_COLUMNS: Final = 34
_WHO_COLUMNS: Final = 30
_NUMERIC: Final = frozenset({"seq", "asn", "status_code", "response_time_ms", "risk_score", "synced"})
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class ShortLines:
    """Events as one aligned line each: seq, UTC time, LEVEL, category.action, who, request, message.

    The columns widen with what has passed and never narrow, so that a listing of several pages stays a table.
    """

    def __init__(self) -> None:
        self._seq = self._name = self._who = 0

    def lines(self, events: Iterable[Fields]) -> list[str]:
        """One line for each event, aligned with all lines given before."""
        rows = [(event, visible(str(event.get("seq", ""))), _name(event), _who(event)) for event in events]
        for _, seq, name, who in rows:
            self._seq = max(self._seq, len(seq))
            self._name = max(self._name, min(width(name), _NAME_COLUMNS))
            self._who = max(self._who, min(width(who), _WHO_COLUMNS))
        return [self._line(*row) for row in rows]

    def _line(self, event: Fields, seq: str, name: str, who: str) -> str:
        level = str(event.get("level", ""))
        parts = [
            seq.rjust(self._seq),
            _time(event),
            coloured(pad(visible(level.upper()), _LEVEL_COLUMNS), level),
            pad(name, self._name),
            pad(who, self._who),
            " ".join(filter(None, (_request(event), _message(event)))),
        ]
        return " ".join(parts).rstrip()


def _time(event: Fields) -> str:
    text = str(event.get("time", ""))
    return visible(f"{text[:10]} {text[11:23]}Z" if len(text) == len("2026-11-23T14:05:06.000000Z") else text)


def _name(event: Fields) -> str:
    return visible(f"{event.get('category', '')}.{event.get('action', '')}")


def _who(event: Fields) -> str:
    user = event.get("username") or event.get("user_id")
    address = event.get("ip_address")
    return visible("@".join(str(part) for part in (user, address) if part)) or "-"


def _request(event: Fields) -> str:
    milliseconds = event.get("response_time_ms")
    parts = [event.get("method"), event.get("path"), event.get("status_code")]
    if isinstance(milliseconds, int | float):
        parts.append(f"{milliseconds:.0f}ms" if milliseconds >= 10 else f"{milliseconds:.1f}ms")
    return visible(" ".join(str(part) for part in parts if part is not None))


def _message(event: Fields) -> str:
    if event.get("message"):
        return visible(str(event["message"]))
    error = ": ".join(str(event[key]) for key in ("error_type", "error_message") if event.get(key))
    entity = " ".join(str(event[key]) for key in ("entity_type", "entity_name", "entity_id") if event.get(key))
    return visible(error or entity)


def csv_row(names: Sequence[str], event: Fields | None = None) -> str:
    """The event as a row without line end, every cell quoted (RFC 4180); without an event, the row of names.

    Lists and `metadata` are JSON. A text that a spreadsheet would run as a formula (CWE-1236) gets a leading
    apostrophe; numbers of numeric fields need none.
    """
    cells = list(names) if event is None else [_cell(name, event.get(name)) for name in names]
    row = io.StringIO()
    csv.writer(row, quoting=csv.QUOTE_ALL, lineterminator="").writerow(cells)
    return row.getvalue()


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if text.startswith(_FORMULA) and not (name in _NUMERIC and not isinstance(value, str)):
        return "'" + text
    return text


def block(event: Fields) -> list[str]:
    """The event as lines for a person: a field each, metadata by its paths, texts of several lines as such."""
    pairs: list[tuple[str, str]] = []
    for name, value in event.items():
        if name == "metadata" and isinstance(value, dict):
            pairs.extend((f"metadata.{path}", text) for path, text in _leaves("", value))
        else:
            pairs.append((name, _leaf(value)))
    columns = max(width(visible(name)) for name, _ in pairs)
    lines: list[str] = []
    for name, text in pairs:
        first, *more = [visible(part) for part in text.split("\n")]
        lines.append(f"{pad(visible(name), columns)}  {first}".rstrip())
        lines.extend(f"{'':{columns}}  {part}".rstrip() for part in more)
    return lines


def _leaf(value: object) -> str:
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _leaves(path: str, value: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for key, item in value.items():
        if isinstance(item, dict) and item:
            yield from _leaves(f"{path}{key}.", item)
        else:
            yield f"{path}{key}", _leaf(item)
