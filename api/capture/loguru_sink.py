"""The door for loguru: a sink that makes an event of each record.

logger.add(LoguruSink(store))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .crash import error_fields
from .failure import STACK_BYTES, TRACEBACK, error_fields_of_text, type_name
from .given import completed, field_value, level_numbered, spread, unreadable
from .offer import offer

if TYPE_CHECKING:
    from stonelog.filestore import Store

__all__ = ["LoguruSink"]

_OURS: Final = "stonelog"


class LoguruSink:
    """Each record becomes an event of `store`, or of the process's own. Works with `enqueue=True` too.

    `extra` sets fields by their names; what is no field goes to `metadata`. What stonelog itself logs is left out.
    """

    def __init__(self, store: Store | None = None, *, category: str = "system_management", action: str = "log") -> None:
        self.category = category
        self.action = action
        self._store = store

    def __call__(self, message: str) -> None:
        """The record of loguru's message will be written soon, or is counted in `offer.failures`."""
        record = getattr(message, "record", None)
        try:
            name = record["name"] if record else None
            if name is not None and (name == _OURS or name.startswith("stonelog.")):
                return
            event = self._event(record or {}, message)
        except Exception as error:  # noqa: BLE001 (a record that was patched into a strange form)
            event = unreadable("a record of loguru", error)
        offer(self._store, event)

    def _event(self, record: dict[str, Any], text: str) -> dict[str, Any]:
        level = record.get("level")
        fields: dict[str, Any] = {"level": level_numbered(level.no) if level is not None else "info"}
        fields["message"] = field_value("message", str(record.get("message", text)))
        if (moment := field_value("time", record.get("time"))) is not None:
            fields["time"] = moment
        metadata = {
            "logger": record.get("name"),
            "module": record.get("module"),
            "function": record.get("function"),
            "line": record.get("line"),
        }
        if (failure := record.get("exception")) is not None:
            fields |= _failure(failure, text)
        spread(record.get("extra") or {}, fields, metadata)
        return completed(fields, metadata, self.category, self.action)


def _failure(failure: Any, text: str) -> dict[str, str]:
    """The error fields; of an exception that came by a queue, whose frames are gone, with the trace in the text."""
    kind, error, frames = failure
    fields = error_fields(error, STACK_BYTES) if error is not None else {"error_type": type_name(kind)} if kind else {}
    if frames is None and TRACEBACK in text:
        fields.pop("stack_trace", None)
        fields = error_fields_of_text(text[text.index(TRACEBACK) :]) | fields
    return fields
