"""The doors to a store: HTTP (`create_app`), the command line, ingest.

Importing this package loads no other module of it: the command line must start quickly, and a program that embeds one
door should not pay for the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .app import create_app
    from .capture import bound

__all__ = ["bound", "create_app"]

_LATER: Final = {
    "app": ("create_app",),
    "capture": ("bound",),
}
"""Names by the module that they come from, which is loaded when the first of them is asked for."""
_MODULE_OF: Final = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
