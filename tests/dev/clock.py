"""A clock that a test sets for running processes, by libfaketime."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from programs import ENVIRONMENT

__all__ = ["FakeClock"]

_LIBRARY = "libfaketimeMT.so.1"

# libfaketime makes a relative time of the absolute one that Python sleeps until, by the clock that stands: EINVAL.
_SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"


class FakeClock:
    """The wall clock of processes that were started with `environment`; it stands until it is set again.

    The monotonic clock is left alone. Skips the test where libfaketime is missing.
    """

    def __init__(self, place: Path, moment: datetime) -> None:
        found = [path for top in ("/usr/lib", "/usr/local/lib") for path in Path(top).glob(f"**/faketime/{_LIBRARY}")]
        if not found:
            pytest.skip(f"needs libfaketime ({_LIBRARY})")
        self._file = place / "clock"
        self.set(moment)
        (place / "sitecustomize.py").write_text(_SLEEP)
        self.environment = {
            "PYTHONPATH": os.pathsep.join([str(place), ENVIRONMENT["PYTHONPATH"]]),
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_FMT": "%s",
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, moment: datetime) -> None:
        """It is this moment (aware) for all of them, from their next look at the clock."""
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{int(moment.timestamp())}\n")
        beside.replace(self._file)
