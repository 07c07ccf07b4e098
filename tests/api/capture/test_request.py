"""The event of a request: what each setting changes, what is bounded, who it was."""

import contextlib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from asking import ask, captured
from stonelog.api.capture import request as requests
from stonelog.api.capture.asgi import AuditMiddleware
from stonelog.api.capture.capture_settings import CaptureSettings
from stonelog.api.capture.exchange import amend
from stonelog.api.capture.offer import use
from stonelog.api.capture.request import raw_path, reader_errors, settings_of
from stonelog.api.capture.rules import is_sampled
from stonelog.api.capture.users import fields_of_user
from stonelog.filestore import Store, load_section

HEADERS = {
    "User-Agent": "curl/8.4.0",
    "Cookie": "a=b; sid=secret",
    "X-Request-ID": "one",
    "X-Correlation-ID": "two",
    "X-Forwarded-For": "203.0.113.9",
    "Forwarded": "for=203.0.113.7",
}


async def answer(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/crash":
        raise ValueError("no")
    await send({"type": "http.response.start", "status": 404 if scope["path"] == "/gone" else 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def seen(place: Path, targets: str = "/a?x=1", **options: Any) -> list[Any]:
    """The events of requests to these targets; of a request that failed too."""

    def asked(store: Store) -> None:
        around = AuditMiddleware(answer, store, **options)
        for target in targets.split():
            with contextlib.suppress(ValueError):
                ask(around, target, headers=HEADERS)

    return captured(place, asked)


def paths(events: list[Any]) -> list[str]:
    return [event["path"] for event in events]


TURNED: dict[str, tuple[Any, Callable[[Path, Any], Any]]] = {
    "enabled": (False, lambda place, value: paths(seen(place, enabled=value))),
    "trusted_proxies": (
        ["192.0.2.0/24"],
        lambda place, value: seen(place, trusted_proxies=value, proxy_header="forwarded")[0]["ip_address"],
    ),
    "proxy_header": (
        "x-forwarded-for",
        lambda place, value: seen(place, trusted_proxies=["192.0.2.1"], proxy_header=value)[0]["ip_address"],
    ),
    "exclude": (["/b*"], lambda place, value: paths(seen(place, "/a /b/c /b", exclude=value))),
    "always": (["/b"], lambda place, value: paths(seen(place, "/a /b/", exclude=["/*"], always=value))),
    "sensitive": (
        ["/a"],
        lambda place, value: [seen(place, sensitive=value)[0].get(n) for n in ("tags", "path", "level")],
    ),
    "sample": ({"/a": 0.0}, lambda place, value: paths(seen(place, "/a /b /a", sample=value))),
    "request_id_header": (
        "X-Correlation-ID",
        lambda place, value: seen(place, request_id_header=value)[0]["request_id"],
    ),
    "response_header": ("X-Id", lambda place, value: headers_sent(place, value)),
    "session_cookie": ("sid", lambda place, value: seen(place, session_cookie=value)[0].get("session_id")),
    "query_strings": (False, lambda place, value: paths(seen(place, query_strings=value))),
    "user_agents": (False, lambda place, value: "agent" in seen(place, user_agents=value)[0]["metadata"]),
    "stack_bytes": (0, lambda place, value: "stack_trace" in seen(place, "/crash", stack_bytes=value)[0]),
}
"""By setting, a value that is not the default one, and something that it changes."""


def headers_sent(place: Path, name: str) -> Any:
    sent: list[Any] = []
    captured(place, lambda store: sent.extend(ask(AuditMiddleware(answer, store, response_header=name))))
    return [key for key, _ in sent[0]["headers"]]


@pytest.mark.parametrize("name", CaptureSettings.model_fields)
def test_turning_a_setting_changes_what_happens(tmp_path: Path, name: str) -> None:
    """Each setting there is has an effect."""
    if name == "user_agents":
        pytest.importorskip("ua_parser", reason="ua-parser is not installed")
    value, effect = TURNED[name]
    default = getattr(CaptureSettings(), name)
    assert effect(tmp_path / "default", default) != effect(tmp_path / "turned", value)


def test_settings_come_from_the_file_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the environment lists are JSON or have commas between; what the constructor is given wins."""
    (tmp_path / "stonelog.toml").write_text('[capture]\nexclude = ["/health*"]\n[capture.sample]\n"/a" = 0.5\n')
    monkeypatch.setenv("STONELOG_CAPTURE_ALWAYS", "/a, POST /b")
    monkeypatch.setenv("STONELOG_CAPTURE_TRUSTED_PROXIES", '["10.0.0.0/8", "unix"]')
    loaded = load_section(CaptureSettings, tmp_path, "capture")
    assert (loaded.exclude, loaded.always, loaded.sample) == (("/health*",), ("/a", "POST /b"), {"/a": 0.5})
    assert loaded.trusted_proxies == ("10.0.0.0/8", "unix")
    monkeypatch.setenv("STONELOG_CAPTURE_SAMPLE", "/x*=0.1,POST /y=1")
    assert load_section(CaptureSettings, tmp_path, "capture").sample == {"/x*": 0.1, "POST /y": 1.0}


def test_the_settings_of_the_stores_directory_hold(tmp_path: Path) -> None:
    """The middleware reads `[capture]` beside the store's events."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "stonelog.toml").write_text('[capture]\nexclude = ["/a"]\n')
    assert paths(seen(tmp_path, "/a /b")) == ["/b"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"exclude": ["health"]},
        {"trusted_proxies": ["10/33"]},
        {"sample": {"/a": 2}},
        {"sample": {"a": 1}},
        {"exlude": []},
    ],
)
def test_a_wrong_setting_is_refused_when_the_middleware_is_made(wrong: Any) -> None:
    """Not when the first request comes."""
    with pytest.raises(ValidationError):
        AuditMiddleware(answer, **wrong)


def test_what_failed_is_written_though_it_is_sampled_out(tmp_path: Path) -> None:
    """Of a route of which nothing is kept, errors are."""
    assert paths(seen(tmp_path, "/a /gone /crash /a", sample={"/*": 0.0})) == ["/gone", "/crash"]


def test_a_trace_is_written_wholly_or_not_at_all(tmp_path: Path) -> None:
    """Two services that sample at the same rate keep the same traces."""
    traces = [f"{number:032x}" for number in range(1, 41)]

    def service(store: Store) -> None:
        around = AuditMiddleware(answer, store, sample={"/*": 0.5})
        for trace in traces:
            ask(around, "/a", headers={"traceparent": f"00-{trace}-{1:016x}-01"})

    kept = [[event["trace_id"] for event in captured(tmp_path / name, service)] for name in ("a", "b")]
    assert kept[0] == kept[1]
    assert 0 < len(kept[0]) < 40


def test_the_session_is_a_digest(tmp_path: Path) -> None:
    """Never the cookie: the same for the same cookie, another with a key; a function's answer is digested too."""
    plain, again = (seen(tmp_path / name, session_cookie="sid")[0]["session_id"] for name in "ab")
    keyed = seen(tmp_path / "c", session_cookie="sid", session_key=b"key")[0]["session_id"]
    by_function = seen(tmp_path / "d", session=lambda scope: "secret")[0]["session_id"]
    assert plain == again == by_function != keyed
    assert len(plain) == 16
    assert "secret" not in plain


def test_a_sensitive_route(tmp_path: Path) -> None:
    """Level notice at least, the tag, and no query string."""
    (event,) = seen(tmp_path, "/pay?card=4111", sensitive=["/pay"])
    assert (event["level"], event["tags"], event["path"]) == ("notice", ["sensitive"], "/pay")
    assert seen(tmp_path / "b", "/crash", sensitive=["/*"])[0]["level"] == "error"


@settings(max_examples=60)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_path_is_printable_and_bounded(raw: bytes, query: bytes) -> None:
    """Whatever a client asks for, what is written of it is visible ASCII."""
    text = raw_path(raw * 60, query)
    assert text.isascii()
    assert not text or text.isprintable()
    assert len(text) <= 8192


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([b"cookie", b"traceparent", b"user-agent", b"forwarded"]), st.binary(max_size=40))
    ),
    st.text(max_size=30),
)
def test_whatever_a_client_sends_there_is_one_event(tmp_path_factory: Any, headers: Any, path: str) -> None:
    """Odd headers and paths cost neither the response nor the event."""
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "client": ("192.0.2.1", 1)}
    scope["query_string"] = b"\xff\x00"
    sent: list[Any] = []
    place = tmp_path_factory.mktemp("odd")
    options = {"trusted_proxies": ["192.0.2.0/24"], "session_cookie": "", "user_agents": False}
    around = lambda store: sent.extend(ask(AuditMiddleware(answer, store, **options), scope=scope))  # noqa: E731
    assert len(captured(place, around)) == 1
    assert len(sent) == 2


