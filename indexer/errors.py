"""The errors of asking: a query that cannot be understood, and an index that cannot be used."""

from __future__ import annotations

from stonelog.filestore import StonelogError

__all__ = ["IndexUnavailable", "QueryError"]


class QueryError(StonelogError):
    """A question cannot be understood. `position` says where in the query (0 is the first character); it is None if
    the fault is not in the query but in what was given beside it, such as a time, a step or a cursor. `suggestion`
    says what could stand there instead (it may be empty)."""

    def __init__(self, message: str, position: int | None = None, suggestion: str = "") -> None:
        self.position = position
        self.suggestion = suggestion
        where = "" if position is None else f" (at character {position + 1})"
        super().__init__(f"{message}{where}", hint=f"try {suggestion}" if suggestion else "")


class IndexUnavailable(StonelogError):
    """The index cannot be built or read now; the files are untouched, and queries can still scan them."""
