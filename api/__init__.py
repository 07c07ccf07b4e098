"""The doors to a store: HTTP (`create_app`), the command line, ingest.

Importing this package loads no other module of it: the command line must start quickly, and a program that embeds one
door should not pay for the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .app import create_app
    from .capture import (
        AuditedEvent,
        AuditMiddleware,
        AuditWsgiMiddleware,
        Counted,
        KeepBound,
        LogHandler,
        LoguruSink,
        Sampler,
        StructlogProcessor,
        amend,
        audited,
        bound,
        capture_exceptions,
        capture_warnings,
        crashed,
        log_api_call,
        log_api_call_async,
        log_authentication_event,
        log_authentication_event_async,
        log_data_operation,
        log_data_operation_async,
        log_event,
        log_event_async,
        log_security_event,
        log_security_event_async,
        remember_request,
        use,
        watch_queries,
    )

__all__ = [
    "AuditMiddleware",
    "AuditWsgiMiddleware",
    "AuditedEvent",
    "Counted",
    "KeepBound",
    "LogHandler",
    "LoguruSink",
    "Sampler",
    "StructlogProcessor",
    "amend",
    "audited",
    "bound",
    "capture_exceptions",
    "capture_warnings",
    "crashed",
    "create_app",
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
    "remember_request",
    "use",
    "watch_queries",
]

_LATER: Final = {
    "app": ("create_app",),
    "capture": tuple(name for name in __all__ if name != "create_app"),
}
"""Names by the module that they come from, which is loaded when the first of them is asked for."""
_MODULE_OF: Final = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
