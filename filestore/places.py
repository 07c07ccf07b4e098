"""In which segment the lines of a `seq` stand, by the order of names; and where that is not the order of seqs.

Names are in the order of their first `seq` unless another hand renamed or copied a file. That is noticed where two
neighbours contradict each other, or where lines are missing; then all segments are asked where they begin and end.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Final

from .layout import Layout, SegmentName
from .stored import PlainFile, SealedFile, open_stored

__all__ = ["ITS_FAULT", "Places", "last_of"]

ITS_FAULT: Final = frozenset(
    {errno.ENOENT, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EISDIR, errno.EINVAL, errno.ENXIO}
)
"""What opening a file says that is not there, may not be read, or is none of ours; the others can be read."""


def last_of(stored: PlainFile | SealedFile) -> int | None:
    """The `seq` of the last good line, None if there is none."""
    if isinstance(stored, SealedFile) and stored.manifest is not None:
        return stored.manifest.last_seq or None
    found = stored.last_stamp()
    return found.seq if found else None


class Places:
    """Where the segments begin, each of which is looked at once. All methods raise OSError."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._first: dict[SegmentName, int] = {}
        self._last: dict[SegmentName, int] = {}

    def first_seq(self, name: SegmentName) -> int | None:
        """The `seq` of its first good line; None if it has none or cannot be read."""
        if name not in self._first:
            try:
                stored = open_stored(self._layout, name)
            except OSError as error:
                if error.errno not in ITS_FAULT:
                    raise
                return None
            try:
                manifest = stored.manifest if isinstance(stored, SealedFile) else None
                found = stored.first_stamp() if manifest is None else None
            finally:
                stored.close()
            first = found.seq if found else manifest.first_seq if manifest else 0
            if not first:
                return None
            self._first[name] = first
        return self._first[name]

    def place(self, names: Sequence[SegmentName], after: int) -> int:
        """The place of the last segment that begins with the `seq` after `after` or before; 0 if none does."""
        found, low, high = 0, 0, len(names) - 1
        while low <= high:
            probe = middle = (low + high) // 2
            while probe <= high and self.first_seq(names[probe]) is None:
                probe += 1
            if probe <= high and (self.first_seq(names[probe]) or 0) <= after + 1:
                found, low = probe, probe + 1
            else:
                high = middle - 1
        while found and (self.first_seq(names[found - 1]) or 0) > (self.first_seq(names[found]) or 0):
            found -= 1  # it was renamed to where it is: what is looked for may stand before it
        return found

    def following(self, names: Sequence[SegmentName], place: int) -> int | None:
        """With which `seq` the next segment begins that goes on after this one; None if no line follows."""
        own = self.first_seq(names[place]) or 0
        firsts = (self.first_seq(each) for each in names[place + 1 :])
        return next((first for first in firsts if first and first >= own), None)

    def goes_on(self, names: Sequence[SegmentName], begin: SegmentName, after: int) -> bool:
        """Whether all lines above `after` stand in `begin` or later, as far as the segment before it tells."""
        before = [name for name in names if name < begin][-1:]
        return not before or (self.first_seq(before[0]) or 0) <= after + 1

    def holders(self, names: Sequence[SegmentName], first: int, last: int) -> list[SegmentName]:
        """The closed segments that may have lines from `first` to `last`, in the order of their own first `seq`."""
        found = [(begins, name) for name in names if (begins := self.first_seq(name)) and begins <= last]
        return [name for _, name in sorted(found) if self._last_seq(name) >= first]

    def _last_seq(self, name: SegmentName) -> int:
        if name not in self._last:
            try:
                stored = open_stored(self._layout, name)
            except OSError as error:
                if error.errno not in ITS_FAULT:
                    raise
                return 0
            try:
                self._last[name] = last_of(stored) or 0
            finally:
                stored.close()
        return self._last[name]
