"""Write, read and follow events in fsynced daily JSONL files.

Works alone: loads no database, watcher, scheduler or network library.
"""

from .codec import MAX_LINE, dumps, loads, stamp
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
from .lock import StoreLock
from .quarantine import Quarantine, RejectFile
from .reader import Fetcher, Line, Reader, Segment
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
    "Fetcher",
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
    "StoreLock",
    "StoreLocked",
    "StoreReadOnly",
    "StoreSettings",
    "dumps",
    "format_time",
    "load_section",
    "loads",
    "parse_time",
    "shorten",
    "stamp",
]
