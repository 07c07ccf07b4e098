"""The ASGI middleware: server and application see nothing of it, and one event is written."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from asking import ask, captured, scope_of
from capturing import answering, one
from stonelog.api.capture.asgi import AuditMiddleware
from stonelog.api.capture.context import bound, bound_fields
from stonelog.api.capture.exchange import amend, crashed
from stonelog.api.capture.offer import offer, use
from stonelog.filestore import Store

START = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}
BODY = {"type": "http.response.body", "body": b"hello"}


def test_one_event_for_a_request(tmp_path: Path) -> None:
    """Method, path with query, status, duration, address, agent, request id, bytes: all in one event."""
    headers = {"User-Agent": "curl/8", "X-Request-ID": "abc-1"}
    event = one(tmp_path, answering(START, BODY), "/a/b?x=1", headers=headers, method="POST")
    assert event["response_time_ms"] >= 0
    expected = {
        "category": "api",
        "action": "api_call",
        "level": "info",
        "outcome": "success",
        "method": "POST",
        "path": "/a/b?x=1",
        "status_code": 200,
        "ip_address": "192.0.2.1",
        "user_agent": "curl/8",
        "request_id": "abc-1",
    }
    assert {name: event[name] for name in expected} == expected
    assert event["metadata"]["bytes"] == 5


@pytest.mark.parametrize(
    ("status", "level", "outcome"),
    [
        (204, "info", "success"),
        (302, "info", "success"),
        (404, "info", "failure"),
        (401, "warning", "failure"),
        (403, "warning", "failure"),
        (429, "warning", "failure"),
        (503, "error", "failure"),
    ],
)
def test_level_and_outcome_by_status(tmp_path: Path, status: int, level: str, outcome: str) -> None:
    """Refusals are warnings, errors of the server errors; from 400 on it is a failure."""
    event = one(tmp_path, answering({**START, "status": status}, BODY))
    assert (event["status_code"], event["level"], event["outcome"]) == (status, level, outcome)


def test_a_crash_is_not_lost(tmp_path: Path) -> None:
    """An exception is in the event with type, message and stack, as status 500, and goes on to the server unchanged."""
    error = ValueError("no such thing")

    def crash(store: Store) -> None:
        with pytest.raises(ValueError, match="no such thing") as raised:
            ask(AuditMiddleware(answering(then=error), store))
        assert raised.value is error

    (event,) = captured(tmp_path, crash)
    assert (event["status_code"], event["level"], event["outcome"]) == (500, "error", "failure")
    assert (event["error_type"], event["error_message"]) == ("ValueError", "no such thing")
    assert "in app" in event["stack_trace"]


def test_a_crash_after_the_response_began(tmp_path: Path) -> None:
    """The status is the one that the client saw; that it failed is told."""

    def crash(store: Store) -> None:
        with pytest.raises(RuntimeError):
            ask(AuditMiddleware(answering(START, then=RuntimeError("late")), store))

    (event,) = captured(tmp_path, crash)
    assert (event["status_code"], event["outcome"], event["error_message"]) == (200, "failure", "late")


def test_an_application_that_does_not_answer(tmp_path: Path) -> None:
    """The server answers 500 then, and that is what is told."""
    event = one(tmp_path, answering())
    assert (event["status_code"], event["metadata"]["incomplete"]) == (500, True)


def test_the_user_is_read_after_the_application_ran(tmp_path: Path) -> None:
    """Who it is the application finds out while it runs: the function is called with the scope when it is over."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"] = {"id": 7, "name": "ada"}
        await answering(START, BODY)(scope, receive, send)

    def read(scope: Any) -> Any:
        return scope["session"]["id"], scope["session"]["name"]

    event = one(tmp_path, app, options={"user": read})
    assert (event["user_id"], event["username"]) == ("7", "ada")


def test_an_error_in_the_function_that_reads_the_user(tmp_path: Path) -> None:
    """It is told in the event, and breaks nothing."""
    event = one(tmp_path, answering(START, BODY), options={"user": lambda scope: scope["nobody"]})
    assert event["metadata"]["reader_error"] == "KeyError"
    assert event["status_code"] == 200


