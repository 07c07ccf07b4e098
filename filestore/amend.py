"""What is done to an event between its check and its line: where it came from is looked up, the risk in it is scored,
and what nobody may read is taken out. The last comes last: nothing that is found out may carry a secret on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol, Self

from .names import FIELDS

__all__ = ["Amend", "Amendments", "unchanged"]

Amend = Callable[[dict[str, Any], float], dict[str, Any]]
"""From an event's checked fields, and the seconds since the epoch, to those that are written: the same, or others."""

_PLACE: Final = ("country", "region", "city", "asn")


def unchanged(fields: dict[str, Any], now: float) -> dict[str, Any]:
    """The fields as they are: for the store's own events."""
    return fields


class Risk(Protocol):
    """Scores events by what came before them."""

    def __call__(self, fields: Mapping[str, Any], now: float) -> tuple[int, list[str]]: ...
    def seen(self, fields: Mapping[str, Any], now: float) -> None: ...


class Redact(Protocol):
    """Takes secrets out."""

    def __call__(self, fields: dict[str, Any]) -> dict[str, Any]: ...
    def text(self, text: str) -> str: ...


class Amendments:
    """What a store's settings want done to each event. Safe to use from several threads."""

    def __init__(
        self,
        *,
        place: Callable[[str], dict[str, Any]] | None = None,
        risk: Risk | None = None,
        redact: Redact | None = None,
    ) -> None:
        self._place = place
        self._risk = risk
        self._redact = redact

    @classmethod
    def load(cls, directory: Path) -> Self:
        """What the settings of the store in `directory` say. Raises InvalidSetting."""
        from .geo import Geo
        from .redaction import Redactor
        from .risk import RiskMeter

        return cls(place=Geo.load(directory), risk=RiskMeter.load(directory), redact=Redactor.load(directory))

    def __call__(self, fields: dict[str, Any], now: float) -> dict[str, Any]:
        """The fields that are written, in their order; what was given is not changed."""
        found = fields
        if self._place is not None and "ip_address" in fields:
            known = self._place(fields["ip_address"])
            more: dict[str, Any] = {name: known[name] for name in _PLACE if name in known and name not in fields}
            if more:
                found = {**found, **more}
        if self._risk is not None:
            if "time" in fields:  # what is told of last month does not follow what is told of today
                now = datetime.fromisoformat(fields["time"]).timestamp()
            if "risk_score" in fields:
                self._risk.seen(found, now)
            else:
                score, reasons = self._risk(found, now)
                if score:
                    found = {**found, "risk_score": score, "risk_reasons": reasons}
        if found is not fields:
            found = {name: found[name] for name in FIELDS if name in found}
        return found if self._redact is None else self._redact(found)

    def text(self, text: str) -> str:
        """The text without what is secret in it."""
        return text if self._redact is None else self._redact.text(text)
