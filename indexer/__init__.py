"""Search, count and summarise the events of a store, through an index that can be thrown away at any time."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from .errors import IndexUnavailable, QueryError, QueryStopped
from .index import Index, Page
from .patience import Patience
from .span import instant
from .status import IndexStatus
from .view import Order

if TYPE_CHECKING:
    from .aggregate import Bucket, FacetValue
    from .build import Builder
    from .detect import Detector, DetectorStatus, DetectSettings, Finding, LoadedRules, load_rules, look_back
    from .match import line_filter
    from .schedule import JobSettings, make_scheduler, retain_days, roll_day, seal_days
    from .stats import Stats
    from .worker import Worker, WorkerStatus

__all__ = [
    "Bucket",
    "Builder",
    "DetectSettings",
    "Detector",
    "DetectorStatus",
    "FacetValue",
    "Finding",
    "Index",
    "IndexStatus",
    "IndexUnavailable",
    "JobSettings",
    "LoadedRules",
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
    "load_rules",
    "look_back",
    "make_scheduler",
    "retain_days",
    "roll_day",
    "seal_days",
]

_LATER: Final = {
    "aggregate": ("Bucket", "FacetValue"),
    "build": ("Builder",),
    "detect": ("DetectSettings", "Detector", "DetectorStatus", "Finding", "LoadedRules", "load_rules", "look_back"),
    "match": ("line_filter",),
    "schedule": ("JobSettings", "make_scheduler", "retain_days", "roll_day", "seal_days"),
    "stats": ("Stats",),
    "worker": ("Worker", "WorkerStatus"),
}
_MODULE_OF: Final = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name: str) -> object:
    """What a search does without is loaded when it is asked for: the figures, the indexer, the scheduler."""
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(f".{module}", __name__), name)
    return found