def test_one_login_is_one_event(tmp_path: Path) -> None:
    """The application says that the request is a login: there is no second event for it, and no third."""

    async def login(scope: Any, receive: Any, send: Any) -> None:
        amend(category="authentication", action="login", username="ada", metadata={"method": "password"})
        await answering(START, BODY)(scope, receive, send)

    event = one(tmp_path, AuditMiddleware(login), "/login", method="POST")  # twice around: still one
    assert (event["category"], event["action"], event["username"]) == ("authentication", "login", "ada")
    assert event["metadata"]["method"] == "password"


def test_amending_outside_of_a_request_does_nothing() -> None:
    """There is no event then, and that is the answer."""
    assert not amend(action="login")
    assert not crashed(ValueError())


def test_everything_captured_inside_has_the_fields_of_the_request(tmp_path: Path) -> None:
    """Request, trace, address and user are on events of the application, in its tasks and threads too."""
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    def inside(store: Store) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            offer(store, {"category": "api", "action": "before"})
            scope["user"] = {"id": 7, "username": "ada"}
            await asyncio.to_thread(offer, store, {"category": "api", "action": "thread"})
            with bound(entity_id="9"):
                await asyncio.create_task(asyncio.sleep(0))
                offer(store, {"category": "api", "action": "nested"})
            await answering(START, BODY)(scope, receive, send)

        ask(AuditMiddleware(app, store), headers={"traceparent": traceparent})
        assert bound_fields() == {}

    events = {event["action"]: event for event in captured(tmp_path, inside)}
    assert list(events) == ["before", "thread", "nested", "api_call"]
    for name in ("request_id", "trace_id", "span_id", "ip_address"):
        assert len({event[name] for event in events.values()}) == 1
    assert [event.get("user_id") for event in events.values()] == [None, "7", "7", "7"]
    assert events["nested"]["entity_id"] == "9"
    assert events["api_call"]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert events["api_call"]["span_id"] != "b7ad6b7169203331"
    assert events["api_call"]["metadata"]["parent_span_id"] == "b7ad6b7169203331"


def test_what_is_bound_around_holds_for_the_event_too(tmp_path: Path) -> None:
    """A worker that binds `service` has it on the events of its requests."""

    def around(store: Store) -> None:
        with bound(service="shop", category="workflow"):
            ask(AuditMiddleware(answering(START, BODY), store))

    (event,) = captured(tmp_path, around)
    assert (event["service"], event["category"]) == ("shop", "workflow")


def test_two_requests_at_once_do_not_mix(tmp_path: Path) -> None:
    """Each has its own id and user."""

    def both(store: Store) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await asyncio.sleep(0)
            amend(username=scope["path"][1:])
            await asyncio.sleep(0)
            offer(store, {"category": "api", "action": "inner", "entity_id": scope["path"][1:]})
            await answering(START, BODY)(scope, receive, send)

        async def serve() -> None:
            around = AuditMiddleware(app, store)
            send = answering()
            await asyncio.gather(*(around(scope_of(f"/{name}"), send, _nowhere) for name in "abcdef"))

        asyncio.run(serve())

    events = captured(tmp_path, both)
    assert len(events) == 12
    assert all(event["username"] == (event.get("entity_id") or event["path"][1:]) for event in events)


async def _nowhere(message: Any) -> None:
    pass


def test_the_application_is_given_the_request_id(tmp_path: Path) -> None:
    """It stands in the scope's state, and in a header of the response if one is named."""
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["state"]["request_id"])
        await send(START)
        await send(BODY)

    sent: list[Any] = []
    event = captured(
        tmp_path, lambda store: sent.extend(ask(AuditMiddleware(app, store, response_header="X-Request-ID")))
    )[0]
    assert seen == [event["request_id"]]
    assert sent[0]["headers"] == [(b"a", b"b"), (b"x-request-id", event["request_id"].encode())]


@pytest.mark.parametrize("given", ["", "a" * 129, "a b", "ü", "<script>"])
def test_an_id_that_is_not_sane_is_replaced(tmp_path: Path, given: str) -> None:
    """What a client sends as id must not be able to do harm in logs and headers."""
    event = one(tmp_path, answering(START, BODY), headers={"X-Request-ID": given})
    assert len(event["request_id"]) == 32


def test_lifespan_and_unknown_scopes_are_untouched() -> None:
    """The application is called with the very same scope, receive and send."""
    seen: list[Any] = []

    async def app(*given: Any) -> None:
        seen.extend(given)

    given = ({"type": "lifespan"}, answering(), answering())
    asyncio.run(AuditMiddleware(app)(*given))  # type: ignore[arg-type]
    assert all(got is one for got, one in zip(seen, given, strict=True))


