"""`python -m stonelog.api.cli` is the command `stonelog`."""

from . import main

main()
