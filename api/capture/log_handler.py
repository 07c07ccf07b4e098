"""The door for `logging`: a handler that makes an event of each record.

    logging.getLogger().addHandler(LogHandler(store))

or in a configuration for dictConfig: `{"class": "stonelog.api.capture.log_handler.LogHandler", "directory": "data"}`.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .context import bound_fields
from .crash import error_fields
from .failure import STACK_BYTES, TRACEBACK, error_fields_of_text, shortened_trace
from .given import completed, field_value, level_numbered, spread, unreadable
from .offer import offer
from .plain import plain

if TYPE_CHECKING:
    from stonelog.filestore import Store

__all__ = ["KeepBound", "LogHandler"]

_OURS: Final = "stonelog"
_BOUND: Final = "stonelog_bound"
_OF_A_RECORD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", _BOUND}
_COLOURED: Final = "color_message"
"""uvicorn's message again, with colours of a terminal."""

_within = threading.local()


class LogHandler(logging.Handler):
    """Each record becomes an event of `store`, or of the process's own if none is given; see `offer.use`.

    With `directory` the handler opens a store there, and closes it when it is closed itself. `extra=` sets fields by
    their names; what is no field goes to `metadata`. What stonelog itself logs is left out, and so is all that is
    logged while an event is handed over. No lock is held: a thread that waits for room keeps no other from logging.
    Raises what opening the store raises; after that nothing.
    """

    def __init__(
        self,
        store: Store | None = None,
        *,
        directory: str | Path | None = None,
        level: int | str = logging.NOTSET,
        category: str = "system_management",
        action: str = "log",
    ) -> None:
        super().__init__(level)
        if store is not None and directory is not None:
            raise ValueError("a store and a directory: expected one of them")
        self.category = category
        self.action = action
        self._store = store
        self._directory = None if directory is None else Path(directory).absolute()
        self._opening = threading.Lock()
        self._closed = False
        self._pid = os.getpid()
        if self._directory is not None:
            self._open(self._directory)

    def handle(self, record: logging.LogRecord) -> bool:
        """Whether the record was one for the store; it will be written soon."""
        if record.name == _OURS or record.name.startswith("stonelog.") or getattr(_within, "offering", False):
            return False
        passed = self.filter(record)
        if isinstance(passed, logging.LogRecord):  # since Python 3.12 a filter may give another record
            record = passed
        if passed:
            self.emit(record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """The record will be written soon, or is counted in `offer.failures`."""
        try:
            event = self._event(record)
        except Exception as error:  # noqa: BLE001 (a record that somebody made by hand; that there was one is told)
            event = unreadable("a log record", error)
        _within.offering = True
        try:
            offer(self._current(), event)
        finally:
            _within.offering = False

    def close(self) -> None:
        """The handler's own store is closed, if it has one: what was handed over is written."""
        with self._opening:
            self._closed = True
            if self._directory is not None and self._store is not None:
                try:
                    self._store.close()
                except Exception:
                    logging.getLogger(_OURS).exception("%s: the store could not be closed", self._directory)
        super().close()

    def _event(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: dict[str, Any] = {"level": level_numbered(record.levelno)}
        if isinstance(created := field_value("time", record.created), str):
            fields["time"] = created
        metadata: dict[str, Any] = {"logger": record.name, "module": record.module}
        metadata |= {"function": record.funcName, "line": record.lineno}
        message = _message(record, metadata)
        if record.exc_info and isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
            fields |= error_fields(record.exc_info[1], STACK_BYTES)
        elif record.exc_text:
            fields |= error_fields_of_text(record.exc_text)
        elif f"\n{TRACEBACK}" in message:  # what QueueHandler makes of an exception
            message, _, trace = message.partition(f"\n{TRACEBACK}")
            fields |= error_fields_of_text(TRACEBACK + trace)
        elif record.stack_info:
            fields["stack_trace"] = shortened_trace(record.stack_info)
        fields["message"] = field_value("message", message)
        kept = record.__dict__.get(_BOUND)
        if isinstance(kept, dict):
            fields |= {name: value for name, value in kept.items() if name not in fields}
        given = record.__dict__.items()
        spread({k: v for k, v in given if k not in _OF_A_RECORD and k != _COLOURED}, fields, metadata)
        return completed(fields, metadata, self.category, self.action)

    def _current(self) -> Store | None:
        """The store to use; after a fork the handler's own one is opened again, as the parent's is of no use here."""
        if self._directory is not None and self._pid != os.getpid():
            with self._opening:
                if self._pid != os.getpid() and not self._closed:
                    try:
                        self._open(self._directory)
                    except Exception:  # noqa: BLE001 (the next record tries again; `offer` counts, and tells)
                        return self._store
        return self._store

    def _open(self, directory: Path) -> None:
        from stonelog.filestore import Store

        self._store = Store.open(directory)
        self._pid = os.getpid()


class KeepBound(logging.Filter):
    """What is bound where a record is made is kept on it, for a LogHandler behind a queue, in another thread.

    queue_handler.addFilter(KeepBound())
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """True, for every record."""
        if bound := bound_fields():
            record.__dict__[_BOUND] = dict(bound)
        return True


def _message(record: logging.LogRecord, metadata: dict[str, Any]) -> str:
    """The record's message with its arguments; where they do not fit, without them, and `metadata` tells."""
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 (the program's arguments, whatever they are)
        metadata["args"] = plain(record.args)
        metadata["format_error"] = plain(error)
        return record.msg if isinstance(record.msg, str) else str(plain(record.msg))