def test_the_largest_request_still_fits(tmp_path: Path) -> None:
    """Path, agent and stack are bounded, so that the event is never too large for a line."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        amend(entity_name="x")
        raise ValueError('"\x1b\x00' * 50_000)

    def asked(store: Store) -> None:
        with pytest.raises(ValueError, match="\x1b"):
            ask(
                AuditMiddleware(app, store, stack_bytes=24 * 1024), f"/{chr(233) * 60_000}?{'q' * 60_000}", headers=huge
            )

    huge = {"User-Agent": "\x80" * 60_000, "Cookie": "c" * 60_000}
    (event,) = captured(tmp_path, asked)
    assert len(event["path"]) == 8192
    assert event["stack_trace"].endswith("?")
    assert event["error_message"].startswith('"??')


def test_settings_of_a_store_that_is_named_later_hold(tmp_path: Path) -> None:
    """Frameworks make their middleware before the program opens its store; another one has its own settings."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "stonelog.toml").write_text('[capture]\nexclude = ["/a"]\n')
    around = AuditMiddleware(answer)

    def later(store: Store) -> None:
        use(store)
        ask(around, "/a")
        ask(around, "/b")
        use(None)

    assert paths(captured(tmp_path, later)) == ["/b"]
    assert paths(captured(tmp_path / "other", later)) == ["/a", "/b"]


