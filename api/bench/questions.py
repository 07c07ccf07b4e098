"""The ten questions that the index, its peers and a plain scan of the files are asked, and what an answer is.

An answer is in a form that all can give: `seq`s from the newest on, a count, counts by name, milliseconds.
"""

from __future__ import annotations

import json
import math
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from stonelog.filestore import Event, StonelogError
from stonelog.indexer import Index, Stats

from .days import FIRST_DAY, event_lines

__all__ = ["LIMIT", "MOST", "QUESTIONS", "SEARCHES", "Ask", "Asked", "Question", "ask_index", "check", "true_answers"]

LIMIT: Final = 50
"""A page: the newest so many."""
MOST: Final = 1_000
"""As many events as one call of `Index.search` gives: "all" of them is this many at most."""

_WORTHLESS: Final = 0.05
"""A relative error above this is refused, whoever states it."""
_ROUNDING: Final = 1 + 1e-9
"""The error that is stated is that of the numbers, which are rounded to be stored."""


class Question(NamedTuple):
    """What is asked, and the time that its answer may take, in seconds (p95)."""

    name: str
    limit: float


QUESTIONS: Final = (
    Question("newest 50 by two fields", 0.003),
    Question("rare word", 0.003),
    Question("common word, newest 50", 0.003),
    Question("common word, count", 0.006),
    Question("exact metadata value", 0.0015),
    Question("count in a time range", 0.0015),
    Question("by category", 0.0015),
    Question("by hour", 0.003),
    Question("top 10 users", 0.006),
    Question("p95 response time", 0.006),
)
SEARCHES: Final = QUESTIONS[:5]
"""Those that look for events by what stands in them, which are asked of sealed days too."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the questions are about. The words are those of the workload with its seed."""

    request: str
    """`metadata.req` of the event in the middle: no other has it."""
    category: str = "auth"
    level: str = "error"
    rare: str = "hululu"
    common: str = "bizu"
    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, store: Path, events: int) -> Asked:
        """Six hours of the fifth day, and the `req` of the event in the middle of the store."""
        middle = next(islice(event_lines(store), max(0, events // 2 - 1), None))
        day = datetime.fromisoformat(FIRST_DAY) + timedelta(days=4)
        since, until = (f"{day + timedelta(hours=hours):%Y-%m-%dT%H}:00:00.000000Z" for hours in (0, 6))
        return cls(json.loads(middle)["metadata"]["req"], since=since, until=until)


def _exactly(found: object) -> float:
    return 0.0


class Ask(NamedTuple):
    """One question to one of those who are asked: the call that is timed, and what its result says.

    `within` is the relative error that the result states of itself: that much a number may differ from the truth.
    """

    call: Callable[[], Any]
    read: Callable[[Any], object]
    within: Callable[[Any], float] = _exactly


def ask_index(index: Index, asked: Asked) -> dict[str, Ask]:
    """The questions, by name, as a program asks an `Index`."""

    def page(q: str, limit: int = LIMIT) -> list[Event]:
        return index.search(q, limit=limit).events

    def seqs(events: list[Event]) -> list[int | None]:
        return [event.seq for event in events]

    fields = f"category:{asked.category} level:{asked.level}"
    asks = (
        Ask(lambda: page(fields), seqs),
        Ask(lambda: page(f"message:{asked.rare}", MOST), seqs),
        Ask(lambda: page(f"message:{asked.common}"), seqs),
        Ask(lambda: index.count(f"message:{asked.common}"), int),
        Ask(lambda: page(f"metadata.req:{asked.request}"), seqs),
        Ask(lambda: index.count(since=asked.since, until=asked.until), int),
        Ask(lambda: index.facets("", ["category"], limit=100), lambda found: dict(found["category"])),
        Ask(lambda: index.histogram(step="1h"), lambda found: {f"{at:%Y-%m-%dT%H}": n for at, n in found if n}),
        Ask(lambda: index.facets("", ["username"], limit=10), lambda found: found["username"]),
        Ask(index.stats, lambda found: found.response_time_ms and found.response_time_ms["p95"], _stated),
    )
    return {question.name: ask for question, ask in zip(QUESTIONS, asks, strict=True)}


def _stated(found: Stats) -> float:
    """What statistics say of their response times; nothing is said of what is exact."""
    return found.within.get("response_time_ms", 0.0)


def true_answers(store: Path, asked: Asked) -> dict[str, object]:
    """The answers by a loop over the lines of the plain files, in which no code of the index has a part."""
    fields, common, rare, request = deque[int](maxlen=LIMIT), deque[int](maxlen=LIMIT), deque[int](maxlen=MOST), []
    common_count, in_range = 0, 0
    categories, hours, users, times = Counter[str](), Counter[str](), Counter[str](), Counter[float]()
    for line in event_lines(store):
        event = json.loads(line)
        seq, words = event["seq"], event["message"].split()
        if event["category"] == asked.category and event["level"] == asked.level:
            fields.append(seq)
        if asked.rare in words:
            rare.append(seq)
        if asked.common in words:
            common.append(seq)
            common_count += 1
        if event["metadata"]["req"] == asked.request:
            request.append(seq)
        in_range += asked.since <= event["time"] < asked.until
        categories[event["category"]] += 1
        hours[event["time"][:13]] += 1
        users[event["username"]] += 1
        times[event["response_time_ms"]] += 1
    top = sorted(users.items(), key=lambda item: (-item[1], item[0]))[:10]
    newest = [list(reversed(found)) for found in (fields, rare, common, request)]
    answers = (*newest[:3], common_count, newest[3], in_range, dict(categories), dict(hours), top, _p95(times))
    return {question.name: answer for question, answer in zip(QUESTIONS, answers, strict=True)}


def _p95(times: Counter[float]) -> float | None:
    """The least that 95 of 100 do not exceed (nearest rank)."""
    rank = math.ceil(times.total() * 95 / 100)
    for value in sorted(times):
        rank -= times[value]
        if rank <= 0:
            return value
    return None


def check(who: str, asks: Mapping[str, Ask], answers: Mapping[str, object]) -> dict[str, float]:
    """Each of the asks gives the answer, or one as near as it says; gives the relative errors stated, by name.

    Raises StonelogError that names the question and who is wrong, or states an error that makes an answer worthless.
    """
    stated: dict[str, float] = {}
    for name, ask in asks.items():
        result = ask.call()
        found, within = ask.read(result), ask.within(result)
        if within > _WORTHLESS:
            raise StonelogError(f"{name}: {who} answers within {within:.1%} only", hint="that is no answer")
        if within:
            stated[name] = within
        if not _agree(found, answers[name], within):
            said = f"{_shown(found)}{f' within {within:.2%}' if within else ''}"
            raise StonelogError(
                f"{name}: {who} answers {said}, the files say {_shown(answers[name])}",
                hint="a figure of a wrong answer means nothing; `stonelog reindex` and `verify` tell more",
            )
    return stated


def _agree(found: object, truth: object, within: float) -> bool:
    if isinstance(found, int | float) and isinstance(truth, int | float):
        return abs(found - truth) <= within * abs(truth) * _ROUNDING
    return found == truth


def _shown(answer: object) -> str:
    text = repr(answer)
    return text if len(text) <= 200 else f"{text[:200]}..."
