"""Suricata's EVE log (eve.json): alerts and other event types, with the fields of "EVE JSON Format"."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from stonelog.filestore import Action, Category, Level

from . import values
from .format import Format, Rejected, kind_of, parse_records
from .surplus import fitted

__all__ = ["Suricata"]

_LEVELS: Final[dict[int, Level]] = {1: "error", 2: "warning", 3: "notice"}
_EXPECTED: Final = "expected an EVE record with timestamp and event_type"


class Suricata(Format[Any]):
    """EVE records as security events; what is not a field of ours stands under metadata by Suricata's names."""

    name: ClassVar[str] = "suricata"
    summary: ClassVar[str] = "Suricata's eve.json: alerts and other events"
    whole: ClassVar[bool] = True
    shortens: ClassVar[bool] = True

    def records(self, line: bytes) -> list[Any]:
        """The record on the line, or those of a list."""
        return parse_records(line)

    def event(self, record: Any) -> dict[str, Any]:
        """What the sensor saw; a time without offset is taken as UTC."""
        if not isinstance(record, dict):
            raise Rejected(f"record: {_EXPECTED}, found {kind_of(record)}")
        left = dict(record)
        stamp, kind = left.pop("timestamp", None), left.get("event_type")
        moment = values.iso_time(stamp)
        if moment is None:
            given = "missing" if stamp is None else f"{str(stamp)[:40]!a} is no time"
            raise Rejected(f"timestamp: {given}; {_EXPECTED}")
        action = Action.SECURITY_EVENT if kind == "alert" else values.name(kind)
        if action is None:
            given = "missing" if kind is None else f"{str(kind)[:40]!a} is no name"
            raise Rejected(f"event_type: {given}; {_EXPECTED}")
        fields: dict[str, Any] = {"time": moment, "category": Category.SECURITY, "action": action}
        alert = left.get("alert")
        if isinstance(alert, dict):
            fields["level"] = _LEVELS.get(values.whole(alert.get("severity")) or 0, "info")
            fields["message"] = values.text(alert.get("signature"))
        if (address := values.address(left.get("src_ip"))) is not None:
            fields["ip_address"] = address
            del left["src_ip"]
        if isinstance(left.get("host"), str):
            fields["host"] = left.pop("host")
        if isinstance(left.get("http"), dict):
            http = dict(left["http"])
            fields |= _request(http)
            left["http"] = http or None
        fields["metadata"] = fitted(left)
        return fields


def _request(http: dict[str, Any]) -> dict[str, Any]:
    """The fields of the HTTP transaction, which are taken out of `http`."""
    fields: dict[str, Any] = {}
    for field, key in (("method", "http_method"), ("path", "url"), ("user_agent", "http_user_agent")):
        if isinstance(http.get(key), str):
            fields[field] = http.pop(key)
    if (code := values.status(http.get("status"))) is not None:
        fields["status_code"] = code
        del http["status"]
    return fields
