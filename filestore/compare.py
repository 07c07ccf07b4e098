"""A sealed segment read by its frames alone, and compared with what its manifest says of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Final

from . import files
from .errors import CorruptLine
from .fault import Fault, span_text
from .frames import seek_table, walk
from .layout import Codec, Layout, SegmentName
from .manifest import Manifest, read_manifest
from .order import Order
from .pruned import known_pruned
from .scan import Item
from .seal import Contents, file_digest
from .stored import PlainFile

__all__ = ["read_archive", "read_beside", "strict_manifest"]

_OF_THE_FILE: Final = ("archive_bytes", "archive_sha256", "bytes", "sha256")
_NOT_COMPARED: Final = frozenset({"file", "codec", "sealed_at"})
_REBUILD: Final = "`stonelog doctor --fix` makes it anew from the archive, if that is whole"
_RESTORE: Final = "restore the archive from a copy; what can be unpacked is served meanwhile"


def strict_manifest(layout: Layout, name: SegmentName, told: list[Fault]) -> Manifest | None:
    """The manifest; None if there is none that can be used, the reason then is in `told` (not if it is not there)."""
    place = layout.manifest(name)
    try:
        return read_manifest(place)
    except CorruptLine as error:
        told.append(Fault("manifest", place.name, 1, 0, error.length, error.reason, _REBUILD))
    except OSError as error:
        told.append(Fault("manifest", place.name, 1, 0, 0, f"it cannot be read: {error.strerror}", _REBUILD))
    return None


def read_archive(
    layout: Layout, name: SegmentName, codec: Codec, order: Order, advance: Callable[[int], None]
) -> Iterator[Fault]:
    """All of the archive was read, its lines put into `order`, and both compared with the manifest.

    `advance` is told of the bytes that were read. Raises FileNotFoundError if there is no archive, OSError.
    """
    place = layout.archive(name, codec)
    fd = files.open_read(place)
    try:
        told: list[Fault] = []
        manifest = strict_manifest(layout, name, told)
        if manifest is None and not told and place.name not in known_pruned(layout).removing:
            reason = f"{place.name} has no manifest"
            told.append(Fault("manifest", layout.manifest(name).name, 1, 0, 0, reason, _REBUILD))
        if manifest is not None and (manifest.file, manifest.codec) != (place.name, codec):
            reason = f"it is the manifest of {manifest.file}, not of {place.name}"
            told.append(Fault("manifest", layout.manifest(name).name, 1, 0, 0, reason, _REBUILD))
            manifest = None
        yield from told
        order.begin(place.name, sealed=True)
        contents, lengths = Contents(), list[tuple[int, int]]()
        whole = yield from _frames(fd, codec, manifest, order, contents, lengths, advance)
        order.end()
        if whole and codec == "zstd":
            whole = yield from _seek_table(fd, place.name, contents.size, lengths)
        if manifest is not None:
            digest = file_digest(fd) if whole else ""  # else it is another, and there may be pages that cannot be read
            found = contents.manifest(place.name, codec, files.size(fd), digest)
            yield from _compared(layout.manifest(name).name, found, manifest, whole=whole)
    finally:
        files.close(fd)


def _frames(
    fd: int,
    codec: Codec,
    manifest: Manifest | None,
    order: Order,
    contents: Contents,
    lengths: list[tuple[int, int]],
    advance: Callable[[int], None],
) -> Generator[Fault, None, bool]:
    """The archive's frames were put into `order` and `contents`; gives whether all could be unpacked."""
    starts = {frame.offset: frame.start for frame in manifest.frames} if manifest is not None else {}
    at, whole = 0, True
    for span in walk(codec, partial(files.read_at, fd), files.size(fd)):
        if span.plain is None:
            end = starts.get(span.offset + span.length, manifest.bytes if manifest is not None else at)
            order.lost(at, max(0, end - at), span.trouble)
            at, whole = max(at, end), False
        else:
            lines: list[Item] = []
            yield from order.feed(span.plain, at, lines)
            contents.add(span.plain, span.offset, lines)
            lengths.append((span.length, len(span.plain)))
            at += len(span.plain)
        advance(span.length)
    return whole


