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
from .event import FIELDS, Event
from .fault import Fault
from .fetch import Fetcher, Line
from .holds import Hold
from .layout import Codec
from .lock import StoreLock
from .manifest import Manifest
from .names import ACTIONS, CATEGORIES, LEVELS, Action, Category, Level
from .quarantine import Quarantine, RejectFile
from .reader import Reader, Segment
from .recovery import Recovery
from .repair import holds_told, rebuild_manifest, rebuild_pruned
from .retention import Kept, Removal, RetentionSettings
from .settings import Durability, StoreSettings, load_section, setting_sources
from .store import Receipt, Store
from .upkeep import Retained, SealSettings, Upkeep, UpkeepReader
from .values import format_time, parse_time
from .verify import Verification, verify

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
    "Hold",
    "InvalidEvent",
    "InvalidSetting",
    "Kept",
    "Level",
    "Line",
    "Manifest",
    "Quarantine",
    "Reader",
    "Receipt",
    "Recovery",
    "RejectFile",
    "Removal",
    "Retained",
    "RetentionSettings",
    "SealSettings",
    "Segment",
    "StonelogError",
    "Store",
    "StoreLock",
    "StoreLocked",
    "StoreReadOnly",
    "StoreSettings",
    "Upkeep",
    "UpkeepReader",
    "Verification",
    "dumps",
    "format_time",
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
