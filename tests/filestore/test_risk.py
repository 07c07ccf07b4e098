"""Which events score more than which, with the weights as they come."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from stonelog.filestore import Event
from stonelog.filestore.risk import Counts, RiskMeter, RiskSettings, score

ADDRESS, ELSEWHERE = "203.0.113.7", "198.51.100.9"


def fields(category: str, action: str, **more: Any) -> dict[str, Any]:
    """The canonical fields of an event."""
    return Event.check({"category": category, "action": action, **more}).fields()


def login(**more: Any) -> dict[str, Any]:
    return fields("authentication", "login", **{"username": "ada", "ip_address": ADDRESS, "outcome": "success", **more})


def failed(**more: Any) -> dict[str, Any]:
    return fields("authentication", "login_failed", **{"username": "ada", "ip_address": ADDRESS, **more})


def request(method: str, path: str, status: int = 200, **more: Any) -> dict[str, Any]:
    return fields("api", "api_call", method=method, path=path, status_code=status, **more)


def alone(event: dict[str, Any]) -> int:
    """The score of the event where nothing came before."""
    return RiskMeter(RiskSettings())(event, 0.0)[0]


def last(*events: dict[str, Any], apart: float = 6.0) -> tuple[int, list[str]]:
    """The score of the last of some events, so many seconds apart, and its reasons."""
    meter = RiskMeter(RiskSettings())
    return [meter(event, number * apart) for number, event in enumerate(events)][-1]


DELETED = fields("user_management", "delete", entity_type="user", entity_id="7", username="root")


def test_deleting_a_user_is_above_a_failed_login() -> None:
    """In whatever way it is told."""
    removed = request("DELETE", "/api/users/7", 204)
    for deleted in (
        DELETED,
        fields("user_management", "user_deleted"),
        removed,
        fields("data_management", "user.delete"),
    ):
        assert alone(deleted) >= 15
    assert min(alone(DELETED), alone(removed)) > alone(failed())
    assert alone(DELETED) > alone(fields("data_management", "delete", entity_type="order"))


def test_ten_failures_in_a_minute_are_above_one() -> None:
    """The tenth is; a mistyped password is low, and a second one too."""
    first, tenth = last(failed()), last(*[failed()] * 10)
    assert tenth[0] > first[0]
    assert first == (15, ["failed_login"])
    assert tenth[1] == ["failed_login", "failures_in_window"]
    assert last(failed(), failed())[0] < 30
    assert alone(failed(status_code=401, outcome="failure", level="warning", device_id="phone")) < 30


def test_failures_long_ago_count_no_more() -> None:
    """Ten in an hour are as one."""
    assert last(*[failed()] * 10, apart=400) == last(failed())


def test_success_after_ten_failures_from_a_new_address_is_above_all() -> None:
    """Above a deletion, ten failures, and a success from where the user always comes from."""
    taken = last(login(ip_address=ELSEWHERE), *[failed()] * 10, login())
    assert taken[1] == ["success_after_failures", "new_address", "new_address_after_failures"]
    usual = last(login(), *[failed()] * 10, login())
    unknown = last(*[failed()] * 10, login())
    tenth = last(login(ip_address=ELSEWHERE), *[failed()] * 10)
    assert taken[0] > max(usual[0], unknown[0], tenth[0], alone(DELETED), alone(failed()))
    assert min(usual[0], unknown[0]) > max(last(*[failed()] * 11)[0], alone(DELETED))


def test_one_address_that_tries_many_users_and_gets_in_scores_high() -> None:
    """Failures count by address too, though each user failed once."""
    tries = [failed(username=f"user{number}") for number in range(10)]
    assert last(*tries, login(username="last"))[0] >= 60


def test_people_mistype() -> None:
    """A success after two failures is nothing, from the usual address."""
    assert last(login(), failed(), failed(), login()) == (0, [])
    assert last(login(), failed(), failed(), failed(), login())[0] > 0


def test_admin_read_is_below_admin_write() -> None:
    """By path, by category, and in the categories where administration is told."""
    assert 0 < alone(request("GET", "/admin/users")) < alone(request("POST", "/admin/users"))
    assert 0 < alone(fields("admin", "view")) < alone(fields("admin", "update"))
    for category in ("user_management", "configuration", "authorization", "system_management"):
        assert 0 == alone(fields(category, "read")) < alone(fields(category, "update"))
    assert alone(fields("user_management", "update", user_id="7", entity_id="7")) == 0  # one's own profile


ORDINARY = [
    request("GET", "/orders"),
    request("GET", "/badminton/5"),
    request("POST", "/orders", 201, level="debug"),
    request("POST", "/authors"),
    request("HEAD", "/"),
    fields("api", "api_call", level="info"),
    fields("data_management", "read", username="ada", outcome="success"),
    fields("data_management", "update", level="warning"),
    fields("authentication", "logout", username="ada"),
    fields("authentication", "token_refresh"),
    fields("workflow", "workflow_execute", outcome="unknown"),
    login(),
    login(outcome="unknown"),
    fields("system_management", "store_sync_failed", level="error"),
    fields("system_management", "store_space_low", level="critical"),
    fields("system_management", "events_dropped", level="warning"),
    fields("system_management", "system_event"),
]


@pytest.mark.parametrize("event", ORDINARY, ids=lambda event: f"{event['category']}-{event['action']}")
def test_the_ordinary_scores_nothing(event: dict[str, Any]) -> None:
    """Reads, requests that went well, first logins, and what the store tells of itself."""
    assert score(event, Counts(), RiskSettings()) == (0, [])


HIGHER = [
    (fields("authentication", "password_change"), login()),
    (fields("authentication", "mfa_disabled"), fields("authentication", "password_change")),
    (fields("authentication", "mfa_disabled"), failed()),
    (fields("data_management", "export"), fields("data_management", "read")),
    (fields("data_management", "share"), fields("data_management", "read")),
    (fields("authorization", "permission_change"), fields("authorization", "update")),
    (fields("authorization", "role_granted"), fields("authorization", "view_roles")),
    (fields("user_management", "impersonate"), fields("user_management", "update")),
    (fields("system_management", "audit_disabled"), fields("system_management", "update")),
    (fields("security", "sql_injection"), fields("security", "security_event")),
    (fields("security", "security_event"), fields("api", "api_call")),
    (fields("data_management", "update", outcome="failure"), fields("data_management", "update")),
    (fields("authorization", "access_denied"), fields("workflow", "validation_failed")),
    (fields("api", "api_call", level="critical"), fields("api", "api_call", level="error")),
    (fields("api", "api_call", level="error"), fields("api", "api_call", level="warning")),
    (fields("data_management", "delete"), fields("data_management", "update")),
    (request("DELETE", "/orders/5", 204), request("PUT", "/orders/5")),
    (request("DELETE", "/users/5/", 204), request("DELETE", "/users/5/orders/6", 204)),
    (request("GET", "/orders", 403), request("GET", "/orders", 404)),
    (request("GET", "/orders", 429), request("GET", "/orders", 404)),
    (request("GET", "/orders", 500), request("GET", "/orders")),
    (request("GET", "/orders", tags=["sensitive"]), request("GET", "/orders", tags=["fast"])),
    (request("POST", "/v1/login/", 401), request("GET", "/orders", 401)),
    (request("POST", "/admin/users", 201), request("POST", "/admin/login", 302)),
]


@pytest.mark.parametrize(("more", "less"), HIGHER)
def test_scores_more_than(more: dict[str, Any], less: dict[str, Any]) -> None:
    """The first is riskier than the second."""
    assert alone(more) > alone(less)


def test_a_login_that_failed_is_known_by_many_names() -> None:
    """By action, outcome, status, or as a request to where names and passwords go."""
    for event in (
        *(failed(), login(outcome="failure"), login(status_code=401), fields("auth", "sign_in_failed")),
        *(fields("authentication", "mfa_failed"), fields("authentication", "password_rejected")),
        *(fields("authentication", "auth.failure"), request("POST", "/session?next=/", 401), login(status_code=403)),
    ):
        assert "failed_login" in score(event, Counts(), RiskSettings())[1]
    for event in (fields("authentication", "token_refresh_failed"), request("GET", "/login", 401)):
        assert "failed_login" not in score(event, Counts(), RiskSettings())[1]


def test_a_login_told_twice_counts_once() -> None:
    """By the program, and by the middleware around the same request."""

    def both(number: int) -> list[dict[str, Any]]:
        name = f"request-{number}"
        seen = request("POST", "/login", 401, username="ada", ip_address=ADDRESS, request_id=name)
        return [failed(request_id=name), seen]

    twice = last(*both(1), *both(2), *both(3), apart=1)
    assert twice == last(failed(), failed(), failed())


def test_a_deed_from_a_new_address_or_device_scores_more() -> None:
    """Of a user that is known; reading from there is no risk, and after it the address is known."""
    known = request("GET", "/", username="ada", ip_address=ADDRESS, device_id="phone")
    export = fields("data_management", "export", username="ada", ip_address=ELSEWHERE, device_id="laptop")
    usual = fields("data_management", "export", username="ada", ip_address=ADDRESS, device_id="phone")
    there = request("GET", "/", username="ada", ip_address=ELSEWHERE, device_id="laptop")
    assert last(known, export)[1] == ["export", "new_address", "new_device"]
    assert last(known, there) == (0, [])
    assert last(known, usual) == last(known, export, export) == last(known, there, export) == last(export)


def test_an_address_that_only_failed_stays_new() -> None:
    """Or whoever guesses would make it known."""
    assert "new_address" in last(login(ip_address=ELSEWHERE), failed(), login())[1]
    assert "new_address" in last(login(ip_address=ELSEWHERE), request("GET", "/", 403, username="ada"), login())[1]


def test_what_brings_a_score_is_counted_all_the_same() -> None:
    """`seen` counts without scoring."""
    meter = RiskMeter(RiskSettings())
    for second in range(10):
        meter.seen(failed(risk_score=1), second)
    assert meter(login(), 10.0)[0] >= 60


def test_threads_lose_no_count() -> None:
    """Ten threads with ten failures each: together as many as one with a hundred."""
    meter = RiskMeter(RiskSettings(many_failures=100))
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=lambda: [meter(failed(), 1.0) for _ in range(10)]) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert meter(failed(), 1.0) == (55, ["failed_login", "failures_in_window"])
    assert meter._recent._by_user.before("ada", "", 1.0) == 101
