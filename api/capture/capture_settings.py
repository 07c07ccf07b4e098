"""The settings of what is captured of requests. Loading this loads no framework."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from stonelog.filestore import TextList

from .proxies import check_network
from .rules import Pattern

__all__ = ["CaptureSettings"]


def _as_table(given: object) -> object:
    """A variable of the environment is a text: an object as JSON, or `pattern=rate` with commas between."""
    if not isinstance(given, str):
        return given
    if given.lstrip().startswith("{"):
        return json.loads(given)
    pairs = (each.rpartition("=") for each in given.split(",") if each.strip())
    return {pattern.strip(): rate.strip() for pattern, _, rate in pairs}


def _check_patterns(given: Any) -> Any:
    for text in given:
        Pattern.parse(text)
    return given


def _check_networks(given: tuple[str, ...]) -> tuple[str, ...]:
    for text in given:
        check_network(text)
    return given


_Patterns = Annotated[TextList, AfterValidator(_check_patterns)]
_Rate = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{0,64}$")]


class CaptureSettings(BaseModel):
    """The section `[capture]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    """Whether requests are captured at all; if not, the middleware hands everything on untouched."""
    trusted_proxies: Annotated[TextList, AfterValidator(_check_networks)] = ()
    """Networks (`10.0.0.0/8`, `::1`) whose proxies are believed about the client's address; `unix`: whoever comes by a
    Unix socket."""
    proxy_header: Literal["any", "forwarded", "x-forwarded-for"] = "any"
    """Which header these proxies write. `any`: the one that is there; if both are and differ, neither is believed."""
    exclude: _Patterns = ()
    """Routes of which no event is written, such as `/health*`, `/users/{id}` or `GET /login`."""
    always: _Patterns = ()
    """Routes of which an event is written though a wider pattern excludes or samples them."""
    sensitive: _Patterns = ()
    """Routes whose events have at least the level notice and the tag `sensitive`, and never the query string."""
    sample: Annotated[dict[str, _Rate], BeforeValidator(_as_table), AfterValidator(_check_patterns)] = Field(
        default_factory=dict
    )
    """By pattern of routes, the share of their requests that is written (0 to 1). What failed always is, and of a trace
    all that one process handles or nothing: services agree on that if their middleware has the same `session_key`."""
    request_id_header: _HeaderName = "X-Request-ID"
    """The header that a request's id is taken from if it is sane; empty: each gets a new one."""
    response_header: _HeaderName = ""
    """The header of the response that the request's id is given in; empty: none."""
    session_cookie: str = ""
    """The cookie that names the session. A digest of it becomes `session_id`, never the cookie itself."""
    query_strings: bool = True
    """Whether `path` has the query string."""
    user_agents: bool = True
    """Whether `metadata.agent` tells family, OS and device of the user agent, if ua-parser is installed."""
    stack_bytes: Annotated[int, Field(ge=0, le=24 * 1024)] = 8 * 1024
    """How many bytes of a stack trace are kept, of its beginning and its end; 0: none."""
