"""What an exception leaves in an event: type, message and stack, each bounded."""

from __future__ import annotations

import re
import traceback
from typing import Any, Final

__all__ = ["error_fields"]

_MESSAGE_BYTES: Final = 2048
_FRAMES: Final = 64
"""The innermost frames; a recursion has a thousand."""
_CUT: Final = "\n[...]\n"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Each would take six bytes on the line, so that a bounded text could still be too large."""


def error_fields(error: BaseException, stack_bytes: int) -> dict[str, Any]:
    """`error_type`, `error_message` if there is one, and `stack_trace` unless `stack_bytes` is 0. Never raises."""
    kind = type(error)
    name = (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
    found = {"error_type": name}
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 (someone else's `__str__`)
        message = ""
    if message:
        found["error_message"] = _bounded(message, _MESSAGE_BYTES)
    if stack_bytes:
        try:
            lines = traceback.format_exception(kind, error, error.__traceback__, limit=-_FRAMES)
        except Exception:  # noqa: BLE001 (as above)
            lines = []
        if lines:
            found["stack_trace"] = _bounded("".join(lines).rstrip("\n"), stack_bytes)
    return found


def _bounded(text: str, most: int) -> str:
    """At most so many bytes: a quarter of them from the beginning, the rest from the end, where the error stands."""
    text = _CONTROL.sub("?", text) if len(text) <= 4 * most else _CONTROL.sub("?", text[:most] + _CUT + text[-most:])
    data = text.encode("utf-8", "replace")
    if len(data) <= most:
        return data.decode()
    room = max(most - len(_CUT), 0)
    head, tail = data[: room // 4], data[len(data) - (room - room // 4) :]
    return (head.decode("utf-8", "ignore") + _CUT + tail.decode("utf-8", "ignore"))[:most]
