"""Lets a checkout import `stonelog.filestore`, `.indexer` and `.api` from its folders; never in the wheel."""

from pathlib import Path

__path__ = [str(Path(__file__).parents[3])]
