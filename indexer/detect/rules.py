"""The forms of a rule, as they stand in TOML: what each key may hold. The documented table is in docs/detect.md."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ..errors import QueryError
from ..fields import kind_of, nearest_field
from ..query import parse
from ..span import step
from .finding import Severity

__all__ = [
    "FORMS",
    "Common",
    "CountRule",
    "FirstSeenRule",
    "GapRule",
    "MatchRule",
    "RareRule",
    "Rule",
    "SequenceRule",
    "Span",
    "Step",
    "TravelRule",
    "VolumeRule",
    "WebRule",
    "span",
]

MAX_AT_LEAST: Final = 10_000
"""The most events of one key that a rule may ask for: so many are kept."""


def span(value: object) -> int:
    """Microseconds of a span such as `5m`. Raises ValueError that says so."""
    try:
        return step(value if isinstance(value, str) else "")
    except QueryError:
        raise ValueError("a span such as 30s, 5m, 1h or 7d") from None


def _field(name: str) -> str:
    kind = kind_of(name)
    if kind is None:
        raise ValueError(f"there is no field {name[:60]!r}; did you mean {nearest_field(name)}?")
    if kind == "list" or name == "metadata":
        raise ValueError(f"{name} is not one value; name a field that is")
    return name


def _looked_at(name: str) -> str:
    if name != "metadata" and kind_of(name) is None:
        raise ValueError(f"there is no field {name[:60]!r}; did you mean {nearest_field(name)}?")
    return name


def _query(text: str) -> str:
    try:
        parse(text)
    except QueryError as error:
        raise ValueError(str(error)) from None
    return text


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Span: TypeAlias = Annotated[int, BeforeValidator(span), Field(ge=1)]
"""Microseconds; in TOML a text such as `5m`."""
FieldName: TypeAlias = Annotated[str, AfterValidator(_field)]
FieldNames: TypeAlias = Annotated[tuple[FieldName, ...], BeforeValidator(_listed), Field(max_length=8)]
Query: TypeAlias = Annotated[str, AfterValidator(_query)]
_Whole: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=MAX_AT_LEAST)]
_MINUTE: Final = 60_000_000


class Common(BaseModel):
    """What rules of all forms have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
    """The name by which it is switched off, replaced and found; once in all files."""
    title: Annotated[str, Field(min_length=1, max_length=200)]
    """What was found, for people; begins the message of a finding."""
    description: str = ""
    """Why it matters and what to do, for people."""
    severity: Severity = "medium"
    """low, medium, high or critical: findings have level notice, warning, error or critical."""
    enabled: bool = True
    """Whether it is used."""
    tags: tuple[str, ...] = ()
    """The tags that its findings have."""
    query: Query = ""
    """The events that it looks at, in the query language; '' all."""
    by: FieldNames = ()
    """The fields that are the key: each combination of their values is looked at by itself; without one of them an
    event is passed over."""
    window: Span = 5 * _MINUTE
    """The span of time that it looks at, and in which it reports a key once at most."""
    findings: bool = False
    """Whether it looks at findings of other rules too."""


class MatchRule(Common):
    """Each event that the query finds."""

    form: Literal["match"]


class CountRule(Common):
    """At least so many events in a window."""

    form: Literal["count"]
    at_least: _Whole
    """So many events, or different values."""
    distinct: FieldName | None = None
    """The field of which different values are counted, instead of events."""


class Step(BaseModel):
    """One step of a sequence."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: Query
    """The events of this step."""
    at_least: _Whole = 1
    """So many of them."""


class SequenceRule(Common):
    """Events of one step, then those of the next, all within a window."""

    form: Literal["sequence"]
    steps: Annotated[tuple[Step, ...], Field(min_length=2, max_length=8)]
    """The steps in their order."""


class FirstSeenRule(Common):
    """A value that this key did not have before."""

    form: Literal["first_seen"]
    by: Annotated[FieldNames, Field(min_length=1)]
    value: Annotated[FieldNames, Field(min_length=1)]
    """The fields that are the value."""
    after: _Whole = 1
    """So many events of the key must have been seen before a value counts as new."""
    remember: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 100
    """So many values of a key are known at most, those that were seen last."""


class RareRule(Common):
    """A value that this key hardly ever has."""

    form: Literal["rare"]
    by: Annotated[FieldNames, Field(min_length=1)]
    value: Annotated[FieldNames, Field(min_length=1)]
    """The fields that are the value."""
    after: _Whole = 500
    """So many events of the key must have been seen before one can be rare."""
    at_most: Annotated[float, Field(gt=0, le=0.5)] = 0.002
    """The share of the key's events that the value has at most."""


class TravelRule(Common):
    """Two places that are too far apart for the time between. The place is metadata.latitude and metadata.longitude,
    else the country, whose extent is no distance."""

    form: Literal["travel"]
    by: Annotated[FieldNames, Field(min_length=1)]
    speed_kmh: Annotated[float, Field(gt=0)] = 1000.0
    """The speed above which nobody travels."""
    distance_km: Annotated[float, Field(gt=0)] = 500.0
    """What is nearer is no travel."""


class VolumeRule(Common):
    """The sum of a number reaches an amount in a window."""

    form: Literal["volume"]
    sum: Annotated[FieldNames, Field(min_length=1)]
    """The field that is summed; of several the first that an event has."""
    at_least: Annotated[float, Field(gt=0)]
    """The amount."""


class GapRule(Common):
    """Numbers that are missing in a row, or nothing for a while."""

    form: Literal["gap"]
    field: FieldName = "seq"
    """The number that each event should have one more of than the one before: the store's own, or an application's."""
    at_least: _Whole = 1
    """So many are missing."""
    silence: Span | None = None
    """Instead of numbers: so long no event came, told by the next one."""


class WebRule(Common):
    """An attack on a web application in what an event has of a request."""

    form: Literal["web"]
    fields: Annotated[tuple[Annotated[str, AfterValidator(_looked_at)], ...], BeforeValidator(_listed)] = ()
    """The fields that are looked at; `metadata` is every text in it. Without: the path, its parameters each, the user
    agent, and what stands in metadata under query, params, headers and body."""
    classes: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    """The classes of attacks that are reported, such as sqli and xss; without, all."""


Rule: TypeAlias = (
    MatchRule | CountRule | SequenceRule | FirstSeenRule | RareRule | TravelRule | VolumeRule | GapRule | WebRule
)
FORMS: Final[dict[str, type[Common]]] = {
    "match": MatchRule,
    "count": CountRule,
    "sequence": SequenceRule,
    "first_seen": FirstSeenRule,
    "rare": RareRule,
    "travel": TravelRule,
    "volume": VolumeRule,
    "gap": GapRule,
    "web": WebRule,
}
"""The forms by the name in `form`."""
