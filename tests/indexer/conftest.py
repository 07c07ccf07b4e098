"""A store to index, and a few events in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stonelog.filestore import Store


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(directory: Path) -> Iterator[Store]:
    """An open store of ten events: seq 1 to 10, the even ones of ada, their numbers in metadata."""
    with Store.open(directory, durability="none") as store:
        store.append_many(
            {
                "category": "api",
                "action": "read",
                "time": f"2026-11-23T{number:02}:30:00Z",
                "message": f"number {number}",
                "username": "grace" if number % 2 else "ada",
                "metadata": {"number": number},
            }
            for number in range(1, 11)
        )
        yield store
