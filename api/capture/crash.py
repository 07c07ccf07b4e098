"""What an exception leaves in an event: type, message and stack, each bounded."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["error_fields"]

_MESSAGE_BYTES: Final = 2048
_FRAMES: Final = 64
"""The innermost frames; a recursion has a thousand."""
_LINKS: Final = 20
"""Exceptions that one was raised from or while handling."""
_GROUPED: Final = 20
"""Exceptions of groups, together."""
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
            lines = _stack(error)
        except Exception:  # noqa: BLE001 (as above)
            lines = []
        if lines:
            found["stack_trace"] = _bounded("".join(lines).rstrip("\n"), stack_bytes)
    return found


def _stack(error: BaseException) -> list[str]:
    """The stack as Python shows it; of what is too much, the exceptions one by one, oldest first."""
    if _few(error):
        return traceback.format_exception(error, limit=-_FRAMES)
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and len(links) < _LINKS and not any(link is each for each in links):
        links.append(link)
        link = _before(link)
    lines = [] if link is None else ["[earlier exceptions left out]\n\n"]
    left = _GROUPED
    for each in reversed(links):
        lines += _alone(each)
        for member in _members(each):
            if left <= 0:
                lines.append("[more exceptions of the group left out]\n")
                break
            left -= 1
            lines += _alone(member)
        if each is not error:
            lines.append("\nThen there was another exception:\n\n")
    return lines


def _few(error: BaseException) -> bool:
    """Whether there are so few exceptions behind this one that Python may format them all, which it does first."""
    found: list[BaseException] = [error]
    for each in found:
        if isinstance(each, BaseExceptionGroup):
            if len(each.exceptions) > _GROUPED:
                return False
            found += each.exceptions
        for other in (each.__cause__, each.__context__):
            if other is not None and not any(other is known for known in found):
                found.append(other)
        if len(found) > _LINKS:
            return False
    return True


def _before(error: BaseException) -> BaseException | None:
    if error.__cause__ is not None:
        return error.__cause__
    return None if error.__suppress_context__ else error.__context__


def _members(error: BaseException) -> Iterator[BaseException]:
    """The exceptions of a group and of the groups in it."""
    waiting = [iter(error.exceptions)] if isinstance(error, BaseExceptionGroup) else []
    while waiting:
        member = next(waiting[-1], None)
        if member is None:
            waiting.pop()
            continue
        yield member
        if isinstance(member, BaseExceptionGroup):
            waiting.append(iter(member.exceptions))


def _alone(error: BaseException) -> list[str]:
    """Its own stack, type and message, without the exceptions behind it."""
    told = [*traceback.format_tb(error.__traceback__, limit=-_FRAMES), type(error).__qualname__]
    try:
        told.append(f": {error}\n")
    except Exception:  # noqa: BLE001 (someone else's `__str__`)
        told.append("\n")
    return ["Traceback (most recent call last):\n", *told] if error.__traceback__ is not None else told


def _bounded(text: str, most: int) -> str:
    """At most so many bytes: a quarter of them from the beginning, the rest from the end, where the error stands."""
    text = _CONTROL.sub("?", text) if len(text) <= 4 * most else _CONTROL.sub("?", text[:most] + _CUT + text[-most:])
    data = text.encode("utf-8", "replace")
    if len(data) <= most:
        return data.decode()
    room = max(most - len(_CUT), 0)
    head, tail = data[: room // 4], data[len(data) - (room - room // 4) :]
    return (head.decode("utf-8", "ignore") + _CUT + tail.decode("utf-8", "ignore"))[:most]
