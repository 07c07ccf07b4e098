"""What the doors have written, and stores that take nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stonelog.api.capture import offer
from stonelog.filestore import Store

Written = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def written(store: Store) -> Written:
    """The fields of what was captured so far, in order, without those that the store gives."""
    given = {"seq", "id", "time", "synced", "hash"}

    def events() -> list[dict[str, Any]]:
        store.append(category="system_management", action="looked_at")  # what was emitted stands before it
        fields = (event.fields() for event in store.read() if event.action != "looked_at")
        return [{name: value for name, value in each.items() if name not in given} for each in fields]

    return events


class Raising:
    """A store in which everything fails."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name} today")


@pytest.fixture(params=["closed", "raising", "none at all"])
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A store that takes nothing, or None where there is no store."""
    if request.param == "none at all":
        return None
    if request.param == "raising":
        return Raising()
    store = Store.open(tmp_path / "closed")
    store.close()
    return store


@pytest.fixture
def lost() -> Callable[[], int]:
    """How many events could not be taken since the test began."""
    before = offer.failures()
    return lambda: offer.failures() - before


class Keeping:
    """A store that keeps what it is handed, before anything is redacted."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def emit(self, fields: dict[str, Any]) -> bool:
        self.seen.append(dict(fields))
        return True


@pytest.fixture
def keeping() -> Any:
    """It, to hand to a door."""
    return Keeping()
