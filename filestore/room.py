"""The bound of what `emit` may leave waiting, by number and bytes, and the count of what it did not take."""

from __future__ import annotations

import threading

from .settings import StoreSettings
from .space import Space

__all__ = ["Room"]


class Room:
    """Room for events that wait to be written. From any thread."""

    def __init__(self, settings: StoreSettings, space: Space) -> None:
        self._settings = settings
        self._space = space
        self._changed = threading.Condition()
        self._events = self._bytes = 0
        self.dropped = 0
        """Events that were not taken, or could not be written."""

    def enter(self, body: bytes, *, may_wait: bool) -> bool:
        """Whether there is room for the event, which takes it; if there is none see the setting `emit_overflow`.

        On a disk that gets full events of low levels are not taken.
        """
        settings = self._settings
        with self._changed:
            if self._space.sheds(body):
                self.dropped += 1
                return False
            while self._events >= settings.emit_events or self._bytes + len(body) > settings.emit_bytes:
                if not self._events:
                    break  # larger than the whole room, which is empty: it passes alone
                if settings.emit_overflow == "drop" or not may_wait:
                    self.dropped += 1
                    return False
                self._changed.wait()
            self._events += 1
            self._bytes += len(body)
        return True

    def leave(self, events: int, size: int, *, written: bool) -> None:
        """So many events, of so many bytes in all, wait no more."""
        with self._changed:
            self._events -= events
            self._bytes -= size
            self.dropped += 0 if written else events
            self._changed.notify(events)
