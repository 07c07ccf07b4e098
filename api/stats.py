"""Numbers about events: how many, by which values, over time, and a summary."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Final, TypeAlias

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from stonelog.filestore import format_time

from .access import Opened
from .openapi import answers
from .params import CountParameters, FacetsParameters, HistogramParameters, StatsParameters
from .problems import BAD_PARAMETER, BAD_QUERY

__all__ = ["Bucket", "Count", "Facets", "Histogram", "Percentiles", "Risk", "Summary", "ValueCount", "router"]

router = APIRouter()

Value: TypeAlias = str | int | float


Stamp = Annotated[
    datetime,
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time, written as on an event's line: UTC, six digits, Z."""


class Count(BaseModel):
    """How many events match."""

    count: int


class ValueCount(BaseModel):
    """A value of a field and how many matching events have it."""

    value: Value
    count: int


class Facets(BaseModel):
    """The most frequent values of each field asked for, highest count first."""

    facets: dict[str, list[ValueCount]]


class Bucket(BaseModel):
    """The events of one step of time: their `count`, or `counts` by value if the answer is split by a field."""

    start: Stamp
    count: int | None = None
    counts: dict[str, int] | None = None


class Histogram(BaseModel):
    """Counts over time, oldest first, empty buckets included."""

    step: str
    by: str | None = None
    buckets: list[Bucket]


class Percentiles(BaseModel):
    """Response times in milliseconds."""

    p50: float
    p95: float
    p99: float


class Risk(BaseModel):
    """Risk scores, 0 to 100."""

    mean: float
    max: int


class Summary(BaseModel):
    """What matching events amount to."""

    model_config = ConfigDict(from_attributes=True)

    events: int
    errors: int = Field(description="events of level error or critical")
    by_level: dict[str, int]
    by_category: dict[str, int]
    users: int = Field(description="different users, by user_id, or username where there is none")
    sessions: int
    addresses: int
    response_time_ms: Percentiles | None = Field(description="null if no event has one; so the three after it")
    risk_score: Risk | None
    first_time: Stamp | None
    last_time: Stamp | None
    within: dict[str, float] = Field(
        description="the figures that are near and not exact: how far from the exact one, as a share of it, they may be"
    )


ASKED: Final = (BAD_PARAMETER, BAD_QUERY)


@router.get("/v1/count", summary="Count events", responses=answers(Count, *ASKED))
async def count(ask: Annotated[CountParameters, Query()], caller: Opened) -> Count:
    """How many events match."""
    return Count(
        count=await caller.ask(
            lambda index, patience: index.count(ask.q, since=ask.since, until=ask.until, patience=patience)
        )
    )


@router.get("/v1/facets", summary="Count by values", responses=answers(Facets, *ASKED))
async def facets(ask: Annotated[FacetsParameters, Query()], caller: Opened) -> Facets:
    """The most frequent values of each `field` among matching events."""
    found = await caller.ask(
        lambda index, patience: index.facets(
            ask.q, ask.field, limit=ask.limit, since=ask.since, until=ask.until, patience=patience
        )
    )
    return Facets(
        facets={
            field: [ValueCount(value=value, count=count) for value, count in values] for field, values in found.items()
        }
    )


@router.get(
    "/v1/histogram",
    summary="Count over time",
    responses=answers(Histogram, *ASKED),
    response_model_exclude_unset=True,
)
async def histogram(ask: Annotated[HistogramParameters, Query()], caller: Opened) -> Histogram:
    """Matching events by steps of time, split by the values of a field if `by` names one."""
    found = await caller.ask(
        lambda index, patience: index.histogram(
            ask.q, step=ask.step, by=ask.by, since=ask.since, until=ask.until, patience=patience
        )
    )
    given = ask.model_dump(include={"step", "by"}, exclude_none=True)
    return Histogram(**given, buckets=[_bucket(start, value) for start, value in found])


def _bucket(start: datetime, value: int | dict[Value, int]) -> Bucket:
    if isinstance(value, int):
        return Bucket(start=start, count=value)
    return Bucket(start=start, counts={_name(key): count for key, count in value.items()})


def _name(value: Value) -> str:
    """A value as a JSON object's key: text as it is, numbers and booleans as their JSON text."""
    return value if isinstance(value, str) else json.dumps(value)


@router.get("/v1/stats", summary="Summarise events", responses=answers(Summary, *ASKED))
async def stats(ask: Annotated[StatsParameters, Query()], caller: Opened) -> Summary:
    """Counts, distinct users, sessions and addresses, response times, risk, first and last time."""
    found = await caller.ask(
        lambda index, patience: index.stats(ask.q, since=ask.since, until=ask.until, patience=patience)
    )
    return Summary.model_validate(found)
