"""What one event is: its fields, their order on the line, and what each may hold.

The table stands in data/README.md. Input is validated here and nowhere else; what was stored is read back leniently
(`Event.stored`), so that a reader shows files of a newer version too.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, StringConstraints, ValidationError

from .codec import loads
from .errors import InvalidEvent

__all__ = [
    "ACTIONS",
    "CATEGORIES",
    "FIELDS",
    "LEVELS",
    "Action",
    "Category",
    "Event",
    "Level",
    "format_time",
    "parse_time",
]

METADATA_DEPTH: Final = 16
"""How deep objects and lists may nest in `metadata`, which itself counts as one."""


class Category:
    """The ten categories that every installation shares; any other name of the same form is accepted."""

    AUTHENTICATION: Final = "authentication"
    AUTHORIZATION: Final = "authorization"
    USER_MANAGEMENT: Final = "user_management"
    DATA_MANAGEMENT: Final = "data_management"
    SYSTEM_MANAGEMENT: Final = "system_management"
    SECURITY: Final = "security"
    WORKFLOW: Final = "workflow"
    API: Final = "api"
    FILE_MANAGEMENT: Final = "file_management"
    CONFIGURATION: Final = "configuration"


class Action:
    """The common actions; any other name of the same form is accepted."""

    CREATE: Final = "create"
    READ: Final = "read"
    UPDATE: Final = "update"
    DELETE: Final = "delete"
    LOGIN: Final = "login"
    LOGOUT: Final = "logout"
    LOGIN_FAILED: Final = "login_failed"
    EXPORT: Final = "export"
    IMPORT: Final = "import"
    SHARE: Final = "share"
    PERMISSION_CHANGE: Final = "permission_change"
    SYSTEM_EVENT: Final = "system_event"
    SECURITY_EVENT: Final = "security_event"
    API_CALL: Final = "api_call"
    FILE_UPLOAD: Final = "file_upload"
    FILE_DOWNLOAD: Final = "file_download"
    WORKFLOW_EXECUTE: Final = "workflow_execute"
    VALIDATION_FAILED: Final = "validation_failed"


def _names(constants: type) -> tuple[str, ...]:
    return tuple(value for name, value in vars(constants).items() if name.isupper())


CATEGORIES: Final = _names(Category)
ACTIONS: Final = _names(Action)

Level = Literal["debug", "info", "notice", "warning", "error", "critical"]
LEVELS: Final[tuple[Level, ...]] = ("debug", "info", "notice", "warning", "error", "critical")
"""The levels by severity, lowest first."""

Outcome = Literal["success", "failure", "unknown"]

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_TIME_RULE = "an RFC 3339 time with an offset, such as 2026-11-23T14:05:06Z, or a datetime with a time zone"


def parse_time(value: object) -> datetime:
    """The instant in UTC, cut to microseconds, of an RFC 3339 text or an aware datetime.

    Raises ValueError for anything else: a text without offset would mean another instant on another machine.
    """
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError(_TIME_RULE)
        moment = value
    elif isinstance(value, str) and (match := _RFC3339.fullmatch(value)):
        date, clock, fraction, offset = match.groups()
        digits = (fraction or "")[:6].ljust(6, "0")
        moment = datetime.fromisoformat(f"{date}T{clock}.{digits}{'+00:00' if offset in 'Zz' else offset}")
    else:
        raise ValueError(_TIME_RULE)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time between the years 0001 and 9999 in UTC") from None


def format_time(moment: datetime) -> str:
    """The text that stands on a line for an aware UTC datetime: RFC 3339, six digits, `Z`."""
    return f"{moment.isoformat(timespec='microseconds')[:26]}Z"


def _address(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("an IPv4 or IPv6 address as text")
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError("an IPv4 or IPv6 address, without port or prefix") from None


def _check_json(value: object, depth: int) -> None:
    """Raises ValueError unless `value` can be written as JSON and read back the same."""
    if value is None or value is True or value is False:
        return
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise ValueError("text without lone surrogates") from None
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise ValueError("integers from -2^63 to 2^64-1; write larger ones as text")
    elif isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError("finite numbers; NaN and Infinity are not JSON")
    elif isinstance(value, dict | list | tuple):
        if depth >= METADATA_DEPTH:
            raise ValueError(f"objects and lists nested at most {METADATA_DEPTH} deep")
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    raise ValueError("text as keys")
                _check_json(key, depth)
        for item in value.values() if isinstance(value, dict) else value:
            _check_json(item, depth + 1)
    else:
        raise ValueError(f"JSON values (text, numbers, true, false, null, lists, objects), not {type(value).__name__}")


def _metadata(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("an object (in Python: a dict)")
    _check_json(value, 0)
    return value


Text = Annotated[str, StringConstraints(strict=True)]
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_]{0,63}$")]
DottedName = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_.]{0,63}$")]
Moment = Annotated[datetime, BeforeValidator(parse_time)]
Address = Annotated[Text, BeforeValidator(_address)]
Country = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Z]{2}$")]
Hex32 = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9a-f]{32}$")]
Hex16 = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9a-f]{16}$")]

_RULES: Final = {
    "seq": "it is given by the store; leave it out",
    "id": "it is given by the store; leave it out",
    "redacted": "it is given by the store; leave it out",
    "synced": "it is given by the store; leave it out",
    "hash": "it is given by the store; leave it out",
    "category": "one of " + ", ".join(CATEGORIES) + ", or another name of the form [a-z][a-z0-9_]{0,63}",
    "action": "a name of the form [a-z][a-z0-9_.]{0,63}, such as create, login_failed or api_call",
    "level": "one of " + ", ".join(LEVELS),
    "outcome": "success, failure or unknown",
    "country": "two capital letters (ISO 3166-1 alpha-2)",
    "asn": "a whole number from 0 to 4294967295",
    "status_code": "a whole number from 100 to 599",
    "response_time_ms": "a finite number of milliseconds, 0 or more",
    "risk_score": "a whole number from 0 to 100",
    "trace_id": "32 lower-case hexadecimal digits",
    "span_id": "16 lower-case hexadecimal digits",
    "tags": "a list of texts",
    "risk_reasons": "a list of texts",
}
GIVEN_BY_STORE: Final = frozenset({"seq", "id", "redacted", "synced", "hash"})


class Event(BaseModel):
    """One thing that happened. Fields stand here in their order on the line; None means absent.

    Make one with `Event.check(fields)`, which raises InvalidEvent; `seq`, `id`, `redacted`, `synced` and `hash` are
    the store's to give, and stay None until then.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")

    seq: int | None = None
    id: str | None = None
    time: Moment | None = None
    level: Level = "info"
    category: Name
    action: DottedName
    message: Text | None = None
    outcome: Outcome | None = None
    entity_type: Text | None = None
    entity_id: Text | None = None
    entity_name: Text | None = None
    user_id: Text | None = None
    username: Text | None = None
    ip_address: Address | None = None
    user_agent: Text | None = None
    session_id: Text | None = None
    device_id: Text | None = None
    country: Country | None = None
    region: Text | None = None
    city: Text | None = None
    asn: Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)] | None = None
    method: Text | None = None
    path: Text | None = None
    status_code: Annotated[int, Field(strict=True, ge=100, le=599)] | None = None
    response_time_ms: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] | None = None
    request_id: Text | None = None
    trace_id: Hex32 | None = None
    span_id: Hex16 | None = None
    risk_score: Annotated[int, Field(strict=True, ge=0, le=100)] | None = None
    risk_reasons: list[Text] | None = None
    service: Text | None = None
    host: Text | None = None
    tags: list[Text] | None = None
    error_type: Text | None = None
    error_message: Text | None = None
    stack_trace: Text | None = None
    redacted: list[str] | None = None
    metadata: Annotated[dict[str, Any], BeforeValidator(_metadata)] | None = None
    synced: int | None = None
    hash: str | None = None

    _line: bytes | None = PrivateAttr(default=None)

    @classmethod
    def check(cls, fields: Mapping[str, Any], *, index: int | None = None) -> Event:
        """The event that `fields` describe; raises InvalidEvent naming the first field that cannot be taken.

        `description` is accepted for `message`, a value of None is the same as leaving the field out, and `index`
        (the place in a list) is named in the error.
        """
        given = {key: value for key, value in fields.items() if value is not None}
        if "description" in given:
            if "message" in given:
                raise InvalidEvent("description", given["description"], "message or description, not both", index=index)
            given["message"] = given.pop("description")
        for key in GIVEN_BY_STORE & given.keys():
            raise InvalidEvent(key, given[key], _RULES[key], index=index)
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise _invalid(error, index) from None

    @classmethod
    def stored(cls, line: bytes) -> Event:
        """The event of a line that the store wrote, without checking it again; `line` is kept for `.line`.

        Keys of a newer version are not attributes, but stand in `.line`. Raises ValueError if it is not a JSON
        object with a time.
        """
        fields = loads(line)
        try:
            fields["time"] = datetime.fromisoformat(fields["time"])
        except (KeyError, TypeError):
            raise ValueError("without a time as text") from None
        # pydantic's model_construct does the same four times slower, and this runs for every line that is read.
        event = cls.__new__(cls)
        object.__setattr__(event, "__dict__", {name: fields.get(name) for name in FIELDS})
        object.__setattr__(event, "__pydantic_fields_set__", fields.keys() & FIELD_SET)
        object.__setattr__(event, "__pydantic_extra__", None)
        object.__setattr__(event, "__pydantic_private__", {"_line": line})
        return event

    def fields(self) -> dict[str, Any]:
        """The fields that are present, in their order, with `time` as the text of the line."""
        present = {name: value for name, value in self.__dict__.items() if value is not None}
        if self.time is not None:
            present["time"] = format_time(self.time)
        return present

    @property
    def line(self) -> bytes:
        """The bytes of the event's line in the file, without the line end; empty before it is stored."""
        return self._line or b""


FIELDS: Final = tuple(Event.model_fields)
"""The names of the fields in their order on the line."""
FIELD_SET: Final = frozenset(FIELDS)


def _invalid(error: ValidationError, index: int | None) -> InvalidEvent:
    first = error.errors(include_url=False)[0]
    location = [str(part) for part in first["loc"]]
    field = location[0] if location else "event"
    given = first.get("input")
    kind = first["type"]
    if kind == "missing":
        return InvalidEvent(field, None, f"it is required: {_RULES[field]}", index=index)
    if kind == "extra_forbidden":
        return InvalidEvent(field, given, "there is no such field; free data goes under metadata", index=index)
    if kind == "string_unicode":
        return InvalidEvent(field, given, "text without lone surrogates", index=index)
    if kind == "value_error":
        return InvalidEvent(field, given, str(first["ctx"]["error"]), index=index)
    if not location:
        return InvalidEvent("event", given, "an object with category and action", index=index)
    return InvalidEvent(".".join(location), given, _RULES.get(field, "text"), index=index)
