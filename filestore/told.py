"""What the store did by itself and tells as events of its own: see the list in docs/operations.md."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from .clock import BACK_SECONDS
from .names import Level
from .prepare import act
from .recovery import Recovery
from .room import Room
from .segment import ActiveSegment
from .space import Space
from .values import format_time

__all__ = ["Told"]


class Told:
    """Knows what was told already. For the thread that writes."""

    def __init__(self, recovered: Recovery, segment: ActiveSegment) -> None:
        self._recovered = recovered
        self._segment = segment
        self._untold: list[bytes] = []
        self._quarantined = self._quarantined_bytes = self._abandoned = self._dropped = 0

    def jumped(self, seconds: float, now: datetime) -> None:
        """The clock jumped by so many seconds to `now`."""
        text = "The clock was set back" if seconds < 0 else "The clock was set forward"
        before = format_time(now - timedelta(seconds=seconds))
        self._untold.append(
            act("store_clock_jumped", text, seconds=round(seconds, 3), before=before, now=format_time(now))
        )

    def written_before(self, moment: datetime | None) -> float:
        """By how many seconds the clock is behind `moment`, when the newest event was written (negative, else 0).

        Another process wrote it; a clock that stands before it was set back.
        """
        now = datetime.now(UTC)
        seconds = (now - moment).total_seconds() if moment is not None else 0.0
        if seconds > -BACK_SECONDS:
            return 0.0
        self.jumped(seconds, now)
        return seconds

    def space_turned(self, space: Space) -> None:
        """Space became low, or is no longer."""
        action, text = "store_space_back", "There is space again"
        level: Level = "notice"
        if space.low:
            action, text, level = "store_space_low", "Little space is left: emit sheds the lowest levels", "error"
        self._untold.append(act(action, text, level=level, free=space.free, reserve_bytes=space.mark))

    def is_silent(self, room: Room) -> bool:
        """Whether there is certainly nothing to tell."""
        return not (
            self._untold
            or room.dropped > self._dropped
            or len(self._recovered.quarantined) > self._quarantined
            or len(self._segment.abandoned) > self._abandoned
        )

    @contextmanager
    def pending(self, room: Room, *, ended: bool) -> Iterator[list[bytes]]:
        """The bodies of the events to write in the block; if it fails they are given again the next time.

        `ended` says that nothing waits behind what was just written.
        """
        bodies, self._untold = [*self._untold, *self._collect(room, ended=ended)], []
        try:
            yield bodies
        except BaseException:
            self._untold = bodies + self._untold
            raise

    def _collect(self, room: Room, *, ended: bool) -> list[bytes]:
        found: list[bytes] = []
        recovered, segment = self._recovered, self._segment
        if names := recovered.quarantined[self._quarantined :]:
            text = _moved(sum(name in recovered.again for name in names), len(names))
            size = recovered.quarantined_bytes - self._quarantined_bytes
            found.append(act("store_recovered", text, quarantined=names, bytes=size))
            self._quarantined += len(names)
            self._quarantined_bytes += size
        if segments := segment.abandoned[self._abandoned :]:
            text = "A sync failed; what was not on stable storage was written again in a new segment"
            found.append(act("store_sync_failed", text, level="error", segments=segments))
            self._abandoned += len(segments)
        dropped = room.dropped - self._dropped
        if dropped and ended:  # told once when it is over, not all the time while it lasts
            found.append(act("events_dropped", "Events given to emit were not written", dropped=dropped))
            self._dropped += dropped
        return found


def _moved(again: int, count: int) -> str:
    """What went to quarantine, of which so many pieces are lines that were written again after a failed sync."""
    torn, twice = "Bytes that were never acknowledged", "lines that stand in the next segment again"
    what = f"{torn}, and {twice}," if again else torn
    return f"{twice.capitalize() if again == count else what} were moved to quarantine"
