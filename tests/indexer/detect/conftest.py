"""Rules at work over a few events."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from stonelog.indexer.detect import Engine, Finding, State, read_rules
from stonelog.indexer.span import stamp_text

START = 1_790_000_000_000_000
"""The microsecond at which the events of these tests begin."""

Find = Callable[..., list[Finding]]


def event(seconds: float, **fields: Any) -> dict[str, Any]:
    """An event so many seconds after the start."""
    time = stamp_text(START + int(seconds * 1_000_000))
    return {"time": time, "level": "info", "category": "authentication", "action": "login", **fields}


def engine(toml: str, state: State | None = None, **bounds: int) -> Engine:
    """An engine with the rules of a TOML text; `[[rule]]`, id, title may be left out of a single one."""
    text = toml if "[[rule]]" in toml else f'[[rule]]\nid = "r"\ntitle = "R"\n{toml}'
    return Engine(read_rules(text, "test.toml"), state, **bounds)


@pytest.fixture
def find() -> Find:
    """What a rule finds among events, which are numbered from 1."""

    def find(toml: str, events: Iterable[dict[str, Any]], **bounds: int) -> list[Finding]:
        at_work = engine(toml, **bounds)
        return [found for seq, each in enumerate(events, 1) for found in at_work.see(each, seq)]

    return find
