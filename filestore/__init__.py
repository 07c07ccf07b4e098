"""Write, read and follow events in fsynced daily JSONL files.

Works alone: loads no database, watcher, scheduler or network library. What only those need who write, or keep the
files, is loaded when it is first asked for: pydantic takes longer to load than a search.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from .codec import MAX_LINE, dumps, good_lines, loads, stamp
from .errors import (
    CorruptLine,
    DiskFull,
    EventTooLarge,
    InvalidEvent,
    InvalidSetting,
    StonelogError,
    StoreLocked,
    StoreReadOnly,
    shorten,
)
from .fetch import Fetcher, Line
from .layout import Codec
from .lock import StoreLock
from .manifest import Manifest
from .names import ACTIONS, CATEGORIES, FIELDS, LEVELS, Action, Category, Level
from .reader import Reader, Segment
from .reading import Run
from .state import StoreState
from .values import format_time, parse_time

if TYPE_CHECKING:
    from .event import Event
    from .fault import Fault
    from .geo import Geo, PlaceSettings
    from .holds import Hold
    from .quarantine import Quarantine, RejectFile
    from .recovery import Recovery
    from .redaction import RedactionSettings, Redactor
    from .repair import holds_told, rebuild_manifest, rebuild_pruned
    from .retention import Kept, Removal, RetentionSettings
    from .risk import RiskMeter, RiskSettings
    from .settings import Durability, StoreSettings, TextList, TextTable, load_section, setting_sources
    from .store import Receipt, Store
    from .upkeep import Retained, SealSettings, Upkeep, UpkeepReader
    from .verification import Verification, verify

__all__ = [
    "ACTIONS",
    "CATEGORIES",
    "FIELDS",
    "LEVELS",
    "MAX_LINE",
    "Action",
    "Category",
    "Codec",
    "CorruptLine",
    "DiskFull",
    "Durability",
    "Event",
    "EventTooLarge",
    "Fault",
    "Fetcher",
    "Geo",
    "Hold",
    "InvalidEvent",
    "InvalidSetting",
    "Kept",
    "Level",
    "Line",
    "Manifest",
    "PlaceSettings",
    "Quarantine",
    "Reader",
    "Receipt",
    "Recovery",
    "RedactionSettings",
    "Redactor",
    "RejectFile",
    "Removal",
    "Retained",
    "RetentionSettings",
    "RiskMeter",
    "RiskSettings",
    "Run",
    "SealSettings",
    "Segment",
    "StonelogError",
    "Store",
    "StoreLock",
    "StoreLocked",
    "StoreReadOnly",
    "StoreSettings",
    "StoreState",
    "TextList",
    "TextTable",
    "Upkeep",
    "UpkeepReader",
    "Verification",
    "dumps",
    "format_time",
    "good_lines",
    "holds_told",
    "load_section",
    "loads",
    "parse_time",
    "rebuild_manifest",
    "rebuild_pruned",
    "setting_sources",
    "shorten",
    "stamp",
    "verify",
]

_LATER: Final = {
    "event": ("Event",),
    "fault": ("Fault",),
    "geo": ("Geo", "PlaceSettings"),
    "holds": ("Hold",),
    "quarantine": ("Quarantine", "RejectFile"),
    "redaction": ("RedactionSettings", "Redactor"),
    "recovery": ("Recovery",),
    "repair": ("holds_told", "rebuild_manifest", "rebuild_pruned"),
    "retention": ("Kept", "Removal", "RetentionSettings"),
    "risk": ("RiskMeter", "RiskSettings"),
    "settings": ("Durability", "StoreSettings", "TextList", "TextTable", "load_section", "setting_sources"),
    "store": ("Receipt", "Store"),
    "upkeep": ("Retained", "SealSettings", "Upkeep", "UpkeepReader"),
    "verification": ("Verification", "verify"),
}
_MODULE_OF: Final = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(f".{module}", __name__), name)
    return found
