"""One upkeep at a time, and the end of one that was cut off: what it left is finished or undone."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from typing import Final

from . import files
from .codec import stamp
from .errors import CorruptLine, StoreLocked
from .layout import Forms, Layout, Listing
from .lock import StoreLock
from .manifest import Manifest
from .pruned import read_pruned
from .quarantine import Quarantine
from .retention import finish_removal
from .scan import items
from .seal import archive_matches
from .stored import PlainFile, SealedFile, load_manifest

__all__ = ["finish", "upkeep_lock"]

_WAIT_SECONDS: Final = 0.05
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

    When neither holds all that the other does, both stay: `stonelog verify` tells of it.
    """
    manifest = load_manifest(layout, forms.name)
    whole = manifest is not None and _is_whole(layout, forms, manifest)
    digest, plain_events = _survey_plain(layout, forms)
    if manifest is not None and whole and (digest == manifest.sha256 or plain_events <= manifest.events):
        # Before the plain file goes, the archive's name must be durable: the cut may have come before its sync.
        files.fsync_directory(layout.events)
        if digest != manifest.sha256:
            _set_aside(layout, forms)
        with lock.held():  # a recovery in another process may be at it
            files.remove(layout.segment(forms.name))
        for codec in forms.archives:
            if codec != manifest.codec:
                files.remove(layout.archive(forms.name, codec))
        log.info("%s: sealing was finished", forms.name.file)
    elif whole or _survey_archives(layout, forms) <= plain_events:
        for codec in forms.archives:
            files.remove(layout.archive(forms.name, codec))
        if forms.manifest:
            files.remove(layout.manifest(forms.name))
        log.info("%s: sealing was undone; it is sealed again another time", forms.name.file)
    else:
        log.error("%s: the plain file and the archive differ, and neither holds all; both are kept", forms.name.file)
    files.fsync_directory(layout.events)


def _is_whole(layout: Layout, forms: Forms, manifest: Manifest) -> bool:
    if manifest.codec not in forms.archives:
        return False
    fd = files.open_read(layout.archive(forms.name, manifest.codec))
    try:
        return archive_matches(fd, manifest)
    finally:
        files.close(fd)


def _survey_plain(layout: Layout, forms: Forms) -> tuple[str, int]:
    """The SHA-256 of the plain file's bytes, and how many good lines it has."""
    plain = PlainFile(layout, forms.name)
    try:
        digest, events, at, rest = sha256(), 0, 0, b""
        while data := plain.block(at):
            digest.update(data)
            at += len(data)
            *lines, rest = (rest + data).split(b"\n")
            events += sum(stamp(line) is not None for line in lines)
        return digest.hexdigest(), events
    finally:
        plain.close()


def _survey_archives(layout: Layout, forms: Forms) -> int:
    """How many good lines the archive has that can be unpacked; of two, the better one's."""
    most = 0
    for codec in forms.archives:
        sealed = SealedFile(layout, forms.name, codec)
        try:
            most = max(most, sum(_good_lines(sealed, number) for number in range(len(sealed.extents))))
        finally:
            sealed.close()
    return most


def _good_lines(sealed: SealedFile, number: int) -> int:
    try:
        return sum(item.stamp is not None for item in items(sealed.frame(number), 0))
    except CorruptLine:
        return 0


def _set_aside(layout: Layout, forms: Forms) -> None:
    """The plain file's bytes, which are not those that were sealed, are in quarantine."""
    plain = PlainFile(layout, forms.name)
    try:
        quarantine = Quarantine(layout.directory)
        reason = "the sealed segment holds more; these bytes stood in the plain file beside it"
        quarantine.keep(forms.name.file, 0, plain.read_at(0, plain.size), reason)
    finally:
        plain.close()
