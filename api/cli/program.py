"""How the program ends: exit status, the one line of error, broken pipes, Ctrl-C.

0 done or found, 1 nothing found, 2 an error. A command returns its status or raises; nobody else calls sys.exit.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final, NoReturn

import click

from .terminal import flush, report

__all__ = ["DONE", "ERROR", "INTERRUPTED", "NOTHING", "Problem", "Program"]

DONE: Final = 0
NOTHING: Final = 1
ERROR: Final = 2
INTERRUPTED: Final = 130
"""What a shell gives for a program that Ctrl-C ended."""

_COMPLETION: Final = "_STONELOG_COMPLETE"
_DID_YOU_MEAN: Final = re.compile(r"\.? \(?Did you mean (.*?)\?\)?$")


class Problem(click.ClickException):
    """A mistake of the user's that no option parser can see: the text says what, where, and what to do."""

    exit_code = ERROR


class Program(click.Group):
    """The group of all commands; it lists them in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """The command has run, its output is written, and the process exits with the status (SystemExit)."""
        if os.environ.get(_COMPLETION):
            super().main(args, prog_name="stonelog", complete_var=_COMPLETION)
        sys.stdout = sys.stdout or _nowhere()
        sys.stderr = sys.stderr or _nowhere()
        sys.exit(self._run(list(sys.argv[1:] if args is None else args), **extra))

    def _run(self, args: list[str], **extra: Any) -> int:
        try:
            status = self._call(args, **extra)
            flush()
        except BrokenPipeError:
            _discard_output()  # `| head` has seen enough: that is no error
            return DONE
        except (KeyboardInterrupt, click.Abort):
            return INTERRUPTED
        except Exception as error:  # noqa: BLE001 (the last place: a person gets a line, not a traceback)
            _discard_output_after(error)
            if os.environ.get("STONELOG_DEBUG"):
                import traceback

                traceback.print_exc()
            report(_sentence(error))
            return ERROR
        return status

    def _call(self, args: list[str], **extra: Any) -> int:
        try:
            with self.make_context("stonelog", args, **extra) as context:
                status = self.invoke(context)
        except click.exceptions.Exit as ended:  # --help, --version
            return ended.exit_code
        return status if isinstance(status, int) else DONE


def _nowhere() -> IO[str]:
    """A stream for output that has no reader: the process was started with the descriptor closed."""
    return Path(os.devnull).open("w")


def _discard_output() -> None:
    """What is left in the buffer goes nowhere, so that the interpreter's last flush cannot fail."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError):  # no descriptor behind it (a test's buffer)
        pass


def _discard_output_after(error: Exception) -> None:
    try:
        flush()
    except OSError:
        _discard_output()


def _sentence(error: Exception) -> str:
    """What failed, where, and what to do, for one line on standard error."""
    if isinstance(error, click.UsageError):
        return _usage_sentence(error)
    if isinstance(error, click.ClickException):
        return error.format_message()
    from stonelog.filestore import StonelogError

    more = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
    if isinstance(error, StonelogError):
        return f"{error}{more}"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"{where}{error.strerror}{more}"
    return (
        f"unexpected {type(error).__name__}: {error}; this is a defect, please report it; "
        "STONELOG_DEBUG=1 in the environment shows where it happened"
    )


def _usage_sentence(error: click.UsageError) -> str:
    message = error.format_message().strip()
    message = _DID_YOU_MEAN.sub(r", did you mean \1", message[:1].lower() + message[1:]).rstrip(".")
    command = error.ctx.command_path if error.ctx is not None else "stonelog"
    takes_query = error.ctx is not None and any(parameter.name == "query" for parameter in error.ctx.command.params)
    if isinstance(error, click.NoSuchOption) and takes_query:
        return (
            f"{message}; a query that begins with - comes after --, or write NOT; `{command} --help` lists the options"
        )
    where = command.removeprefix("stonelog").strip()
    return f"{where + ': ' if where else ''}{message}; `{command} --help` says more"
