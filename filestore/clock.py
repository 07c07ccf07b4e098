"""The clock of the wall, and whether it jumped: a device whose clock is set, or whose battery died, must say so."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

__all__ = ["BACK_SECONDS", "FORWARD_SECONDS", "Clock", "elapsed"]

BACK_SECONDS: Final = 0.5
"""A step back of so much is told. The two clocks are not read at one instant, so a little is always between them."""
FORWARD_SECONDS: Final = 36 * 3600.0
"""A step forward is told from here on: less than that is what time services correct after a start."""


def elapsed() -> float:
    """Seconds since some moment in the past, steadily, also while the machine sleeps where the system counts that."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Clock:
    """Compares the wall clock with the steady one at each look. For one thread."""

    def __init__(self) -> None:
        self._wall, self.elapsed = datetime.now(UTC), elapsed()
        """`elapsed` as it was at the last look."""

    def look(self) -> tuple[datetime, float]:
        """The time now, and by how many seconds the clock jumped since the last look, 0 if it did not."""
        wall, steady = datetime.now(UTC), elapsed()
        jump = (wall - self._wall).total_seconds() - (steady - self.elapsed)
        self._wall, self.elapsed = wall, steady
        return wall, jump if jump <= -BACK_SECONDS or jump >= FORWARD_SECONDS else 0.0
