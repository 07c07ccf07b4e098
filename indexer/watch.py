"""Being woken when the files change: the only user of watchdog. It keeps the tail short; no answer depends on it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

__all__ = ["Watch"]

log = logging.getLogger("stonelog")

_WRITES = frozenset({"created", "modified", "moved", "deleted"})


class _Handler(FileSystemEventHandler):
    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in _WRITES:  # not opened and closed, which our own reading causes
            self._wake()


class Watch:
    """Calls `wake` from a thread of its own after a change in `directory`, until `stop`.

    If the system has no watches left (inotify's limit) it says so in the log and never calls: the caller polls too.
    """

    def __init__(self, directory: Path, wake: Callable[[], object]) -> None:
        self._observer = Observer()
        try:
            self._observer.schedule(_Handler(wake), str(directory))
            self._observer.start()
            self._running = True
        except OSError as error:
            self._running = False
            log.warning("%s: cannot be watched (%s); new lines are looked for now and then", directory, error)

    def stop(self) -> None:
        """No more calls."""
        if self._running:
            self._observer.stop()
            self._observer.join()
