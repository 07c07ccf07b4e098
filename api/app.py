"""The ASGI application: which paths there are and what stands around them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import Depends, FastAPI

from stonelog.filestore import Store
from stonelog.indexer import Worker

from . import events, health, stats
from .access import Access
from .guard import Guard
from .openapi import document
from .params import readable_query
from .problems import add_handlers

__all__ = ["create_app"]

API_VERSION: Final = "1"


def create_app(source: Store | str | Path, *, worker: Worker | None = None, loopback_only: bool = False) -> FastAPI:
    """An ASGI application that answers from the store or the directory given, under whatever prefix it is mounted.

    The index is opened at the first question; `app.state.access.close()` closes it. With `worker`, readiness watches
    that thread too. With `loopback_only`, requests for a Host other than localhost are refused: right for a server
    bound to loopback, wrong behind a proxy that passes its own host name on. Raises InvalidSetting.
    """
    app = FastAPI(
        title="stonelog",
        version=API_VERSION,
        description="Events of one store: search them, count them, see them over time. Errors are RFC 9457 documents.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.access = Access(source)
    app.state.worker = worker
    app.add_middleware(Guard, loopback_only=loopback_only)
    add_handlers(app)
    for router in (events.router, stats.router):
        app.include_router(router, dependencies=[Depends(readable_query)])
    app.include_router(health.router)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return app
