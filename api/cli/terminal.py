"""Standard output and the terminal: raw lines, text made safe to look at, colour, width, progress.

All output of the commands goes through here as bytes, so that what is in the files comes out as it is, whatever the
locale. Text from events is untrusted (CWE-117, CWE-150): on its way to a terminal every control is shown, not obeyed.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Final

__all__ = [
    "Progress",
    "coloured",
    "columns",
    "flush",
    "is_terminal",
    "pad",
    "put",
    "put_line",
    "report",
    "show_warnings",
    "visible",
    "width",
    "without_warnings",
]

_OUTPUT: Final = "standard output"
"""Named in errors: "No space left" alone would be taken for the store's disk."""
_JOINERS: Final = "\u200c\u200d"  # format characters that writing needs: Persian, Indic scripts, emoji
_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_COLOURS: Final = {
    "debug": "\x1b[2m",
    "notice": "\x1b[36m",
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[1;37;41m",
}
_PROGRESS_AFTER: Final = 0.5
_PROGRESS_EVERY: Final = 0.1


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether a person is likely to look at the stream."""
    return stream is not None and stream.isatty()


def visible(text: str) -> str:
    """The text with every character that a terminal would obey (controls, ESC, C1, bidi overrides) written out."""
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(char: str) -> str:
    if char.isprintable() or char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return char
    code = ord(char)
    return _NAMED.get(char) or (f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}")


def width(text: str) -> int:
    """How many columns the text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_char_width(char) for char in text)


def _char_width(char: str) -> int:
    if unicodedata.combining(char) or char in _JOINERS:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def pad(text: str, columns: int) -> str:
    """The text followed by as many spaces as fill the columns; a longer one stays as it is."""
    return text + " " * (columns - width(text))


def columns() -> int:
    """The width to fit text output into: that of the terminal, and 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns if is_terminal(sys.stdout) else 100


def coloured(text: str, level: str) -> str:
    """The text in the colour of the level, if standard output is a terminal that wants colour (no-color.org)."""
    wanted = is_terminal(sys.stdout) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    colour = _COLOURS.get(level)
    return f"{colour}{text}\x1b[0m" if wanted and colour else text


def put(text: str) -> None:
    """The text and a line end are written to standard output."""
    encoding = sys.stdout.encoding or "utf-8"
    _write(text.encode(encoding, "backslashreplace") + b"\n")


def put_line(line: bytes) -> None:
    """The bytes of a stored line and a line end are written; a terminal gets controls as JSON escapes."""
    if is_terminal(sys.stdout):
        put(visible(line.decode("utf-8", "backslashreplace")))
    else:
        _write(line + b"\n")


def flush() -> None:
    """What was put is with the reader of standard output."""
    try:
        sys.stdout.flush()
    except OSError as error:
        error.filename = _OUTPUT
        raise


def _write(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
    except OSError as error:
        error.filename = _OUTPUT
        raise


def report(text: str) -> None:
    """One line for a person stands on standard error, whatever is in the text."""
    if sys.stderr is not None:
        sys.stderr.write(f"stonelog: {visible(' '.join(text.split()))}\n")


def show_warnings() -> None:
    """What the packages log as warning or worse (a line that cannot be read) stands on standard error, a line each."""
    import logging

    class OnStandardError(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            report(f"warning: {record.getMessage()}")

    log = logging.getLogger("stonelog")
    if not log.handlers:
        log.addHandler(OnStandardError(logging.WARNING))


@contextmanager
def without_warnings() -> Iterator[None]:
    """Inside the block the packages' warnings are not shown: what they tell is being told in another way."""
    import logging

    log = logging.getLogger("stonelog")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _spoken(seconds: float) -> str:
    """A length of time in its two largest units, rounded up: `12 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = -int(-seconds // 1)
    if whole < 60:
        return f"{whole} s"
    large, small, names = (
        (whole // 60, whole % 60, ("min", "s")) if whole < 3600 else (whole // 3600, whole % 3600 // 60, ("h", "min"))
    )
    return f"{large:,} {names[0]} {small} {names[1]}"


class Progress:
    """A progress display on standard error, to be called with the bytes done and in all (0: unknown).

    It shows itself only on a terminal, and only when the work has taken half a second and is not done: what comes then
    stands on an empty line. The rate and the time that is left count from the first call, so that what was done before
    does not count; and again when less is done than then, for that is another piece of work.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._shown = False
        self._began: tuple[float, int] | None = None
        self._next = time.monotonic() + _PROGRESS_AFTER if is_terminal(sys.stderr) else float("inf")

    def __enter__(self) -> Progress:
        return self

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._began is None or done < self._began[1]:
            self._began = now, done
        if 0 < total <= done:
            self._wipe()
            return
        if now < self._next:
            return
        self._next = now + _PROGRESS_EVERY
        self._shown = True
        amount = f"{done / 1_000_000:,.1f} MB"
        if total > 0:
            share = min(1.0, done / total)
            amount = f"[{'#' * int(share * 30):<30}] {share:4.0%} of {total / 1_000_000:,.1f} MB"
        rate = (done - self._began[1]) / max(now - self._began[0], 1e-6)
        if rate > 0:
            amount += f", {rate / 1_000_000:,.1f} MB/s"
        if rate > 0 and total > done:
            amount += f", {_spoken((total - done) / rate)} left"
        sys.stderr.write(f"\r\x1b[K{self._label} {amount}")
        sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wipe()

    def _wipe(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False
