"""Where events come from in a program: middleware, logging, functions. Loading one loads nothing it does not need."""

from .context import bound, bound_fields

__all__ = ["bound", "bound_fields"]
