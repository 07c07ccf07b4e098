"""A thread that looks from time to time how this process, its machine and its event loop do, and writes an event.

    with Sampler(store, every=60, limits={"memory_percent": 90, "loop_lag_ms": 100}):
        ...

psutil is loaded when a sampler is made.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from .given import completed
from .offer import offer, store_in_use

if TYPE_CHECKING:
    import asyncio

    from stonelog.filestore import Store

__all__ = ["MEASURES", "Reporter", "Sampler"]

MEASURES: Final[Mapping[str, str]] = {
    "process_cpu_percent": "processor time of this process since the last sample, of one core",
    "process_rss_bytes": "memory of this process",
    "process_threads": "its threads",
    "process_open_files": "regular files that it has open",
    "process_fds": "its descriptors",
    "cpu_percent": "processor time of the machine since the last sample, of all cores",
    "memory_percent": "memory in use",
    "memory_available_bytes": "memory that can be had without swapping",
    "disk_percent": "of the file system with the store",
    "disk_free_bytes": "of the file system with the store",
    "load_1m": "processes that ran or waited, on average",
    "load_5m": "the same over five minutes",
    "loop_lag_ms": "how long the event loop took to answer",
}
"""What is measured, by name; what cannot be measured here is left out of a sample."""

_LOW_IS_BAD: Final = frozenset({"memory_available_bytes", "disk_free_bytes"})
_CATEGORY: Final = "system_management"
_LONGEST_LAG_SECONDS: Final = 5.0


class Reporter(Protocol):
    """What can be told to write what it has counted: a Counted cache, a QueryWatch."""

    def report(self, store: Store | None = None) -> object: ...


class Sampler:
    """From `start` to `stop`, or in a `with` block, an event `system_sample` each `every` seconds.

    While a measure is beyond its limit (above; of what is free, below) samples have the level warning; when it gets
    there one event `threshold_exceeded` tells, and one `threshold_cleared` when it is back. Those who were registered
    report at each sample. Raises ImportError if there is no psutil, ValueError for a limit of no measure.
    """

    def __init__(
        self,
        store: Store | None = None,
        *,
        every: float = 60.0,
        limits: Mapping[str, float] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        reporters: Iterable[Reporter] = (),
        psutil: Any = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if every <= 0:
            raise ValueError(f"every = {every}: expected seconds above 0")
        self._limits = dict(limits or {})
        for name in self._limits:
            if name not in MEASURES:
                near = difflib.get_close_matches(str(name), MEASURES, 1)
                raise ValueError(f"{name!r} is not measured" + (f"; did you mean {near[0]!r}?" if near else ""))
        self._store = store
        self._every = every
        self._loop = loop
        self._reporters = list(reporters)
        self._psutil = psutil or _psutil()
        self._clock = clock
        self._over: set[str] = set()
        self._stopped = threading.Event()
        self._answered = threading.Event()
        self._thread: threading.Thread | None = None
        self._process = self._psutil.Process()
        self._pid = os.getpid()
        # The first answer is the time since the last question.
        self._read(self._process.cpu_percent)
        self._read(self._psutil.cpu_percent)

    def register(self, reporter: Reporter) -> None:
        """It is told to report at each sample from now on."""
        self._reporters.append(reporter)

    def start(self) -> None:
        """The thread runs. Started twice, it is one; after a fork the child must start its own."""
        if self._thread is None or not self._thread.is_alive():
            self._stopped = threading.Event()
            self._thread = threading.Thread(target=self._run, name="stonelog-sampler", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """The thread has ended. Stopping what does not run does nothing."""
        self._stopped.set()
        self._answered.set()  # the loop that is waited for may be the one that calls
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def sample(self) -> dict[str, float]:
        """What is measured now, which is written too; those registered have reported. Never raises."""
        found = self._measured()
        over = {name for name, value in found.items() if name in self._limits and self._beyond(name, value)}
        # What could not be measured this time is as it was.
        over |= {name for name in self._over if name not in found}
        self._offer("system_sample", "warning" if over else "info", _summary(found), found)
        for name in sorted(over ^ self._over):
            self._tell_limit(name, found[name], beyond=name in over)
        self._over = over
        for reporter in list(self._reporters):
            with contextlib.suppress(Exception):  # the others report all the same
                reporter.report(self._store)
        return found

    def _run(self) -> None:
        stopped = self._stopped
        while not stopped.wait(self._every):
            self.sample()

    def _tell_limit(self, name: str, value: float, *, beyond: bool) -> None:
        limit = self._limits[name]
        metadata = {"measure": name, "value": value, "limit": limit}
        if beyond:
            side = "below" if name in _LOW_IS_BAD else "above"
            self._offer("threshold_exceeded", "warning", f"{name} is {value:,.10g}, {side} {limit:,.10g}", metadata)
        else:
            text = f"{name} is {value:,.10g} again, within {limit:,.10g}"
            self._offer("threshold_cleared", "notice", text, metadata)

    def _offer(self, action: str, level: str, message: str, metadata: Mapping[str, Any]) -> None:
        event = completed({"level": level, "message": message}, metadata, _CATEGORY, action)
        Context().run(offer, self._store, event)

    def _beyond(self, name: str, value: float) -> bool:
        return value < self._limits[name] if name in _LOW_IS_BAD else value > self._limits[name]

    def _measured(self) -> dict[str, float]:
        psutil = self._psutil
        if self._pid != os.getpid():  # a forked child
            self._process, self._pid = psutil.Process(), os.getpid()
        process = self._process
        read = self._read
        memory = read(psutil.virtual_memory)
        disk = read(lambda: psutil.disk_usage(str(self._directory())))
        load = read(psutil.getloadavg) or (None, None)
        found = {
            "process_cpu_percent": read(process.cpu_percent),
            "process_rss_bytes": read(lambda: process.memory_info().rss),
            "process_threads": read(process.num_threads),
            "process_open_files": read(lambda: len(process.open_files())),
            "process_fds": read(lambda: process.num_fds()),  # absent from psutil on Windows
            "cpu_percent": read(psutil.cpu_percent),
            "memory_percent": read(lambda: memory.percent),
            "memory_available_bytes": read(lambda: memory.available),
            "disk_percent": read(lambda: disk.percent),
            "disk_free_bytes": read(lambda: disk.free),
            "load_1m": load[0],
            "load_5m": load[1],
            "loop_lag_ms": read(self._loop_lag),
        }
        return {name: round(value, 3) for name, value in found.items() if isinstance(value, int | float)}

    def _read(self, measure: Callable[[], Any]) -> Any:
        """What it measures; None if that cannot be had here: no rights, no such file, another system."""
        try:
            return measure()
        except Exception:  # noqa: BLE001 (psutil's errors, OSError, what is absent on this system)
            return None

    def _directory(self) -> Path:
        store = self._store or store_in_use()
        return store.directory if store is not None else Path.cwd()

    def _loop_lag(self) -> float | None:
        """How long the loop takes to call back; so long as was waited, if it does not in time."""
        if self._loop is None:
            return None
        self._answered = answered = threading.Event()
        asked = self._clock()
        at: list[float] = []

        def answer() -> None:
            at.append(self._clock())
            answered.set()

        self._loop.call_soon_threadsafe(answer)
        if not self._stopped.is_set():
            answered.wait(min(self._every, _LONGEST_LAG_SECONDS))
        if not at and self._stopped.is_set():
            return None
        return ((at[0] if at else self._clock()) - asked) * 1000


def _summary(found: Mapping[str, float]) -> str:
    """The sample in a few words."""
    shown = (("process_cpu_percent", "process"), ("cpu_percent", "processor"), ("memory_percent", "memory"))
    return ", ".join(f"{label} {found[name]:.0f} %" for name, label in shown if name in found) or "nothing measured"


def _psutil() -> Any:
    try:
        import psutil
    except ImportError as error:
        raise ImportError("the sampler needs psutil, which is not installed: pip install psutil") from error
    return psutil
