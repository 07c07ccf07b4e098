"""A disk on which several simulated processes work: one is interrupted by another, killed alone, told of errors."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from powercut import Disk, Killed

__all__ = ["SharedDisk"]

DROPPED = 0.8
"""How often a failed sync drops a write; the others had reached the disk before."""
SOON_AFTER = 6
"""A process that is killed after a sync failed is so at one of so many operations."""
AFTERMATH = 25
"""For so many operations what follows a kill or a failed sync is looked at closely."""


class SharedDisk(Disk):
    """A disk on which several processes work; the last of `working` is the one that does, interrupting the others."""

    def __init__(self, root: Path, randomly: random.Random, *, failed_syncs: float, fatal: float) -> None:
        super().__init__(root, watch=False)
        self.working: list[int] = []
        self.dead: set[int] = set()
        self.left: dict[int, int] = {}
        """For processes that are to be killed: at the how manieth operation from now."""
        self.between: Callable[[str], None] = lambda where: None
        """Called before each operation with a word on where that is; other processes may work in it."""
        self.failed_syncs = failed_syncs
        """How likely it is that a sync fails, of those that have something to do."""
        self.fatal = fatal
        """How likely it is that the process is killed soon after."""
        self.sync_failed = False
        """Whether one did."""
        self.troubled = False
        """Whether, not long ago, a process was killed or a sync failed: what is done now puts it right, or does not."""
        self._calm = 0
        self._randomly = randomly
        self.drops = lambda: randomly.random() < DROPPED

    def open(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        self._reached()
        return super().open(path, flags, mode, **more)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        self._reached()
        return os.pread(fd, length, offset)

    def listdir(self, path: Any) -> list[str]:
        self._reached()
        self.between("before listdir")
        return os.listdir(path)

    def getpid(self) -> int:
        return self.working[-1]

    def draw(self, where: str) -> None:
        """One of the trees that a cut may leave now is among `states`."""
        usual, chosen = self._randomly.random(), {}
        for node in [node for node in self._nodes(self._top) if node.pending]:
            each = self._randomly.random()
            if usual < 0.25 or (usual > 0.35 and each < 0.3):
                chosen[node] = self._extreme(node, False)
            elif usual < 0.35 or each < 0.5:
                chosen[node] = self._extreme(node, True)
            else:
                chosen[node] = self._randomly.choice(list(node.variants()))
        self._note(self._tree(chosen), where)

    def _reached(self) -> None:
        """Of a process that was killed nothing comes as far as the disk."""
        if self.working and self.working[-1] in self.dead:
            raise Killed

    def _before(self, call: str, name: str) -> None:
        self._reached()
        self.operations += 1
        self.troubled = self.operations < self._calm
        self.between(f"before {call} {name.removeprefix(str(self.root))}")
        process = self.working[-1]
        if process in self.left:
            self.left[process] -= 1
            if not self.left[process]:
                self._calm = self.operations + AFTERMATH
                self.dead.add(process)
                raise Killed

    def _may_fail(self, call: str, fd: int) -> None:
        if call != "fsync_directory" and self._fds[fd].pending and self._randomly.random() < self.failed_syncs:
            self.fail_at, self.sync_failed = (call, 1), True
            self._calm = self.operations + AFTERMATH
            if self._randomly.random() < self.fatal:
                self.left[self.working[-1]] = self._randomly.randint(1, SOON_AFTER)
        super()._may_fail(call, fd)
        self.fail_at = None
