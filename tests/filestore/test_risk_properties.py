"""What holds of the score of every event that the store takes."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stonelog.filestore.event import GIVEN_BY_STORE, checked
from stonelog.filestore.risk import Counts, RiskMeter, RiskSettings, score
from strategies import stored_fields

WORDS = (
    *("login", "failed", "user", "delete", "password", "reset", "mfa", "disable", "export", "role", "grant", "view"),
    *("sign", "in", "token", "denied", "share", "sql", "injection", "store", "update", "admin"),
)
actions = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).flatmap(
    lambda words: st.sampled_from("_.").map(lambda joint: joint.join(words))
)
paths = st.sampled_from(["/", "", "/login", "/admin/users", "/users/5", "//", "/Admin?x=/login", "/session/?a=b"])
more = st.fixed_dictionaries(
    {},
    optional={
        "action": actions,
        "category": st.sampled_from(["admin", "auth", "security", "users"]),
        "path": paths,
        "method": st.sampled_from(["GET", "POST", "DELETE", "PUT", "get", ""]),
        "tags": st.just(["sensitive", "sensitive"]),
        "username": st.sampled_from(["ada", "bob"]),
    },
)


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """The canonical fields of an event."""
    stored = draw(stored_fields()) | draw(more)
    return checked({name: value for name, value in stored.items() if name not in GIVEN_BY_STORE})


counts = st.builds(Counts, st.integers(0, 200), st.integers(0, 200), st.booleans(), st.booleans())
weights = st.fixed_dictionaries(
    {}, optional={name: st.integers(0, 100) for name, field in RiskSettings.model_fields.items() if name != "enabled"}
).map(
    lambda given: RiskSettings.model_validate(
        {k: max(v, 1) if "window" in k or "many" in k else v for k, v in given.items()}
    )
)


def assert_sound(given: tuple[int, list[str]]) -> None:
    """A whole number from 0 to 100, with reasons that are short names, each once, if there is any score."""
    number, reasons = given
    assert type(number) is int and 0 <= number <= 100
    assert bool(reasons) == (number > 0)
    assert len(set(reasons)) == len(reasons)
    assert all(re.fullmatch("[a-z_]{5,30}", reason) and reason in RiskSettings.model_fields for reason in reasons)


@given(events(), counts, weights)
@settings(max_examples=150, deadline=None)
def test_a_score_is_sound(event: dict[str, Any], before: Counts, chosen: RiskSettings) -> None:
    """Whatever the event, the counts and the weights; and it is the same each time, and leaves the event as it was."""
    copy = dict(event)
    found = score(event, before, chosen)
    assert_sound(found)
    assert score(event, before, chosen) == found and event == copy


@given(events(), counts, st.integers(0, 50), st.integers(0, 50))
@settings(max_examples=150, deadline=None)
def test_more_failures_never_score_less(event: dict[str, Any], before: Counts, by_user: int, by_address: int) -> None:
    """And a new address or device does not either."""
    after = Counts(before.user_failures + by_user, before.address_failures + by_address, True, True)
    assert score(event, after, RiskSettings())[0] >= score(event, before, RiskSettings())[0]


@given(st.lists(st.tuples(events(), st.integers(0, 300)), max_size=12))
@settings(max_examples=60, deadline=None)
def test_a_meter_never_raises(given: list[tuple[dict[str, Any], int]]) -> None:
    """Over any run of events, and what it says is sound."""
    meter, now = RiskMeter(RiskSettings()), 0.0
    for event, seconds in given:
        now += seconds
        assert_sound(meter(event, now))
        meter.seen(event, now)
