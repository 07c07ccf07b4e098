"""What all that is done for an event costs together: from `emit` to the line, and every rule of detection."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from stonelog.filestore import Store
from stonelog.indexer import DetectSettings, load_rules, look_back

from .figure import Figure, Target
from .rounds import Notice, alternate
from .workload import generate, to_fields

__all__ = ["measure_whole"]

_ALL: Final = '[store]\nemit_overflow = "block"\n'
_PLAIN: Final = f"{_ALL}[redaction]\nenabled = false\n[risk]\nenabled = false\n"


def measure_whole(place: Path, number: int, *, rounds: int, tell: Notice) -> Figure:
    """So many events: those for each second of the processor, beside those that are only checked and written."""
    events = _events(number)
    contestants = {"ours": partial(_captured, events, _ALL), "plain": partial(_captured, events, _PLAIN)}
    name = "redacted, scored, written and looked at by all rules, a core"
    found = alternate(contestants, place, rounds=rounds, name=name, tell=tell)
    least = Target("least", 25_000, of="ours")
    return Figure.of(name, "events/s", found["ours"], "checked and written", found["plain"], least)


def _events(number: int) -> list[dict[str, Any]]:
    """So many events of the workload, 100,000 a day; each user stays in one country, as users do."""
    countries: dict[str, str] = {}
    events = []
    for event in map(to_fields, generate(number, days=number / 100_000)):
        event["country"] = countries.setdefault(event["username"], event["country"])
        events.append(event)
    return events


def _captured(events: Sequence[dict[str, Any]], settings: str, directory: Path) -> float:
    """So many events a second of this process's processor time were captured."""
    Path(directory, "stonelog.toml").write_text(settings, encoding="utf-8")
    began = time.process_time()
    with Store.open(directory) as store:
        for event in events:
            store.emit(event)
    if settings == _ALL:
        rules = load_rules(directory, DetectSettings()).enabled()
        for _ in look_back(directory, rules):
            pass
    return len(events) / (time.process_time() - began)
