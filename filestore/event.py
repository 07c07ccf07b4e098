"""What one event is: its fields, their order on the line, and what each may hold.

The table stands in data/README.md. Input is validated here and nowhere else; what was stored is read back leniently
(`Event.stored`), so that a reader shows files of a newer version too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import SchemaValidator, core_schema

from .codec import MAX_LINE, loads
from .errors import InvalidEvent
from .names import CATEGORIES, FIELDS, LEVELS, Level, Outcome
from .values import (
    IPV4_PATTERN,
    UTC_PATTERN,
    check_address,
    check_metadata,
    format_time,
    parse_time,
    time_text,
    utc_text,
)

__all__ = ["GIVEN_BY_STORE", "Event", "checked"]

Text = Annotated[str, StringConstraints(strict=True)]
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_]{0,63}$")]
DottedName = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_.]{0,63}$")]
Moment = Annotated[datetime, BeforeValidator(parse_time)]
Address = Annotated[Text, BeforeValidator(check_address)]
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
    metadata: Annotated[dict[str, Any], BeforeValidator(check_metadata)] | None = None
    synced: int | None = None
    hash: str | None = None

    _line: bytes | None = PrivateAttr(default=None)

    @classmethod
    def check(cls, fields: Mapping[str, Any], *, index: int | None = None) -> Event:
        """The event that `fields` describe; raises InvalidEvent naming the first field that cannot be taken.

        `description` is accepted for `message`, a value of None is the same as leaving the field out, and `index`
        (the place in a list) is named in the error.
        """
        values = checked(fields, index)
        given = set(values)
        if fields.get("level") is None:
            given.discard("level")
        if "time" in values:
            values["time"] = datetime.fromisoformat(values["time"])
        return cls._made({**_ABSENT, **values}, given, None)

    @classmethod
    def stored(cls, line: bytes, fields: Mapping[str, Any] | None = None) -> Event:
        """The event of a line that the store wrote, without checking it again; `line` is kept for `.line`.

        `fields` saves parsing it, if that was done. Keys of a newer version are not attributes, but stand in `.line`.
        Raises ValueError if it is not a JSON object with a time.
        """
        if fields is None:
            fields = loads(line)
        try:
            time = datetime.fromisoformat(fields["time"])
        except (KeyError, TypeError):
            raise ValueError("without a time as text") from None
        values = {**_ABSENT, **fields}
        if len(values) > len(_ABSENT):
            fields = {name: value for name, value in fields.items() if name in _ABSENT}
            values = {**_ABSENT, **fields}
        values["time"] = time
        return cls._made(values, set(fields), line)

    @classmethod
    def _made(cls, values: dict[str, Any], given: set[str], line: bytes | None) -> Event:
        """The event of values, one for each field, that need no check.

        pydantic's model_construct does the same four times slower.
        """
        event = cls.__new__(cls)
        object.__setattr__(event, "__dict__", values)
        object.__setattr__(event, "__pydantic_fields_set__", given)
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


_ABSENT: Final = dict.fromkeys(FIELDS)

_Time = Annotated[str, PlainValidator(time_text)]
_Address = Annotated[str, PlainValidator(check_address)]
_Metadata = Annotated[dict[str, Any], PlainValidator(check_metadata)]
_EXACT: Final = {"time": _Time, "ip_address": _Address, "metadata": _Metadata}
"""Fields that need no check after the function's, and the one whose form on a line is not what an Event has."""

_FIRST_THAT_FITS: Final = Field(union_mode="left_to_right")
_UTF8 = Annotated[Text, Field(max_length=MAX_LINE)]  # only a text with a constraint is searched for lone surrogates
_Leaf = Annotated[_UTF8 | Annotated[int, Field(strict=True, ge=-(2**63), le=2**64 - 1)], _FIRST_THAT_FITS]
_QUICK: Final[dict[str, Any]] = {
    "time": Annotated[Text, Field(pattern=UTC_PATTERN)],
    "ip_address": Annotated[Annotated[Text, Field(pattern=IPV4_PATTERN)] | _Address, _FIRST_THAT_FITS],
    "metadata": Annotated[Annotated[dict[_UTF8, _Leaf], Field(strict=True)] | _Metadata, _FIRST_THAT_FITS],
    "tags": Annotated[list[Text], Field(strict=True)],
    "risk_reasons": Annotated[list[Text], Field(strict=True)],
}
"""What nearly all values of these fields are, so that they are checked without calling Python."""


def _typed_dict(other: Mapping[str, Any], *, strict: bool) -> Callable[[object], dict[str, Any]]:
    """Checks a dict by the types of Event, or `other` ones, and gives its fields in canonical form, in their order.

    If not `strict`, unknown fields and wrong values of optional fields are left out, instead of raising. No Event is
    made: most fields of one are absent, and that object takes longer to make than the line.
    """
    fields: dict[str, core_schema.TypedDictField] = {}
    for name, info in Event.model_fields.items():
        if name in GIVEN_BY_STORE:
            continue
        schema = TypeAdapter(other.get(name, info.rebuild_annotation())).core_schema
        if schema["type"] == "nullable":
            schema = schema["schema"]  # None is no value here: the field is left out
        if name == "level":
            schema = core_schema.with_default_schema(schema, default=info.default)
        elif not strict and not info.is_required():
            schema = core_schema.with_default_schema(schema, on_error="omit")
        fields[name] = core_schema.typed_dict_field(schema, required=info.is_required())
    extra: Literal["forbid", "ignore"] = "forbid" if strict else "ignore"
    return SchemaValidator(core_schema.typed_dict_schema(fields, extra_behavior=extra)).validate_python


_quick: Final = _typed_dict(_EXACT | _QUICK, strict=False)
_exact: Final = _typed_dict(_EXACT, strict=True)


def checked(fields: Mapping[str, Any], index: int | None = None) -> dict[str, Any]:
    """The fields that are present, each in its canonical form, in their order, with `time` as the text of the line.

    Raises InvalidEvent as `Event.check`, which says the rest.
    """
    if type(fields) is not dict or "description" in fields:
        fields = _renamed(fields, index)
    try:
        values = _quick(fields)
        if "time" in values:
            values["time"] = utc_text(values["time"])
    except ValueError:
        pass  # `_exact` will tell
    else:
        # Nothing was left out, or only None. `_quick` takes nothing that `_exact` refuses, and consumes no iterator.
        left_out = len(fields) + ("level" not in fields) - len(values)
        if not left_out or left_out == sum([value is None for value in fields.values()]):
            return values
    given = {name: value for name, value in fields.items() if value is not None}
    for name in given:
        if name in GIVEN_BY_STORE:
            raise InvalidEvent(name, given[name], _RULES[name], index=index)
    try:
        return _exact(given)
    except ValidationError as error:
        raise _invalid(error, index) from None


def _renamed(fields: Mapping[str, Any], index: int | None) -> dict[str, Any]:
    """The fields that are present, with `message` for `description`."""
    given = {name: value for name, value in fields.items() if value is not None}
    if "description" in given:
        if "message" in given:
            raise InvalidEvent("description", given["description"], "message or description, not both", index=index)
        given["message"] = given.pop("description")
    return given


def _invalid(error: ValidationError, index: int | None) -> InvalidEvent:
    first = error.errors(include_url=False)[0]
    location = [str(part) for part in first["loc"]]
    field = location[0]
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
    return InvalidEvent(".".join(location), given, _RULES.get(field, "text"), index=index)
