"""Applications that a real server serves in processes of its own: each opens the store that $SERVED_STORE names.

All have the same routes, which make the request its user's: `/users/{uid}`; `/crash/{uid}`, which fails;
`/stream/{uid}`, which has no end.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse

from stonelog.api.capture.asgi import AuditMiddleware
from stonelog.filestore import Store

__all__ = ["django_app", "fastapi_app", "starlette_app"]


def _store() -> Store:
    return Store.open(os.environ["SERVED_STORE"])


def _user(scope: Any) -> Any:
    return scope["state"].get("user")


async def _endless() -> AsyncIterator[bytes]:
    import asyncio

    while True:
        yield b"more\n"
        await asyncio.sleep(0.01)


def fastapi_app() -> Any:
    """With functions that run in threads."""
    app = FastAPI()

    @app.get("/users/{uid}")
    def users(uid: int, request: Request) -> int:
        request.state.user = (uid, f"user{uid}")
        return uid

    @app.get("/crash/{uid}")
    def crash(uid: int, request: Request) -> int:
        request.state.user = (uid, f"user{uid}")
        raise ValueError(f"crash {uid}")

    @app.get("/stream/{uid}")
    async def stream(uid: int, request: Request) -> StreamingResponse:
        request.state.user = (uid, f"user{uid}")
        return StreamingResponse(_endless())

    app.add_middleware(AuditMiddleware, store=_store(), user=_user)
    return app


def starlette_app() -> Any:
    """With functions that run in the event loop."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    def known(request: Any) -> int:
        uid: int = request.path_params["uid"]
        request.state.user = (uid, f"user{uid}")
        return uid

    async def users(request: Any) -> Any:
        return PlainTextResponse(str(known(request)))

    async def crash(request: Any) -> Any:
        raise ValueError(f"crash {known(request)}")

    async def stream(request: Any) -> Any:
        known(request)
        return StreamingResponse(_endless())

    routes = [Route("/users/{uid:int}", users), Route("/crash/{uid:int}", crash), Route("/stream/{uid:int}", stream)]
    app = Starlette(routes=routes)
    app.add_middleware(AuditMiddleware, store=_store(), user=_user)
    return app


def django_app() -> Any:
    """Django's own ASGI handler, with the middleware around it."""
    import logging

    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpResponse, StreamingHttpResponse
    from django.urls import path

    def known(request: Any, uid: int) -> None:
        request.scope["state"]["user"] = (uid, f"user{uid}")

    async def users(request: Any, uid: int) -> Any:
        known(request, uid)
        return HttpResponse(str(uid), headers={"Content-Length": len(str(uid))})

    async def crash(request: Any, uid: int) -> Any:
        known(request, uid)
        raise ValueError(f"crash {uid}")

    async def stream(request: Any, uid: int) -> Any:
        known(request, uid)
        return StreamingHttpResponse(_endless())

    views = {"users": users, "crash": crash, "stream": stream}
    settings.configure(
        ROOT_URLCONF=tuple(path(f"{name}/<int:uid>", view) for name, view in views.items()),
        SECRET_KEY="k",
        ALLOWED_HOSTS=["*"],
        LOGGING_CONFIG=None,
    )
    django.setup()
    logging.disable()
    return AuditMiddleware(get_asgi_application(), _store(), user=_user)
