"""One line in each framework: the route, the user and the crash are found without importing any of them."""

import asyncio
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from asking import ask, ask_wsgi, captured, scope_of
from stonelog.api.capture.asgi import AuditMiddleware
from stonelog.api.capture.exchange import amend, crashed
from stonelog.api.capture.frameworks import remember_request
from stonelog.api.capture.routes import route_of_scope, template
from stonelog.api.capture.wsgi import AuditWsgiMiddleware


def test_starlette(tmp_path: Path) -> None:
    """Routes, mounted ones too, and the user of its own AuthenticationMiddleware."""
    from starlette.applications import Starlette
    from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
    from starlette.middleware.authentication import AuthenticationMiddleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    class Backend(AuthenticationBackend):
        async def authenticate(self, connection: Any) -> Any:
            return (AuthCredentials(), SimpleUser("ada")) if "authorization" in connection.headers else None

    async def endpoint(request: Any) -> Any:
        return PlainTextResponse("x")

    inner = [Route("/x/{y}", endpoint), Mount("/n", routes=[Route("/z", endpoint)])]
    app = Starlette(routes=[Route("/u/{uid:int}", endpoint), Mount("/m/{tenant}", routes=inner)])

    def use(store: Any) -> None:
        app.add_middleware(AuthenticationMiddleware, backend=Backend())
        app.add_middleware(AuditMiddleware, store=store)
        for target in ("/u/7", "/m/acme/x/4", "/m/acme/n/z", "/m/acme/none", "/none"):
            ask(app, target, headers={"Authorization": "x"})
        ask(app, "/u/8")

    events = captured(tmp_path, use)
    routes = ["/u/{uid}", "/m/{tenant}/x/{y}", "/m/{tenant}/n/z", "/m/{tenant}/*", None, "/u/{uid}"]
    assert [event["metadata"].get("route") for event in events] == routes
    assert [event.get("username") for event in events] == ["ada"] * 5 + [None]


def test_fastapi(tmp_path: Path) -> None:
    """Routers with prefixes, mounted applications; a crash in a function that runs in a thread."""
    from fastapi import APIRouter, FastAPI

    app, inner, router = FastAPI(), FastAPI(), APIRouter(prefix="/users")

    @router.get("/{uid}")
    def user(uid: int) -> int:
        amend(username="ada")
        return 1 // uid

    @inner.get("/items/{item:path}")
    def item(item: str) -> str:
        return item

    app.include_router(router, prefix="/v1")
    app.mount("/sub/{tenant}", inner)

    def use(store: Any) -> None:
        app.add_middleware(AuditMiddleware, store=store)
        with pytest.raises(ZeroDivisionError):
            ask(app, "/v1/users/0")
        for target in ("/v1/users/1", "/v1/users/x", "/sub/acme/items/a/b"):
            ask(app, target)

    events = captured(tmp_path, use)
    assert [event["status_code"] for event in events] == [500, 200, 422, 200]
    assert [event["metadata"]["route"] for event in events] == ["/v1/users/{uid}"] * 3 + ["/sub/{tenant}/items/{item}"]
    assert (events[0]["error_type"], events[0]["username"]) == ("ZeroDivisionError", "ada")


def test_litestar(tmp_path: Path) -> None:
    """Its route template is in the scope; its `after_exception` hook can tell of crashes."""
    litestar = pytest.importorskip("litestar", reason="litestar is not installed")

    @litestar.get("/users/{uid:int}")
    async def user(request: litestar.Request) -> int:
        amend(user_id="7")
        return 1 // int(request.path_params["uid"])

    async def tell(error: Exception, scope: Any) -> None:
        crashed(error)

    def use(store: Any) -> None:
        app = AuditMiddleware(litestar.Litestar([user], after_exception=[tell], logging_config=None), store)
        ask(app, "/users/1")
        ask(app, "/users/0")

    good, bad = captured(tmp_path, use)
    assert [good["metadata"]["route"], bad["metadata"]["route"]] == ["/users/{uid}"] * 2
    assert (good["status_code"], good["user_id"]) == (200, "7")
    assert (bad["status_code"], bad["error_type"]) == (500, "ZeroDivisionError")


