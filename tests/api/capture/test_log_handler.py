"""The handler for `logging`."""

import logging
import logging.config
import logging.handlers
import os
import queue
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stonelog.api.capture.context import bound
from stonelog.api.capture.log_handler import KeepBound, LogHandler
from stonelog.api.capture.offer import use
from stonelog.filestore import Store


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """A logger that no other test has."""
    made = logging.getLogger("shop.orders")
    made.propagate = False
    made.setLevel(1)
    yield made
    for handler in made.handlers[:]:
        made.removeHandler(handler)
        handler.close()


@pytest.fixture
def handled(log: logging.Logger, store: Store) -> logging.Logger:
    """It, with a handler of the store."""
    log.addHandler(LogHandler(store))
    return log


def test_a_record_becomes_an_event(handled: logging.Logger, written: Any) -> None:
    """The message has its arguments; the metadata tells where in the program it was logged."""
    handled.warning("order %d of %s", 7, "ada")
    (event,) = written()
    assert (event["level"], event["category"], event["action"]) == ("warning", "system_management", "log")
    assert event["message"] == "order 7 of ada"
    place = event["metadata"]
    assert (place["logger"], place["module"]) == ("shop.orders", "test_log_handler")
    assert place["function"] == "test_a_record_becomes_an_event"
    assert place["line"] > 0


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (5, "debug"),
        (10, "debug"),
        (20, "info"),
        (25, "notice"),
        (30, "warning"),
        (40, "error"),
        (50, "critical"),
        (99, "critical"),
    ],
)
def test_levels_have_ours(number: int, level: str, handled: logging.Logger, written: Any) -> None:
    """A number between two levels is the lower one; 25 is a notice."""
    handled.log(number, "x")
    assert written()[0]["level"] == level


def test_extra_sets_fields_and_metadata(handled: logging.Logger, written: Any) -> None:
    """What is a field by its name is one, in its form; everything else is free data."""
    extra = {"category": "workflow", "action": "order_paid", "user_id": 7, "ip_address": "10.0.0.1", "total": 9.5}
    handled.info("paid", extra={**extra, "seq": 3, "metadata": {"items": (1, 2)}})
    (event,) = written()
    assert {name: event[name] for name in ("category", "action", "user_id", "ip_address")} == {
        "category": "workflow",
        "action": "order_paid",
        "user_id": "7",
        "ip_address": "10.0.0.1",
    }
    assert (event["metadata"]["total"], event["metadata"]["seq"], event["metadata"]["items"]) == (9.5, 3, [1, 2])


def test_wrong_extra_loses_no_event(handled: logging.Logger, written: Any, lost: Callable[[], int]) -> None:
    """A category of another form is brought into it; a level that is none is free data; objects are shown."""
    handled.info(
        "x", extra={"category": "Order Desk", "action": "7", "level": "HIGH", "status_code": "many", "o": open}
    )
    (event,) = written()
    assert (event["category"], event["action"], event["level"]) == ("order_desk", "log", "info")
    assert event["metadata"]["level"] == "HIGH"
    assert event["metadata"]["invalid"] == {"category": "Order Desk", "action": "7", "status_code": "many"}
    assert lost() == 0


def test_an_exception_has_its_fields(handled: logging.Logger, written: Any) -> None:
    """Type, message and stack are those of `exc_info`."""
    try:
        raise KeyError("k")
    except KeyError:
        handled.exception("no such key")
    (event,) = written()
    assert (event["level"], event["error_type"], event["error_message"]) == ("error", "KeyError", "'k'")
    assert 'raise KeyError("k")' in event["stack_trace"]


def test_a_stack_that_was_asked_for_is_kept(handled: logging.Logger, written: Any) -> None:
    """`stack_info=True` fills the stack trace."""
    handled.info("here", stack_info=True)
    assert written()[0]["stack_trace"].startswith("Stack (most recent call last)")


def test_arguments_that_do_not_fit_raise_nothing(store: Store, written: Any) -> None:
    """The message stays as it was written, and the metadata tells the arguments and the error."""
    LogHandler(store).handle(logging.makeLogRecord({"name": "x", "msg": "%d of %d", "args": ("seven",)}))
    (event,) = written()
    assert event["message"] == "%d of %d"
    assert event["metadata"]["args"] == ["seven"]
    assert event["metadata"]["format_error"].startswith("TypeError")


def test_the_time_is_that_of_the_record(store: Store) -> None:
    """Not that of handing it over, which behind a queue is later."""
    record = logging.makeLogRecord({"name": "x", "msg": "m", "levelno": 20, "created": 1_700_000_000.25})
    LogHandler(store).handle(record)
    store.append(category="api", action="read")
    assert next(store.read()).fields()["time"] == "2023-11-14T22:13:20.250000Z"


