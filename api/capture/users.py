"""Who made a request, read where frameworks leave it: no framework is imported, and no code of a model is run."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import isawaitable, iscoroutine, iscoroutinefunction
from types import MemberDescriptorType
from typing import Any, Final

__all__ = ["check_reader", "fields_of_user", "user_of_environ", "user_of_scope", "user_of_session"]

_ID_NAMES: Final = ("user_id", "id", "pk", "sub", "uid")
_NAME_NAMES: Final = ("username", "display_name", "preferred_username", "name", "email")
_QUIET: Final = (property, MemberDescriptorType)


def fields_of_user(given: object) -> dict[str, Any]:
    """The fields of an event that say who: of an (id, name), a name, a number as id, fields, or a user object.

    Of fields, which may be the claims of a token, those that say who are taken, and no others. None, and somebody who
    is not authenticated, give none. Raises TypeError for what can be none of these.
    """
    if given is None:
        return {}
    if isinstance(given, str):
        return {"username": given} if given else {}
    if isinstance(given, bool | bytes):
        raise TypeError(f"a {type(given).__name__} is no user")
    if isinstance(given, int) or _is_uuid(given):
        return {"user_id": str(given)}
    if isinstance(given, tuple):
        if names := getattr(given, "_fields", None):
            return _of_mapping(dict(zip(names, given, strict=True)))
        user_id, username = given
        return _both(user_id, username)
    if isinstance(given, Mapping):
        return _of_mapping(given)
    if isawaitable(given):
        if iscoroutine(given):
            given.close()
        raise TypeError("something to await is no user: the function that reads it must not be asynchronous")
    return _of_object(given)


def check_reader(read: object, what: str) -> None:
    """The function can read the user or session; raises TypeError if it is an asynchronous one."""
    if iscoroutinefunction(read) or iscoroutinefunction(getattr(read, "__call__", None)):  # noqa: B004
        raise TypeError(f"{what}={read!r}: an asynchronous function cannot be asked; expected a plain one")


def user_of_scope(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Who, by `scope["user"]`, `scope["state"]["user"]`, a Django request that was remembered, or the session."""
    state = scope.get("state")
    for given in (scope.get("user"), state.get("user") if isinstance(state, Mapping) else None):
        if given is not None and (found := fields_of_user(given)):
            return found
    return _of_request(scope.get("stonelog.request")) or user_of_session(scope.get("session"))


def user_of_environ(environ: Mapping[str, Any]) -> dict[str, Any]:
    """Who, by a Django request that was remembered, or REMOTE_USER."""
    return _of_request(environ.get("stonelog.request")) or fields_of_user(environ.get("REMOTE_USER"))


def user_of_session(session: object) -> dict[str, Any]:
    """Who, by the keys that frameworks and applications use in a session."""
    if not isinstance(session, Mapping) or not session:
        return {}
    user_id = session.get("user_id") or session.get("_user_id") or session.get("_auth_user_id")
    found = _both(user_id, session.get("username"))
    user = session.get("user")
    return found or (fields_of_user(user) if user is not None else {})


def _both(user_id: object, username: object) -> dict[str, Any]:
    found = {"user_id": user_id, "username": username}
    return {name: str(value) for name, value in found.items() if value is not None and value != ""}


def _of_mapping(given: Mapping[str, Any]) -> dict[str, Any]:
    if not given:
        return {}
    found = _both(_first(given, _ID_NAMES), _first(given, _NAME_NAMES))
    for name in ("session_id", "device_id"):
        if value := _first(given, (name,)):
            found[name] = str(value)
    return found


def _first(given: Mapping[str, Any], names: tuple[str, ...]) -> object:
    for name in names:
        value = given.get(name)
        if value is not None and ((isinstance(value, str) and value) or _is_id(value)):
            return value
    return None


def _of_object(user: object) -> dict[str, Any]:
    if _read(user, "_setupfunc") is not None:  # Django's lazy user: who has not been asked for is not fetched for us
        user = _read(user, "_wrapped")
        if type(user) is object:
            return {}
    if _read(user, "is_authenticated") is False:
        return {}
    ids = (_read(user, name) for name in _ID_NAMES)
    names = (_read(user, name) for name in _NAME_NAMES)
    user_id = next((each for each in ids if isinstance(each, str) or _is_id(each)), None)
    return _both(user_id, next((each for each in names if isinstance(each, str) and each), None))


def _is_id(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or _is_uuid(value)


def _is_uuid(value: object) -> bool:
    return type(value).__name__ == "UUID"


def _read(user: object, name: str) -> object:
    """The attribute, if no code runs for it but a property's: an expired row of an ORM would ask its database."""
    own = getattr(user, "__dict__", None)
    if isinstance(own, Mapping) and name in own:
        return own[name]
    found = next((vars(each)[name] for each in type(user).__mro__ if name in vars(each)), None)
    if isinstance(found, str | int):
        return found
    if not isinstance(found, _QUIET):
        return None
    try:
        return getattr(user, name, None)
    except Exception:  # noqa: BLE001 (such as NotImplementedError of a base class)
        return None


def _of_request(request: object) -> dict[str, Any]:
    """Who, by a Django request, as far as somebody has asked for its user or session already."""
    if request is None:
        return {}
    own = vars(request)
    for name in ("_cached_user", "_acached_user", "user"):
        if own.get(name) is not None and (found := _of_object(own[name])):
            return found
    loaded = getattr(own.get("session"), "_session_cache", None)
    return user_of_session(loaded)
