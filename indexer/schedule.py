"""What is to be done when: the only user of APScheduler. Each job is a plain function that can be called without it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from pydantic import BaseModel, ConfigDict, Field

from stonelog.filestore import StonelogError, Store, StoreLocked, load_section

__all__ = ["JobSettings", "make_scheduler", "retain_days", "roll_day", "seal_days"]

log = logging.getLogger("stonelog")


class JobSettings(BaseModel):
    """The section `[jobs]`: when a process with a scheduler, such as the server, looks after the store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seal: Annotated[str, Field(pattern=r"^(off|([01]\d|2[0-3]):[0-5]\d)$")] = "00:05"
    """The time of day (UTC) at which days that are over are sealed, or `off`."""
    retain_minutes: Annotated[int, Field(ge=0)] = 15
    """Every so many minutes retention looks for what is to go; 0: never."""


def roll_day(store: Store) -> None:
    """A day that is over is closed, though nothing is appended; an error is logged and the next append tries again."""
    _attempt("the day could not be closed", store.roll)


def seal_days(store: Store, stop: Callable[[], bool] | None = None) -> None:
    """What is not written to any more is sealed, until `stop` says true; what is left is tried again next time."""
    _attempt("not everything could be sealed", lambda: store.upkeep.seal(stop=stop))


def retain_days(store: Store) -> None:
    """What the settings of `[retention]` say is removed; an error is logged, and it is tried again next time."""
    _attempt("retention could not do its work", store.upkeep.retain)


def _attempt(failure: str, work: Callable[[], object]) -> None:
    """The work was tried. That another process is at it is no failure: it does the same."""
    try:
        work()
    except StoreLocked as error:
        log.info("%s: %s", failure, error)
    except (StonelogError, OSError) as error:
        log.warning("%s: %s", failure, error)


def make_scheduler(store: Store) -> BackgroundScheduler:
    """A scheduler, not yet started, with the store's jobs; each also runs once at the start, for times missed before.

    At midnight UTC the day is closed; sealing and retention run as `[jobs]` says. They run one after the other in a
    thread of the scheduler's own; its `shutdown` makes a sealing stop and waits for the job under way. Raises
    InvalidSetting.
    """
    settings = load_section(JobSettings, store.directory, "jobs")
    scheduler = BackgroundScheduler(timezone="UTC", executors={"default": ThreadPoolExecutor(1)})
    jobs: list[tuple[Callable[..., None], list[object], dict[str, Any]]] = [
        (roll_day, [store], {"trigger": "cron", "hour": 0, "minute": 0})
    ]
    if settings.seal != "off":
        hour, minute = map(int, settings.seal.split(":"))
        daily = {"trigger": "cron", "hour": hour, "minute": minute}
        jobs.append((seal_days, [store, lambda: not scheduler.running], daily))
    if settings.retain_minutes:
        jobs.append((retain_days, [store], {"trigger": "interval", "minutes": settings.retain_minutes}))
    now = datetime.now(UTC)
    for place, (job, args, times) in enumerate(jobs):
        first = now + timedelta(microseconds=place)  # apart, so that the first runs keep this order
        scheduler.add_job(
            job, args=args, id=job.__name__, coalesce=True, misfire_grace_time=None, next_run_time=first, **times
        )
    return scheduler
