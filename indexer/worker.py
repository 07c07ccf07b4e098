"""The indexer's thread: woken by a change of the files, or by the clock, it brings the index up to date."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .build import Builder
from .turns import Turns

__all__ = ["Worker", "WorkerStatus"]

log = logging.getLogger("stonelog")

_PAUSE_SECONDS: Final = 0.1
"""Between two passes: what comes together is indexed together, but until then whoever asks reads it as lines."""


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """Whether the thread runs, up to which `seq` all is indexed, and what went wrong the last time, if anything."""

    alive: bool
    indexed_seq: int
    error: str = ""


class Worker:
    """Keeps the index of the store in `directory` up to date while it runs.

    Any number may run, in any process: a lock lets one at a time work, and each goes on where the last one stopped.
    An error never ends it, and never reaches the writer: it is logged and tried again.
    """

    def __init__(self, directory: str | Path, *, poll_seconds: float = 1.0) -> None:
        self._directory = Path(directory).absolute()
        # It tries again at the next wake anyway, and must not wait long for the lock when it is told to stop.
        self._builder = Builder(self._directory, lock_seconds=0.5)
        self._turns = Turns(
            self._directory / "events",
            self._pass,
            name="stonelog-indexer",
            poll_seconds=poll_seconds,
            pause_seconds=_PAUSE_SECONDS,
        )
        self._indexed_seq = 0
        self._error = ""

    def start(self) -> None:
        """The thread runs; what is in the files is being indexed."""
        self._turns.start()

    def stop(self) -> None:
        """The thread has ended, after the batch it was at."""
        self._turns.stop()
        self._builder.close()

    def status(self) -> WorkerStatus:
        """How it is now."""
        return WorkerStatus(self._turns.alive, self._indexed_seq, self._error)

    def _pass(self) -> None:
        try:
            self._indexed_seq = self._builder.catch_up(stop=self._turns.stopping)
            self._error = ""
        except Exception as error:  # noqa: BLE001 (whatever it is, the next pass may do better)
            if str(error) != self._error:
                log.warning("the index is not up to date, queries scan the files instead: %s", error)
            self._error = str(error)
