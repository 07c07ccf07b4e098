"""The door for a line of code: functions that write one event of a kind, and their twins for asynchronous code.

    log_authentication_event("login", "ada", success=False, ip_address="203.0.113.7")

They hand the event over without waiting for the disk, never raise, and return whether it was taken. With
`durable=True` they return its Receipt when it is on stable storage, and raise what the store raises, or LookupError if
there is none. `store` names another one than the process's (`offer.use`).

Besides their own parameters all take the fields of an event (`user_id`, `ip_address`, `request_id`, ...), `metadata`,
and `old_values` with `new_values`, of which what differs goes to `metadata.changes`. None is the same as left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from .context import bound_fields
from .event_fields import api_fields, authentication_fields, data_fields, event_fields, security_fields
from .given import completed, unreadable
from .offer import offer, store_here, store_in_use

if TYPE_CHECKING:
    from stonelog.filestore import Receipt, Store

__all__ = [
    "log_api_call",
    "log_api_call_async",
    "log_authentication_event",
    "log_authentication_event_async",
    "log_data_operation",
    "log_data_operation_async",
    "log_event",
    "log_event_async",
    "log_security_event",
    "log_security_event_async",
]


@overload
def log_event(
    category: str, action: str, message: str | None = None, *, durable: Literal[False] = False, **given: Any
) -> bool: ...


@overload
def log_event(
    category: str, action: str, message: str | None = None, *, durable: Literal[True], **given: Any
) -> Receipt: ...


def log_event(
    category: str,
    action: str,
    message: str | None = None,
    *,
    store: Store | None = None,
    durable: bool = False,
    **given: Any,
) -> bool | Receipt:
    """An event of any kind."""
    return _write(store, durable, lambda: event_fields(category, action, {"message": message, **given}))


@overload
async def log_event_async(
    category: str, action: str, message: str | None = None, *, durable: Literal[False] = False, **given: Any
) -> bool: ...


@overload
async def log_event_async(
    category: str, action: str, message: str | None = None, *, durable: Literal[True], **given: Any
) -> Receipt: ...


async def log_event_async(
    category: str,
    action: str,
    message: str | None = None,
    *,
    store: Store | None = None,
    durable: bool = False,
    **given: Any,
) -> bool | Receipt:
    """As `log_event`, without blocking the event loop."""
    return await _write_async(store, durable, lambda: event_fields(category, action, {"message": message, **given}))


@overload
def log_authentication_event(
    action: str, username: str | None = None, success: bool = True, *, durable: Literal[False] = False, **given: Any
) -> bool: ...


@overload
def log_authentication_event(
    action: str, username: str | None = None, success: bool = True, *, durable: Literal[True], **given: Any
) -> Receipt: ...


def log_authentication_event(
    action: str,
    username: str | None = None,
    success: bool = True,
    *,
    reason: str | None = None,
    store: Store | None = None,
    durable: bool = False,
    **given: Any,
) -> bool | Receipt:
    """Someone logged in or out, or failed to: category authentication. `reason` says why it failed."""
    return _write(store, durable, lambda: authentication_fields(action, username, success, reason, given))


@overload
async def log_authentication_event_async(
    action: str, username: str | None = None, success: bool = True, *, durable: Literal[False] = False, **given: Any
) -> bool: ...


@overload
async def log_authentication_event_async(
    action: str, username: str | None = None, success: bool = True, *, durable: Literal[True], **given: Any
) -> Receipt: ...


async def log_authentication_event_async(
    action: str,
    username: str | None = None,
    success: bool = True,
    *,
    reason: str | None = None,
    store: Store | None = None,
    durable: bool = False,
    **given: Any,
) -> bool | Receipt:
    """As `log_authentication_event`, without blocking the event loop."""
    return await _write_async(store, durable, lambda: authentication_fields(action, username, success, reason, given))


@overload
def log_security_event(
    action: str, severity: str = "medium", *, durable: Literal[False] = False, **given: Any
) -> bool: ...


@overload
def log_security_event(action: str, severity: str = "medium", *, durable: Literal[True], **given: Any) -> Receipt: ...


def log_security_event(
    action: str, severity: str = "medium", *, store: Store | None = None, durable: bool = False, **given: Any
) -> bool | Receipt:
    """Something that bears on security; `severity` (low, medium, high, critical) gives the level."""
    return _write(store, durable, lambda: security_fields(action, severity, given))


@overload
async def log_security_event_async(
    action: str, severity: str = "medium", *, durable: Literal[False] = False, **given: Any
) -> bool: ...


@overload
async def log_security_event_async(
    action: str, severity: str = "medium", *, durable: Literal[True], **given: Any
) -> Receipt: ...


async def log_security_event_async(
    action: str, severity: str = "medium", *, store: Store | None = None, durable: bool = False, **given: Any
) -> bool | Receipt:
    """As `log_security_event`, without blocking the event loop."""
    return await _write_async(store, durable, lambda: security_fields(action, severity, given))


@overload
def log_api_call(
    method: str,
    path: str,
    status_code: int | None = None,
    response_time_ms: float | None = None,
    *,
    durable: Literal[False] = False,
    **given: Any,
) -> bool: ...


@overload
def log_api_call(
    method: str,
    path: str,
    status_code: int | None = None,
    response_time_ms: float | None = None,
    *,
    durable: Literal[True],
    **given: Any,
) -> Receipt: ...


def log_api_call(
    method: str,
    path: str,
    status_code: int | None = None,
    response_time_ms: float | None = None,
    *,
    store: Store | None = None,
    durable: bool = False,
    **given: Any,
) -> bool | Receipt:
    """A call that was answered, or made to another system: category api, level and outcome by its status."""
    return _write(store, durable, lambda: api_fields(method, path, status_code, response_time_ms, given))


@overload
async def log_api_call_async(
    method: str,
    path: str,
    status_code: int | None = None,
    response_time_ms: float | None = None,
    *,
    durable: Literal[False] = False,
    **given: Any,
) -> bool: ...


@overload
async def log_api_call_async(
    method: str,
    path: str,
    status_code: int | None = None,
    response_time_ms: float | None = None,
    *,
    durable: Literal[True],
    **given: Any,
) -> Receipt: ...


async def log_api_call_async(
    method: str,
    path: str,
    status_code: int | None = None,
    response_time_ms: float | None = None,
    *,
    store: Store | None = None,
    durable: bool = False,
    **given: Any,
) -> bool | Receipt:
    """As `log_api_call`, without blocking the event loop."""
    return await _write_async(store, durable, lambda: api_fields(method, path, status_code, response_time_ms, given))


@overload
def log_data_operation(
    operation: str, entity_type: str, entity_id: object = None, *, durable: Literal[False] = False, **given: Any
) -> bool: ...


@overload
def log_data_operation(
    operation: str, entity_type: str, entity_id: object = None, *, durable: Literal[True], **given: Any
) -> Receipt: ...


def log_data_operation(
    operation: str,
    entity_type: str,
    entity_id: object = None,
    *,
    store: Store | None = None,
    durable: bool = False,
    **given: Any,
) -> bool | Receipt:
    """Data was made, read, changed or removed; `old_values` and `new_values` tell what differs."""
    return _write(store, durable, lambda: data_fields(operation, entity_type, entity_id, given))


@overload
async def log_data_operation_async(
    operation: str, entity_type: str, entity_id: object = None, *, durable: Literal[False] = False, **given: Any
) -> bool: ...


@overload
async def log_data_operation_async(
    operation: str, entity_type: str, entity_id: object = None, *, durable: Literal[True], **given: Any
) -> Receipt: ...


async def log_data_operation_async(
    operation: str,
    entity_type: str,
    entity_id: object = None,
    *,
    store: Store | None = None,
    durable: bool = False,
    **given: Any,
) -> bool | Receipt:
    """As `log_data_operation`, without blocking the event loop."""
    return await _write_async(store, durable, lambda: data_fields(operation, entity_type, entity_id, given))


def _write(store: Store | None, durable: bool, make: Callable[[], dict[str, Any]]) -> bool | Receipt:
    """The event is on the disk if it is to be `durable`, else handed over."""
    if durable:
        return store_here(store).append({**bound_fields(), **make()})
    return offer(store, _made(make))


async def _write_async(store: Store | None, durable: bool, make: Callable[[], dict[str, Any]]) -> bool | Receipt:
    if durable:
        return await store_here(store).append_async({**bound_fields(), **make()})
    fields = _made(make)
    if _may_wait(store or store_in_use()):
        return await asyncio.to_thread(offer, store, fields)
    return offer(store, fields)


def _may_wait(store: Store | None) -> bool:
    """Whether handing over waits for room in the queue; what is no store at all is left to `offer`."""
    try:
        return store is not None and store.settings.emit_overflow == "block"
    except Exception:  # noqa: BLE001 (a stand-in for a store, which may have no settings)
        return False


def _made(make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """An event that is not refused for what was given wrongly."""
    try:
        fields = make()
        metadata = fields.pop("metadata", {})
        if not isinstance(metadata, Mapping):
            metadata = {"invalid": {"metadata": metadata}}
        return completed(fields, metadata, "system_management", "log")
    except Exception as error:  # noqa: BLE001 (something else than the types say was given)
        return unreadable("an event", error)
