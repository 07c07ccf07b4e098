"""How every door hands an event over: without waiting for the disk, and without ever raising into the program."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stonelog.filestore import FIELDS, EventTooLarge, InvalidEvent

from .context import bound_fields
from .plain import fitting, plain

if TYPE_CHECKING:
    from stonelog.filestore import Store

__all__ = ["failures", "offer", "store_here", "store_in_use", "use"]

_TELL_SECONDS: Final = 60.0
"""So often at most the program's own log is told that events could not be taken."""
_REPAIRS: Final = len(FIELDS) + 2
"""Each field may be wrong once, `metadata` twice, and the event too large."""
_KNOWN: Final = frozenset(FIELDS) | {"description"}
_LARGE: Final = ("stack_trace", "metadata", "error_message")
"""What an event goes without if it is too large for a line."""

log = logging.getLogger("stonelog.capture")
_turn = threading.RLock()  # a `__del__` or a signal handler may log in the middle, in this thread
_opening = threading.RLock()
_opened: dict[Path, tuple[Store | Exception, float]] = {}
"""In a forked child, by directory, the store of this process or why there is none, and since when."""
_in_child = False
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

    What is no field of an event goes to `metadata`, a field that the store would refuse to `metadata.invalid`, and an
    event that is too large goes without its largest fields, so that it is not lost for them.
    """
    try:
        return _offer(store_here(store), {**bound_fields(), **fields})
    except Exception as error:  # noqa: BLE001 (whatever is wrong here, the program goes on)
        _failed(error)
        return False


def store_here(store: Store | None) -> Store:
    """This store, or the one in use; in a forked child the store of this process for the same directory.

    Raises LookupError where there is none, or what opening it raised.
    """
    chosen = _used if store is None else store
    if chosen is None:
        raise LookupError("no store: give the door one, or name one with stonelog.api.use(store)")
    if _in_child and chosen.forked and not chosen.closed:
        return _of_this_process(chosen)
    return chosen


def _of_this_process(store: Store) -> Store:
    """The store of a server's parent process (gunicorn --preload) opened once more; what fails is tried again later."""
    with _opening:
        found, since = _opened.get(store.directory, (None, 0.0))
        if found is None or (isinstance(found, Exception) and time.monotonic() - since >= _TELL_SECONDS):
            begun = LookupError(f"{store.directory} is being opened")  # for what opening itself logs
            _opened[store.directory] = begun, time.monotonic()
            try:
                found = type(store).open(store.directory, durability=store.settings.durability)
            except Exception as error:  # noqa: BLE001 (raised below)
                found = error
            _opened[store.directory] = found, time.monotonic()
    if isinstance(found, Exception):
        raise found
    return found


def _begin_child() -> None:
    """Locks that threads of the parent held would be held for ever, and its stores are not this process's."""
    global _turn, _opening, _in_child
    _turn, _opening = threading.RLock(), threading.RLock()
    _opened.clear()
    _in_child = True


os.register_at_fork(after_in_child=_begin_child)


def _offer(store: Store, fields: dict[str, Any]) -> bool:
    if not fields.keys() <= _KNOWN:
        _to_metadata(fields)
    looked = cut = False
    for _ in range(_REPAIRS):
        try:
            return store.emit(fields)
        except InvalidEvent as error:
            name = error.field.partition(".")[0]
            if name not in fields or name in ("category", "action"):
                raise
            if name == "metadata" and not looked and isinstance(fields[name], Mapping):
                looked = True
                fields[name] = fitting(plain(fields[name]))
            else:
                _set_aside(fields, name)
        except EventTooLarge as error:
            large = [name for name in _LARGE if name in fields]
            if cut or not large:
                raise
            cut = True
            for name in large:
                del fields[name]
            fields["metadata"] = {"too_large": {"bytes": error.size, "left_out": large}}
    return store.emit(fields)


def _to_metadata(fields: dict[str, Any]) -> None:
    """What is no field of an event stands in `metadata`, under its name, unless something stands there."""
    strange = {name: fields.pop(name) for name in [*fields] if name not in _KNOWN}
    metadata = fields.get("metadata")
    if metadata is not None and not isinstance(metadata, Mapping):
        _set_aside(fields, "metadata")
        metadata = fields["metadata"]
    free = {str(name): plain(value) for name, value in strange.items() if value is not None}
    if free:
        fields["metadata"] = {**fitting(free), **(metadata or {})}


def _set_aside(fields: dict[str, Any], name: str) -> None:
    """What the store would refuse stands in `metadata.invalid`; what has names in it keeps them, to be redacted by."""
    aside: dict[str, Any] = {}
    metadata = fields.pop("metadata", None)
    if name == "metadata" or (metadata is not None and not isinstance(metadata, Mapping)):
        aside["metadata"] = plain(metadata)
        metadata = None
    if name != "metadata":
        aside[name] = plain(fields.pop(name))
    metadata = dict(metadata or {})
    there = metadata.get("invalid", {})
    there = there if isinstance(there, dict) else {"invalid": there}
    fields["metadata"] = {**metadata, "invalid": {**there, **fitting(aside)}}


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
