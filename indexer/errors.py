"""The errors of asking: a query not understood, an index that cannot be used, a question that was stopped."""

from __future__ import annotations

from stonelog.filestore import StonelogError

__all__ = ["IndexUnavailable", "QueryError", "QueryStopped"]


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


class QueryStopped(StonelogError):
    """A question was given up before its answer: its time was up, after so many `seconds`, or, if that is None,
    whoever asked it told it to stop. Asking the same again takes as long again."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        if seconds is None:
            super().__init__("the query was stopped by who asked it")
        else:
            hint = "narrow the time with since and until, or ask for what fewer events have"
            super().__init__(f"the query was stopped after {seconds:g} s, the most that it may take", hint=hint)
