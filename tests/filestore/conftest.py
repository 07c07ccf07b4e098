"""Fixtures and small makers for the tests of the file store: real files in temporary folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stonelog.filestore import Store, files


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where a test's store lies; not there yet."""
    return tmp_path / "data"


@pytest.fixture
def store(directory: Path) -> Iterator[Store]:
    """An open, empty store."""
    with Store.open(directory) as opened:
        yield opened


@pytest.fixture
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Syncs do nothing: for tests that open very many stores and look at what is decided, not at when it is durable."""
    for name in ("fsync", "sync_data", "fsync_directory"):
        monkeypatch.setattr(files, name, lambda place: None)
