"""The events themselves: pages of them, all of them as lines, and one alone.

What is sent are the stored bytes: a line is never parsed and written anew on its way out, so that integers beyond 2^53,
key order and the hash at its end arrive as they stand in the file.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from stonelog.filestore import Event
from stonelog.indexer import Index, Page, Patience

from .access import Caller, Opened
from .openapi import answers
from .params import EventsParameters, NoParameters
from .problems import BAD_PARAMETER, BAD_QUERY, NO_SUCH_EVENT, NoSuchEvent

__all__ = ["NDJSON", "EventsPage", "prefers_lines", "router"]

NDJSON: Final = "application/x-ndjson"
LINES_A_STEP: Final = 250
"""Events read at a time while streaming: at most 16 MiB in memory, since a line has at most 65,535 bytes."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_SEQ = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)

router = APIRouter()


class EventsPage(BaseModel):
    """Some events in order, and where the next ones are."""

    items: list[Event] = Field(description="the stored lines, as they are")
    next_cursor: str | None = Field(description="the cursor of the next page; null on the last")
    indexed_seq: int = Field(description="the index covers events up to this seq; later ones were found by scan")
    durable_seq: int = Field(description="events up to this seq are on stable storage")


@router.get(
    "/v1/events",
    summary="Search events",
    responses=answers(EventsPage, BAD_PARAMETER, BAD_QUERY, also=NDJSON),
)
async def list_events(request: Request, ask: Annotated[EventsParameters, Query()], caller: Opened) -> Response:
    """Events that match, by `seq`, newest first unless `order=asc`. With `Accept: application/x-ndjson` all matches
    come as raw lines, whatever `limit` says; an answer that breaks off before its last chunk is not whole."""
    if prefers_lines(request.headers.get("accept", "")):
        return await _all_lines(ask, caller)
    page = await caller.ask(partial(_page, ask, ask.limit, ask.cursor))
    headers = {"Vary": "Accept"}
    if page.next_cursor is not None:
        headers["Link"] = f'<{request.url.include_query_params(cursor=page.next_cursor)}>; rel="next"'
    return Response(_body(page), media_type="application/json", headers=headers)


@router.get(
    "/v1/events/{key}",
    summary="One event",
    responses=answers(Event, BAD_PARAMETER, NO_SUCH_EVENT),
)
async def one_event(
    key: Annotated[str, Path(description="the event's `seq` or its `id`")],
    _: Annotated[NoParameters, Query()],
    caller: Opened,
) -> Response:
    """The stored line of the event with this `seq` or `id`."""
    wanted: int | str
    if _SEQ.fullmatch(key):
        wanted = int(key)
    elif _UUID.fullmatch(key):
        wanted = key.lower()
    else:
        raise NoSuchEvent(key)
    event = await caller.ask(lambda index, patience: index.get(wanted, patience=patience))
    if event is None:
        raise NoSuchEvent(key)
    return Response(event.line, media_type="application/json")


def prefers_lines(accept: str) -> bool:
    """Whether an Accept header asks for lines: it names them, and does not rank JSON as high (RFC 9110, 12.5.1)."""
    quality = {NDJSON: 0.0, "application/json": 0.0}
    for item in accept.lower().split(","):
        media, *parameters = (part.strip() for part in item.split(";"))
        if media in quality:
            weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
            quality[media] = float(weight) if re.fullmatch(r"[01](\.\d{0,3})?", weight, re.ASCII) else 0.0
    return quality[NDJSON] > quality["application/json"]


def _page(ask: EventsParameters, limit: int, cursor: str | None, index: Index, patience: Patience) -> Page:
    return index.search(
        ask.q, since=ask.since, until=ask.until, limit=limit, cursor=cursor, order=ask.order, patience=patience
    )


def _body(page: Page) -> bytes:
    cursor = b"null" if page.next_cursor is None else b'"%s"' % page.next_cursor.encode("ascii")
    return b'{"items":[%s],"next_cursor":%s,"indexed_seq":%d,"durable_seq":%d}' % (
        b",".join(event.line for event in page.events),
        cursor,
        page.indexed_seq,
        page.durable_seq,
    )


async def _all_lines(ask: EventsParameters, caller: Caller) -> Response:
    """The first lines are read before the answer begins, so that a bad query is still answered with 400."""
    last = (await caller.ask(lambda index, _: index.status())).last_seq if ask.order == "asc" else None
    first = await caller.ask(partial(_page, ask, LINES_A_STEP, ask.cursor))
    return StreamingResponse(_lines(ask, caller, first, last), media_type=NDJSON, headers={"Vary": "Accept"})


async def _lines(ask: EventsParameters, caller: Caller, page: Page, last: int | None) -> AsyncIterator[bytes]:
    """Yields the lines of this page and all after it, up to `last`: else, oldest first, a busy writer kept it going."""
    while True:
        events = [event for event in page.events if last is None or (event.seq or 0) <= last]
        if events:
            yield b"".join(event.line + b"\n" for event in events)
        if page.next_cursor is None or len(events) < len(page.events):
            return
        page = await caller.ask(partial(_page, ask, LINES_A_STEP, page.next_cursor))
