"""The places in a store's directory: who may use them, who does, the settings, the index, the quarantine."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from stonelog.filestore import StonelogError, StoreSettings, load_section
from stonelog.indexer import Index

from .check import Check, Repair, State, some

__all__ = ["check_index", "check_lock", "check_modes", "check_quarantine", "check_settings", "processes_writing"]

_FOLDERS: Final = ("events", "index", "quarantine")
_FILES: Final = (
    *("lock", "index.lock", "upkeep.lock", "detect.lock", "detect.state"),
    *("holds.json", "pruned.json", "reserve", "stonelog.toml"),
)
_REINDEX: Final = "`stonelog reindex` builds it anew; queries read the files meanwhile"
_FAR_BEHIND: Final = 64 << 20


def check_modes(directory: Path) -> Iterator[Check]:
    """Who can read and write the store: DIR and its folders should be 0700, their files 0600."""
    places = [directory, *(directory / name for name in _FILES)]
    for folder in _FOLDERS:
        if (directory / folder).is_dir():
            places += [directory / folder, *_entries(directory / folder)]
    open_to_write: list[str] = []
    open_to_read: list[str] = []
    wrong: list[Path] = []
    for place in places:
        try:
            mode = place.lstat().st_mode
        except OSError:
            continue  # it is not there, or it went while we looked
        if stat.S_ISLNK(mode):
            open_to_write.append(f"{_name(directory, place)} (a symbolic link)")
        elif mode & 0o022:
            open_to_write.append(f"{_name(directory, place)} ({stat.S_IMODE(mode):04o})")
            wrong.append(place)
        elif mode & 0o055:
            open_to_read.append(f"{_name(directory, place)} ({stat.S_IMODE(mode):04o})")
            wrong.append(place)
    fix = "chmod 700 the directories and 600 the files"
    text = "makes the directories 0700 and the files 0600"
    mend = Repair("modes", text, lambda: _close_to_others(wrong)) if wrong else None
    if open_to_write:
        yield Check("directory", "problem", f"others can change {some(open_to_write)} in {directory}", fix, mend)
    if open_to_read:
        yield Check("directory", "warn", f"others can read {some(open_to_read)} in {directory}", fix, mend)
    if not open_to_write and not open_to_read:
        yield Check("directory", "ok", f"{directory} is for its owner alone")


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []  # told where it is read


def _close_to_others(places: list[Path]) -> str:
    for place in places:
        fd = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)  # not what a link leads to
        try:
            os.fchmod(fd, 0o700 if stat.S_ISDIR(os.fstat(fd).st_mode) else 0o600)
        finally:
            os.close(fd)
    return f"{len(places)} {'place is' if len(places) == 1 else 'places are'} for the owner alone now"


def _name(directory: Path, place: Path) -> str:
    return str(place.relative_to(directory)) if place != directory else "the directory"


def check_settings(directory: Path) -> Iterator[Check]:
    try:
        settings = load_section(StoreSettings, directory, "store")
    except StonelogError as error:
        yield Check("settings", "problem", str(error), "correct it: no store opens before")
        return
    state: State = "ok" if settings.durability == "fsync" else "warn"
    advice = "" if state == "ok" else "a power cut can take events that have a receipt; fsync is the safe choice"
    yield Check("settings", state, f"durability {settings.durability}", advice)


def check_lock(directory: Path) -> Iterator[Check]:
    """Which processes have the store open to write, as far as this user may see."""
    if not Path("/proc/self/fd").is_dir():
        yield Check("lock", "ok", "this system does not tell who has it open")
        return
    names = processes_writing(directory)
    text = f"open in {', '.join(names)}" if names else "free: no process has the store open to write"
    yield Check("lock", "ok", text)


def processes_writing(directory: Path) -> list[str]:
    """The other processes that have the store open to write, as far as this user may see: number and command."""
    try:
        place = (directory / "lock").stat()
    except OSError:
        return []
    return [_process(pid) for pid in sorted(_having_open(place))]


def _having_open(place: os.stat_result) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            descriptors = list((process / "fd").iterdir())
        except OSError:
            continue  # another user's, or it has ended
        if int(process.name) != os.getpid() and any(_is(fd, place) for fd in descriptors):
            yield int(process.name)


def _is(fd: Path, place: os.stat_result) -> bool:
    try:
        return os.path.samestat(fd.stat(), place)
    except OSError:
        return False  # closed meanwhile


def _process(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        words = []
    command = " ".join(Path(word.decode("utf-8", "replace")).name for word in words[:3] if word)
    return f"process {pid} ({command or '?'})"


def check_index(directory: Path) -> Iterator[Check]:
    try:
        with Index.open(directory) as index:
            status = index.status()
    except StonelogError as error:
        yield Check("index", "problem", str(error), _REINDEX, _rebuilding(directory))
        return
    if status.state == "ok":
        yield Check("index", "ok", f"covers everything, seq {status.indexed_seq}")
    elif status.state == "absent":
        advice = "`stonelog reindex` builds it, `stonelog serve` keeps it" if status.last_seq else ""
        yield Check("index", "warn" if status.last_seq else "ok", "there is none; queries read the files", advice)
    elif status.state == "behind":
        text = f"covers seq {status.indexed_seq} of {status.last_seq}; queries read {status.behind_bytes:,} bytes more"
        yield Check("index", "ok" if status.behind_bytes < _FAR_BEHIND else "warn", text)
    else:
        yield Check("index", "problem", status.state, _REINDEX, _rebuilding(directory))


def _rebuilding(directory: Path) -> Repair:
    return Repair("index", "throws the index away and builds it anew from the files", lambda: _rebuild(directory))


def _rebuild(directory: Path) -> str:
    with Index.open(directory) as index:
        return f"the index was built anew, to seq {index.rebuild()}"


def check_quarantine(directory: Path) -> Iterator[Check]:
    place = directory / "quarantine"
    kept = [path for path in sorted(place.glob("*")) if path.suffix != ".json" and path.is_file()]
    if not kept:
        yield Check("quarantine", "ok", "empty")
        return
    size = sum(path.stat().st_size for path in kept)
    text = f"{len(kept)} {'file' if len(kept) == 1 else 'files'}, {size:,} bytes: {some([path.name for path in kept])}"
    yield Check(
        "quarantine", "warn", text, "the .json beside each says where it came from and why; remove what is settled"
    )
