"""The command line; `main` is the program `stonelog`. What it takes and prints stands in docs/cli.md."""

from .commands import main, program

__all__ = ["main", "program"]
