"""The settings of the HTTP API. Not beside what uses them: `stonelog config` shows them without loading a server."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["HttpSettings"]


class HttpSettings(BaseModel):
    """The section `[http]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 30.0
    """A query that has no answer after so many seconds is stopped; 0: never."""
