"""The life of a day after it was written: sealing, retention and legal holds, one at a time in all processes.

Each is a plain function of what stands on disk; who calls it when (a scheduler, a person) is not decided here. What
was cut off in the middle is finished or undone by `finish`, at the next opening or the next upkeep.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from . import files
from .errors import DiskFull, InvalidSetting, StonelogError, StoreLocked, StoreReadOnly
from .finish import finish, upkeep_lock
from .frames import LEVELS_OF
from .holds import LONGEST_REASON, Hold, read_holds, write_holds
from .layout import Codec, Forms, Layout, Listing, SegmentName
from .lock import StoreLock
from .manifest import Manifest
from .pruned import read_pruned
from .retention import Kept, Removal, RetentionSettings, plan_removals, remove
from .seal import seal_segment
from .settings import StoreSettings, load_section
from .space import Space
from .stored import PlainFile, open_stored
from .values import format_time

__all__ = ["Retained", "SealSettings", "Upkeep", "UpkeepReader"]

_FOR_ALL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""What stops the sealing of one segment will stop the next."""

_LISTED: Final = 100
"""How many segments one event names at most."""

Item = TypeVar("Item")

log = logging.getLogger("stonelog")


class SealSettings(BaseModel):
    """The section `[seal]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    codec: Codec = "gzip"
    """`gzip`, which every tool reads; or `zstd` (seekable format), which takes less space."""
    level: Annotated[int, Field(ge=0)] = 0
    """How hard to compress: gzip 1 to 9, zstd 1 to 19; 0 is 8 for gzip, 13 for zstd."""


@dataclass(frozen=True, slots=True)
class Retained:
    """What retention removed, or with `dry_run` would remove, and what it would have liked to but must keep."""

    removed: list[Removal] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    dry_run: bool = False

    @property
    def stored_bytes(self) -> int:
        """How much space that is."""
        return sum(removal.stored_bytes for removal in self.removed)


class _Stopped(Exception):
    """Sealing was asked to stop; never seen outside."""


class _Course:
    """How far sealing has come: tells `progress`, and asks `stop` whether to go on."""

    def __init__(
        self, total: int, progress: Callable[[int, int], object] | None, stop: Callable[[], bool] | None
    ) -> None:
        self._done, self._total = 0, total
        self._progress = progress
        self._stop = stop

    def __call__(self, packed: int) -> None:
        if self._stop is not None and self._stop():
            raise _Stopped
        self._done += packed
        if self._progress is not None:
            self._progress(self._done, self._total)


class UpkeepReader:
    """What upkeep would do to the store in `directory`, and its legal holds: from the files alone, writing nothing."""

    def __init__(self, directory: str | Path) -> None:
        self._layout = Layout(Path(directory).absolute())

    def plan(self) -> Retained:
        """What `Upkeep.retain` would do now. Raises CorruptLine for a damaged record of holds, InvalidSetting."""
        settings = load_section(RetentionSettings, self._layout.directory, "retention")
        segments = self._segments()
        used = sum(files.allocated(self._layout.events / name) for forms in segments for name in forms.files)
        space, _ = files.space(self._layout.directory)
        today = datetime.now(UTC).date()
        holds, _ = read_holds(self._layout)
        return Retained(*plan_removals(self._layout, segments, settings, holds, today, used, space), dry_run=True)

    def holds(self) -> list[Hold]:
        """The legal holds in force. Raises CorruptLine if their record was damaged."""
        return read_holds(self._layout)[0]

    def _segments(self) -> list[Forms]:
        """Those that are there: a manifest alone is none."""
        listed = Listing(files.list_names(self._layout.events))
        return [forms for forms in listed if forms.plain or forms.archives]


class Upkeep(UpkeepReader):
    """The upkeep of one store.

    `tell` records an event of the store's own and returns when it is durable; `redacted` takes secrets out of what
    people write.
    """

    def __init__(
        self,
        layout: Layout,
        tell: Callable[..., None],
        settings: StoreSettings,
        redacted: Callable[[str], str] = str,
    ) -> None:
        super().__init__(layout.directory)
        self._tell = tell
        self._redacted = redacted
        self._lock_seconds = settings.lock_seconds
        self._reserve_bytes = settings.reserve_bytes

    def resume(self) -> None:
        """What an upkeep that was cut off left is finished or undone, unless somebody is at it now; never raises.

        It costs a listing of the directory when there is nothing to do.
        """
        try:
            with self._alone():
                pass
        except StoreLocked:
            log.debug("%s: another process is at the upkeep", self._layout.directory)
        except (StonelogError, OSError) as error:
            log.warning("an interrupted sealing or pruning could not be finished: %s", error)

    def seal(
        self,
        *,
        progress: Callable[[int, int], object] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> list[Manifest]:
        """Every segment but the newest is sealed; gives the manifests of those that were not before.

        `progress` is called with the plain bytes packed so far and those in all. Once `stop`, asked for each frame,
        says true, the segment at hand stays as it was, and what was sealed before it is given.
        Raises StoreLocked if another process is at the upkeep, DiskFull, StoreReadOnly, StonelogError; what was sealed
        until then stays so.
        """
        settings = load_section(SealSettings, self._layout.directory, "seal")
        low, usual, high = LEVELS_OF[settings.codec]
        level = settings.level or usual
        if level > high:
            raise InvalidSetting(f"[seal] level = {level}: {settings.codec} has the levels {low} to {high}")
        sealed: list[Manifest] = []
        with self._alone() as lock:
            try:
                unsealed = [forms.name for forms in self._segments()[:-1] if forms.plain and not forms.archives]
                total = sum(files.size_at(self._layout.segment(name)) for name in unsealed)
                course = _Course(total, progress, stop)
                trouble: Exception | None = None
                for name in self._to_seal(lock):
                    try:
                        sealed.append(seal_segment(self._layout, name, settings.codec, level, lock, course))
                    except (OSError, StonelogError) as error:
                        if isinstance(error, OSError) and error.errno in _FOR_ALL:
                            raise
                        log.warning("%s: cannot be sealed: %s", self._layout.segment(name), error)
                        trouble = trouble or error
                if trouble is not None:
                    raise trouble
            except _Stopped:
                log.info("sealing was stopped; it goes on another time")
            finally:
                self._tell_sealed(sealed)
        return sealed

    def retain(self) -> Retained:
        """What the settings of `[retention]` say is removed, and an event that names it stands in the store before.

        Raises StoreLocked if another process is at the upkeep, CorruptLine for a damaged record of holds or of what
        was pruned, DiskFull, StoreReadOnly.
        """
        with self._alone():
            plan = self.plan()
            if plan.removed:
                pruned = read_pruned(self._layout, strict=True)
                with Space(self._layout, self._reserve_bytes).lent():
                    self._tell_pruned(plan.removed)
                    remove(self._layout, pruned, plan.removed)
        return Retained(plan.removed, plan.kept)

    def hold(self, first: date, last: date, reason: str) -> Hold:
        """The days from `first` to `last` are on legal hold: retention removes none of their segments.

        Raises StoreLocked if another process is at the upkeep, CorruptLine, ValueError for days the wrong way round or
        a reason that is none.
        """
        if last < first:
            raise ValueError(f"the hold would end on {last}, before it begins on {first}; give the earlier day first")
        if not reason.strip() or len(reason) > LONGEST_REASON:  # so that the event that tells it is never too large
            raise ValueError(f"a hold needs a reason, in 1 to {LONGEST_REASON:,} characters")
        if not _is_text(reason):
            raise ValueError("the hold's reason is not UTF-8; convert the text first")
        reason = self._redacted(reason)[:LONGEST_REASON]
        with self._alone():
            holds, issued = read_holds(self._layout)
            hold = Hold(f"H{issued + 1}", first, last, reason, format_time(datetime.now(UTC)))
            write_holds(self._layout, [*holds, hold], issued + 1)
        self._tell("store_hold_placed", "Days are on legal hold", level="notice", **_described(hold))
        return hold

    def release(self, identity: str) -> Hold:
        """The hold is no longer in force. Raises KeyError if there is none of that id, and as `hold`."""
        with self._alone():
            holds, issued = read_holds(self._layout)
            found = next((hold for hold in holds if hold.id == identity), None)
            if found is None:
                raise KeyError(identity)
            # First the event: no hold ends without a trace.
            self._tell("store_hold_released", "A legal hold is released", level="notice", **_described(found))
            write_holds(self._layout, [hold for hold in holds if hold is not found], issued)
        return found

    def _to_seal(self, lock: StoreLock) -> Iterator[SegmentName]:
        """The plain segments that nobody writes to any more. Empty ones, which hold nothing, are removed."""
        segments = self._segments()
        for place, forms in enumerate(segments[:-1]):
            if not forms.plain or forms.archives:
                continue
            plain = PlainFile(self._layout, forms.name)
            try:
                last = plain.last_stamp()
            finally:
                plain.close()
            following = self._first_seq(segments[place + 1 :])
            if last is None:
                self._drop_empty(forms.name, lock)
            elif following is not None and following <= last.seq:
                log.info("%s is not sealed: its end was written again; opening the store cuts it off", forms.name.file)
            else:
                yield forms.name

    def _first_seq(self, segments: Sequence[Forms]) -> int | None:
        for forms in segments:
            stored = open_stored(self._layout, forms.name)
            try:
                found = stored.first_stamp()
            finally:
                stored.close()
            if found:
                return found.seq
        return None

    def _drop_empty(self, name: SegmentName, lock: StoreLock) -> None:
        with lock.held():
            if not files.size_at(self._layout.segment(name)):
                files.remove(self._layout.segment(name))

    def _tell_sealed(self, sealed: list[Manifest]) -> None:
        # A day with nothing but this event in it is not told: an idle store would write one each day for ever.
        if all(each.categories == {"system_management": 1} for each in sealed):
            return
        for some in _batched(sealed):
            names = [each.file for each in some]
            plain, packed = sum(each.bytes for each in some), sum(each.archive_bytes for each in some)
            self._tell(
                "store_sealed", "Segments were sealed", level="info", files=names, bytes=plain, stored_bytes=packed
            )

    def _tell_pruned(self, removals: list[Removal]) -> None:
        for some in _batched(removals):
            self._tell(
                "store_pruned",
                "Sealed segments are removed by retention",
                level="notice",
                segments=[
                    {
                        "segment": each.segment,
                        "reason": each.reason,
                        "events": each.events,
                        "first_seq": each.first_seq,
                        "last_seq": each.last_seq,
                        "stored_bytes": each.stored_bytes,
                    }
                    for each in some
                ],
            )

    @contextmanager
    def _alone(self) -> Iterator[StoreLock]:
        """Inside the block nobody else is at the upkeep, and nothing is half done; gives the writers' lock, free."""
        try:
            with upkeep_lock(self._layout), StoreLock.opened(self._layout.lock, self._lock_seconds) as lock:
                finish(self._layout, lock)
                yield lock
        except OSError as error:
            where = f"{error.filename or self._layout.directory}: {error.strerror}"
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(f"{where}; what was there is still there", hint="make space, then try again") from error
            raise StoreReadOnly(f"{where}; what was there is still there", hint="sealing and pruning write") from error


def _batched(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """The items in portions, so that no event that lists them is too large."""
    for start in range(0, len(items), _LISTED):
        yield items[start : start + _LISTED]


def _is_text(reason: str) -> bool:
    try:
        reason.encode()
    except UnicodeEncodeError:
        return False
    return True


def _described(hold: Hold) -> dict[str, str]:
    days = {"first": hold.first.isoformat(), "last": hold.last.isoformat()}
    return {"hold": hold.id, **days, "reason": hold.reason}
