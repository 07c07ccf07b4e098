"""One JSON object a line: of our fields, or of foreign ones with a map."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from stonelog.filestore import StonelogError

from .format import Format, Rejected, parse_object
from .surplus import fitted

__all__ = ["Ndjson"]

_GIVEN_ANEW: Final = ("seq", "id", "redacted", "synced", "hash")


class Ndjson(Format[dict[str, Any]]):
    """Lines of our fields as stonelog writes them, whose given fields (seq, id, ...) are given anew; or a map's."""

    name: ClassVar[str] = "ndjson"
    summary: ClassVar[str] = "one JSON object a line: our fields, or any with --map"

    def records(self, line: bytes) -> list[dict[str, Any]]:
        """The object on the line."""
        return [parse_object(line, "an object with the fields of an event")]

    def event(self, record: dict[str, Any]) -> dict[str, Any]:
        """The object itself, or what the map makes of it."""
        if self.options.mapping is None:
            return {key: value for key, value in record.items() if key not in _GIVEN_ANEW}
        try:
            fields = self.options.mapping.fields_of(record)
        except StonelogError as error:
            raise Rejected(str(error)) from None
        if metadata := fields.pop("metadata", None):
            fields["metadata"] = fitted(metadata)
        return fields
