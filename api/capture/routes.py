"""The template of the route that took a request, as `/users/{id}`, read from what frameworks leave behind."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from types import FunctionType, MethodType
from typing import Any, Final

__all__ = ["is_django", "route_of_environ", "route_of_scope", "template"]

_LONGEST: Final = 4096
_CONVERTER: Final = re.compile(r"<(?:[^<>:]{1,64}:)?([^<>:]{1,64})>|\{([^{}:]{1,64}):[^{}]{1,64}\}")


@lru_cache(maxsize=1024)
def template(text: str) -> str:
    """One form for all frameworks: `<int:id>` and `{id:int}` are `{id}`, and a slash stands in front."""
    text = _CONVERTER.sub(r"{\1\2}", text[:_LONGEST])
    return text if text.startswith("/") else f"/{text}"


def is_django(app: object) -> bool:
    """Whether this is Django's own handler: then its routes can be asked, if nothing else tells."""
    return type(app).__module__.startswith("django.core.handlers.")


def route_of_scope(scope: Mapping[str, Any], *, django: bool = False) -> str | None:
    """The template by what Starlette, FastAPI, Litestar or Django say of the request; None if nothing took it."""
    path = str(scope.get("path", ""))
    known = scope.get("path_template")  # Litestar
    if isinstance(known, str) and known:
        return template(known)
    if (request := scope.get("stonelog.request")) is not None or django:
        return _of_django(request, path)
    route, endpoint = scope.get("route"), scope.get("endpoint")
    if (route is None and endpoint is None) or len(path) > _LONGEST:
        return None
    parameters = scope.get("path_params") or {}
    own = getattr(route, "path_format", None) or getattr(route, "path", None)
    if own is not None and own.count("/") == path.count("/") and not own.endswith("/{path}"):
        return template(own)  # there is nothing before it: the same as below, at a tenth of the cost
    if own is None and isinstance(endpoint, FunctionType | MethodType | type):
        return _replaced(path, parameters)
    root = str(scope.get("root_path", ""))
    root = root if path.startswith(root) else ""
    if own is None or hasattr(route, "routes"):  # another application, mounted there: what it took is not known
        return f"{_replaced(root, parameters)}/*" if root else None
    own = template(str(own))
    concrete = _filled(own, parameters)
    before = path[: -len(concrete)] if concrete and path.endswith(concrete) else root
    outer = {name: value for name, value in parameters.items() if f"{{{name}}}" not in own}
    return f"{_replaced(before, outer)}{own}"


def route_of_environ(environ: Mapping[str, Any], *, django: bool = False) -> str | None:
    """The template by what Flask (Werkzeug) or Django say of the request; None if nothing took it."""
    root = str(environ.get("SCRIPT_NAME", ""))
    if (request := environ.get("stonelog.request")) is not None or django:
        return _of_django(request, root + str(environ.get("PATH_INFO", "")))
    rule = getattr(getattr(environ.get("werkzeug.request"), "url_rule", None), "rule", None)
    return root + template(rule) if isinstance(rule, str) else None


def _filled(own: str, parameters: Mapping[str, Any]) -> str:
    for name, value in parameters.items():
        own = own.replace(f"{{{name}}}", str(value))
    return own


def _replaced(path: str, parameters: Mapping[str, Any]) -> str:
    """The path with `{name}` for segments that are the values, from the right: `/users/users` is `/users/{name}`."""
    segments = path.split("/")
    end = len(segments)
    for name, value in reversed(list(parameters.items())):
        wanted = str(value).split("/")
        for at in range(end - len(wanted), 0, -1):
            if segments[at : at + len(wanted)] == wanted:
                segments[at : at + len(wanted)] = [f"{{{name}}}"]
                end = at
                break
    return "/".join(segments)


def _of_django(request: object, path: str) -> str | None:
    """By the request that was remembered, else by asking the routes once more, which takes some microseconds."""
    match = getattr(request, "resolver_match", None)
    urls = sys.modules.get("django.urls")
    if match is None and urls is not None:
        try:
            match = urls.resolve(path)
        except Exception:  # noqa: BLE001 (most likely Resolver404; nothing here may fail)
            return None
    route = getattr(match, "route", None)
    return template(route) if isinstance(route, str) else None
