"""What frameworks tell only to those who ask: crashes that they answer themselves, Django's request, Flask's session.

None is imported: who uses one has loaded it before the middleware is made, and is then asked by its signals.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, Final

from .exchange import crashed, current
from .request import note_failure
from .routes import template
from .users import fields_of_user, user_of_session

__all__ = ["listen", "remember_request"]

_heard: Final[set[str]] = set()


def listen() -> None:
    """Flask, Quart and Django, as far as they are loaded, tell of what they answer themselves. Once is enough."""
    for name, hear in (("flask", _hear_flask), ("quart", _hear_quart), ("django.core.signals", _hear_django)):
        module = sys.modules.get(name)
        if module is None or name in _heard:
            continue
        _heard.add(name)
        try:
            hear(module)
        except Exception as error:  # noqa: BLE001 (frameworks change)
            note_failure(f"listening to {name}", error)


def _hear_flask(flask: Any) -> None:
    flask.got_request_exception.connect(_crashed)
    flask.request_finished.connect(_flask_finished)


def _hear_quart(quart: Any) -> None:
    quart.signals.got_request_exception.connect(_quart_crashed)
    quart.signals.request_finished.connect(_quart_finished)


def _hear_django(signals: Any) -> None:
    signals.got_request_exception.connect(_django_crashed)


def _crashed(sender: object, exception: BaseException, **_: object) -> None:
    crashed(exception)


def _flask_finished(sender: object, **_: object) -> None:
    _look_into(sys.modules["flask"])


async def _quart_crashed(sender: object, exception: BaseException, **_: object) -> None:
    crashed(exception)


async def _quart_finished(sender: object, **_: object) -> None:
    _look_into(sys.modules["quart"])


def _django_crashed(sender: object, **_: object) -> None:
    error = sys.exc_info()[1]
    if error is not None:
        crashed(error)


def _look_into(module: Any) -> None:
    """Who is logged in, and the route, by `g`, `session` and `request`: they can be read only now.

    The response is made, and the session saved: looking changes no header.
    """
    exchange = current.get()
    if exchange is None:
        return
    try:
        found = fields_of_user(module.g.get("user")) or user_of_session(module.session)
        for name, value in found.items():
            exchange.fields.setdefault(name, value)
        rule = getattr(module.request.url_rule, "rule", None)
        if rule is not None:
            root = getattr(module.request, "root_path", None)  # of an application that is mounted in another
            exchange.route = (root.rstrip("/") if isinstance(root, str) else "") + template(str(rule))
    except Exception as error:  # noqa: BLE001 (the application's own objects)
        note_failure("reading the user", error)


def remember_request(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A Django middleware through which the event of a request has its user and route.

    `MIDDLEWARE = ["stonelog.api.capture.frameworks.remember_request", ...]`.
    """
    if iscoroutinefunction(get_response):

        async def asynchronous(request: Any) -> Any:
            _remember(request)
            return await get_response(request)

        return asynchronous

    def synchronous(request: Any) -> Any:
        _remember(request)
        return get_response(request)

    return synchronous


def _remember(request: Any) -> None:
    around = getattr(request, "scope", None)
    around = request.environ if around is None else around
    if "stonelog.exchange" in around:  # else nobody would forget it again, and it holds `around` itself
        around["stonelog.request"] = request


remember_request.sync_capable = True  # type: ignore[attr-defined]
remember_request.async_capable = True  # type: ignore[attr-defined]
