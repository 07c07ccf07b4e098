"""The WSGI middleware: the response passes as it is, and one event is written when it is closed."""

import contextvars
import gc
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import pytest

from asking import ask_wsgi, captured
from stonelog.api.capture.context import bound_fields
from stonelog.api.capture.exchange import amend
from stonelog.api.capture.offer import offer
from stonelog.api.capture.wsgi import AuditWsgiMiddleware
from stonelog.filestore import Store


def answering(*pieces: bytes, status: str = "200 OK") -> Any:
    def app(environ: Any, start: Any) -> Any:
        start(status, [("A", "b")])
        return list(pieces)

    return app


def one(place: Path, app: Any, target: str = "/", *, options: Any = None, **environ: Any) -> Any:
    """The one event of a request."""
    events = captured(
        place, lambda store: ask_wsgi(AuditWsgiMiddleware(app, store, **(options or {})), target, **environ)
    )
    assert len(events) == 1
    return events[0]


def test_one_event_for_a_request(tmp_path: Path) -> None:
    """As with ASGI: method, path, status, address, agent, user, ids."""
    environ = {"HTTP_USER_AGENT": "curl/8", "HTTP_X_REQUEST_ID": "abc", "REMOTE_USER": "ada", "REQUEST_METHOD": "PUT"}
    environ["HTTP_TRACEPARENT"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    event = one(tmp_path, answering(b"ab", b"c", status="404 Not Found"), "/a?x=1", SCRIPT_NAME="/root", **environ)
    expected = {
        "category": "api",
        "action": "api_call",
        "level": "info",
        "outcome": "failure",
        "method": "PUT",
        "path": "/root/a?x=1",
        "status_code": 404,
        "ip_address": "192.0.2.1",
        "user_agent": "curl/8",
        "request_id": "abc",
        "username": "ada",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }
    assert {name: event[name] for name in expected} == expected
    assert event["metadata"].items() >= {"bytes": 3, "streamed": True, "parent_span_id": "b7ad6b7169203331"}.items()


def test_the_path_as_it_was_asked_for(tmp_path: Path) -> None:
    """Servers that tell the raw path are believed; otherwise it is encoded again."""
    assert one(tmp_path / "a", answering(), "/a/b", RAW_URI="/a%2Fb?q")["path"] == "/a%2Fb"
    assert one(tmp_path / "b", answering(), "/\xc3\xa9")["path"] == "/%C3%A9"


def test_pieces_pass_one_by_one(tmp_path: Path) -> None:
    """Nothing is collected: a piece is with the server before the next is made, and the event comes at the end."""
    made: list[bytes] = []

    def app(environ: Any, start: Any) -> Any:
        start("200 OK", [])
        for piece in (b"1", b"2", b"3"):
            made.append(piece)
            yield piece

    def stream(store: Store) -> None:
        result = AuditWsgiMiddleware(app, store)({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *given: None)
        for number, piece in enumerate(result, 1):
            assert made[-1] == piece
            assert len(made) == number
        result.close()  # type: ignore[attr-defined]

    (event,) = captured(tmp_path, stream)
    assert event["metadata"] == {"bytes": 3, "streamed": True}


def test_the_length_of_a_response_stays_known(tmp_path: Path) -> None:
    """Servers tell the length of a list of one piece: it still has one."""

    def use(store: Store) -> None:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
        result = AuditWsgiMiddleware(answering(b"abc"), store)(environ, lambda *given: None)
        assert len(result) == 1  # type: ignore[arg-type]
        assert list(result) == [b"abc"]

    assert len(captured(tmp_path, lambda store: (use(store), gc.collect()))) == 1  # though nobody closed it


def test_a_file_stays_what_the_server_knows(tmp_path: Path) -> None:
    """What `wsgi.file_wrapper` made is handed on itself, so that the server can send it without reading it."""
    path = tmp_path / "file"
    path.write_bytes(b"content")

    def app(environ: Any, start: Any) -> Any:
        start("200 OK", [])
        return environ["wsgi.file_wrapper"](path.open("rb"))

    def use(store: Store) -> None:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.file_wrapper": FileWrapper}
        result = AuditWsgiMiddleware(app, store)(environ, lambda *given: None)
        assert type(result) is FileWrapper
        assert list(result) == [b"content"]
        result.close()
        assert result.filelike.closed

    assert len(captured(tmp_path, use)) == 1


def test_a_crash_is_not_lost(tmp_path: Path) -> None:
    """Whether it comes before, during or after the response: told, and raised to the server."""

    def before(environ: Any, start: Any) -> Any:
        start("200 OK", [])
        raise ValueError("before")

    def during(environ: Any, start: Any) -> Any:
        start("200 OK", [])
        yield b"a"
        raise ValueError("during")

    def use(store: Store) -> None:
        for app in (before, during):
            with pytest.raises(ValueError, match=app.__name__):
                ask_wsgi(AuditWsgiMiddleware(app, store))

    events = captured(tmp_path, use)
    assert [(e["status_code"], e["error_message"], e["level"]) for e in events] == [
        (500, "before", "error"),
        (200, "during", "error"),
    ]


def test_a_client_that_leaves(tmp_path: Path) -> None:
    """The server closes what it has not sent all of."""
    events = captured(tmp_path, lambda store: ask_wsgi(AuditWsgiMiddleware(answering(b"1", b"2"), store), pieces=1))
    assert [event["metadata"] for event in events] == [{"bytes": 1, "disconnected": True}]


def test_write_is_counted_and_passes(tmp_path: Path) -> None:
    """The old way to send, a function that `start_response` gives."""

    def app(environ: Any, start: Any) -> Any:
        start("200 OK", [])(b"abc")
        return []

    assert one(tmp_path, app)["metadata"]["bytes"] == 3


def test_headers_and_ids(tmp_path: Path) -> None:
    """The application finds the id in the environ, the client in a header if one is named."""
    seen: list[Any] = []

    def app(environ: Any, start: Any) -> Any:
        seen.append(environ["stonelog.request_id"])
        return answering()(environ, start)

    (event,) = captured(
        tmp_path, lambda store: seen.append(ask_wsgi(AuditWsgiMiddleware(app, store, response_header="X-Id"))[0])
    )
    assert seen == [event["request_id"], ("200 OK", [("A", "b"), ("x-id", event["request_id"])])]


def test_fields_hold_inside_only(tmp_path: Path) -> None:
    """Also while pieces are made; a server's thread is as before, even if it changes contexts between the pieces."""

    def use(store: Store) -> None:
        def app(environ: Any, start: Any) -> Any:
            start("200 OK", [])
            offer(store, {"category": "api", "action": "first"})
            yield b"1"
            amend(username="ada")
            offer(store, {"category": "api", "action": "second"})
            yield b"2"

        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "REMOTE_ADDR": "192.0.2.1"}
        result: Any = contextvars.Context().run(AuditWsgiMiddleware(app, store), environ, lambda *given: None)
        for _ in range(3):
            contextvars.Context().run(next, result, None)
            assert bound_fields() == {}
        result.close()

    events = captured(tmp_path, use)
    assert [event["action"] for event in events] == ["first", "second", "api_call"]
    assert len({event["request_id"] for event in events}) == 1
    assert [event.get("username") for event in events] == [None, "ada", "ada"]


def test_behind_a_proxy(tmp_path: Path) -> None:
    """Addresses are judged as in ASGI."""
    options = {"trusted_proxies": ["192.0.2.0/24"]}
    event = one(tmp_path, answering(), options=options, HTTP_X_FORWARDED_FOR="1.1.1.1, 203.0.113.9")
    assert event["ip_address"] == "203.0.113.9"


@pytest.mark.parametrize("environ", [{}, {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}])
def test_nothing_breaks_the_response(tmp_path: Path, environ: Any) -> None:
    """A closed store, an environ that lacks what it should have: the application answers."""
    with Store.open(tmp_path / "data", durability="none") as store:
        pass
    result = AuditWsgiMiddleware(answering(b"abc"), store)(environ, lambda *given: None)
    assert b"".join(result) == b"abc"


def test_exc_info_may_be_given_by_name(tmp_path: Path) -> None:
    """PEP 3333 names it; the server gets it as it expects it."""

    def app(environ: Any, start: Any) -> Any:
        start("500 No", [], exc_info=(ValueError, ValueError(), None))
        return [b"no"]

    assert one(tmp_path, app)["status_code"] == 500


def test_a_request_within_another_has_nothing_of_it(tmp_path: Path) -> None:
    """Neither its user nor its trace."""

    def around(store: Store) -> None:
        def outer(environ: Any, start: Any) -> Any:
            amend(username="ada")
            ask_wsgi(AuditWsgiMiddleware(answering(b"b"), store), "/b")
            return answering(b"a")(environ, start)

        trace = f"00-{7:032x}-{1:016x}-01"
        ask_wsgi(AuditWsgiMiddleware(outer, store), "/a", HTTP_TRACEPARENT=trace)

    inner, outer = captured(tmp_path, around)
    assert (outer["username"], outer["trace_id"]) == ("ada", f"{7:032x}")
    assert not inner.keys() & {"username", "trace_id"}
