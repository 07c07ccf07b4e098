"""Fixtures of the tests with real faults."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where a test's store lies; not there yet."""
    return tmp_path / "data"
