"""nginx access logs as JSON: a `log_format ... escape=json` with nginx's variable names, or Elastic's sample keys."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar, Final

from . import values
from .combined import http_result, request_fields
from .format import Format, Rejected, parse_object
from .surplus import add, fitted

__all__ = ["NginxJson"]

_TIMES: Final = ("time_iso8601", "@timestamp", "timestamp", "time_local", "time", "msec")
_TEXTS: Final[dict[str, tuple[str, ...]]] = {
    "username": ("remote_user",),
    "user_agent": ("http_user_agent", "user_agent", "agent"),
    "request_id": ("request_id",),
    "host": ("host", "server_name", "http_host"),
    "method": ("request_method", "method"),
    "path": ("request_uri", "uri"),
}
_STATUS: Final = ("status", "response", "status_code")
_REQUEST: Final = {"method", "path", "status_code"}
_RENAMED: Final = {
    "http_referer": "referrer",
    "http_referrer": "referrer",
    "body_bytes_sent": "bytes",
    "server_protocol": "protocol",
    "http_x_forwarded_for": "x_forwarded_for",
}


class NginxJson(Format[dict[str, Any]]):
    """Access log objects; what is not a field of ours goes to metadata, "-" and "" are nothing."""

    name: ClassVar[str] = "nginx-json"
    summary: ClassVar[str] = "access log of nginx written as JSON"

    def records(self, line: bytes) -> list[dict[str, Any]]:
        """The object on the line."""
        return [parse_object(line, "an object with nginx's variables")]

    def event(self, record: dict[str, Any]) -> dict[str, Any]:
        """The request that the object tells of."""
        left = {key: value for key, value in record.items() if value not in (None, "", "-")}
        fields: dict[str, Any] = {"category": "api", "action": "api_call", "time": _taken_time(left)}
        metadata: dict[str, Any] = {}
        for key in ("remote_addr", "remote_ip"):
            if address := values.address(left.get(key)):
                fields["ip_address"] = address
                del left[key]
                break
            if key in left:
                metadata["client"] = left.pop(key)
                break
        if isinstance(left.get("request"), str):
            fields |= request_fields(left.pop("request"), metadata)
        for field, keys in _TEXTS.items():
            value = values.text(_taken(left, keys))
            if value is not None and field not in fields:
                fields[field] = value
        fields |= http_result(_taken(left, _STATUS), metadata)
        if not fields.keys() & _REQUEST and "request" not in metadata:
            # Other programs write a time on each line too; their lines are no requests.
            raise Rejected("request: missing; expected it, request_method, request_uri or status")
        seconds = left.get("request_time")
        if (took := values.milliseconds(seconds)) is not None:
            fields["response_time_ms"] = took
            del left["request_time"]
        for key, value in left.items():
            add(metadata, _RENAMED.get(key, key), _counted(key, value))
        fields["metadata"] = fitted(metadata)
        return fields


def _taken(left: dict[str, Any], keys: Iterable[str]) -> Any:
    """The first of the keys that is there, taken out; the others stay, for metadata."""
    for key in keys:
        if key in left:
            return left.pop(key)
    return None


def _taken_time(left: dict[str, Any]) -> datetime:
    for key in _TIMES:
        if key not in left:
            continue
        value = left.pop(key)
        moment = values.iso_time(value) or values.clf_time(value) or values.epoch_time(value)
        if moment is None:
            raise Rejected(f"{key}: {str(value)[:40]!a} is no time; expected ISO 8601, nginx's time_local or seconds")
        return moment
    raise Rejected("time_iso8601: missing; expected it, time_local, time or msec")


def _counted(key: str, value: Any) -> Any:
    """Numbers as numbers: nginx writes them as text where the format has quotes."""
    if key.endswith(("bytes_sent", "_length", "_port", "connection_requests")):
        made = values.whole(value)
        return value if made is None else made
    return value
