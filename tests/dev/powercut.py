"""A disk that loses power: records what filestore does to its files, and makes every state a cut may leave behind.

`Disk` stands in for the `os` module within `filestore.files`, passes each call on to the real one, and keeps a model
beside it: of each file its bytes on stable storage and the writes since the last sync, of each directory its names on
stable storage and the changes since. Before every change it works out which states of the tree a power cut may leave:

- unsynced writes lost, kept, torn at a byte, a sector of them missing, the size grown without the data;
- unsynced names lost or kept, in any combination (a rename is one change);
- the choices for different files and directories independent of each other: one is varied while the others are all lost
  or all kept, and some are drawn at random.

It knows no reordering within one file beyond these, and no drive that loses what it said was synced.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

__all__ = ["Disk", "Killed", "State"]

SECTOR = 512
EVERY_BYTE = 96
RANDOM_MIXES = 12


class Killed(BaseException):
    """The process got SIGKILL: nothing of it runs any more, and what it wrote stays in the page cache."""


@dataclass(frozen=True)
class Write:
    offset: int
    data: bytes

    def apply(self, content: bytes) -> bytes:
        content = content.ljust(self.offset, b"\0")
        return content[: self.offset] + self.data + content[self.offset + len(self.data) :]

    def torn(self, content: bytes) -> Iterator[bytes]:
        """The content after a part of the write; elsewhere the bytes are the old ones, or 0 if there were none."""
        length = len(self.data)
        old = content[self.offset : self.offset + length].ljust(length, b"\0")
        places = set(range(length)) if length <= EVERY_BYTE else {1, length // 3, length // 2, length - 2, length - 1}
        places |= set(range(SECTOR - self.offset % SECTOR, length, SECTOR))
        for place in sorted(places):
            yield Write(self.offset, self.data[:place]).apply(content)
        yield Write(self.offset, old).apply(content)
        first = self.offset - self.offset % SECTOR
        for start in range(first, self.offset + length, SECTOR):
            low, high = max(start - self.offset, 0), min(start + SECTOR - self.offset, length)
            yield Write(self.offset, self.data[:low] + old[low:high] + self.data[high:]).apply(content)


@dataclass(frozen=True)
class Cut:
    length: int

    def apply(self, content: bytes) -> bytes:
        return content[: self.length].ljust(self.length, b"\0")


@dataclass(eq=False)
class File:
    durable: bytes = b""
    pending: list[Write | Cut] = field(default_factory=list)

    def now(self) -> bytes:
        content = self.durable
        for change in self.pending:
            content = change.apply(content)
        return content

    def sync(self) -> None:
        self.durable, self.pending = self.now(), []

    def lose(self, dropped: Callable[[], bool]) -> None:
        """A sync failed: pages are dropped, and later syncs say that all is well. The size may have grown.

        `dropped` says of each write whether its pages are. Where other bytes stood before they stand again.
        """
        content, left = self.durable, list[Write | Cut]()
        for change in self.pending:
            if isinstance(change, Write) and dropped():
                length = len(change.data)
                change = Write(change.offset, content[change.offset :][:length].ljust(length, b"\0"))
            left.append(change)
            content = change.apply(content)
        self.pending = left

    def variants(self) -> Iterator[bytes]:
        content = self.durable
        for place, change in enumerate(self.pending):
            yield content
            if isinstance(change, Write):
                yield from change.torn(content)
            later = content
            for other in self.pending[place + 1 :]:
                later = other.apply(later)
            yield later  # without this one change
            content = change.apply(content)
        yield content


@dataclass(eq=False)
class Folder:
    durable: dict[str, Node] = field(default_factory=dict)
    pending: list[tuple[str | None, str | None, Node]] = field(default_factory=list)
    """Each change is (the name that goes, the name that comes, what it names)."""

    def entries(self, changes: Iterable[tuple[str | None, str | None, Node]]) -> dict[str, Node]:
        names = dict(self.durable)
        for gone, come, node in changes:
            if gone is not None:
                names.pop(gone, None)
            if come is not None:
                names[come] = node
        return names

    def now(self) -> dict[str, Node]:
        return self.entries(self.pending)

    def sync(self) -> None:
        self.durable, self.pending = self.now(), []

    def variants(self) -> Iterator[dict[str, Node]]:
        count = len(self.pending)
        sizes = range(count + 1) if count <= 4 else (0, 1, count - 1, count)
        for size in sizes:
            for chosen in combinations(self.pending, size):
                yield self.entries(chosen)


Node = File | Folder


@dataclass(frozen=True)
class State:
    """One tree that a cut may leave: files with their bytes, directories with None."""

    tree: tuple[tuple[str, bytes | None], ...]
    acknowledged: tuple[Any, ...]
    submitted: tuple[Any, ...]
    claims: frozenset[Any]
    where: str

    def write_to(self, root: Path) -> None:
        """The tree stands under `root`, which holds nothing else."""
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(mode=0o700)
        for name, content in self.tree:
            if content is None:
                (root / name).mkdir(mode=0o700)
            else:
                (root / name).write_bytes(content)
                (root / name).chmod(0o600)


class Disk:
    """The stand-in for `os` in filestore.files, for the tree under `root`, which is taken to be on stable storage."""

    def __init__(self, root: Path, *, seed: int = 0, watch: bool = True) -> None:
        self.root = root
        self.watch = watch
        """Whether states are collected."""
        self.operations = 0
        self.begun = 0
        """How many operations there were before states were collected."""
        self.kill_at: int | None = None
        self.states: dict[tuple[tuple[str, bytes | None], ...], State] = {}
        self.tried = 0
        self.acknowledged: list[Any] = []
        self.submitted: list[Any] = []
        self.claims: set[Any] = set()
        """What else a scenario was promised so far; it takes back what it is about to undo."""
        self.fail_at: tuple[str, int] | None = None
        """A call (fdatasync, fsync) and how often it still fails with EIO: what it was to sync is never written.

        It stays in the cache. Only files of events fail. Every other descriptor that is open then hears of it once.
        """
        self.drops: Callable[[], bool] = lambda: True
        """Of each write that was not synced, when a sync fails: whether its pages are dropped."""
        self._to_hear: set[int] = set()
        self.skip: Callable[[str, str], bool] = lambda call, name: False
        """Tells of a call whether it is left out, as a planted bug would."""
        self.dull: frozenset[str] = frozenset()
        """Names of files of which no torn states are tried, because what stands in them does not matter."""
        self._random = random.Random(seed)
        self._fds: dict[int, Node] = {}
        self._names: dict[int, str] = {}
        self._top = self._read(root)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        made = bool(flags & os.O_CREAT) and not os.path.lexists(path)
        if made:
            self._before("create", str(path))
        fd = os.open(path, flags, mode, **more)
        folder, name = self._locate(path)
        if made:
            folder.pending.append((None, name, File()))
        self._fds[fd] = self._top if folder is None else folder.now()[name]
        self._names[fd] = str(path)
        return fd

    def close(self, fd: int) -> None:
        self._fds.pop(fd, None)
        self._to_hear.discard(fd)
        os.close(fd)

    def write(self, fd: int, data: Any) -> int:
        self._before("write", self._names[fd])
        file = self._file(fd)
        at = len(file.now())
        written = os.write(fd, data)
        file.pending.append(Write(at, bytes(data[:written])))
        return written

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        self._before("pwrite", self._names[fd])
        written = os.pwrite(fd, data, offset)
        file = self._file(fd)
        file.pending.append(Write(offset, bytes(data[:written])))
        if Path(self._names[fd]).name in self.dull:
            file.sync()
        return written

    def ftruncate(self, fd: int, length: int) -> None:
        self._before("truncate", self._names[fd])
        if not self.skip("truncate", self._names[fd]):
            os.ftruncate(fd, length)
            self._file(fd).pending.append(Cut(length))

    def fsync(self, fd: int) -> None:
        name = self._names[fd]
        call = "fsync_directory" if isinstance(self._fds[fd], Folder) else "fsync"
        self._before(call, name)
        self._may_fail(call, fd)
        if not self.skip(call, name):
            self._fds[fd].sync()

    def fdatasync(self, fd: int) -> None:
        self._before("fdatasync", self._names[fd])
        self._may_fail("fdatasync", fd)
        if not self.skip("fdatasync", self._names[fd]):
            self._fds[fd].sync()

    def _may_fail(self, call: str, fd: int) -> None:
        if fd in self._to_hear:
            self._to_hear.discard(fd)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self.fail_at and self.fail_at[0] == call and self.fail_at[1] and ".jsonl" in self._names[fd]:
            self.fail_at = (call, self.fail_at[1] - 1)
            self._file(fd).lose(self.drops)
            self._to_hear |= {other for other, node in self._fds.items() if node is self._fds[fd]} - {fd}
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def mkdir(self, path: Any, mode: int = 0o777) -> None:
        self._before("mkdir", str(path))
        os.mkdir(path, mode)
        folder, name = self._locate(path)
        folder.pending.append((None, name, Folder()))

    def rename(self, old: Any, new: Any) -> None:
        self._before("rename", str(new))
        os.rename(old, new)
        folder, name = self._locate(old)
        folder.pending.append((name, self._locate(new)[1], folder.now()[name]))

    def unlink(self, path: Any) -> None:
        if not os.path.lexists(path):
            os.unlink(path)
        self._before("unlink", str(path))
        os.unlink(path)
        folder, name = self._locate(path)
        folder.pending.append((name, None, folder.now()[name]))

    def load(self) -> None:
        """What stands under the root now is on stable storage."""
        self._top = self._read(self.root)

    def begin(self) -> None:
        """States are collected from here on."""
        self.watch, self.begun = True, self.operations

    def revive(self) -> None:
        """A new process may work on the files as the killed one left them."""
        self.kill_at = None

    def finish(self) -> None:
        """The states after the last change are collected too."""
        self._before("end", "")

    def _before(self, call: str, name: str) -> None:
        """Called before each change, at which the power may fail or the process be killed."""
        self.operations += 1
        if self.kill_at is not None and self.operations > self.kill_at:
            raise Killed
        if self.watch:
            where = f"before {call} {name.removeprefix(str(self.root))}, operation {self.operations}"
            for tree in self._cuts():
                self._note(tree, where)

    def _note(self, tree: tuple[tuple[str, bytes | None], ...], where: str) -> None:
        self.tried += 1
        # The same tree later: more is acknowledged by then, so that the later one asks more of it.
        self.states[tree] = State(tree, tuple(self.acknowledged), tuple(self.submitted), frozenset(self.claims), where)

    def _cuts(self) -> Iterator[tuple[tuple[str, bytes | None], ...]]:
        nodes = list(self._nodes(self._top))
        open_nodes = [node for node in nodes if node.pending]
        for kept in (False, True):
            base: dict[Node, Any] = {node: self._extreme(node, kept) for node in open_nodes}
            yield self._tree(base)
            for folder in (node for node in open_nodes if isinstance(node, Folder)):
                for files_kept in (False, True):
                    mixed = base | {
                        node: self._extreme(node, files_kept) for node in open_nodes if isinstance(node, File)
                    }
                    for entries in folder.variants():
                        yield self._tree(mixed | {folder: entries})
            for file in (node for node in open_nodes if isinstance(node, File)):
                for folders_kept in (False, True):
                    mixed = base | {
                        node: self._extreme(node, folders_kept) for node in open_nodes if isinstance(node, Folder)
                    }
                    for content in file.variants():
                        yield self._tree(mixed | {file: content})
        if len(open_nodes) > 1:
            choices = {node: list(node.variants()) for node in open_nodes}
            for _ in range(RANDOM_MIXES):
                yield self._tree({node: self._random.choice(some) for node, some in choices.items()})

    def _extreme(self, node: Node, kept: bool) -> Any:
        return node.now() if kept else node.durable

    def _tree(self, chosen: dict[Node, Any]) -> tuple[tuple[str, bytes | None], ...]:
        found: list[tuple[str, bytes | None]] = []

        def walk(folder: Folder, prefix: str) -> None:
            for name, node in sorted(chosen.get(folder, folder.durable).items()):
                if isinstance(node, Folder):
                    found.append((prefix + name, None))
                    walk(node, f"{prefix}{name}/")
                else:
                    found.append((prefix + name, chosen.get(node, node.durable)))

        walk(self._top, "")
        return tuple(found)

    def _nodes(self, folder: Folder) -> Iterator[Node]:
        """Everything that a name, durable or not, leads to."""
        yield folder
        seen: list[Node] = []
        for node in [*folder.durable.values(), *(change[2] for change in folder.pending)]:
            if node not in seen:
                seen.append(node)
                yield from self._nodes(node) if isinstance(node, Folder) else (node,)

    def _file(self, fd: int) -> File:
        node = self._fds[fd]
        assert isinstance(node, File)
        return node

    def _locate(self, path: Any) -> tuple[Any, str]:
        """The model's folder that holds the path, and the name in it; (None, "") for the root and what is above it."""
        path = Path(path)
        if not path.is_relative_to(self.root) or path == self.root:
            return None, ""
        folder: Any = self._top
        *parents, name = path.relative_to(self.root).parts
        for parent in parents:
            folder = folder.now()[parent]
        return folder, name

    def _read(self, path: Path) -> Folder:
        folder = Folder()
        for entry in path.iterdir():
            folder.durable[entry.name] = self._read(entry) if entry.is_dir() else File(entry.read_bytes())
        return folder
