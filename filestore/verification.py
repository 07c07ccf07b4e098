"""Every byte of a store read and checked: lines, their order, archives, manifests, records, names.

Reads only, and takes no lock: a store may be written, rolled, sealed and pruned meanwhile. Before a fault is told the
files it was found in are looked at again; if they have changed, they are read again.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from . import files
from .compare import read_archive, read_beside, strict_manifest
from .errors import CorruptLine
from .fault import Fault, Kind, span_text
from .holds import read_holds
from .layout import SUFFIXES, Codec, Layout, Listing, SegmentName
from .order import Order
from .pruned import known_pruned, read_pruned
from .stored import PlainFile

__all__ = ["Verification", "verify"]

_LOOKS: Final = 5
"""So often a segment is read that changes each time; then what was found twice, or last, is told."""
_MANY: Final = 1000
"""So many faults of one segment are no trace of somebody writing: they are told as they come."""

_DAY: Final = r"\d{4}-\d\d-\d\d(\.\d{3})?"
_LEFTOVER: Final = re.compile(
    rf"\.({_DAY}\.(jsonl|jsonl\.gz|jsonl\.zst|manifest\.json)|holds\.json|pruned\.json)\.\d+\.tmp", re.ASCII
)
_LIKE_OURS: Final = re.compile(r".*\.jsonl(\.gz|\.zst)?|.*\.manifest\.json")
_KINDS: Final = {stat.S_IFLNK: "a symbolic link", stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe"}

State = tuple[tuple[int, ...] | None, ...]


def verify(directory: str | Path, progress: Callable[[int, int], object] | None = None) -> Verification:
    """The faults of the store in `directory`, to be iterated over once; what was read is counted on the way.

    `progress` is called with the bytes done and in all. Memory is bounded by a block, a frame, a manifest and the
    faults of one segment.
    """
    return Verification(Path(directory), progress)


def _status(place: Path) -> os.stat_result | None:
    """What stands there, None if nothing does or the system does not tell."""
    try:
        return files.status(place)
    except OSError:
        return None


class Verification:
    """One reading of a whole store. The counts are right when the iteration has come to its end."""

    def __init__(self, directory: Path, progress: Callable[[int, int], object] | None = None) -> None:
        self._layout = Layout(directory.absolute())
        self._progress = progress
        self._order = Order(lambda: known_pruned(self._layout))
        self._last: SegmentName | None = None
        self._done = self._total = 0
        self.segments = 0
        """How many segments there are."""
        self.bytes = 0
        """How many bytes of them were read, packed ones as they are packed."""

    @property
    def events(self) -> int:
        """How many good lines stand in their place."""
        return self._order.events

    @property
    def first_seq(self) -> int:
        """The `seq` of the first of them, 0 if there is none."""
        return self._order.first

    @property
    def last_seq(self) -> int:
        """The `seq` of the last of them."""
        return self._order.last

    def __iter__(self) -> Iterator[Fault]:
        yield from self._records()
        for directory in (self._layout.directory, self._layout.events):
            yield from self._leftovers(directory)
        try:
            names = self._names()
        except OSError as error:
            reason = f"the directory cannot be read: {error.strerror}"
            yield Fault("unreadable", self._layout.events.name, None, 0, 0, reason, "make it readable for this user")
            return
        yield from self._strangers()
        self._total = sum(self._sizes(name) for name in names)
        while names:
            *closed, newest = names
            for name in closed:
                yield from self._segment(name)
                self._last = name
            mark, reading = self._mark(), self._segment(newest)
            told = list(islice(reading, _MANY))
            names = [name for name in self._names() if name >= newest]
            if names[-1:] > [newest] and len(told) < _MANY:
                self._go_back(mark)  # closed meanwhile, and more may have been written to it before
                continue
            yield from told
            yield from reading
            self._last = newest
            names = [name for name in names if name > newest]
        yield from self._order.close()

    def _names(self) -> list[SegmentName]:
        return [forms.name for forms in Listing(files.list_names(self._layout.events))]

    def _sizes(self, name: SegmentName) -> int:
        return sum(size for _, size, *_ in filter(None, self._state(name)[:3]))

    def _segment(self, name: SegmentName) -> Iterator[Fault]:
        """The segment was read; again, if it was changed in a way that may have made what seems a fault."""
        mark = self._mark()
        earlier: list[Fault] | None = None
        for look in range(_LOOKS):
            before, reading = self._state(name), self._read(name)
            told = list(islice(reading, _MANY))
            firm = len(told) == _MANY or all(fault.note for fault in told) or told == earlier
            if firm or look == _LOOKS - 1 or (self._state(name) == before and not self._unread(name)):
                break
            earlier = told
            self._go_back(mark)
            yield from self._left_out(name)
            mark = self._mark()
        yield from told
        yield from reading

    def _unread(self, name: SegmentName) -> list[SegmentName]:
        """Segments before this one that were not read: a listing is no snapshot, and leaves out what is renamed."""
        return [each for each in self._names() if each < name and (self._last is None or each > self._last)]

    def _left_out(self, name: SegmentName) -> Iterator[Fault]:
        for each in self._unread(name):
            yield from self._segment(each)
            self._last = each

    def _mark(self) -> tuple[int, int, int, Order]:
        """Where the reading is, to go back to."""
        return self.segments, self.bytes, self._done, self._order.copy()

    def _go_back(self, mark: tuple[int, int, int, Order]) -> None:
        self.segments, self.bytes, self._done, order = mark
        self._order = order.copy()

    def _state(self, name: SegmentName) -> State:
        """Something that changes when any file of the segment is written, replaced or removed."""
        places = [self._layout.segment(name), *(self._layout.archive(name, codec) for codec in SUFFIXES)]
        found = [_status(place) for place in (*places, self._layout.manifest(name))]
        return tuple(each and (each.st_ino, each.st_size, each.st_mtime_ns, each.st_ctime_ns) for each in found)

    def _read(self, name: SegmentName) -> Iterator[Fault]:
        archives = [codec for codec in SUFFIXES if _status(self._layout.archive(name, codec))]
        try:
            plain = PlainFile(self._layout, name)
        except FileNotFoundError:
            yield from self._read_sealed(name, archives)
            return
        except OSError as error:
            yield from self._unreadable(self._layout.segment(name), error)
            return
        self.segments += 1
        try:
            yield from self._read_plain(plain, name, archives)
        except OSError as error:
            yield from self._unreadable(self._layout.segment(name), error)
        finally:
            plain.close()

    def _read_plain(self, plain: PlainFile, name: SegmentName, archives: list[Codec]) -> Iterator[Fault]:
        self._order.begin(name.file, sealed=False)
        at = 0
        while at < plain.size and (data := plain.block(at)):
            yield from self._order.feed(data, at)
            at += len(data)
            self._advance(len(data))
        self._order.end()
        for codec in archives:
            yield from read_beside(self._layout, plain, name, codec)
        told: list[Fault] = []
        manifest = strict_manifest(self._layout, name, told)
        if (manifest is not None or told) and not archives:
            reason = "the segment is not sealed: a sealing was cut off, or undone"
            advice = "opening the store to write removes it"
            told = [Fault("upkeep", name.manifest, 1, 0, 0, reason, advice, note=True)]
        yield from told

    def _read_sealed(self, name: SegmentName, archives: list[Codec]) -> Iterator[Fault]:
        for place, codec in enumerate(archives):
            path = self._layout.archive(name, codec)
            if place:
                reason = f"{name.archive(archives[0])} is there too; this one is not read"
                yield Fault("archive", path.name, None, 0, 0, reason, "compare the two, and move one away")
                continue
            self.segments += 1
            try:
                yield from read_archive(self._layout, name, codec, self._order, self._advance)
            except FileNotFoundError:
                self.segments -= 1  # removed by retention meanwhile
            except OSError as error:
                yield from self._unreadable(path, error)
        if not archives:
            yield from self._manifest_alone(name)

    def _manifest_alone(self, name: SegmentName) -> Iterator[Fault]:
        """A manifest whose segment is gone: by retention, which removes it last, or by another hand."""
        told: list[Fault] = []
        manifest = strict_manifest(self._layout, name, told)
        pruned = known_pruned(self._layout)
        if manifest is not None and pruned.after(manifest.first_seq - 1) >= manifest.last_seq:
            reason = "its segment was removed by retention, which is at it, or was cut off"
            if name.manifest not in pruned.removing:
                reason = "its segment was removed by retention; nothing needs it"
            yield Fault("upkeep", name.manifest, 1, 0, 0, reason, note=True)
        elif manifest is not None:
            seqs = manifest.first_seq, manifest.last_seq
            reason = f"its archive {manifest.file} is gone, with {span_text(*seqs)}"
            yield Fault("archive", name.manifest, 1, 0, 0, reason, "restore the archive from a copy", seqs)
        elif name.manifest not in pruned.removing:
            yield from told

    def _advance(self, count: int) -> None:
        self.bytes += count
        self._done += count
        if self._progress is not None:
            self._progress(self._done, max(self._total, self._done))

    def _unreadable(self, place: Path, error: OSError) -> Iterator[Fault]:
        status = _status(place)
        if status is None or stat.S_ISREG(status.st_mode):  # else it was told as a name
            reason = f"the file cannot be read: {error.strerror}"
            yield Fault(
                "unreadable", place.name, None, 0, 0, reason, "make it readable for this user; look at the disk"
            )

    def _records(self) -> Iterator[Fault]:
        """The records of what was removed and of what may not be."""
        try:
            pruned = read_pruned(self._layout, strict=True)
        except (CorruptLine, OSError) as error:
            advice = "`stonelog doctor --fix` makes it anew from the events that tell of removals"
            yield self._record("pruned", self._layout.pruned, error, advice)
        else:
            if pruned.removing:
                reason = f"a removal is under way or was cut off: {', '.join(pruned.removing[:3])}"
                advice = "opening the store to write finishes it"
                yield Fault("upkeep", self._layout.pruned.name, 1, 0, 0, reason, advice, note=True)
        try:
            read_holds(self._layout)
        except (CorruptLine, OSError) as error:
            advice = "nothing is removed while it is so; `stonelog doctor` says which holds the events tell of"
            yield self._record("holds", self._layout.holds, error, advice)

    def _record(self, kind: Kind, place: Path, error: CorruptLine | OSError, advice: str) -> Fault:
        if isinstance(error, CorruptLine):
            return Fault(kind, place.name, 1, 0, error.length, error.reason, advice)
        return Fault(kind, place.name, None, 0, 0, f"it cannot be read: {error.strerror}", advice)

    def _leftovers(self, directory: Path) -> Iterator[Fault]:
        try:
            found = files.list_names(directory)
        except OSError:
            return  # told where the segments are listed
        for name in sorted(filter(_LEFTOVER.fullmatch, found)):
            reason = "a file that is being written, or the leftover of a cut"
            advice = "opening the store to write, or the next sealing or pruning, removes it"
            yield Fault("upkeep", name, None, 0, 0, reason, advice, note=True)

    def _strangers(self) -> Iterator[Fault]:
        """Names that would be a segment's, but for what stands there, or nearly."""
        for name in sorted(filter(_LIKE_OURS.fullmatch, files.list_names(self._layout.events))):
            if not Listing([name]):
                if not name.startswith("."):
                    reason = "not the name of a segment; it is not read"
                    yield Fault("name", name, None, 0, 0, reason, "if it was renamed, give it its name back", note=True)
                continue
            status = _status(self._layout.events / name)
            if status is not None and not stat.S_ISREG(status.st_mode):
                kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no file")
                reason = f"{kind} stands where a file of the store should be; it is never followed"
                yield Fault("name", name, None, 0, 0, reason, "move it away, and restore the file from a copy")
