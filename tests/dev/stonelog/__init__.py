"""Lets a checkout import `stonelog.filestore`, `stonelog.indexer` and `stonelog.api` from the folders at the top (never in the wheel)."""

from pathlib import Path

__path__ = [str(Path(__file__).parents[3])]