def test_wrong_settings_of_a_store_named_later_break_no_request(tmp_path: Path) -> None:
    """It is counted, and those that held before go on to hold."""
    around = AuditMiddleware(answer, exclude=["/a"])
    before = reader_errors()

    def later(store: Store) -> None:
        (store.directory / "stonelog.toml").write_text("[capture]\nexclude = 7\n")
        use(store)
        assert len(ask(around, "/a")) == len(ask(around, "/b")) == 2
        use(None)

    assert paths(captured(tmp_path, later)) == ["/b"]
    assert reader_errors() == before + 1


def test_the_environment_holds_without_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables count though there is no file; options win."""
    monkeypatch.setenv("STONELOG_CAPTURE_EXCLUDE", "/a")
    assert settings_of(None, None, {}).exclude == ("/a",)
    assert settings_of(None, None, {"exclude": ["/b"]}).exclude == ("/b",)
    monkeypatch.setenv("STONELOG_CAPTURE_EXCLUDE", "a")
    with pytest.raises(ValidationError):
        AuditMiddleware(answer)


@pytest.mark.parametrize("what", ["user", "session"])
def test_an_asynchronous_reader_is_refused(what: str) -> None:
    """When the middleware is made: nothing could await it."""

    async def read(scope: Any) -> str:
        return "ada"

    with pytest.raises(TypeError, match=f"{what}=.*asynchronous"):
        AuditMiddleware(answer, **{what: read})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="await"):
        fields_of_user(read({}))


@pytest.mark.parametrize(("what", "left"), [("user", "session_id"), ("session", "username")])
def test_a_reader_that_fails_costs_not_what_the_other_reads(tmp_path: Path, what: str, left: str) -> None:
    """It is told in the event, and counted."""

    def fail(scope: Any) -> Any:
        raise KeyError("no")

    before = reader_errors()
    (event,) = seen(tmp_path, **{"user": lambda scope: "ada", "session": lambda scope: "s", what: fail})
    assert left in event
    assert event["metadata"]["reader_error"] == "KeyError"
    assert reader_errors() == before + 1


def saying(**fields: Any) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert amend(**fields)
        await answer(scope, receive, send)

    return app


def test_what_an_application_says_never_costs_the_event(tmp_path: Path) -> None:
    """A wrong name is brought into form, odd metadata are made plain, and what is no field goes there."""
    said = {"action": "User Login", "category": None, "user_id": 7, "level": [], "tags": "one", "other": {"n": 1}}
    odd = {"when": date(2026, 1, 2), "o": {1}}
    app = saying(**said, metadata=odd)
    (event,) = captured(tmp_path, lambda store: ask(AuditMiddleware(app, store, sensitive=["/*"])))
    assert (event["category"], event["action"], event["user_id"], event["level"]) == (
        "api",
        "user_login",
        "7",
        "notice",
    )
    assert event["tags"] == ["one", "sensitive"]
    assert event["metadata"].items() >= {"when": "2026-01-02", "o": [1], "other": {"n": 1}, "bytes": 2}.items()
    assert event["metadata"]["invalid"] == {"action": "User Login"}


def test_a_client_does_not_choose_whether_it_is_sampled(tmp_path: Path) -> None:
    """Ids that would all have been left out by themselves are not all left out."""
    chosen = [f"r{number}" for number in range(400) if not is_sampled(f"r{number}", 0.5)]

    def use_many(store: Store) -> None:
        around = AuditMiddleware(answer, store, sample={"/*": 0.5})
        for name in chosen:
            ask(around, headers={"X-Request-ID": name})

    assert 0 < len(captured(tmp_path, use_many)) < len(chosen)


def test_a_failure_may_happen_while_one_is_counted() -> None:
    """A `__del__` or a signal handler in the same thread waits for no lock that this thread holds."""
    before = reader_errors()
    with requests._turn:
        requests.note_failure("something", ValueError())
    assert reader_errors() == before + 1
