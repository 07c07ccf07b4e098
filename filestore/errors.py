"""The errors of the store: one root, one class for each thing a caller can do differently.

A message says what failed, where, and what was expected and found; `hint` says what a person can do about it.
"""

from __future__ import annotations

__all__ = [
    "CorruptLine",
    "DiskFull",
    "EventTooLarge",
    "InvalidEvent",
    "InvalidSetting",
    "StonelogError",
    "StoreLocked",
    "StoreReadOnly",
    "shorten",
]


def shorten(value: object, limit: int = 60) -> str:
    """The value as one printable line of at most `limit` characters, for error messages."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception:  # noqa: BLE001 (nested too deep to show, or a `__repr__` of someone else's that fails)
        text = f"<{type(value).__name__}>"
    text = ascii(text)[1:-1] if not text.isprintable() else text
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


class StonelogError(Exception):
    """The root of every error that stonelog raises on purpose."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}; {self.hint}" if self.hint else message


class InvalidEvent(StonelogError):
    """An event was refused: `field` says where, `given` (shortened) what stood there, `allowed` what may stand."""

    def __init__(self, field: str, given: object, allowed: str, *, index: int | None = None) -> None:
        self.field = field
        self.given = shorten(given)
        self.allowed = allowed
        self.index = index
        which = "" if index is None else f"event {index}: "
        verdict = "missing" if given is None else f"{self.given!r} is not allowed"
        super().__init__(f"{which}{field}: {verdict}: {allowed}")


class EventTooLarge(StonelogError):
    """An event's line would be longer than the format allows (65,535 bytes)."""

    def __init__(self, size: int, limit: int, *, index: int | None = None) -> None:
        self.size = size
        self.limit = limit
        self.index = index
        which = "the event" if index is None else f"event {index}"
        super().__init__(
            f"{which} takes {size:,} bytes as a line; at most {limit:,} are allowed",
            hint="shorten its longest text, or split it into several events",
        )


class StoreLocked(StonelogError):
    """Another process holds the store's lock and did not let go in time; nothing was written."""


class StoreReadOnly(StonelogError):
    """The store takes no more events: it is closed, lies on a read-only place, or a sync failed."""


class DiskFull(StonelogError):
    """There was no space for the event; nothing of it is on disk, and reading goes on."""


class CorruptLine(StonelogError):
    """Bytes of an event that was acknowledged can no longer be read: they rotted or another hand changed them."""

    def __init__(
        self,
        file: str,
        line: int | None,
        offset: int,
        length: int,
        reason: str,
        *,
        missing: tuple[int, int] | None = None,
    ) -> None:
        self.file = file
        self.line = line
        self.offset = offset
        self.length = length
        self.reason = reason
        self.missing = missing
        """The first and the last `seq` that are missing, where that is known."""
        at = f"{file}:{'?' if line is None else line}:{offset}"
        what = f"{length:,} bytes cannot be read: {reason}" if length else reason
        super().__init__(f"{at}: {what}", hint="`stonelog doctor` tells more")


class InvalidSetting(StonelogError):
    """A value in stonelog.toml or in a STONELOG_ variable is not one the setting can take."""
