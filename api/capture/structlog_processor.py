"""The door for structlog: a processor that makes an event of each event dict.

structlog.configure(processors=[merge_contextvars, add_log_level, StructlogProcessor(store), JSONRenderer()])
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .crash import error_fields
from .failure import STACK_BYTES, error_fields_of_text
from .given import completed, field_value, level_named, spread, unreadable
from .offer import offer
from .plain import plain

if TYPE_CHECKING:
    from stonelog.filestore import Store

__all__ = ["StructlogProcessor"]

EventDict = TypeVar("EventDict")

_TAKEN: Final = frozenset(
    {"event", "level", "log_level", "timestamp", "exc_info", "exception", "stack", "logger", "logger_name"}
)
"""Keys of structlog's own, which have a place in an event."""
_INNER: Final = frozenset({"_record", "_from_structlog", "_name", "positional_args"})


class StructlogProcessor:
    """Each event dict that comes by becomes an event of `store`, or of the process's own; it goes on unchanged.

    Stands anywhere in the chain; before what renders, or it sees only text. With `drop` it is the last one: nothing
    goes on, so that stonelog is the only output. Keys that are fields of an event set them; others go to `metadata`.
    """

    def __init__(
        self,
        store: Store | None = None,
        *,
        drop: bool = False,
        category: str = "system_management",
        action: str = "log",
    ) -> None:
        self.category = category
        self.action = action
        self._store = store
        self._dropped: type[BaseException] | None = None
        if drop:
            from structlog import DropEvent

            self._dropped = DropEvent

    def __call__(self, logger: object, method_name: str, event_dict: EventDict) -> EventDict:
        """What was given. With `drop` raises structlog's DropEvent, which ends the chain."""
        try:
            event = self._event(method_name, event_dict)
        except Exception as error:  # noqa: BLE001 (an event dict of a strange form; that there was one is told)
            event = unreadable("an event dict", error)
        offer(self._store, event)
        if self._dropped is not None:
            raise self._dropped
        return event_dict

    def _event(self, method_name: str, given: object) -> dict[str, Any]:
        if isinstance(given, tuple) and given and isinstance(given[0], tuple) and given[0]:
            given = given[0][0]  # what ProcessorFormatter.wrap_for_formatter makes of an event dict
        fields: dict[str, Any] = {"level": level_named(method_name) or "info"}
        metadata: dict[str, Any] = {}
        if not isinstance(given, Mapping):
            fields["message"] = field_value("message", given)
            return completed(fields, metadata, self.category, self.action)
        fields["level"] = level_named(given.get("level", given.get("log_level"))) or fields["level"]
        if (name := given.get("logger", given.get("logger_name"))) is not None:
            metadata["logger"] = name
        if (moment := given.get("timestamp")) is not None:
            spread({"time": moment} if field_value("time", moment) else {"timestamp": moment}, fields, metadata)
        fields |= _failure(given)
        spread({k: v for k, v in given.items() if k not in _TAKEN and k not in _INNER}, fields, metadata)
        if given.get("event") is not None:
            fields["message"] = field_value("message", given["event"])
        if not isinstance(fields.get("message", ""), str):
            fields["message"] = str(plain(fields["message"]))
        return completed(fields, metadata, self.category, self.action)


def _failure(given: Mapping[str, Any]) -> dict[str, Any]:
    """The error fields of `exc_info` in any of its forms, or of what a processor before this one made of it."""
    found = given.get("exc_info")
    if isinstance(found, tuple) and len(found) == 3:
        found = found[1]
    elif found and not isinstance(found, BaseException):
        found = sys.exc_info()[1]
    if isinstance(found, BaseException):
        return dict(error_fields(found, STACK_BYTES))
    if (rendered := given.get("exception")) is not None:
        return dict(error_fields_of_text(rendered if isinstance(rendered, str) else str(plain(rendered))))
    if (stack := given.get("stack")) is not None:
        return {"stack_trace": field_value("stack_trace", stack)}
    return {}