@pytest.mark.parametrize("trouble", ["closed", "full", "raising", "none"])
def test_if_the_store_fails_the_response_does_not(tmp_path: Path, trouble: str) -> None:
    """A closed store, a full queue, an error nobody thought of, no store at all: the client notices nothing."""
    with Store.open(tmp_path / "data", durability="none") as store:
        pass
    chosen: Any = {"closed": store, "full": Refusing(False), "raising": Refusing(MemoryError()), "none": None}[trouble]
    assert ask(AuditMiddleware(answering(START, BODY), chosen)) == [START, BODY]


class Refusing:
    """A store that takes no event."""

    def __init__(self, answer: Any) -> None:
        self.directory = Path("nowhere")
        self.answer = answer

    def emit(self, event: Any) -> bool:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return bool(self.answer)


def test_a_request_that_cannot_be_read_is_served(tmp_path: Path) -> None:
    """A scope that lacks what every scope has is the application's to judge."""
    assert ask(AuditMiddleware(answering(START, BODY)), scope={"type": "http"}) == [START, BODY]


def test_nothing_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a sync hangs requests are answered: the event loop is not blocked."""
    from stonelog.filestore import files  # type: ignore[attr-defined]

    hanging, free = threading.Event(), threading.Event()
    synced = files.sync_data

    def hang(fd: int) -> None:
        hanging.set()
        assert free.wait(30)
        synced(fd)

    with Store.open(tmp_path / "data") as store:
        around = AuditMiddleware(answering(START, BODY), store)
        monkeypatch.setattr(files, "sync_data", hang)
        ask(around)
        assert hanging.wait(30)
        answered = [ask(around) for _ in range(50)]
        free.set()
    assert answered == [[START, BODY]] * 50


def test_the_store_that_use_named(tmp_path: Path) -> None:
    """Without a store of its own the middleware takes the process's, which may be named later."""
    around = AuditMiddleware(answering(START, BODY))

    def named(store: Store) -> None:
        use(store)
        try:
            ask(around)
        finally:
            use(None)

    assert len(captured(tmp_path, named)) == 1


def test_a_request_that_begins_within_another_has_nothing_of_it(tmp_path: Path) -> None:
    """As servers begin pipelined requests, and applications ask others: neither user nor trace, but what is bound."""

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        offer(None, {"category": "api", "action": "inside"})
        await answering(START, BODY)(scope, receive, send)

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        scope["user"] = (7, "ada")
        with bound(session_id="s"):
            await AuditMiddleware(inner)(scope_of("/b"), receive, send)

    def around(store: Store) -> None:
        use(store)
        with bound(service="shop"):
            ask(AuditMiddleware(outer), "/a", headers={"traceparent": f"00-{7:032x}-{1:016x}-01"})
        use(None)

    inside, second, first = captured(tmp_path, around)
    assert (first["username"], first["trace_id"]) == ("ada", f"{7:032x}")
    for event in (inside, second):
        assert not event.keys() & {"user_id", "username", "trace_id", "session_id"}
        assert event["service"] == "shop"
        assert event["request_id"] != first["request_id"]


def test_a_scope_with_an_odd_state_is_captured(tmp_path: Path) -> None:
    """It is handed on as it is."""
    scope = scope_of(state=None)
    assert one(tmp_path, answering(START, BODY), scope=scope)["status_code"] == 200
    assert scope["state"] is None


def test_what_comes_after_the_event_amends_nothing(tmp_path: Path) -> None:
    """A task that outlives the request is told so."""
    amended: list[bool] = []

    async def later(over: asyncio.Event) -> None:
        await over.wait()
        amended.extend([amend(action="late"), crashed(ValueError())])

    async def request(store: Store) -> None:
        over, tasks = asyncio.Event(), []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            tasks.append(asyncio.create_task(later(over)))
            await answering(START, BODY)(scope, receive, send)

        async def nothing(*given: Any) -> None:
            """A server's send."""

        await AuditMiddleware(app, store)(scope_of(), nothing, nothing)
        over.set()
        await tasks[0]

    (event,) = captured(tmp_path, lambda store: asyncio.run(request(store)))
    assert (event["action"], amended) == ("api_call", [False, False])
