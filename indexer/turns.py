"""A thread that has work to do whenever the files change, and now and then in case nobody said so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .watch import Watch

__all__ = ["Turns"]


class Turns:
    """Calls `work` in a thread of its own: when the files in `directory` have changed, or `poll_seconds` after the last
    turn ended; never sooner than `pause_seconds` after that. `ended` is called there when it is stopped."""

    def __init__(
        self,
        directory: Path,
        work: Callable[[], object],
        *,
        name: str,
        poll_seconds: float,
        pause_seconds: float,
        ended: Callable[[], object] = lambda: None,
    ) -> None:
        self._directory = directory
        self._work = work
        self._name = name
        self._poll_seconds = poll_seconds
        self._pause_seconds = pause_seconds
        self._ended = ended
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self.stopping = threading.Event()
        """Set when the thread is to end: long work looks at it."""

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """The thread runs, and has its first turn."""
        if self._thread is None:
            self.stopping.clear()
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """The next turn comes as soon as it may."""
        self._wake.set()

    def stop(self) -> None:
        """The thread has ended, after the turn it was at."""
        if self._thread is not None:
            self.stopping.set()
            self._wake.set()
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        from .watch import Watch

        watch: Watch | None = None
        try:
            while True:
                self._wake.clear()  # before looking at `stopping`: the wake that `stop` gives is not lost
                if self.stopping.is_set():
                    return
                if watch is None and self._directory.is_dir():
                    watch = Watch(self._directory, self._wake.set)
                self._work()
                ended = time.monotonic()
                self._wake.wait(self._poll_seconds)
                pause = self._pause_seconds - (time.monotonic() - ended)
                if pause > 0:
                    self.stopping.wait(pause)
        finally:
            if watch is not None:
                watch.stop()
            self._ended()
