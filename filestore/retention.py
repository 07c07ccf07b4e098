"""Retention: which sealed segments are to go, and their removal. Whole files only, oldest first.

Never removed: a segment that is not sealed, one on legal hold, one with a category that is to be kept longer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from . import files
from .holds import Hold
from .layout import Forms, Layout, SegmentName
from .manifest import Manifest
from .pruned import Pruned
from .stored import load_manifest

__all__ = ["Kept", "Removal", "RetentionSettings", "finish_removal", "plan_removals", "remove"]


log = logging.getLogger("stonelog")


def _days_by_category(value: object) -> object:
    """The environment's `authentication=365,security=730` as a table."""
    if not isinstance(value, str):
        return value
    pairs = [item.partition("=") for item in value.split(",") if item.strip()]
    return {name.strip(): days.strip() for name, _, days in pairs}


class RetentionSettings(BaseModel):
    """The section `[retention]`. Without any of it nothing is ever removed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_age_days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    """Sealed segments of a day (UTC) longer ago than this go; 0: none for its age."""
    max_bytes: Annotated[int, Field(ge=0)] = 0
    """The oldest sealed segments go while all of `events/` takes more bytes on disk; 0: no bound."""
    keep_free_bytes: Annotated[int, Field(ge=0)] = 0
    """The oldest sealed segments go while the file system has fewer bytes free; 0: whatever is free."""
    min_age_days: Annotated[
        dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]], BeforeValidator(_days_by_category)
    ] = {}
    """By category: a segment with an event of it stays for so many days, whatever the other settings say."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A sealed segment that goes, and why."""

    segment: str
    reason: Literal["age", "bytes", "free"]
    events: int
    first_seq: int
    last_seq: int
    stored_bytes: int
    files: list[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Kept:
    """A segment that would go, but must stay, and why."""

    segment: str
    reason: str


def plan_removals(
    layout: Layout,
    segments: Sequence[Forms],
    settings: RetentionSettings,
    holds: Iterable[Hold],
    today: date,
    used: int,
    free: int,
) -> tuple[list[Removal], list[Kept]]:
    """What is to go, oldest first, and what stays although age or space would have it gone.

    `segments` are all there are, `used` the bytes that `events/` takes on disk, `free` those free on its file system.
    """
    removals: list[Removal] = []
    kept: list[Kept] = []
    holds = list(holds)
    for before, forms in zip([None, *segments], segments[:-1], strict=False):  # the newest is written to
        age = (today - forms.name.day).days
        reason = _wish(settings, age, used, free)
        if reason is None:
            break
        stays, manifest = _duty(layout, forms, settings, holds, age)
        if before is not None and before.plain and not before.archives and not stays:
            # After a failed sync its end holds lines of this one, which would be read again if this one were gone.
            stays = "after one that is not sealed"
        if manifest is None or stays:
            kept.append(Kept(forms.name.stem, stays))
            continue
        size = sum(files.allocated(layout.events / name) for name in forms.files)
        used, free = used - size, free + size
        removals.append(
            Removal(
                forms.name.stem,
                reason,
                manifest.events,
                manifest.first_seq,
                manifest.last_seq,
                size,
                forms.files,
            )
        )
    return removals, kept


def _wish(settings: RetentionSettings, age: int, used: int, free: int) -> Literal["age", "bytes", "free"] | None:
    """Why the oldest segment should go, if it should. Segments come by age, so the first that need not go ends it."""
    if settings.max_age_days and age > settings.max_age_days:
        return "age"
    if settings.max_bytes and used > settings.max_bytes:
        return "bytes"
    if free < settings.keep_free_bytes:
        return "free"
    return None


def _duty(
    layout: Layout, forms: Forms, settings: RetentionSettings, holds: list[Hold], age: int
) -> tuple[str, Manifest | None]:
    """Why the segment must stay ("" if it need not), and its manifest."""
    if forms.plain or not forms.archives:
        return "not sealed", None
    manifest = load_manifest(layout, forms.name)
    if manifest is None:
        return "without a usable manifest", None
    held = [hold.id for hold in holds if hold.covers(*days_of(forms.name, manifest))]
    if held:
        return f"on hold {', '.join(held)}", None
    wanted = settings.min_age_days
    younger = [name for name in manifest.categories if name in wanted and age <= wanted[name]]
    return (f"has events of {', '.join(younger)} that are kept longer" if younger else ""), manifest


def days_of(name: SegmentName, manifest: Manifest) -> tuple[date, date]:
    """The first and the last day on which something in the segment was written, the day of its name among them.

    They differ where the clock was set back, or no new file could be made at midnight.
    """
    days = [date.fromisoformat(text[:10]) for text in (manifest.first_written, manifest.last_written) if text]
    return min([name.day, *days]), max([name.day, *days])


def remove(layout: Layout, pruned: Pruned, removals: list[Removal]) -> None:
    """The segments are gone, and the record says so; a cut in between is finished by `finish_removal`.

    To be called with the upkeep lock held. Raises OSError.
    """
    names = [name for removal in removals for name in removal.files]
    record = pruned.adding(((each.first_seq, each.last_seq) for each in removals), names)
    record.write(layout)
    finish_removal(layout, record)


def finish_removal(layout: Layout, pruned: Pruned) -> None:
    """What was being removed is gone. To be called with the upkeep lock held. Raises OSError."""
    if not pruned.removing:
        return
    left = []
    for name in _ours(pruned.removing):
        try:
            files.remove(layout.events / name)
        except FileNotFoundError:
            continue
        except OSError as error:  # one that somebody made immutable must not stop all upkeep
            log.warning("%s: cannot be removed: %s", layout.events / name, error.strerror)
            left.append(name)
    files.fsync_directory(layout.events)
    if left != pruned.removing:
        # Not left standing: whoever puts a removed day back from a copy wants it to stay.
        Pruned(pruned.ranges, left).write(layout)


def _ours(names: list[str]) -> Iterator[str]:
    """Only names of sealed segments: a forged record must not lead anywhere else."""
    for name in names:
        segment = SegmentName.parse_any(name) or SegmentName.parse(name, ".manifest.json")
        if segment is not None and name != segment.file:
            yield name
