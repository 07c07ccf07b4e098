"""What this process has used of processor and memory, and what files take on the disk."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable
from pathlib import Path

__all__ = ["allocated", "confine", "cores", "cpu_seconds", "peak_memory"]


def peak_memory() -> int:
    """The most memory that this process has had resident, in bytes (VmHWM, proc_pid_status(5))."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) * 1024 for line in status.split("\n") if line.startswith("VmHWM:"))


def cpu_seconds() -> float:
    """Processor time of this process, all its threads, and its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def confine(number: int) -> None:
    """This process, and what it starts from now on, uses so many cores, or as many as it may if those are fewer."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:number])


def allocated(paths: Iterable[Path]) -> int:
    """Bytes of disk that the files take, those in directories included."""
    files = (file for path in paths for file in (path.rglob("*") if path.is_dir() else (path,)))
    return sum(file.stat().st_blocks * 512 for file in files if file.is_file())
