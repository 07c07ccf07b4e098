"""The way to the index: a question has a time, and is given up when nobody waits for its answer."""

import threading
from typing import Any

import anyio
import pytest
from anyio import to_thread

from stonelog.api import create_app
from stonelog.filestore import InvalidSetting, Store
from stonelog.indexer import Index, Patience, QueryStopped

PATHS = [
    "/v1/events",
    "/v1/events?q=nothinglikeit",
    "/v1/events/01890000-0000-7000-8000-000000000000",
    "/v1/count?q=read",
    "/v1/facets?field=message",
    "/v1/histogram",
    "/v1/stats",
]
DEADLINE = 60


@pytest.fixture
def seven(store: Store) -> Store:
    store.append_many({"category": "api", "action": "read"} for _ in range(7))
    return store


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
def test_a_query_that_takes_too_long_is_stopped(get, seven, monkeypatch, path, accept):
    """After `query_seconds` of [http] it is 503 `query-stopped`; asking again would not help, and so no Retry-After."""
    monkeypatch.setenv("STONELOG_HTTP_QUERY_SECONDS", "1e-9")
    answer = get(path, app=create_app(seven), headers={"accept": accept})
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:stonelog:problem:query-stopped"
    assert "after 1e-09 s" in answer.json()["detail"]
    assert "retry-after" not in answer.headers


def test_health_has_no_limit(get, seven, monkeypatch):
    """Whether the service can do its work does not depend on how long a query may take."""
    monkeypatch.setenv("STONELOG_HTTP_QUERY_SECONDS", "1e-9")
    assert get("/readyz", app=create_app(seven)).status_code == 200


@pytest.mark.parametrize(("setting", "seconds"), [("query_seconds = 0", None), ("query_seconds = 7", 7), ("", 30)])
def test_the_limit_is_a_setting(get, seven, monkeypatch, setting, seconds):
    """`query_seconds` in stonelog.toml: 30 if it is not there, none if it is 0."""
    (seven.directory / "stonelog.toml").write_text(f"[http]\n{setting}\n")
    given = []

    def count(_index: Index, *_args: object, patience: Patience, **_more: object) -> int:
        given.append(patience._seconds)
        return 0

    monkeypatch.setattr(Index, "count", count)
    assert get("/v1/count", app=create_app(seven)).status_code == 200
    assert given == [seconds]


def test_a_limit_that_is_none_is_refused_at_the_start(seven, monkeypatch):
    """A mistake in [http] is told when the application is made, not to the first who asks."""
    monkeypatch.setenv("STONELOG_HTTP_QUERY_SECONDS", "soon")
    with pytest.raises(InvalidSetting, match="STONELOG_HTTP_QUERY_SECONDS = soon"):
        create_app(seven)


class Endless:
    """A question in the place of `Index.count` that goes on until it is stopped."""

    def __init__(self) -> None:
        self.asked, self.ended = threading.Event(), threading.Event()
        self.seconds: list[float | None] = []

    def count(self, *_args: object, patience: Patience, **_more: object) -> int:
        self.asked.set()
        try:
            while True:
                patience.check()
        except QueryStopped as stopped:
            self.seconds.append(stopped.seconds)
            raise
        finally:
            self.ended.set()


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Endless:
    made = Endless()
    monkeypatch.setattr(Index, "count", made.count)
    return made


SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "method": "GET",
    "path": "/v1/count",
    "query_string": b"",
    "headers": [(b"host", b"localhost")],
}


async def _never_sent(_message: Any) -> None:
    """The client is not there any more."""


def test_a_query_ends_when_its_client_is_gone(app, endless):
    """The server tells that the connection is closed: the thread that looks for the answer is free again."""

    async def main() -> None:
        messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Any:
            if (message := next(messages, None)) is not None:
                return message
            await to_thread.run_sync(endless.asked.wait, DEADLINE)
            return {"type": "http.disconnect"}

        with anyio.fail_after(DEADLINE):
            await app(SCOPE, receive, _never_sent)

    anyio.run(main)
    assert endless.seconds == [None]


def test_a_query_ends_when_its_request_is_cancelled(app, endless):
    """A server that gives a request up, as at the end of the grace after SIGTERM, leaves no thread at work."""

    async def main() -> None:
        async def receive() -> Any:
            await anyio.sleep_forever()

        async with anyio.create_task_group() as group:
            group.start_soon(app, SCOPE, receive, _never_sent)
            await to_thread.run_sync(endless.asked.wait, DEADLINE)
            group.cancel_scope.cancel()

    anyio.run(main)
    assert endless.ended.wait(DEADLINE)
    assert endless.seconds == [None]


def test_an_error_of_a_question_is_given_as_it_is(get, app, seven, monkeypatch, caplog):
    """What goes wrong in the thread reaches the request as that error, not wrapped in another."""

    def count(*_args: object, **_more: object) -> int:
        raise ZeroDivisionError("a cause of its own")

    monkeypatch.setattr(Index, "count", count)
    assert get("/v1/count").status_code == 500
    assert "ZeroDivisionError('a cause of its own')" in caplog.text
