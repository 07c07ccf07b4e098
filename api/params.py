"""The parameters of every path: one model each, strict, so that a mistyped filter never widens an answer.

An unknown or repeated parameter is refused and named. An empty value is the same as leaving the parameter out.
What a query, a step or a cursor may look like is the index's to judge; here is what HTTP adds.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote_to_bytes

from fastapi import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from stonelog.filestore import StonelogError, shorten
from stonelog.indexer import QueryError, instant

__all__ = [
    "MAX_FACET_FIELDS",
    "MAX_LIMIT",
    "BadParameter",
    "CountParameters",
    "EventsParameters",
    "FacetsParameters",
    "HistogramParameters",
    "NoParameters",
    "StatsParameters",
    "readable_query",
    "refusal",
]

MAX_LIMIT: Final = 1000
MAX_FACET_FIELDS: Final = 20
REPEATABLE: Final = frozenset({"field"})


class BadParameter(StonelogError):
    """A parameter of a request is unknown, repeated, missing or has a value it cannot take."""

    def __init__(self, parameter: str, message: str, *, suggestion: str = "") -> None:
        self.parameter = parameter
        self.suggestion = suggestion
        super().__init__(message)


def _whole_number(text: object) -> object:
    """Digits only: int() would take '+5', ' 5' and '5_0' too."""
    if isinstance(text, str) and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError("digits only")
    return text


def _time(text: str) -> str:
    """The index will read it again; read here, the error can name the parameter."""
    try:
        instant(text)
    except QueryError as error:
        raise ValueError(str(error)) from None
    return text


Time = Annotated[str, AfterValidator(_time)]
Query = Annotated[str, Field(description="the query; empty matches every event")]
Since = Annotated[Time | None, Field(description="from this time on: RFC 3339, a date, or a span back from now (24h)")]
Until = Annotated[Time | None, Field(description="up to and without this time, in the same forms")]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT), BeforeValidator(_whole_number)]

_TIMES: Final = "RFC 3339 with an offset, a date, or a span back from now such as 15m, 24h or 7d"
ALLOWED: Final = {
    "since": _TIMES,
    "until": _TIMES,
    "limit": f"a whole number from 1 to {MAX_LIMIT}",
    "order": "desc (newest first) or asc (oldest first)",
    "field": f"1 to {MAX_FACET_FIELDS} field names, each as field=NAME",
}


class Parameters(BaseModel):
    """What stands in a query string; each path has a subclass with what it takes."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_and_filled(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        for name in given:
            if name not in cls.model_fields:
                known = ", ".join(cls.model_fields) or "no parameters"
                near = difflib.get_close_matches(name, cls.model_fields, n=1)
                context = {"name": name, "known": known, "near": near[0] if near else ""}
                raise PydanticCustomError("unknown_parameter", "unknown parameter", context)
        return {name: value for name, value in given.items() if value != ""}


class NoParameters(Parameters):
    """For a path that takes none."""


class CountParameters(Parameters):
    """Which events."""

    q: Query = ""
    since: Since = None
    until: Until = None


class StatsParameters(CountParameters):
    """Which events to summarise."""


class EventsParameters(CountParameters):
    """Which events, how many of them, and from where on."""

    limit: Annotated[Limit, Field(description="events a page; a stream of lines has no pages")] = 50
    cursor: Annotated[str | None, Field(description="`next_cursor` of the page before, with the same filter")] = None
    order: Annotated[Literal["desc", "asc"], Field(description="desc: newest first")] = "desc"


class FacetsParameters(CountParameters):
    """Which events to count by the values of which fields."""

    field: Annotated[
        list[str], Field(min_length=1, max_length=MAX_FACET_FIELDS, description="a field; repeat it for several")
    ]
    limit: Annotated[Limit, Field(description="values a field")] = 10


class HistogramParameters(CountParameters):
    """Which events to count by time, and by which steps."""

    step: Annotated[str, Field(description="width of a bucket: 30s, 15m, 1h, 1d, 1w")] = "1h"
    by: Annotated[str | None, Field(description="a field whose values are counted apart")] = None


async def readable_query(request: Request) -> None:
    """Raises BadParameter unless the query string is UTF-8 and names each parameter once.

    Decoded leniently, other bytes would become U+FFFD, and the last of two filters would silently win.
    """
    try:
        unquote_to_bytes(request.scope["query_string"]).decode()
    except UnicodeDecodeError:
        raise BadParameter("", "the query string is not percent-encoded UTF-8") from None
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name in seen and name not in REPEATABLE:
            raise BadParameter(name, f"{shorten(name)}: it stands more than once; give it once")
        seen.add(name)


def refusal(error: Mapping[str, Any]) -> BadParameter:
    """The BadParameter that says in our words what pydantic found wrong (one item of its `errors()`)."""
    place = error["loc"]
    context = error.get("ctx", {})
    if error["type"] == "unknown_parameter":
        name, near = str(context["name"]), str(context["near"])
        message = f"unknown parameter {shorten(name)!r}: this path takes {context['known']}"
        return BadParameter(name, message, suggestion=near)
    name = str(place[1]) if len(place) > 1 else ""
    allowed = ALLOWED.get(name, str(error["msg"]))
    if error["type"] == "missing":
        return BadParameter(name, f"{name}: it is required: {allowed}")
    # A "+" in a query string means a space: the offset +02:00 has to be sent as %2B02:00.
    plus = "; write + as %2B" if allowed is _TIMES and " " in str(error["input"]) else ""
    return BadParameter(name, f"{name}: {shorten(error['input'])!r} is not allowed: {allowed}{plus}")
