"""The sink for loguru."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stonelog.api.capture.loguru_sink import LoguruSink
from stonelog.filestore import Store

loguru = pytest.importorskip("loguru", reason="loguru is not installed")


@pytest.fixture
def log() -> Iterator[Any]:
    """loguru's logger without a sink."""
    loguru.logger.remove()
    yield loguru.logger
    loguru.logger.remove()


def test_a_record_becomes_an_event(log: Any, store: Store, written: Any) -> None:
    """`extra` sets fields and metadata; the level has ours."""
    log.add(LoguruSink(store))
    log.bind(user_id=7, total=9.5).success("paid {}", "all")
    (event,) = written()
    assert (event["level"], event["message"], event["user_id"]) == ("notice", "paid all", "7")
    assert event["metadata"]["total"] == 9.5
    assert event["metadata"]["function"] == "test_a_record_becomes_an_event"


@pytest.mark.parametrize("enqueue", [False, True])
def test_an_exception_has_its_fields(enqueue: bool, log: Any, store: Store, written: Any) -> None:
    """Through loguru's own queue too, where the frames are gone and only the text has them."""
    log.add(LoguruSink(store), enqueue=enqueue, diagnose=False)
    try:
        raise ValueError("bad")
    except ValueError:
        log.exception("failed")
    log.complete()
    (event,) = written()
    assert (event["message"], event["error_type"], event["error_message"]) == ("failed", "ValueError", "bad")
    assert "raise ValueError" in event["stack_trace"]


def test_the_time_is_that_of_the_record(log: Any, store: Store) -> None:
    """In UTC, to the microsecond."""
    times = []
    log.add(lambda message: times.append(message.record["time"]))
    log.add(LoguruSink(store))
    log.info("x")
    store.append(category="api", action="read")
    assert next(store.read()).time == times[0]


def test_a_broken_store_never_breaks_logging(broken: Any, log: Any, lost: Callable[[], int]) -> None:
    """Not even if loguru is told to let errors of sinks through."""
    log.add(LoguruSink(broken), catch=False)
    log.info("x")
    assert lost() == 1


def test_secrets_go_to_the_store_as_they_are(log: Any, keeping: Any) -> None:
    """Redaction is the store's."""
    log.add(LoguruSink(keeping))
    log.bind(password="hunter2").info("token={}", "s3cret")
    (event,) = keeping.seen
    assert (event["message"], event["metadata"]["password"]) == ("token=s3cret", "hunter2")
