"""What the store did by itself and tells as events of its own: see the list in docs/operations.md."""

from __future__ import annotations

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

    def __init__(self, recovered: Recovery, segment: ActiveSegment, space: Space) -> None:
        self._recovered = recovered
        self._segment = segment
        self._space = space
        self._jumps: list[bytes] = []
        self._quarantined = self._abandoned = self._dropped = 0
        self._low = False

    def jumped(self, seconds: float, now: datetime) -> None:
        """The clock jumped by so many seconds to `now`."""
        text = "The clock was set back" if seconds < 0 else "The clock was set forward"
        before = format_time(now - timedelta(seconds=seconds))
        self._jumps.append(
            act("store_clock_jumped", text, seconds=round(seconds, 3), before=before, now=format_time(now))
        )

    def written_before(self, moment: datetime | None) -> None:
        """The newest event was written at `moment`, by a process before this one: the clock must not be behind it."""
        now = datetime.now(UTC)
        if moment is not None and (moment - now).total_seconds() >= BACK_SECONDS:
            self.jumped((now - moment).total_seconds(), now)

    def collect(self, room: Room, *, ended: bool) -> list[bytes]:
        """The bodies of the events to write now; `ended` says that nothing waits behind what was just written."""
        found, self._jumps = self._jumps, []
        recovered, segment, space = self._recovered, self._segment, self._space
        if names := recovered.quarantined[self._quarantined :]:
            text = "Bytes that were never acknowledged were moved to quarantine"
            found.append(act("store_recovered", text, quarantined=names, bytes=recovered.quarantined_bytes))
            self._quarantined += len(names)
        if segments := segment.abandoned[self._abandoned :]:
            text = "A sync failed; what was not on stable storage was written again in a new segment"
            found.append(act("store_sync_failed", text, level="error", segments=segments))
            self._abandoned += len(segments)
        if space.low != self._low:
            self._low = space.low
            text = "Little space is left: emit sheds the lowest levels" if space.low else "There is space again"
            level: Level = "error" if space.low else "notice"
            found.append(
                act(
                    "store_space_low" if space.low else "store_space_back",
                    text,
                    level=level,
                    free=space.free,
                    reserve_bytes=space.mark,
                )
            )
        dropped = room.dropped - self._dropped
        if dropped and ended:  # told once when it is over, not all the time while it lasts
            found.append(act("events_dropped", "Events given to emit were not written", dropped=dropped))
            self._dropped += dropped
        return found
