"""What is to be done when: the only user of APScheduler. Each job is a plain function that can be called without it."""

from __future__ import annotations

import logging

from apscheduler.schedulers.background import BackgroundScheduler

from stonelog.filestore import StonelogError, Store

__all__ = ["make_scheduler", "roll_day"]

log = logging.getLogger("stonelog")


def roll_day(store: Store) -> None:
    """A day that is over is closed, though nothing is appended; an error is logged and the next append tries again."""
    try:
        store.roll()
    except StonelogError as error:
        log.warning("the day could not be closed: %s", error)


def make_scheduler(store: Store) -> BackgroundScheduler:
    """A scheduler, not yet started, with the store's jobs: at midnight UTC the day is closed."""
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_job(
        roll_day, "cron", args=[store], hour=0, minute=0, id="roll_day", coalesce=True, misfire_grace_time=None
    )
    return scheduler
