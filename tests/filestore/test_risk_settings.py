"""Each option of the section `[risk]` changes what it says it does."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stonelog.filestore import Event, InvalidSetting
from stonelog.filestore.risk import RiskMeter, RiskSettings

HOME, AWAY = "203.0.113.7", "198.51.100.9"


def event(category: str, action: str, **more: Any) -> dict[str, Any]:
    return Event.check({"category": category, "action": action, "username": "ada", **more}).fields()


LOGIN = event("authentication", "login", ip_address=HOME, device_id="phone")
ELSEWHERE = event("authentication", "login", ip_address=AWAY, device_id="laptop")
FAILED = event("authentication", "login_failed", ip_address=AWAY)
GUESSED = [LOGIN, *[FAILED] * 5, ELSEWHERE]

TURNED: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "enabled": (False, [FAILED]),
    "window_seconds": (1, [FAILED, FAILED]),
    "many_failures": (5, [FAILED, FAILED]),
    "tolerated_failures": (5, GUESSED),
    "failed_login": (1, [FAILED]),
    "failures_in_window": (1, [FAILED, FAILED, FAILED]),
    "success_after_failures": (1, GUESSED),
    "new_address_after_failures": (1, GUESSED),
    "new_address": (1, [LOGIN, ELSEWHERE]),
    "new_device": (1, [LOGIN, ELSEWHERE]),
    "deletion": (1, [event("data_management", "delete")]),
    "user_deletion": (1, [event("user_management", "delete")]),
    "admin_read": (1, [event("api", "api_call", method="GET", path="/admin/")]),
    "admin_write": (1, [event("api", "api_call", method="PUT", path="/wp-admin/")]),
    "privilege_change": (1, [event("authorization", "permission_change")]),
    "credential_change": (1, [event("authentication", "password_reset")]),
    "protection_disabled": (1, [event("authentication", "disable_2fa")]),
    "export": (1, [event("data_management", "export")]),
    "share": (1, [event("file_management", "share")]),
    "attack": (1, [event("api", "brute_force")]),
    "security_event": (1, [event("security", "security_event")]),
    "sensitive": (1, [event("api", "api_call", tags=["sensitive"])]),
    "access_denied": (1, [event("api", "api_call", status_code=403)]),
    "rate_limited": (1, [event("api", "api_call", status_code=429)]),
    "client_error": (1, [event("api", "api_call", status_code=404)]),
    "server_error": (1, [event("api", "api_call", status_code=500)]),
    "failure": (1, [event("workflow", "workflow_execute", outcome="failure")]),
    "error_level": (1, [event("api", "api_call", level="error")]),
    "critical_level": (1, [event("api", "api_call", level="critical")]),
}
"""By option: another value, and events of which the last then scores otherwise."""
WEIGHTS = [name for name, field in RiskSettings.model_fields.items() if field.annotation is int][2:]


def last(events: list[dict[str, Any]], **settings: Any) -> tuple[int, list[str]]:
    meter = RiskMeter(RiskSettings(**settings))
    return [meter(each, 10.0 * number) for number, each in enumerate(events)][-1]


@pytest.mark.parametrize("option", RiskSettings.model_fields)
def test_turning_it_changes_the_score(option: str) -> None:
    """An option without an example here fails: it would be one that nobody tried."""
    value, events = TURNED[option]
    assert last(events, **{option: value})[0] != last(events)[0]


@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_weight_is_a_reason_and_0_switches_it_off(weight: str) -> None:
    """The score falls by the weight's part, and the reason is no longer named."""
    events = TURNED[weight][1]
    with_it, without = last(events), last(events, **{weight: 0})
    assert weight in with_it[1]
    assert without[1] == [reason for reason in with_it[1] if reason != weight]
    assert without[0] < with_it[0]


@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_weight_is_from_0_to_100(weight: str) -> None:
    """Nothing else is taken."""
    for wrong in (-1, 101, 1.5, "much", None):
        with pytest.raises(ValidationError):
            RiskSettings(**{weight: wrong})


def test_every_option_says_what_it_does() -> None:
    """`stonelog config show` and the documents read it from there."""
    written = inspect.getsource(RiskSettings)
    for option in RiskSettings.model_fields:
        assert f"\n    {option}: " in written
        assert written.partition(f"\n    {option}: ")[2].partition("\n")[2].lstrip().startswith('"""')


def test_the_section_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the file, and from the environment, which wins; what is wrong is named."""
    for key in list(os.environ):
        if key.startswith("STONELOG_RISK_"):
            monkeypatch.delenv(key)
    (tmp_path / "stonelog.toml").write_text("[risk]\nfailed_login = 7\nexport = 8\n")
    monkeypatch.setenv("STONELOG_RISK_EXPORT", "9")
    meter = RiskMeter.load(tmp_path)
    assert meter(FAILED, 0.0) == (7, ["failed_login"])
    assert meter(event("data_management", "export"), 0.0)[0] == 9
    monkeypatch.setenv("STONELOG_RISK_EXPORT", "101")
    with pytest.raises(InvalidSetting, match="STONELOG_RISK_EXPORT = 101"):
        RiskMeter.load(tmp_path)
