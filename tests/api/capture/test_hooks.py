"""Warnings, and exceptions that nobody caught."""

import asyncio
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stonelog.api.capture.hooks import capture_exceptions, capture_warnings
from stonelog.filestore import Store

HOOKS = ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook"), (warnings, "showwarning"))


@pytest.fixture(autouse=True)
def called(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Any, ...]]]:
    """What reached the hooks that were there before; in a test they show nothing."""
    calls: list[tuple[Any, ...]] = []
    for place, name in HOOKS:
        monkeypatch.setattr(place, name, lambda *args, _name=name, **_: calls.append((_name, *args)))
    yield calls


def unraisable(error: BaseException) -> Any:
    """What Python hands to sys.unraisablehook."""
    return SimpleNamespace(
        exc_type=type(error), exc_value=error, exc_traceback=None, err_msg="Exception ignored in", object=print
    )


def test_a_warning_becomes_an_event_and_is_still_shown(store: Store, written: Any, called: list[Any]) -> None:
    """With its kind and the place that it is about."""
    with capture_warnings(store), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning(DeprecationWarning("old"), DeprecationWarning, "shop.py", 7)
    (event,) = written()
    assert (event["level"], event["action"], event["message"]) == ("warning", "warning", "old")
    assert event["metadata"] == {"warning": "DeprecationWarning", "file": "shop.py", "line": 7}
    assert [call[0] for call in called] == ["showwarning"]


def test_an_exception_that_ends_the_program_is_an_event(store: Store, written: Any, called: list[Any]) -> None:
    """It is critical, and is shown as before."""
    error = ValueError("bad")
    with capture_exceptions(store):
        sys.excepthook(ValueError, error, None)
    (event,) = written()
    assert (event["level"], event["action"], event["outcome"]) == ("critical", "uncaught_exception", "failure")
    assert (event["error_type"], event["error_message"], event["metadata"]) == (
        "ValueError",
        "bad",
        {"where": "program"},
    )
    assert called == [("excepthook", ValueError, error, None)]


def test_ctrl_c_is_no_failure(store: Store, written: Any) -> None:
    """The end that a person asked for is a notice."""
    with capture_exceptions(store):
        sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    (event,) = written()
    assert (event["level"], event["action"]) == ("notice", "interrupted")


def test_an_exception_that_ends_a_thread_is_an_event(store: Store, written: Any, called: list[Any]) -> None:
    """With the thread's name."""

    def work() -> None:
        raise ValueError("bad")

    with capture_exceptions(store):
        thread = threading.Thread(target=work, name="worker-1")
        thread.start()
        thread.join()
    (event,) = written()
    assert (event["level"], event["metadata"]) == ("error", {"where": "thread", "thread": "worker-1"})
    assert "raise ValueError" in event["stack_trace"]
    assert len(called) == 1


def test_an_exception_that_cannot_be_raised_is_an_event(store: Store, written: Any, called: list[Any]) -> None:
    """With what it happened in, as text."""
    with capture_exceptions(store):
        sys.unraisablehook(unraisable(ValueError("bad")))
    (event,) = written()
    assert event["error_type"] == "ValueError"
    assert event["metadata"]["object"] == "<built-in function print>"
    assert len(called) == 1


def test_what_an_event_loop_is_told_is_an_event(store: Store, written: Any) -> None:
    """The loop that runs is watched; its own handler is called after."""
    told = []

    async def program() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context["message"]))
        with capture_exceptions(store):
            loop.call_exception_handler({"message": "odd", "exception": ValueError("bad")})
            loop.call_exception_handler({"message": "odd too"})
        loop.call_exception_handler({"message": "not captured"})

    asyncio.run(program())
    first, second = written()
    assert (first["error_type"], first["metadata"]) == ("ValueError", {"where": "event loop", "text": "odd"})
    assert (second["message"], second["level"]) == ("odd too", "error")
    assert told == ["odd", "odd too", "not captured"]


def test_undoing_puts_back_what_was_there(store: Store) -> None:
    """Every hook is the one of before."""
    before = [getattr(place, name) for place, name in HOOKS]
    both = capture_exceptions(store), capture_warnings(store)
    assert all(getattr(place, name) is not hook for (place, name), hook in zip(HOOKS, before, strict=True))
    for hooks in both:
        hooks.undo()
        hooks.undo()
    assert [getattr(place, name) for place, name in HOOKS] == before


def test_undoing_leaves_what_came_later(store: Store, written: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook over ours stays, and ours passes on without capturing."""
    hooks = capture_exceptions(store)
    ours = sys.excepthook
    monkeypatch.setattr(sys, "excepthook", lambda *args: ours(*args))
    later = sys.excepthook
    hooks.undo()
    sys.excepthook(ValueError, ValueError(), None)
    assert sys.excepthook is later
    assert not written()


def test_capturing_twice_captures_once(store: Store, written: Any, called: list[Any]) -> None:
    """The second changes nothing, and undoing it neither."""
    with capture_exceptions(store), capture_exceptions(store):
        sys.excepthook(ValueError, ValueError(), None)
    assert len(written()) == len(called) == 1


def test_a_broken_store_never_breaks_a_hook(broken: Any, lost: Callable[[], int], called: list[Any]) -> None:
    """What was there before is called all the same, with what is to be shown."""
    with capture_exceptions(broken), capture_warnings(broken):
        sys.excepthook(ValueError, ValueError("s3cret"), None)
        sys.unraisablehook(unraisable(ValueError("bad")))
        warnings.showwarning(UserWarning("w"), UserWarning, "a.py", 1)
    assert (lost(), len(called)) == (3, 3)


def test_secrets_go_to_the_store_as_they_are(keeping: Any) -> None:
    """Redaction is the store's, in messages and stack traces too."""
    with capture_exceptions(keeping):
        sys.excepthook(ValueError, ValueError("token=s3cret"), None)
    assert keeping.seen[0]["error_message"] == "token=s3cret"


def test_the_crash_of_a_program_is_in_its_store(tmp_path: Path) -> None:
    """What ends the process is written before it ends, and shown as always."""
    program = (
        "import sys; from stonelog.filestore import Store; from stonelog.api.capture.hooks import capture_exceptions\n"
        "capture_exceptions(Store.open(sys.argv[1])); 1 / 0"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "d")]
    ended = subprocess.run(command, env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "ZeroDivisionError" in ended.stderr
    with Store.open(tmp_path / "d") as store:
        assert [event.error_type for event in store.read()] == ["ZeroDivisionError"]
