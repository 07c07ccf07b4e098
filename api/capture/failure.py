"""Exceptions of which only their kind or the text of their stack trace is left; of one that is there, see crash."""

from __future__ import annotations

from typing import Final

from .plain import shortened

__all__ = ["STACK_BYTES", "TRACEBACK", "error_fields_of_text", "shortened_trace", "type_name"]

TRACEBACK: Final = "Traceback (most recent call last):\n"
"""What the text of a stack trace begins with, unless it is that of a group."""
STACK_BYTES: Final = 16 * 1024
_LONGEST_MESSAGE: Final = 4 * 1024


def type_name(kind: type[BaseException]) -> str:
    """The name by which the exception is imported; of a built-in one the bare name."""
    name = kind.__qualname__
    return name if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{name}"


def error_fields_of_text(text: str) -> dict[str, str]:
    """`error_type`, `error_message` and `stack_trace` from the text of a trace: all that comes through a queue."""
    text = text.rstrip("\n")
    fields = {"stack_trace": shortened_trace(text)}
    lines = text[-STACK_BYTES:].split("\n")
    frames = [place for place, line in enumerate(lines) if line.startswith(('  File "', '> File "'))]
    place = frames[-1] + 1 if frames else len(lines)
    while place < len(lines) and (lines[place].startswith("  ") or not lines[place]):
        place += 1
    kind, _, message = "\n".join(lines[place:]).partition(": ")
    if kind and all(part.isidentifier() for part in kind.split(".")):
        fields["error_type"] = kind
        if message:
            fields["error_message"] = shortened(message, _LONGEST_MESSAGE)
    return fields


def shortened_trace(text: str) -> str:
    """The text of a stack trace, cut in the middle if it is long: what went wrong stands at its end."""
    if len(text) * 6 <= STACK_BYTES:
        return shortened(text, STACK_BYTES)
    whole = shortened(text, STACK_BYTES)
    if len(whole) <= len(text) and text.startswith(whole):
        return whole
    part = STACK_BYTES // 4
    start, end = shortened(text[:part], part * 2), shortened(text[-part:], part * 2)
    return f"{start}\n… ({len(text):,} characters)\n{end}"
