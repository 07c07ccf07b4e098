"""Search, count and summarise the events of a store, through an index that can be thrown away at any time."""

from .aggregate import Bucket, FacetValue, Stats
from .build import Builder
from .errors import IndexUnavailable, QueryError, QueryStopped
from .index import Index, IndexStatus, Page
from .match import line_filter
from .patience import Patience
from .span import instant
from .view import Order
from .worker import Worker, WorkerStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .schedule import JobSettings, make_scheduler, retain_days, roll_day, seal_days

__all__ = [
    "Bucket",
    "Builder",
    "FacetValue",
    "Index",
    "IndexStatus",
    "IndexUnavailable",
    "JobSettings",
    "Order",
    "Page",
    "Patience",
    "QueryError",
    "QueryStopped",
    "Stats",
    "Worker",
    "WorkerStatus",
    "instant",
    "line_filter",
    "make_scheduler",
    "retain_days",
    "roll_day",
    "seal_days",
]

_SCHEDULED = frozenset({"JobSettings", "make_scheduler", "retain_days", "roll_day", "seal_days"})


def __getattr__(name: str) -> object:
    """The scheduler is loaded when it is asked for: a program that only asks questions does without APScheduler."""
    if name in _SCHEDULED:
        from . import schedule

        return getattr(schedule, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
