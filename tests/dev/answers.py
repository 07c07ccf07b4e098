"""What a store's answers must be, worked out from its lines in the plainest way, and ways to damage and to wait."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from stonelog.filestore import Reader
from stonelog.filestore.codec import encode, seal_line
from stonelog.indexer import Index
from stonelog.indexer.match import compile_filter
from stonelog.indexer.query import parse

_MONDAY = datetime(1, 1, 1, tzinfo=UTC)


def write_lines(directory: Path, events: Iterable[dict[str, Any]], *, first: int = 1, day: str = "2026-11-23") -> None:
    """The events stand at the end of the day's segment, as the store would have written them, numbered from `first`."""
    segment = directory / "events" / f"{day}.jsonl"
    segment.parent.mkdir(parents=True, exist_ok=True)
    with segment.open("ab") as file:
        for seq, event in enumerate(events, first):
            body = {key: value for key, value in event.items() if key not in ("seq", "synced", "hash")}
            body["id"] = f"01940000-0000-7000-8000-{seq:012x}"
            body = {"id": body.pop("id"), **body}
            file.write(seal_line(encode(body), seq, seq - 1) + b"\n")


def wait_until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """The condition is true; fails if it is not within the time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def walk(
    index: Index, q: str = "", *, order: str = "desc", limit: int = 50, since: Any = None, until: Any = None
) -> list[int]:
    """The `seq`s of all pages, in the order in which they come."""
    seqs: list[int] = []
    cursor = None
    while True:
        page = index.search(q, order=order, limit=limit, cursor=cursor, since=since, until=until)
        assert len(page.events) == limit or page.next_cursor is None
        seqs += [event.seq for event in page.events]
        cursor = page.next_cursor
        if cursor is None:
            return seqs


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, path)
    elif value is not None:
        yield path, value if isinstance(value, str) else orjson.dumps(value).decode()


def values_of(event: dict[str, Any], field: str) -> set[Any]:
    """The distinct values that an event counts for among those of the field."""
    if field.startswith("metadata."):
        return {text for path, text in _leaves(event.get("metadata"), "metadata") if path == field}
    if field not in event:
        return set()
    value = event[field]
    return set(value) if isinstance(value, list) else {value}


class Expected:
    """The answers to one query, from all lines of a store."""

    def __init__(self, directory: Path, q: str = "", *, since: datetime | None = None, until: datetime | None = None):
        matches = compile_filter(parse(q))
        self.events = []
        for line in Reader(directory).lines():
            event = orjson.loads(line.raw)
            at = datetime.fromisoformat(event["time"])
            if matches(event) and (since is None or at >= since) and (until is None or at < until):
                self.events.append(event)

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events]

    def facet(self, field: str, limit: int) -> list[tuple[Any, int]]:
        counts = Counter(value for event in self.events for value in values_of(event, field))
        return sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:limit]

    def histogram(self, step: timedelta, by: str | None = None) -> list[tuple[datetime, Any]]:
        found: dict[datetime, Any] = {}
        for event in self.events:
            at = datetime.fromisoformat(event["time"])
            start = at - (at - _MONDAY) % step
            found.setdefault(start, Counter()).update([None] if by is None else values_of(event, by))
        if not found:
            return []
        starts = [min(found) + step * number for number in range((max(found) - min(found)) // step + 1)]
        empty: Counter[Any] = Counter()
        split = [(start, found.get(start, empty)) for start in starts]
        return [(start, counts[None] if by is None else dict(counts)) for start, counts in split]

    def stats(self) -> dict[str, Any]:
        """The exact figures: those of up to 20,000 events."""

        def distinct(*names: str) -> int:
            given = (next((event[name] for name in names if event.get(name)), None) for event in self.events)
            return len({value for value in given if value is not None})

        times = sorted(datetime.fromisoformat(event["time"]) for event in self.events)
        durations = sorted(event["response_time_ms"] for event in self.events if "response_time_ms" in event)
        risks = [event["risk_score"] for event in self.events if "risk_score" in event]
        return {
            "events": len(self.events),
            "errors": sum(event["level"] in ("error", "critical") for event in self.events),
            "by_level": dict(Counter(event["level"] for event in self.events)),
            "by_category": dict(Counter(event["category"] for event in self.events)),
            "users": distinct("user_id", "username"),
            "sessions": len({event["session_id"] for event in self.events if "session_id" in event}),
            "addresses": len({event["ip_address"] for event in self.events if "ip_address" in event}),
            "response_time_ms": {f"p{p}": _nearest_rank(durations, p) for p in (50, 95, 99)} if durations else None,
            "risk_score": {"mean": round(sum(risks) / len(risks), 3), "max": max(risks)} if risks else None,
            "first_time": times[0] if times else None,
            "last_time": times[-1] if times else None,
            "within": {},
        }


def _nearest_rank(ordered: list[float], percent: int) -> float:
    """The smallest value that at least so many percent of all do not exceed."""
    need = math.ceil(len(ordered) * percent / 100)
    return next(value for value in ordered if sum(other <= value for other in ordered) >= need)