def _seek_table(fd: int, file: str, size: int, lengths: list[tuple[int, int]]) -> Generator[Fault, None, bool]:
    """A fault at the first byte in which what follows the frames is not their seek table; gives whether it was read."""
    start, expected = sum(packed for packed, _ in lengths), seek_table(lengths)
    advice = "no event is in it, but other tools may need it; restore the archive from a copy"
    try:
        found = files.read_at(fd, start, len(expected) + 1)
    except OSError as error:
        reason = f"the seek table at its end, at byte {start:,} of the archive, cannot be read: {error.strerror}"
        yield Fault("archive", file, None, size, 0, reason, advice)
        return False
    if found != expected:
        pairs = enumerate(zip(found, expected, strict=False))
        differs = next((at for at, (one, other) in pairs if one != other), min(len(found), len(expected)))
        reason = f"the seek table at its end is not that of its frames, from byte {start + differs:,} of the archive on"
        yield Fault("archive", file, None, size, 0, reason, advice)
    return True


def _compared(manifest_name: str, found: Manifest, manifest: Manifest, *, whole: bool) -> Iterator[Fault]:
    """What the archive holds against what the manifest says: which of the two is wrong, the hashes tell."""
    keys = [key for key in Manifest.__dataclass_fields__ if key not in _NOT_COMPARED]
    differing = [key for key in keys if getattr(found, key) != getattr(manifest, key)]
    if not differing:
        return
    if not any(key in differing for key in _OF_THE_FILE):
        says = ", ".join(
            f"{key} {_shown(manifest, key)} where the archive has {_shown(found, key)}" for key in differing
        )
        yield Fault("manifest", manifest_name, 1, 0, 0, f"it says {says}", _REBUILD)
        return
    lost = found.last_seq + 1, manifest.last_seq
    seqs = lost if whole and found.last_seq < manifest.last_seq else None
    gone = f"; {span_text(*seqs)} {'is' if seqs[0] == seqs[1] else 'are'} missing at its end" if seqs else ""
    if "archive_bytes" in differing:
        reason = f"the archive has {found.archive_bytes:,} bytes where {manifest.archive_bytes:,} were sealed{gone}"
        yield Fault("archive", found.file, None, found.bytes, 0, reason, _RESTORE, seqs)
    elif whole and "sha256" not in differing:
        reason = "the archive was changed where it holds no event: it unpacks to what was sealed"
        yield Fault("archive", found.file, None, 0, 0, reason, "restore it from a copy when you can; nothing is lost")
    elif whole:
        reason = f"the archive does not hold the bytes that were sealed: their SHA-256 is another{gone}"
        yield Fault("archive", found.file, None, 0, found.bytes, reason, _RESTORE, seqs)


def _shown(manifest: Manifest, key: str) -> str:
    value = getattr(manifest, key)
    return "others" if isinstance(value, list | dict) else str(value)


def read_beside(layout: Layout, plain: PlainFile, name: SegmentName, codec: Codec) -> Iterator[Fault]:
    """What an archive beside the plain file is: a sealing to be finished, or one that holds something else."""
    place = layout.archive(name, codec)
    try:
        fd = files.open_read(place)
    except FileNotFoundError:
        return
    try:
        at, damaged = 0, 0
        for span in walk(codec, partial(files.read_at, fd), files.size(fd)):
            if span.plain is None:
                damaged += span.length
            elif plain.read_at(at, len(span.plain)) != span.plain:
                break
            else:
                at += len(span.plain)
        if at == plain.size and not damaged:
            reason = "the plain file is there too: a sealing under way, or cut off before its end"
            advice = "the plain file counts; opening the store to write finishes it"
            yield Fault("upkeep", place.name, None, 0, 0, reason, advice, note=True)
        else:
            broken = f"{damaged:,} bytes of it cannot be unpacked" if damaged else f"it differs from byte {at:,} on"
            advice = "the plain file counts; opening the store to write keeps the one that holds more, or both"
            reason = f"it does not hold what the plain file beside it holds: {broken}"
            yield Fault("archive", place.name, None, at, 0, reason, advice)
    finally:
        files.close(fd)
