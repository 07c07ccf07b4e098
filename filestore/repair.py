"""What `doctor --fix` makes anew: a manifest from its archive, the record of removals from the events that tell of it.

Nothing is made by guess, and no event is touched: what cannot be proved from the files is left for a person.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from . import files
from .codec import loads
from .errors import CorruptLine, StonelogError
from .finish import upkeep_lock
from .holds import Hold
from .layout import Layout, Listing, SegmentName
from .manifest import Manifest, write_manifest
from .pruned import Pruned, read_pruned
from .reader import Reader
from .seal import describe_archive
from .stored import SealedFile, open_stored

__all__ = ["holds_told", "rebuild_manifest", "rebuild_pruned"]


def rebuild_manifest(directory: str | Path, file: str) -> Manifest:
    """The manifest named `file` stands anew on stable storage, made from its archive, which was read whole.

    Raises StonelogError if the archive is not whole, or does not go on where the segment before it ends and end where
    the next begins: then a manifest made from it would hide what is missing. StoreLocked, OSError.
    """
    layout = Layout(Path(directory).absolute())
    name = SegmentName.parse(file, ".manifest.json")
    with upkeep_lock(layout):
        listing = Listing(files.list_names(layout.events))
        place = next((place for place, forms in enumerate(listing) if forms.name == name), None)
        if name is None or place is None or listing[place].plain or len(listing[place].archives) != 1:
            raise StonelogError(f"{file}: there is not one archive alone that it could be made from")
        manifest = describe_archive(layout, name, listing[place].archives[0])
        reason = _unproved(layout, listing, place, manifest)
        if reason:
            raise StonelogError(f"{manifest.file}: {reason}", hint="restore it, or its manifest, from a copy")
        write_manifest(layout.manifest(name), manifest)
    return manifest


def _unproved(layout: Layout, listing: Listing, place: int, manifest: Manifest) -> str:
    """Why the archive may not hold all that was sealed, '' if the lines around show that it does."""
    if manifest.events != manifest.last_seq - manifest.first_seq + 1 or not manifest.events:
        return (
            f"it has {manifest.events:,} events from seq {manifest.first_seq} to {manifest.last_seq}: not all are there"
        )
    pruned = read_pruned(layout, strict=True)
    before = next((last for each in listing[:place][::-1] if (last := _seq(layout, each.name, last=True))), 0)
    after = next((first for each in listing[place + 1 :] if (first := _seq(layout, each.name))), 0)
    if not after:
        return "no segment after it shows where it ended"
    around = (before + 1, manifest.first_seq - 1), (manifest.last_seq + 1, after - 1)
    gaps = [gap for gap in around if gap[0] > gap[1] + 1 or (gap[0] <= gap[1] and pruned.without(*gap))]
    return f"it does not fit between seq {before} and seq {after} around it" if gaps else ""


def _seq(layout: Layout, name: SegmentName, *, last: bool = False) -> int:
    """The `seq` of the segment's first or last line, by its manifest if it has one; 0 if that cannot be told."""
    try:
        stored = open_stored(layout, name)
    except OSError:
        return 0
    try:
        if isinstance(stored, SealedFile) and stored.manifest is not None:
            return stored.manifest.last_seq if last else stored.manifest.first_seq
        found = stored.last_stamp() if last else stored.first_stamp()
    finally:
        stored.close()
    return found.seq if found else 0


def rebuild_pruned(directory: str | Path) -> list[tuple[int, int]]:
    """The record of removals stands anew on stable storage; gives the ranges of `seq` in it.

    It says what the store's events of removals say, for segments that are gone, and nothing else: what was removed
    without such an event, or with one that was removed itself, counts as missing from then on. Raises StoreLocked,
    OSError.
    """
    layout = Layout(Path(directory).absolute())
    with upkeep_lock(layout):
        there = {name.stem for name in Listing(files.list_names(layout.events)).readable()}
        ranges: list[tuple[int, int]] = []
        for _, metadata in _acts(layout, b"store_pruned"):
            with contextlib.suppress(KeyError, TypeError, ValueError):  # an event of somebody else's, named alike
                gone = [each for each in metadata["segments"] if each["segment"] not in there]
                ranges += [(int(each["first_seq"]), int(each["last_seq"])) for each in gone]
        record = Pruned().adding(ranges, [])
        record.write(layout)
    return record.ranges


def holds_told(directory: str | Path) -> list[Hold]:
    """The legal holds that the store's events tell of, without those whose release they tell of. Reads only.

    No proof of what is in force: an event may have been removed with its segment, and a hold is placed before its
    event is written.
    """
    found: dict[str, Hold] = {}
    for action, metadata in _acts(Layout(Path(directory).absolute()), b"store_hold_"):
        with contextlib.suppress(KeyError, TypeError, ValueError):
            identity = str(metadata["hold"])
            first, last = date.fromisoformat(metadata["first"]), date.fromisoformat(metadata["last"])
            if action == "store_hold_placed":
                found[identity] = Hold(identity, first, last, str(metadata["reason"]), "")
            else:
                found.pop(identity, None)
    return list(found.values())


def _acts(layout: Layout, prefix: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Action and metadata of the store's own events whose action begins so."""
    mark = b'"category":"system_management","action":"' + prefix
    for line in Reader(layout.directory).lines(on_corrupt=_pass_over):
        if mark in line.raw:
            fields = loads(line.raw)
            if fields["category"] == "system_management" and fields["action"].startswith(prefix.decode()):
                yield fields["action"], fields.get("metadata", {})


def _pass_over(error: CorruptLine) -> None:
    """`verify` tells of it."""