def test_quart(tmp_path: Path) -> None:
    """Route, user of the session and crash come by its signals."""
    quart = pytest.importorskip("quart", reason="quart is not installed")
    app = quart.Quart("app")
    app.secret_key = "k"

    @app.get("/users/<int:uid>")
    async def user(uid: int) -> str:
        quart.session["user_id"] = "7"
        return str(1 // uid)

    def use(store: Any) -> None:
        around = AuditMiddleware(app.asgi_app, store)
        ask(around, "/users/1", headers={"Host": "localhost"})
        ask(around, "/users/0", headers={"Host": "localhost"})

    good, bad = captured(tmp_path, use)
    assert (good["metadata"]["route"], good["status_code"], good["user_id"]) == ("/users/{uid}", 200, "7")
    assert (bad["status_code"], bad["error_type"], bad["level"]) == (500, "ZeroDivisionError", "error")


def test_flask(tmp_path: Path) -> None:
    """`app.wsgi_app = AuditWsgiMiddleware(app.wsgi_app)`: route, user of the session and crash."""
    flask = pytest.importorskip("flask", reason="flask is not installed")
    app = flask.Flask("app")
    app.secret_key = "k"

    @app.get("/users/<int:uid>")
    def user(uid: int) -> str:
        flask.session["user_id"] = "7"
        return str(1 // uid)

    def use(store: Any) -> None:
        app.wsgi_app = AuditWsgiMiddleware(app.wsgi_app, store)
        for target in ("/users/1", "/users/0", "/none"):
            ask_wsgi(app, target)

    good, bad, none = captured(tmp_path, use)
    assert (good["metadata"]["route"], good["status_code"], good["user_id"]) == ("/users/{uid}", 200, "7")
    assert (bad["status_code"], bad["error_type"], bad["level"]) == (500, "ZeroDivisionError", "error")
    assert (none["status_code"], "route" in none.get("metadata", {})) == (404, False)


DJANGO = """
import sys
from pathlib import Path
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from asking import ask, ask_wsgi, captured
from stonelog.api.capture.asgi import AuditMiddleware
from stonelog.api.capture.wsgi import AuditWsgiMiddleware

class User:
    is_authenticated, pk, username = True, 7, "ada"

def sync_view(request, uid):
    request._cached_user = User()
    return HttpResponse(str(1 // uid))

async def async_view(request, uid):
    request._cached_user = User()
    return HttpResponse(str(1 // uid))

urlpatterns = [path("users/<int:uid>/", sync_view), path("async/<int:uid>", async_view)]
middleware = ["stonelog.api.capture.frameworks.remember_request"] if sys.argv[2] == "remembered" else []
settings.configure(ROOT_URLCONF="__main__", SECRET_KEY="k", ALLOWED_HOSTS=["*"], MIDDLEWARE=middleware,
                   LOGGING_CONFIG=None)
django.setup()
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
application = get_asgi_application(), get_wsgi_application()

def use(store):
    asgi, wsgi = AuditMiddleware(application[0], store), AuditWsgiMiddleware(application[1], store)
    for target in ("/users/1/", "/users/0/", "/async/1", "/async/0", "/none"):
        ask(asgi, target)
        ask_wsgi(wsgi, target)

import logging
logging.disable()
for event in captured(Path(sys.argv[1]), use):
    print(event["status_code"], event.get("metadata", {}).get("route"), event.get("username"), event.get("error_type"))
"""


@pytest.mark.parametrize(("how", "who"), [("plain", None), ("remembered", "ada")])
def test_django(tmp_path: Path, how: str, who: str | None) -> None:
    """ASGI and WSGI, views of both kinds: routes and crashes are always found, the user by one line in MIDDLEWARE."""
    pytest.importorskip("django", reason="django is not installed")
    program = tmp_path / "app.py"
    program.write_text(DJANGO)
    done = subprocess.run(
        [sys.executable, program, tmp_path, how], capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stderr == ""
    expected = []
    for route in ("/users/{uid}/", "/async/{uid}"):
        expected += [f"200 {route} {who} None"] * 2 + [f"500 {route} {who} ZeroDivisionError"] * 2
    assert done.stdout.split("\n")[:-1] == [*expected, "404 None None None", "404 None None None"]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("/users/{id:int}", "/users/{id}"),
        ("users/<int:id>/", "/users/{id}/"),
        ("/a/<name>/{rest:path}", "/a/{name}/{rest}"),
        ("^users/(?P<id>[0-9]+)/$", "/^users/(?P{id}[0-9]+)/$"),
        ("", "/"),
    ],
)
def test_templates_have_one_form(text: str, form: str) -> None:
    """So that a rule, a search or a figure by route means the same whatever the framework."""
    assert template(text) == form


def test_a_value_that_is_also_a_segment() -> None:
    """Values are looked for from the right, as they stand in most routes."""

    def endpoint() -> None:
        """Something that a route calls."""

    scope = scope_of("/users/users/keys/7", endpoint=endpoint, path_params={"name": "users", "key": 7})
    assert route_of_scope(scope) == "/users/{name}/keys/{key}"


def test_what_is_odd_about_a_route_breaks_nothing(tmp_path: Path) -> None:
    """A framework that changes costs the route, not the response."""

    class Odd:
        @property
        def path_format(self) -> str:
            raise RuntimeError

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = Odd()
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    assert len(captured(tmp_path, lambda store: ask(AuditMiddleware(app, store)))) == 1
    assert asyncio.iscoroutinefunction(AuditMiddleware.__call__), "servers tell ASGI 3 by that"


def test_a_mounted_flask_application(tmp_path: Path) -> None:
    """The template has what it is mounted under, by which rules tell it from another one's."""
    flask = pytest.importorskip("flask", reason="flask is not installed")
    app = flask.Flask("mounted")
    app.add_url_rule("/users/<int:uid>", "user", lambda uid: "x")

    def outer(environ: Any, start: Any) -> Any:
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/api", environ["PATH_INFO"].removeprefix("/api")
        return app(environ, start)

    def use(store: Any) -> None:
        ask_wsgi(AuditWsgiMiddleware(outer, store, exclude=["/users/{id}"]), "/api/users/7")

    (event,) = captured(tmp_path, use)
    assert (event["path"], event["metadata"]["route"]) == ("/api/users/7", "/api/users/{uid}")


@pytest.mark.parametrize("enabled", [True, False])
def test_a_remembered_request_is_forgotten(tmp_path: Path, enabled: bool) -> None:
    """It holds its environ, which must not go on holding it."""
    seen: list[Any] = []

    def app(environ: Any, start: Any) -> Any:
        remember_request(lambda request: None)(SimpleNamespace(environ=environ, _cached_user=SimpleNamespace(id=7)))
        seen.append(environ)
        start("200 OK", [])
        return [b"x"]

    events = captured(tmp_path, lambda store: ask_wsgi(AuditWsgiMiddleware(app, store, enabled=enabled)))
    assert [event["user_id"] for event in events] == ["7"] * enabled
    assert "stonelog.request" not in seen[0]
