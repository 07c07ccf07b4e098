"""The errors: one root, data to act on, messages of one printable line."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from stonelog import filestore
from stonelog.filestore import (
    CorruptLine,
    Event,
    EventTooLarge,
    InvalidEvent,
    StonelogError,
    Store,
    shorten,
)


def test_every_error_of_the_front_door_derives_from_one_root() -> None:
    """Whoever catches StonelogError catches all that the store raises on purpose."""
    errors = [each for each in vars(filestore).values() if isinstance(each, type) and issubclass(each, Exception)]
    assert len(errors) >= 8
    assert all(issubclass(each, StonelogError) for each in errors)


def test_an_error_tells_its_hint_after_its_message() -> None:
    """The text ends with what a person can do; the hint alone is an attribute."""
    error = StonelogError("it failed", hint="try again")
    assert (str(error), error.hint) == ("it failed; try again", "try again")
    assert str(StonelogError("it failed")) == "it failed"


def test_invalid_event_carries_field_value_and_rule() -> None:
    """InvalidEvent says where, what was given and what is allowed, as data and in words."""
    error = InvalidEvent("level", "loud", "one of debug, info", index=3)
    assert (error.field, error.given, error.allowed, error.index) == ("level", "loud", "one of debug, info", 3)
    assert str(error) == "event 3: level: 'loud' is not allowed: one of debug, info"


def test_event_too_large_tells_size_and_limit() -> None:
    """EventTooLarge carries both numbers and which event of a list it was."""
    error = EventTooLarge(70_000, 65_535, index=2)
    assert (error.size, error.limit, error.index) == (70_000, 65_535, 2)
    assert str(error).startswith("event 2 takes 70,000 bytes as a line; at most 65,535 are allowed; ")


@pytest.mark.parametrize(("line", "shown"), [(7, "a.jsonl:7:120"), (None, "a.jsonl:?:120")])
def test_corrupt_line_names_its_place(line: int | None, shown: str) -> None:
    """CorruptLine begins with file:line:offset."""
    assert str(CorruptLine("a.jsonl", line, 120, 3, "bad")).startswith(f"{shown}: 3 bytes cannot be read: bad")


class Unshowable:
    """What fails when it is shown."""

    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    "value", [Unshowable(), "a\nb\x1b[31m", "x" * 1000, b"\xff" * 100, {"a": "\u202e"}, "\ud800", None]
)
def test_S01_a_shortened_value_is_one_printable_line(value: object) -> None:
    """Whatever was given, what an error shows of it has no control characters and at most 60 characters."""
    text = shorten(value)
    assert text.isprintable()
    assert len(text) <= 60


def test_a_field_that_is_not_there_is_called_missing():
    """Nothing was given, so the message shows no value."""
    with pytest.raises(InvalidEvent, match=r"^action: missing: it is required: ") as caught:
        Event.check({"category": "api"})
    assert "None" not in str(caught.value)


def test_without_a_thread_to_write_an_append_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that may start no more threads hears what is missing; nothing was written, and later it works."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Store.open(tmp_path / "data") as store:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", start)
            with pytest.raises(StonelogError, match=r"nothing was written: can't start new thread; the process may"):
                store.append(category="api", action="read")
        assert store.append(category="api", action="read").seq == 1


def test_without_a_thread_to_write_an_emit_takes_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be taken for want of a thread is an error and counted, and the queue is as empty as before."""
    monkeypatch.setenv("STONELOG_STORE_EMIT_EVENTS", "2")

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Store.open(tmp_path / "data") as store:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", start)
            for _ in range(5):
                with pytest.raises(StonelogError, match="can't start new thread"):
                    store.emit(category="api", action="read")
        assert store.dropped == 5
        assert store.emit(category="api", action="read")
