"""The bound of what `emit` may leave waiting, and the count of what it did not take."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from stonelog.filestore import StoreSettings, files
from stonelog.filestore.layout import Layout
from stonelog.filestore.room import Room
from stonelog.filestore.space import Space

BODY = b'"level":"info",' + b"x" * 85


def make(directory: Path, **settings: object) -> Room:
    """Room by these settings."""
    given = StoreSettings.model_validate(settings)
    return Room(given, Space(Layout(directory), given.reserve_bytes))


def test_room_is_bounded_by_number(directory: Path) -> None:
    """So many events may wait; who leaves makes room for one; what is refused is counted."""
    room = make(directory, emit_events=2)
    assert [room.enter(BODY, may_wait=True) for _ in range(3)] == [True, True, False]
    room.leave(1, len(BODY), written=True)
    assert [room.enter(BODY, may_wait=True) for _ in range(2)] == [True, False]
    assert room.dropped == 2


def test_room_is_bounded_by_bytes(directory: Path) -> None:
    """An event passes if it fits beside those that wait, or alone, however large it is."""
    room = make(directory, emit_bytes=250)
    assert [room.enter(BODY, may_wait=True) for _ in range(3)] == [True, True, False]
    for _ in range(2):
        room.leave(1, len(BODY), written=True)
    assert [room.enter(BODY * 3, may_wait=True), room.enter(b"x", may_wait=True)] == [True, False]


def test_what_could_not_be_written_is_counted(directory: Path) -> None:
    """An event that left its place unwritten is dropped, and its place is free."""
    room = make(directory, emit_events=1)
    assert room.enter(BODY, may_wait=True)
    room.leave(1, len(BODY), written=False)
    assert room.dropped == 1
    assert room.enter(BODY, may_wait=True)


def test_with_block_the_caller_waits_unless_it_must_not(directory: Path) -> None:
    """It comes in when another leaves; who writes himself would wait for ever, and is refused."""
    room = make(directory, emit_events=1, emit_overflow="block")
    assert room.enter(BODY, may_wait=True)
    assert not room.enter(BODY, may_wait=False)
    entered: list[bool] = []
    caller = threading.Thread(target=lambda: entered.append(room.enter(BODY, may_wait=True)))
    caller.start()
    assert entered == []
    room.leave(1, len(BODY), written=True)
    caller.join(20)
    assert entered == [True]
    assert room.dropped == 1


@pytest.mark.parametrize("overflow", ["drop", "block"])
def test_what_is_shed_is_counted_and_takes_no_room(
    directory: Path, monkeypatch: pytest.MonkeyPatch, overflow: str
) -> None:
    """On a disk that gets full low levels are refused at once, also where a full queue would make the caller wait."""
    monkeypatch.setattr(files, "space", lambda path: (0, 1 << 40))
    settings = StoreSettings.model_validate({"emit_events": 1, "emit_overflow": overflow})
    space = Space(Layout(directory), 1 << 20)
    space.look()
    room = Room(settings, space)
    assert not any(room.enter(BODY, may_wait=True) for _ in range(3))
    assert room.enter(BODY.replace(b"info", b"critical"), may_wait=True)
    assert room.dropped == 3
