"""How every door hands an event over: without waiting for the disk, and without ever raising into the program."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from stonelog.filestore import EventTooLarge, InvalidEvent

from .context import bound_fields

if TYPE_CHECKING:
    from stonelog.filestore import Store

__all__ = ["failures", "offer", "store_in_use", "use"]

_TELL_SECONDS: Final = 60.0
"""So often at most the program's own log is told that events could not be taken."""
_REPAIRS: Final = 8
"""So many fields of an event may be wrong; one with more is given up."""
_SHOWN: Final = 200
_LARGE: Final = ("stack_trace", "metadata", "error_message")
"""What an event goes without if it is too large for a line."""

log = logging.getLogger("stonelog.capture")
_turn = threading.Lock()
_used: Store | None = None
_failures = 0
_told = -_TELL_SECONDS


def use(store: Store | None) -> None:
    """What doors capture that were given no store of their own goes into this one; None: into none."""
    global _used
    _used = store


def store_in_use() -> Store | None:
    """The store that `use` named."""
    return _used


def failures() -> int:
    """How many events could not be taken since the process started: no store, closed, or wrong beyond repair.

    What a full queue dropped is counted by the store (`Store.dropped`).
    """
    return _failures


def offer(store: Store | None, fields: Mapping[str, Any]) -> bool:
    """The event, with the fields that are bound here, will be written soon; whether it was taken. Never raises.

    A field that the store would refuse goes to `metadata.invalid` as text, and an event that is too large goes without
    its largest fields, so that it is not lost for them.
    """
    try:
        return _offer(_chosen(store), {**bound_fields(), **fields})
    except Exception as error:  # noqa: BLE001 (whatever is wrong here, the program goes on)
        _failed(error)
        return False


def _chosen(store: Store | None) -> Store:
    chosen = store or _used
    if chosen is None:
        raise LookupError("no store: give the door one, or name one with stonelog.api.use(store)")
    return chosen


def _offer(store: Store, fields: dict[str, Any]) -> bool:
    for _ in range(_REPAIRS):
        try:
            return store.emit(fields)
        except InvalidEvent as error:
            name = error.field.partition(".")[0]
            if name not in fields or name in ("category", "action"):
                raise
            _set_aside(fields, name)
        except EventTooLarge as error:
            large = [name for name in _LARGE if name in fields]
            if not large:
                raise
            for name in large:
                del fields[name]
            fields["metadata"] = {"too_large": {"bytes": error.size, "left_out": large}}
    return store.emit(fields)


def _set_aside(fields: dict[str, Any], name: str) -> None:
    """What the store would refuse stands in `metadata.invalid`, as text."""
    aside: dict[str, Any] = {}
    metadata = fields.pop("metadata", None)
    if name == "metadata" or (metadata is not None and not isinstance(metadata, dict)):
        aside["metadata"] = repr(metadata)[:_SHOWN]
        metadata = None
    if name != "metadata":
        aside[name] = str(fields.pop(name))[:_SHOWN]
    metadata = metadata or {}
    there = metadata.get("invalid", {})
    there = there if isinstance(there, dict) else {"invalid": there}
    fields["metadata"] = {**metadata, "invalid": {**there, **aside}}


def _failed(error: Exception) -> None:
    """It is counted, and from time to time told in the program's own log."""
    global _failures, _told
    with _turn:
        _failures += 1
        now = time.monotonic()
        quiet = now - _told < _TELL_SECONDS
        if not quiet:
            _told = now
    if not quiet:
        log.warning("an event could not be captured (%d so far): %s", _failures, error)
