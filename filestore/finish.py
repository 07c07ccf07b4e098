"""One upkeep at a time, and the end of one that was cut off: what it left is finished or undone."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from typing import Final

from . import files
from .codec import Stamp, stamp
from .errors import CorruptLine, StoreLocked
from .layout import Forms, Layout, Listing
from .lock import StoreLock
from .manifest import Manifest
from .pruned import read_pruned
from .quarantine import Quarantine
from .retention import finish_removal
from .seal import archive_matches
from .stored import PlainFile, SealedFile, load_manifest

__all__ = ["finish", "upkeep_lock"]

_WAIT_SECONDS: Final = 0.05
_PIECE: Final = 1 << 20
_LEFTOVER: Final = re.compile(
    r"\.(\d{4}-\d\d-\d\d(\.\d{3})?\.(jsonl\.gz|jsonl\.zst|manifest\.json)|holds\.json|pruned\.json)\.\d+\.tmp", re.ASCII
)

log = logging.getLogger("stonelog")


@contextmanager
def upkeep_lock(layout: Layout) -> Iterator[None]:
    """Inside the block no other process seals, prunes or changes holds. Raises StoreLocked at once if one does."""
    with StoreLock.opened(layout.upkeep_lock, _WAIT_SECONDS) as lock, ExitStack() as stack:
        try:
            stack.enter_context(lock.held())
        except StoreLocked as error:
            text = f"{layout.upkeep_lock}: another process is sealing, pruning or changing holds"
            raise StoreLocked(text, hint="nothing was done; try again when it is through") from error
        yield


def finish(layout: Layout, lock: StoreLock) -> None:
    """What an upkeep that was cut off left is finished or undone: as if it had ended, or never begun.

    To be called with the upkeep lock held; `lock` is the writers', free. Raises OSError.
    """
    for directory in (layout.directory, layout.events):
        hidden = [name for name in files.list_names(directory) if name.startswith(".")]
        for leftover in filter(_LEFTOVER.fullmatch, hidden):
            files.remove(directory / leftover)
    finish_removal(layout, read_pruned(layout))
    segments = Listing(files.list_names(layout.events))
    for forms in map(segments.__getitem__, segments.plain()):
        if forms.archives or forms.manifest:
            _settle(layout, forms, lock)


def _settle(layout: Layout, forms: Forms, lock: StoreLock) -> None:
    """Of a segment that is there plain and sealed, one form is left: the sealed one if it is whole and holds as much.

    When neither holds all good lines of the other, both stay: `stonelog verify` tells of it.
    """
    manifest = load_manifest(layout, forms.name)
    with ExitStack() as opened:
        plain = PlainFile(layout, forms.name)
        opened.callback(plain.close)
        archives = [SealedFile(layout, forms.name, codec) for codec in forms.archives]
        for archive in archives:
            opened.callback(archive.close)
        whole = next((each for each in archives if manifest and _is_whole(each, manifest)), None)
        if whole is not None and manifest is not None and _holds_all(whole, plain):
            _drop_plain(layout, forms, plain, manifest, lock)
        elif all(_holds_all(plain, archive) for archive in archives):
            _drop_sealed(layout, forms)
        else:
            log.error("%s: the plain file and the archive differ, and neither holds all; both stay", forms.name.file)


def _drop_plain(layout: Layout, forms: Forms, plain: PlainFile, manifest: Manifest, lock: StoreLock) -> None:
    # Before the plain file goes, the archive's name must be durable: the cut may have come before its sync.
    files.fsync_directory(layout.events)
    if plain.size != manifest.bytes or _digest(plain) != manifest.sha256:
        reason = "the sealed segment holds all good lines of these bytes, which stood in the plain file beside it"
        Quarantine(layout.directory).keep(forms.name.file, 0, files.read_at(plain.fd, 0, plain.size), reason)
    with lock.held():  # a recovery in another process may be at it
        files.remove(layout.segment(forms.name))
    for codec in forms.archives:
        if codec != manifest.codec:
            files.remove(layout.archive(forms.name, codec))
    files.fsync_directory(layout.events)
    log.info("%s: sealing was finished", forms.name.file)


def _drop_sealed(layout: Layout, forms: Forms) -> None:
    for codec in forms.archives:
        files.remove(layout.archive(forms.name, codec))
    if forms.manifest:
        files.remove(layout.manifest(forms.name))
    files.fsync_directory(layout.events)
    log.info("%s: sealing was undone; it is sealed again another time", forms.name.file)


def _is_whole(archive: SealedFile, manifest: Manifest) -> bool:
    return manifest.file == archive.file and archive_matches(archive.fd, manifest)


def _digest(plain: PlainFile) -> str:
    digest = sha256()
    for at in range(0, plain.size, _PIECE):
        digest.update(files.read_at(plain.fd, at, min(_PIECE, plain.size - at)))
    return digest.hexdigest()


def _holds_all(one: PlainFile | SealedFile, other: PlainFile | SealedFile) -> bool:
    """Whether every good line of `other` stands in `one` too, in the same order."""
    stamps = _stamps(one)
    return all(any(mine == theirs for mine in stamps) for theirs in _stamps(other))


def _stamps(stored: PlainFile | SealedFile) -> Iterator[Stamp]:
    """The stamps of the good lines that can be read."""
    at, rest = 0, b""
    while at < stored.size:
        try:
            data = stored.block(at)
        except CorruptLine as error:
            at, rest = error.offset + error.length, b""
            continue
        if not data:
            return
        at += len(data)
        *lines, rest = (rest + data).split(b"\n")
        yield from filter(None, map(stamp, lines))
