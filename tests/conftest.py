"""What holds for all tests."""

from __future__ import annotations

import signal
import time

import pytest

from stonelog.filestore import clock, space

# Run in the background of a script, a process and its children ignore Ctrl-C; some tests send it to their children.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def steady_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test freezes or moves the time, the clock that counts seconds goes with it: that is no jump."""
    monkeypatch.setattr(clock, "elapsed", lambda: time.monotonic())


@pytest.fixture(autouse=True)
def space_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test says of the free space counts for the next write."""
    monkeypatch.setattr(space, "SECONDS", 0.0)
