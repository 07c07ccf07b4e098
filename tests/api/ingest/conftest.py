from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stonelog.api.ingest import IngestResult, ingest
from stonelog.filestore import Quarantine, Store

SHARED = Path(__file__).parents[3] / "../shared/data"


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """Paths of real samples; a test that asks for one is skipped where they are not."""

    def path(name: str) -> Path:
        found = SHARED / name
        if not found.exists():
            pytest.skip(f"../shared/data/{name} is not here")
        return found

    return path


class Intake:
    """A store, and what ingest has put into it and beside it."""

    def __init__(self, store: Store, directory: Path) -> None:
        self.store = store
        self.directory = directory
        self._before = store.last_seq

    def __call__(self, *sources: str | Path | bytes, **options: Any) -> IngestResult:
        paths: list[str | Path] = []
        for number, source in enumerate(sources):
            if isinstance(source, bytes):
                path = self.directory.parent / f"input{number}.log"
                path.write_bytes(source)
                source = path
            paths.append(source)
        return ingest(self.store, paths, quarantine=Quarantine(self.directory), **options)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(event.line) for event in self.store.read(after=self._before)]

    def rejects(self, result: IngestResult) -> list[tuple[int, int, str]]:
        """Line, offset and reason of every line in quarantine, in order."""
        found = []
        for name in result.quarantined:
            record = json.loads((self.directory / "quarantine" / f"{name}.json").read_bytes())
            found += [(line["line"], line["offset"], line["reason"]) for line in record["lines"]]
        return found

    def rejected_bytes(self, result: IngestResult) -> bytes:
        return b"".join((self.directory / "quarantine" / name).read_bytes() for name in result.quarantined)


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Intake]:
    """A new store to ingest into."""
    directory = tmp_path / "data"
    with Store.open(directory, durability="os") as store:
        yield Intake(store, directory)
