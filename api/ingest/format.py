"""What a foreign format is to the ingest loop: lines that hold records, and records that become events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, TypeVar

from stonelog.filestore import StonelogError

from . import strict_json
from .mapping import Map

__all__ = ["Format", "Options", "Rejected", "kind_of", "parse_object", "parse_records", "text_line"]

Record = TypeVar("Record")


class Rejected(StonelogError):
    """A line or record cannot become an event; the text is one line that names the field and what was expected."""


@dataclass(frozen=True)
class Options:
    """What the caller chose, for the formats that have a choice."""

    mapping: Map | None = None
    year: int | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


class Format(ABC, Generic[Record]):
    """One format; an instance reads one source, in order, and may carry what earlier lines told (the year)."""

    name: ClassVar[str]
    summary: ClassVar[str]
    whole: ClassVar[bool] = False
    """A source may be one JSON document over many lines."""
    looks_ahead: ClassVar[bool] = False
    """`look_ahead` wants to see the lines before `records` is called for the first."""

    shortens: ClassVar[bool] = False
    """Records too long for a line go in with the longest parts of their metadata shortened, rather than not at all."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def look_ahead(self, lines: Iterable[bytes]) -> None:
        """What only the whole source can tell is known; called where the source can be read twice."""

    @abstractmethod
    def records(self, line: bytes) -> Sequence[Record]:
        """The records of a line (or of a whole document); raises Rejected when there is none to be had."""

    @abstractmethod
    def event(self, record: Record) -> dict[str, Any]:
        """The event's fields, not yet checked; raises Rejected."""

    def events(self, line: bytes) -> Iterator[dict[str, Any]]:
        """The events of a line; raises Rejected at the first record that cannot be one."""
        for record in self.records(line):
            yield self.event(record)


def parse_object(line: bytes, expected: str) -> dict[str, Any]:
    """The JSON object on the line; raises Rejected if it is no strict JSON, or another value than an object."""
    try:
        value = strict_json.parse(line)
    except strict_json.JsonError as error:
        raise Rejected(str(error)) from None
    if not isinstance(value, dict):
        raise Rejected(f"column 1: expected {expected}, found {kind_of(value)}")
    return value


def parse_records(line: bytes, key: str | None = None) -> list[Any]:
    """The JSON value on the line as a record, or those of a list, or of an object's list at `key`.

    Raises Rejected if it is no strict JSON.
    """
    try:
        value = strict_json.parse(line)
    except strict_json.JsonError as error:
        raise Rejected(str(error)) from None
    if key is not None and isinstance(value, dict) and isinstance(value.get(key), list):
        return list(value[key])
    return value if isinstance(value, list) else [value]


def text_line(line: bytes) -> str:
    """The line as text without its line end; bytes that are not UTF-8 stand there as \\xHH rather than being lost."""
    return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "backslashreplace")


def kind_of(value: object) -> str:
    """What a JSON value is, for messages."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "a list" if isinstance(value, list) else "text" if isinstance(value, str) else "a number"
