"""One event by its number or its id."""

import uuid
from pathlib import Path

import pytest

from stonelog.filestore import Reader, Store
from stonelog.indexer import Index, QueryError
from stonelog.indexer import find as module


def test_by_number(store: Store, directory: Path) -> None:
    """A seq is found as a number and as its digits."""
    index = Index.open(directory)
    assert index.get(7).message == index.get("7").message == index.get(" 7 ").message == "number 7"
    assert index.get(7).line == Reader(directory).get(7).raw


@pytest.mark.parametrize(
    "key", [0, 11, "0", "11", "9" * 16, "9" * 400, str(uuid.UUID("01940000-0000-7000-8000-000000000000"))]
)
def test_what_is_not_there(store: Store, directory: Path, key: int | str) -> None:
    """An absent event is None."""
    assert Index.open(directory).get(key) is None


@pytest.mark.parametrize(
    "key", ["", "-1", -1, "abc", "1.0", "٣", "01940000-0000-4000-8000-000000000000", "1 2", "\0", "'; --"]
)
def test_what_is_no_key(store: Store, directory: Path, key: int | str) -> None:
    """What is neither number nor id is refused by name."""
    with pytest.raises(QueryError, match="neither a seq nor an id"):
        Index.open(directory).get(key)


def test_by_id(store: Store, directory: Path) -> None:
    """Each id is found, in either case."""
    index = Index.open(directory)
    for line in Reader(directory).read():
        assert index.get(line.id).seq == line.seq
        assert index.get(line.id.upper()).seq == line.seq


def test_by_id_among_many(store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Halving finds the place of an id."""
    monkeypatch.setattr(module, "_NEAR", 3)
    for number in range(60):
        store.append(category="api", action="read", message=f"more {number}")
    index = Index.open(directory)
    for event in Reader(directory).read():
        assert index.get(event.id).seq == event.seq


def test_an_id_out_of_its_time_is_found_too(store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An id whose time does not fit its place, as after a jump of the clock, is found by looking at everything."""
    monkeypatch.setattr(module, "_NEAR", 2)
    early = "00000000-0001-7000-8000-00000000abcd"
    monkeypatch.setattr("stonelog.filestore.prepare.uuid7", lambda _: early)
    store.append_many([{"category": "api", "action": "read"}])
    monkeypatch.undo()
    monkeypatch.setattr(module, "_NEAR", 2)
    for _ in range(20):
        store.append(category="api", action="read")
    assert Index.open(directory).get(early).seq == 11


def test_an_id_within_another_events_text_is_not_it(store: Store, directory: Path) -> None:
    """Only the event that has the id is found, not one that speaks of it."""
    target = store.append(category="api", action="read")
    other = Store.open(directory.parent / "other", durability="none")
    other.append(category="api", action="read", message=f'"id":"{target.id}"', metadata={"id": target.id})
    other.close()
    assert Index.open(directory.parent / "other").get(target.id) is None
