"""Risk: a score from 0 to 100 with its reasons, from the fields of an event and from what was counted shortly before.

The score is the sum of the weights of all that speaks for risk, at most 100. A reason is named as its weight is, so
that whoever wonders about a score knows what to set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from .risk_recent import Counts, Recent
from .risk_signs import NOTHING, Signs, signs_of
from .settings import load_section

__all__ = ["Counts", "RiskMeter", "RiskSettings", "score"]

Weight = Annotated[int, Field(ge=0, le=100)]


class RiskSettings(BaseModel):
    """The section `[risk]`. Weights are whole numbers from 0, which switches a reason off, to 100."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    """Whether events get `risk_score` and `risk_reasons`. A score that an event brings is kept either way."""
    window_seconds: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)] = 300
    """How long a failed login counts."""
    many_failures: Annotated[int, Field(ge=1, le=100)] = 10
    """So many failed logins of one user, or from one address, have all the weight of failures; fewer a part of it."""
    tolerated_failures: Annotated[int, Field(ge=0, le=100)] = 2
    """After so many failed logins a successful one means nothing: people mistype."""

    failed_login: Weight = 15
    """A login that failed: a wrong password, a second factor that is not right."""
    failures_in_window: Weight = 40
    """A login that failed after others of the same user, or from the same address: as much when there were many."""
    success_after_failures: Weight = 60
    """A login that succeeded after failed ones: as much when there were many."""
    new_address_after_failures: Weight = 20
    """Such a login from an address that the user was not seen at before, on top of it."""
    new_address: Weight = 8
    """A login or a deed of a known user from an address (IPv6: a /64) that was not seen with that user before."""
    new_device: Weight = 5
    """The same for `device_id`."""

    deletion: Weight = 15
    """Something is deleted."""
    user_deletion: Weight = 20
    """What is deleted is the account of a user, on top of it."""
    admin_read: Weight = 3
    """Something is read below a path `/admin`, or in the category admin."""
    admin_write: Weight = 15
    """Something is changed there, or in user_management, authorization, configuration, system_management."""
    privilege_change: Weight = 20
    """Roles or permissions change, or somebody acts as somebody else."""
    credential_change: Weight = 20
    """A password, secret or second factor is set."""
    protection_disabled: Weight = 35
    """A second factor, the audit, a firewall or the like is switched off."""
    export: Weight = 20
    """Data is exported or dumped."""
    share: Weight = 10
    """Something is shared or published."""
    attack: Weight = 40
    """The action names an attack, such as sql_injection or brute_force."""
    security_event: Weight = 10
    """Anything in the category security."""
    sensitive: Weight = 10
    """The event has the tag `sensitive`."""

    access_denied: Weight = 10
    """Access was denied: status 401 or 403, an action that says so, a failure in the category authorization."""
    rate_limited: Weight = 10
    """Status 429."""
    client_error: Weight = 2
    """Any other status from 400 to 499."""
    server_error: Weight = 3
    """A status from 500 to 599."""
    failure: Weight = 5
    """The outcome is failure, or the action says so, and none of those before holds."""
    error_level: Weight = 5
    """The level is error."""
    critical_level: Weight = 15
    """The level is critical."""


def score(fields: Mapping[str, Any], counts: Counts, settings: RiskSettings) -> tuple[int, list[str]]:
    """The score of an event in its canonical form and what it is made of; (0, []) if nothing speaks for risk."""
    return _weighed(signs_of(fields), counts, settings)


def _weighed(signs: Signs, counts: Counts, settings: RiskSettings) -> tuple[int, list[str]]:
    total = 0
    reasons = []
    for name in signs.reasons:
        if weight := getattr(settings, name):
            total += weight
            reasons.append(name)
    if signs.acts:
        for name, weight in _counted(signs, counts, settings):
            if weight:
                total += weight
                reasons.append(name)
    return min(total, 100), reasons


def _counted(signs: Signs, counts: Counts, settings: RiskSettings) -> Iterator[tuple[str, int]]:
    """What the counts say, and how much."""
    after = False
    failures = max(counts.user_failures, counts.address_failures) if signs.login else 0
    if failures and signs.login == "failed":
        yield "failures_in_window", _part(settings.failures_in_window, failures, settings)
    elif failures > settings.tolerated_failures:
        after = True
        yield "success_after_failures", _part(settings.success_after_failures, failures, settings)
    if counts.new_address:
        yield "new_address", settings.new_address
        if after:
            yield "new_address_after_failures", settings.new_address_after_failures
    if counts.new_device:
        yield "new_device", settings.new_device


def _part(weight: int, failures: int, settings: RiskSettings) -> int:
    """The weight for so many failures, rounded up."""
    many = settings.many_failures
    return -(-weight * min(failures, many) // many)


class RiskMeter:
    """Scores events one after the other and counts them. Any thread may call.

    What it counts is of this process alone, and is gone when the process ends.
    """

    def __init__(self, settings: RiskSettings) -> None:
        self._settings = settings
        self._enabled = settings.enabled  # looked at for each event: quicker than the model's
        self._recent = Recent(settings.window_seconds, settings.many_failures)

    @classmethod
    def load(cls, directory: Path) -> RiskMeter:
        """The meter that the section `[risk]` asks for. Raises InvalidSetting."""
        return cls(load_section(RiskSettings, directory, "risk"))

    def __call__(self, fields: Mapping[str, Any], now: float) -> tuple[int, list[str]]:
        """The score of an event in its canonical form, and its reasons; (0, []) if nothing speaks for risk.

        Counters are looked at as they stood before, then the event is counted. `now` is in seconds: when it happened.
        Times mostly ascend: where one lies far ahead, what is older than the window before it is forgotten.
        """
        if not self._enabled:
            return 0, []
        signs = signs_of(fields)
        counts = self._recent.count(fields, signs, now)
        return (0, []) if signs is NOTHING else _weighed(signs, counts, self._settings)

    def seen(self, fields: Mapping[str, Any], now: float) -> None:
        """The event is counted, but not scored: it brought a score of its own."""
        if self._enabled:
            self._recent.count(fields, signs_of(fields), now)
