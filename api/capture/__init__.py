"""Where events come from in a program: middleware, logging, functions. Loading one loads nothing it does not need."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .asgi import AuditMiddleware
    from .auditing import AuditedEvent, audited
    from .cached import Counted
    from .context import bound, bound_fields
    from .exchange import amend, crashed
    from .frameworks import remember_request
    from .functions import (
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
    )
    from .hooks import capture_exceptions, capture_warnings
    from .log_handler import KeepBound, LogHandler
    from .loguru_sink import LoguruSink
    from .offer import failures, use
    from .sampler import Sampler
    from .sql import watch_queries
    from .structlog_processor import StructlogProcessor
    from .wsgi import AuditWsgiMiddleware

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
    "bound_fields",
    "capture_exceptions",
    "capture_warnings",
    "crashed",
    "failures",
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
    "asgi": ("AuditMiddleware",),
    "auditing": ("AuditedEvent", "audited"),
    "cached": ("Counted",),
    "context": ("bound", "bound_fields"),
    "exchange": ("amend", "crashed"),
    "frameworks": ("remember_request",),
    "functions": tuple(name for name in __all__ if name.startswith("log_")),
    "hooks": ("capture_exceptions", "capture_warnings"),
    "log_handler": ("KeepBound", "LogHandler"),
    "loguru_sink": ("LoguruSink",),
    "offer": ("failures", "use"),
    "sampler": ("Sampler",),
    "sql": ("watch_queries",),
    "structlog_processor": ("StructlogProcessor",),
    "wsgi": ("AuditWsgiMiddleware",),
}
_MODULE_OF: Final = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(f".{module}", __name__), name)
    return found
