"""What a benchmark ran on, in so far as figures depend on it."""

from __future__ import annotations

import os
import platform
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from ..doctor import file_system

__all__ = ["Machine"]


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine in general words."""

    python: str
    kernel: str
    cpu: str
    cores: int
    """That this process may use."""
    file_system: str
    """Of the place where the stores were; '' where the system does not tell."""
    sqlite: str

    @classmethod
    def of(cls, place: Path) -> Machine:
        """This machine, and the file system of `place`."""
        return cls(
            python=f"{platform.python_implementation()} {platform.python_version()}",
            kernel=f"{platform.system()} {platform.release()}",
            cpu=_cpu(),
            cores=len(os.sched_getaffinity(0)),
            file_system=file_system(place),
            sqlite=sqlite3.sqlite_version,
        )

    @property
    def syncs(self) -> bool:
        """Whether a sync means anything there: in memory it does not."""
        return self.file_system not in ("tmpfs", "ramfs")


def _cpu() -> str:
    """The processor's model, or its architecture where the system does not tell the model (proc_cpuinfo(5))."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n")
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
