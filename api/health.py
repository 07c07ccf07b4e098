"""Whether the process runs, and whether it is ready to be asked."""

from __future__ import annotations

import logging
import os
from typing import Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from stonelog.filestore import StonelogError, Store
from stonelog.indexer import Worker

from .access import Access, Opened
from .openapi import answers
from .problems import NOT_READY, problem

__all__ = ["READY_LAG", "Alive", "Check", "Readiness", "router"]

READY_LAG: Final = 100_000
"""Events that the index may be behind while the service counts as ready; a scan of so many takes under a second."""

log = logging.getLogger("stonelog.api")
router = APIRouter()


class Alive(BaseModel):
    """The process runs."""

    status: str = "alive"


class Check(BaseModel):
    """One thing that readiness depends on, and how it is. Details name no path: whoever probes need not know them."""

    ok: bool
    detail: str


class Readiness(BaseModel):
    """Whether requests should be sent here."""

    ready: bool
    checks: dict[str, Check] = Field(
        description="directory, index_lag; store and index_worker if the process runs them"
    )


@router.get("/livez", summary="Alive?", responses=answers(Alive, asks_index=False))
async def livez() -> Alive:
    """200 as long as the process answers; it asks neither the store nor the index."""
    return Alive()


@router.get("/readyz", summary="Ready?", responses=answers(Readiness, NOT_READY, asks_index=False))
async def readyz(request: Request, caller: Opened) -> Response:
    """200 when the directory can be read, the store takes events and the index keeps up; else 503 with the reasons."""
    worker: Worker | None = request.app.state.worker
    access = caller.access
    checks = {"directory": await access.run(lambda: _directory(access))}
    if access.store is not None:
        checks["store"] = _store(access.store)
    if worker is not None:
        checks["index_worker"] = _worker(worker)
    if checks["directory"].ok:
        checks["index_lag"] = await _lag(access, watched=worker is not None)
    reasons = [f"{name}: {check.detail}" for name, check in checks.items() if not check.ok]
    listed = {name: check.model_dump() for name, check in checks.items()}
    if reasons:
        return problem(NOT_READY, "; ".join(reasons), ready=False, checks=listed)
    return JSONResponse({"ready": True, "checks": listed})


def _directory(access: Access) -> Check:
    try:
        with os.scandir(access.directory) as entries:
            next(entries, None)
    except OSError as error:
        return Check(ok=False, detail=f"it cannot be read: {error.strerror}")
    return Check(ok=True, detail="it can be read")


def _store(store: Store) -> Check:
    """By what the store knows, permissions and mount: to try a write would leave an event behind with every probe."""
    if store.trouble is not None:
        return Check(ok=False, detail="it takes no more events, as the log says")
    if not os.access(store.directory / "events", os.W_OK):
        return Check(ok=False, detail="its directory cannot be written to")
    return Check(ok=True, detail="it takes events")


def _worker(worker: Worker) -> Check:
    """An error of its last pass is told but is no reason: another process may index, and queries scan meanwhile."""
    status = worker.status()
    if not status.alive:
        return Check(ok=False, detail="its thread has ended")
    return Check(ok=True, detail="its last pass failed, as the log says" if status.error else "its thread runs")


async def _lag(access: Access, *, watched: bool) -> Check:
    """With no worker of ours the lag is told, but is no reason: nobody here promised to shorten it."""
    try:
        status = await access.ask(lambda index, _: index.status())
    except (StonelogError, OSError) as error:
        log.warning("readiness: index status: %s", error)
        return Check(ok=False, detail="the state of the index cannot be read")
    behind = status.behind_events
    return Check(ok=behind <= READY_LAG or not watched, detail=f"{behind:,} of {status.last_seq:,} events behind")
