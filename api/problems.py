"""Errors over HTTP: every one is a problem document (RFC 9457), and none says more than the caller may know.

A problem has `type`, `title`, `status` and `detail`; some kinds have further members, named in docs/http.md.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from stonelog.filestore import shorten
from stonelog.indexer import IndexUnavailable, QueryError, QueryStopped

from .params import BadParameter, refusal

__all__ = [
    "BAD_PARAMETER",
    "BAD_QUERY",
    "FOREIGN_HOST",
    "INDEX_UNAVAILABLE",
    "INTERNAL",
    "KINDS",
    "METHOD_NOT_ALLOWED",
    "NOT_READY",
    "NO_SUCH_EVENT",
    "NO_SUCH_PATH",
    "PROBLEM_TYPE",
    "QUERY_STOPPED",
    "QUERY_TOO_LONG",
    "Kind",
    "NoSuchEvent",
    "Problem",
    "add_handlers",
    "problem",
]

PROBLEM_TYPE: Final = "application/problem+json"

log = logging.getLogger("stonelog.api")


@dataclass(frozen=True)
class Kind:
    """A kind of problem: what its type URI, its status and its title are."""

    name: str
    status: int
    title: str

    @property
    def type(self) -> str:
        """The URI that a program can tell the kind by."""
        return f"urn:stonelog:problem:{self.name}"


BAD_PARAMETER: Final = Kind("bad-parameter", 400, "A parameter cannot be taken")
BAD_QUERY: Final = Kind("bad-query", 400, "The query cannot be understood")
NO_SUCH_EVENT: Final = Kind("no-such-event", 404, "There is no such event")
NO_SUCH_PATH: Final = Kind("no-such-path", 404, "There is nothing at this path")
METHOD_NOT_ALLOWED: Final = Kind("method-not-allowed", 405, "This path does not take this method")
QUERY_TOO_LONG: Final = Kind("query-too-long", 414, "The query string is too long")
FOREIGN_HOST: Final = Kind("foreign-host", 421, "This server does not answer for this host")
INTERNAL: Final = Kind("internal", 500, "Something went wrong in the server")
INDEX_UNAVAILABLE: Final = Kind("index-unavailable", 503, "The index cannot answer now")
QUERY_STOPPED: Final = Kind("query-stopped", 503, "The query takes longer than it may")
NOT_READY: Final = Kind("not-ready", 503, "The service is not ready")

KINDS: Final = (
    BAD_PARAMETER,
    BAD_QUERY,
    NO_SUCH_EVENT,
    NO_SUCH_PATH,
    METHOD_NOT_ALLOWED,
    QUERY_TOO_LONG,
    FOREIGN_HOST,
    INTERNAL,
    INDEX_UNAVAILABLE,
    QUERY_STOPPED,
    NOT_READY,
)


class Problem(BaseModel):
    """An error, as RFC 9457 describes it."""

    type: str = Field(description="URI of the kind of problem; programs tell kinds apart by it")
    title: str = Field(description="the kind in words; the same for every problem of the kind")
    status: int = Field(description="the HTTP status, repeated")
    detail: str = Field(description="what is wrong with this request")
    parameter: str | None = Field(default=None, description="the query parameter at fault")
    position: int | None = Field(default=None, description="where in the query, in characters from 0")
    suggestion: str | None = Field(default=None, description="what was probably meant")
    request_id: str | None = Field(default=None, description="stands in the server's log beside the cause")


class NoSuchEvent(Exception):
    """No event of the store has this `seq` or `id`."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def problem(kind: Kind, detail: str, *, headers: dict[str, str] | None = None, **members: object) -> Response:
    """The response for a problem of this kind; members that are None or empty are left out."""
    body: dict[str, Any] = {"type": kind.type, "title": kind.title, "status": kind.status, "detail": detail}
    body |= {name: value for name, value in members.items() if value is not None and value != ""}
    return JSONResponse(body, status_code=kind.status, headers=headers, media_type=PROBLEM_TYPE)


def _bad_parameter(_: Request, error: BadParameter) -> Response:
    return problem(BAD_PARAMETER, str(error), parameter=error.parameter, suggestion=error.suggestion)


def _bad_request(request: Request, error: RequestValidationError) -> Response:
    return _bad_parameter(request, refusal(error.errors()[0]))


def _bad_query(_: Request, error: QueryError) -> Response:
    return problem(BAD_QUERY, str(error), position=error.position, suggestion=error.suggestion)


def _no_such_event(_: Request, error: NoSuchEvent) -> Response:
    detail = f"{shorten(error.key)!r} is neither the seq nor the id of an event in this store"
    return problem(NO_SUCH_EVENT, detail)


def _index_unavailable(_: Request, error: IndexUnavailable) -> Response:
    log.warning("index unavailable: %s", error)
    return problem(INDEX_UNAVAILABLE, "the index and the files behind it cannot be read now; try again")


def _query_stopped(_: Request, error: QueryStopped) -> Response:
    """Without Retry-After: the same query takes as long again."""
    return problem(QUERY_STOPPED, str(error))


def _from_router(request: Request, error: HTTPException) -> Response:
    """What the router itself refuses: an unknown path or a method that the path does not take."""
    path = shorten(request.url.path) if request.scope.get("query_string", b"").isascii() else "this path"
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem(NO_SUCH_PATH, f"there is nothing at {path}; /openapi.json lists what there is", headers=headers)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{path} takes {headers.get('Allow', 'GET')}, not {shorten(request.method)}"
        return problem(METHOD_NOT_ALLOWED, detail, headers=headers)
    title = HTTPStatus(error.status_code).phrase
    return problem(Kind("http", error.status_code, title), title, headers=headers)


def add_handlers(app: FastAPI) -> None:
    """After this, every error that the application foresees is answered as a problem document."""
    app.exception_handler(BadParameter)(_bad_parameter)
    app.exception_handler(RequestValidationError)(_bad_request)
    app.exception_handler(QueryError)(_bad_query)
    app.exception_handler(NoSuchEvent)(_no_such_event)
    app.exception_handler(IndexUnavailable)(_index_unavailable)
    app.exception_handler(QueryStopped)(_query_stopped)
    app.exception_handler(HTTPException)(_from_router)
