"""The errors of asking: a query that cannot be understood, and an index that cannot be used."""

from __future__ import annotations

from stonelog.filestore import StonelogError

__all__ = ["IndexUnavailable", "QueryError"]


class QueryError(StonelogError):
    """A query, or a time given beside it, cannot be understood: `position` (0 is the first character) says where,
    `suggestion` what could stand there instead (it may be empty)."""

    def __init__(self, message: str, position: int = 0, suggestion: str = "") -> None:
        self.position = position
        self.suggestion = suggestion
        super().__init__(f"{message} (at character {position + 1})", hint=f"try {suggestion}" if suggestion else "")


class IndexUnavailable(StonelogError):
    """The index cannot be built or read now; the files are untouched, and queries can still scan them."""
