"""The processor for structlog."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from stonelog.api.capture.structlog_processor import StructlogProcessor
from stonelog.filestore import Store

structlog = pytest.importorskip("structlog", reason="structlog is not installed")


@pytest.fixture
def chain(store: Store) -> Callable[..., Any]:
    """A logger with these processors around ours; what is left goes into `shown`."""

    def make(*after: Any, drop: bool = False, given: Store | None = store) -> tuple[Any, list[Any]]:
        output = structlog.testing.CapturingLoggerFactory()
        log = structlog.wrap_logger(
            output(),
            processors=[structlog.stdlib.add_log_level, StructlogProcessor(given, drop=drop), *after],
            wrapper_class=structlog.BoundLogger,
        )
        return log, output.logger.calls

    return make


def test_an_event_dict_becomes_an_event_and_goes_on_unchanged(chain: Any, written: Any) -> None:
    """Keys that are fields are fields, others metadata; the next processor sees the same dict."""
    log, shown = chain()
    log.warning("order paid", user_id=7, total=9.5, action="order_paid")
    (event,) = written()
    assert (event["level"], event["message"], event["user_id"]) == ("warning", "order paid", "7")
    assert (event["action"], event["metadata"]) == ("order_paid", {"total": 9.5})
    assert shown[0].kwargs == {
        "event": "order paid",
        "user_id": 7,
        "total": 9.5,
        "action": "order_paid",
        "level": "warning",
    }


def test_as_the_last_it_can_drop_what_it_has_written(chain: Any, written: Any) -> None:
    """Nothing goes on, and the program sees no exception."""
    log, shown = chain(drop=True)
    log.info("only here")
    assert [event["message"] for event in written()] == ["only here"]
    assert not shown


@pytest.mark.parametrize("form", ["true", "tuple", "error"])
def test_an_exception_has_its_fields(form: str, chain: Any, written: Any) -> None:
    """`exc_info` in each of the forms that structlog takes."""
    log, _ = chain(drop=True)
    try:
        raise ValueError("bad")
    except ValueError as error:
        log.error("failed", exc_info={"true": True, "tuple": sys.exc_info(), "error": error}[form])
    (event,) = written()
    assert (event["level"], event["error_type"], event["error_message"]) == ("error", "ValueError", "bad")
    assert "raise ValueError" in event["stack_trace"]


def test_what_another_processor_rendered_is_read(store: Store, written: Any) -> None:
    """The text of an exception, a time, the logger's name."""
    text = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nKeyError: 1'
    given = {"event": "x", "exception": text, "timestamp": "2023-11-14T22:13:20Z", "logger": "shop"}
    assert StructlogProcessor(store)(None, "error", given) is given
    (event,) = written()
    assert (event["error_type"], event["error_message"], event["metadata"]) == ("KeyError", "1", {"logger": "shop"})


def test_after_a_renderer_it_keeps_the_text(store: Store, written: Any) -> None:
    """What is no dict any more is the message."""
    assert StructlogProcessor(store)(None, "warning", '{"event": "x"}') == '{"event": "x"}'
    (event,) = written()
    assert (event["level"], event["message"]) == ("warning", '{"event": "x"}')


def test_a_broken_store_never_breaks_logging(broken: Any, lost: Callable[[], int]) -> None:
    """The event dict goes on; what cannot be taken is counted."""
    given = {"event": "x"}
    assert StructlogProcessor(broken)(None, "info", given) is given
    assert lost() == 1


def test_secrets_go_to_the_store_as_they_are(keeping: Any) -> None:
    """Under their own names, so that the store can find them."""
    StructlogProcessor(keeping)(None, "info", {"event": "token=s3cret", "form": {"password": "hunter2"}})
    (event,) = keeping.seen
    assert (event["message"], event["metadata"]) == ("token=s3cret", {"form": {"password": "hunter2"}})
