"""What a user agent is by ua-parser: family, OS, device. Without that package nothing is told.

Parsing takes up to some milliseconds of the event loop, since ua-parser tries hundreds of patterns, and a client may
send another text each time. So what was parsed is kept, only the beginning of a text is looked at, and of all time a
small share may be spent: of new agents that come too many at once, some are not told this time.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

__all__ = ["Agents"]

_LONGEST: Final = 256
_KEPT: Final = 2048
_SHARE: Final = 0.02
"""Of the time that passes, so much may be spent."""
_SAVED: Final = 0.1
"""So many seconds of that may be saved up."""

Clock = Callable[[], float]


class Agents:
    """The agents seen so far. From any thread."""

    def __init__(self, *, enabled: bool = True, clock: Clock = time.perf_counter) -> None:
        self._parse: Callable[[str], Any] | None = None
        self._kept: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._clock = clock
        self._budget = _SAVED
        self._looked = clock()
        if enabled and find_spec("ua_parser") is not None:
            self._parse = import_module("ua_parser").parse
            self._parse("")  # its patterns are read now, not during the first request

    def agent(self, text: str) -> dict[str, str] | None:
        """Family, OS and device as far as they are known, None if nothing is."""
        if self._parse is None or not text:
            return None
        text = text[:_LONGEST]
        found = self._kept.get(text)
        if found is not None:
            return found or None
        began = self._clock()
        self._budget = min(_SAVED, self._budget + (began - self._looked) * _SHARE)
        self._looked = began
        if self._budget <= 0:
            return None
        found = _told(self._parse(text))
        self._budget -= self._clock() - began
        self._kept[text] = found
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return found or None


def _told(parsed: Any) -> dict[str, str]:
    parts = {"family": parsed.user_agent, "os": parsed.os, "device": parsed.device}
    return {name: part.family for name, part in parts.items() if part is not None and part.family}
