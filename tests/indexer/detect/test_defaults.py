"""The shipped rules find what they are for, and nothing in ordinary traffic."""

import pytest

from stonelog.indexer.detect import Engine, shipped_rules

from .conftest import event

ADDRESS = "203.0.113.7"


def failed(n, **fields):
    return event(n, action="login_failed", outcome="failure", ip_address=ADDRESS, **fields)


def ordinary(n, **fields):
    return event(n, username="ada", outcome="success", ip_address=ADDRESS, country="DE", device_id="d1", **fields)


CASES = {
    "brute-force-address": [failed(n) for n in range(10)],
    "brute-force-user": [{**failed(n, username="ada"), "ip_address": f"198.51.100.{n}"} for n in range(10)],
    "password-spraying": [failed(n, username=f"u{n}") for n in range(8)],
    "success-after-failures-user": [*(failed(n, username="ada") for n in range(5)), ordinary(6)],
    "success-after-failures-address": [*(failed(n, username=f"u{n}") for n in range(10)), ordinary(11)],
    "new-country": [*(ordinary(n) for n in range(11)), ordinary(90_000) | {"country": "BR"}],
    "new-device": [*(ordinary(n) for n in range(4)), ordinary(5) | {"device_id": "d2"}],
    "new-address": [*(ordinary(n) for n in range(21)), ordinary(30) | {"ip_address": "198.51.100.9"}],
    "impossible-travel": [ordinary(1), ordinary(600) | {"country": "JP"}],
    "rare-action": [*(ordinary(n) for n in range(501)), ordinary(502) | {"action": "delete"}],
    "mass-export-rows": [ordinary(1) | {"action": "export", "metadata": {"rows": 100_000}}],
    "mass-export-bytes": [ordinary(1) | {"action": "export", "metadata": {"bytes": 2_000_000_000}}],
    "many-exports": [ordinary(n) | {"action": "export"} for n in range(20)],
    "mass-deletion": [ordinary(n) | {"action": "delete"} for n in range(50)],
    "privilege-change": [ordinary(1) | {"category": "user_management", "action": "permission_change"}],
    "access-denied-burst": [event(n, username="ada", category="authorization", outcome="failure") for n in range(20)],
    "log-tampering": [ordinary(1) | {"action": "delete", "entity_type": "audit_log"}],
    "scanner": [ordinary(1) | {"user_agent": "Mozilla/5.00 (Nikto/2.1.6)"}],
    "client-errors": [event(n, category="api", ip_address=ADDRESS, status_code=404) for n in range(60)],
    "server-errors": [event(n, category="api", status_code=503) for n in range(50)],
}


def found_in(events):
    at_work = Engine(shipped_rules())
    return {found.rule for seq, each in enumerate(events, 1) for found in at_work.see(each, seq)}


@pytest.mark.parametrize("rule", CASES)
def test_each_finds_what_it_is_for(rule):
    """The rule reports its case; one event less, the decisive one, and it does not."""
    assert rule in found_in(CASES[rule])
    assert rule not in found_in(CASES[rule][:-1])


def test_a_gap_is_found():
    """Numbers that are missing are told."""
    at_work = Engine(shipped_rules())
    at_work.see(ordinary(1), 1)
    assert [found.rule for found in at_work.see(ordinary(2), 9)] == ["log-gap"]


def test_every_shipped_rule_has_a_case():
    """No rule ships without a case; attacks on the web are tried in test_requests."""
    assert {each.rule.id for each in shipped_rules()} == {*CASES, "log-gap", "web-attack"}


def test_ordinary_days_bring_nothing():
    """A thousand sign-ins of users who stay where they are."""
    days = (ordinary(n * 60) | {"username": f"u{n % 20}", "action": ("login", "logout")[n % 2]} for n in range(1000))
    assert found_in(days) == set()
