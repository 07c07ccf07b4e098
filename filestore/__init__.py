"""Write, read and follow events in fsynced daily JSONL files.

Works alone: loads no database, watcher, scheduler or network library.
"""

from .codec import MAX_LINE, loads, stamp
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
from .event import ACTIONS, CATEGORIES, FIELDS, LEVELS, Action, Category, Event, Level, format_time, parse_time
from .quarantine import Quarantine, RejectFile
from .reader import Line, Reader, Segment
from .recovery import Recovery
from .settings import Durability, StoreSettings, load_section
from .store import Receipt, Store

__all__ = [
    "ACTIONS",
    "CATEGORIES",
    "FIELDS",
    "LEVELS",
    "MAX_LINE",
    "Action",
    "Category",
    "CorruptLine",
    "DiskFull",
    "Durability",
    "Event",
    "EventTooLarge",
    "InvalidEvent",
    "InvalidSetting",
    "Level",
    "Line",
    "Quarantine",
    "Reader",
    "Receipt",
    "Recovery",
    "RejectFile",
    "Segment",
    "StonelogError",
    "Store",
    "StoreLocked",
    "StoreReadOnly",
    "StoreSettings",
    "format_time",
    "load_section",
    "loads",
    "parse_time",
    "shorten",
    "stamp",
]
