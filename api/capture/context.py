"""What all that is captured inside one request, job or task has in common, such as `request_id` and `user_id`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

__all__ = ["Fields", "bound", "bound_fields", "fields_here"]


class Fields(Mapping[str, Any]):
    """Fields that hold in a block; these are none. Their values may become known only while the block runs."""

    __slots__ = ()

    def flat(self) -> dict[str, Any]:
        """All of them as they are now, each asked for once."""
        return {}

    def outside(self) -> Fields:
        """Those that hold around the request which this is in, if it is in one: they belong to nobody's request."""
        return self

    def __getitem__(self, name: str) -> Any:
        return self.flat()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.flat())

    def __len__(self) -> int:
        return len(self.flat())


class _Layer(Fields):
    """Fields over those around them, which go on changing underneath."""

    __slots__ = ("_around", "_own")

    def __init__(self, around: Fields, own: dict[str, Any]) -> None:
        self._around = around
        self._own = own

    def flat(self) -> dict[str, Any]:
        wanted = {**self._around.flat(), **self._own}
        return {name: value for name, value in wanted.items() if value is not None}

    def outside(self) -> Fields:
        around = self._around.outside()
        return self if around is self._around else around


_NOTHING: Final = Fields()
fields_here: ContextVar[Fields] = ContextVar("stonelog_fields", default=_NOTHING)


def bound_fields() -> dict[str, Any]:
    """The fields that hold here, by name; an event's own fields go before them."""
    return fields_here.get().flat()


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Inside the block these fields hold too, in this thread or task and in those that take over its context.

    A field that is None does not hold inside, whatever holds outside.
    """
    token = fields_here.set(_Layer(fields_here.get(), fields))
    try:
        yield
    finally:
        fields_here.reset(token)
