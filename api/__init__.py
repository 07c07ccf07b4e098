"""The doors to a store: HTTP (`create_app`), the command line, ingest.

Importing this package loads no other module of it: the command line must start quickly, and a program that embeds one
door should not pay for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .app import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> object:
    if name == "create_app":
        from .app import create_app

        return create_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