def test_behind_a_queue_nothing_is_missing(log: logging.Logger, store: Store, written: Any) -> None:
    """What QueueHandler has merged into the message is taken apart; what was bound there is kept."""
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    front = logging.handlers.QueueHandler(waiting)
    front.addFilter(KeepBound())
    log.addHandler(front)
    listener = logging.handlers.QueueListener(waiting, LogHandler(store))
    listener.start()
    with bound(request_id="r1"):
        try:
            raise ValueError("a: b\n  c")
        except ValueError:
            log.exception("it %s", "broke", extra={"user_id": "7"})
    listener.stop()
    (event,) = written()
    assert (event["message"], event["user_id"], event["request_id"]) == ("it broke", "7", "r1")
    assert (event["error_type"], event["error_message"]) == ("ValueError", "a: b\n  c")
    assert event["stack_trace"].startswith("Traceback")


def test_records_with_the_text_of_an_exception_have_its_fields(store: Store, written: Any) -> None:
    """A record that was prepared with `exc_text` tells type, message and stack."""
    text = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\na.b.Odd: why\n'
    LogHandler(store).handle(logging.makeLogRecord({"name": "x", "msg": "m", "exc_text": text}))
    (event,) = written()
    assert (event["error_type"], event["error_message"]) == ("a.b.Odd", "why")


def test_what_stonelog_logs_is_left_out(store: Store, written: Any) -> None:
    """Its own loggers are, and others of similar names are not."""
    handler = LogHandler(store)
    for name in ("stonelog", "stonelog.capture", "stonelogger"):
        handler.handle(logging.makeLogRecord({"name": name, "msg": "m"}))
    assert [event["metadata"]["logger"] for event in written()] == ["stonelogger"]


def test_what_is_logged_while_handing_over_is_left_out(log: logging.Logger) -> None:
    """A store that logs with the program's own loggers does not call itself without end."""
    calls: list[object] = []

    class Talking:
        def emit(self, fields: object) -> bool:
            calls.append(fields)
            log.error("about to write")
            return True

    log.addHandler(LogHandler(Talking()))  # type: ignore[arg-type]
    log.info("x")
    assert len(calls) == 1


def test_a_broken_store_never_breaks_logging(broken: Any, log: logging.Logger, lost: Callable[[], int]) -> None:
    """Closed, failing or not there yet: what cannot be taken is counted."""
    log.addHandler(LogHandler(broken))
    log.error("x")
    assert lost() == 1


def test_the_store_of_the_process_may_come_later(log: logging.Logger, store: Store, written: Any) -> None:
    """A handler without a store writes from when there is one."""
    log.addHandler(LogHandler())
    log.info("before")
    use(store)
    try:
        log.info("after")
    finally:
        use(None)
    assert [event["message"] for event in written()] == ["after"]


def test_a_configuration_can_name_it_by_directory(tmp_path: Path) -> None:
    """dictConfig makes it with a directory as text; it opens a store there, and closes it."""
    handler = {
        "class": "stonelog.api.capture.log_handler.LogHandler",
        "directory": str(tmp_path / "d"),
        "level": "INFO",
    }
    loggers = {"shop.configured": {"handlers": ["events"], "level": "DEBUG", "propagate": False}}
    logging.config.dictConfig(
        {"version": 1, "disable_existing_loggers": False, "handlers": {"events": handler}, "loggers": loggers}
    )
    log = logging.getLogger("shop.configured")
    log.debug("too low")
    log.info("kept")
    (made,) = log.handlers
    log.removeHandler(made)
    made.close()
    with Store.open(tmp_path / "d") as store:
        assert [event.message for event in store.read()] == ["kept"]


def test_after_a_fork_the_child_opens_its_own_store(tmp_path: Path) -> None:
    """What a child logs with the handler that it took over is in the store too."""
    handler = LogHandler(directory=tmp_path / "d")
    child = os.fork()
    if not child:
        handler.handle(logging.makeLogRecord({"name": "x", "msg": "from the child"}))
        handler.close()
        os._exit(0)
    os.waitpid(child, 0)
    handler.close()
    with Store.open(tmp_path / "d") as store:
        assert [event.message for event in store.read()] == ["from the child"]


def test_a_store_and_a_directory_are_one_too_many(store: Store) -> None:
    """It is refused where the handler is made."""
    with pytest.raises(ValueError, match="one of them"):
        LogHandler(store, directory="data")


def test_secrets_go_to_the_store_as_they_are(log: logging.Logger, keeping: Any) -> None:
    """Redaction is the store's: it sees every key and value, in the message, in fields and in free data."""
    log.addHandler(LogHandler(keeping))
    log.info("token=%s", "s3cret", extra={"password": "hunter2", "form": {"api_key": "k"}})
    (event,) = keeping.seen
    assert event["message"] == "token=s3cret"
    assert (event["metadata"]["password"], event["metadata"]["form"]) == ("hunter2", {"api_key": "k"})
