"""The public types, as mypy must see them (`make types`); nothing here runs. A change here is a change for users."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from threading import Event as Flag
from typing import Any, Literal, assert_type

from stonelog.api import create_app
from stonelog.filestore import Durability, Event, Level, Line, Reader, Receipt, Recovery, Segment, Store
from stonelog.indexer import FacetValue, Index, IndexStatus, Page, Patience, Stats, Worker, line_filter


def a_store_is_opened_by_path_and_used_as_a_context(directory: Path) -> None:
    with Store.open("data", durability="os") as store:
        assert_type(store, Store)
    assert_type(Store.open(directory).recovered, Recovery)


def appending_gives_receipts(store: Store, event: Event, fields: Mapping[str, Any]) -> None:
    assert_type(store.append(category="api", action="read"), Receipt)
    assert_type(store.append(event), Receipt)
    assert_type(store.append(fields), Receipt)
    assert_type(store.append_many([event, fields]), list[Receipt])
    receipt = store.append(event)
    assert_type(receipt.seq, int)
    assert_type(receipt.id, str)
    assert_type(receipt.file, str)
    assert_type(receipt.offset, int)
    assert_type(receipt.durability, Durability)


async def appending_can_be_awaited(store: Store) -> None:
    assert_type(await store.append_async(category="api", action="read"), Receipt)


def the_durability_is_one_of_three(store: Store) -> None:
    level: Literal["fsync", "os", "none"] = store.append(category="api", action="read").durability
    Store.open("data", durability=level)
    Store.open("data", durability="sometimes")  # type: ignore[arg-type]


def reading_gives_events(store: Store, reader: Reader) -> None:
    assert_type(store.read(), Iterator[Event])
    assert_type(store.follow(after=3), Iterator[Event])
    assert_type(reader.lines(), Iterator[Line])
    assert_type(reader.get(1), Line | None)
    assert_type(reader.segments(), list[Segment])
    assert_type(store.roll(), str | None)


def fields_of_an_event_have_types(event: Event) -> None:
    assert_type(event.category, str)
    assert_type(event.level, Level)
    assert_type(event.time, datetime | None)
    assert_type(event.status_code, int | None)
    assert_type(event.metadata, dict[str, Any] | None)
    assert_type(event.line, bytes)
    event.message = "events cannot be changed"  # type: ignore[misc]


def asking_gives_answers(index: Index, fields: Sequence[str], since: datetime) -> None:
    page = index.search("level:error", since=since, limit=10, order="asc")
    assert_type(page, Page)
    assert_type(page.events, list[Event])
    assert_type(page.next_cursor, str | None)
    assert_type(index.count(), int)
    assert_type(index.count(patience=Patience(5, Flag())), int)
    assert_type(index.facets("", fields), dict[str, list[tuple[FacetValue, int]]])
    assert_type(index.stats("", since="24h"), Stats)
    assert_type(index.get(1), Event | None)
    assert_type(index.catch_up(), int)
    assert_type(index.status(), IndexStatus)
    assert_type(line_filter("level:error"), Callable[[bytes], bool])
    index.search(order="sideways")  # type: ignore[arg-type]


def a_worker_and_the_application_take_a_path_or_a_store(store: Store) -> None:
    Worker("data").start()
    create_app(store)
    create_app("data")
