"""What all that is captured inside one request, job or task has in common, such as `request_id` and `user_id`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final

__all__ = ["bound", "bound_fields", "fields_here"]

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
fields_here: ContextVar[Mapping[str, Any]] = ContextVar("stonelog_fields", default=_NOTHING)


def bound_fields() -> Mapping[str, Any]:
    """The fields that hold here, by name; an event's own fields go before them."""
    return fields_here.get()


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Inside the block these fields hold too, in this thread or task and in those that take over its context.

    A field that is None does not hold inside, whatever holds outside.
    """
    before = fields_here.get()
    wanted = {**before, **fields}
    token = fields_here.set(MappingProxyType({name: value for name, value in wanted.items() if value is not None}))
    try:
        yield
    finally:
        fields_here.reset(token)
