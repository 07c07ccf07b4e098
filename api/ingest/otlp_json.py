"""OpenTelemetry logs in OTLP's JSON encoding: documents of `resourceLogs`, one a line or one a file.

The shape is that of opentelemetry-proto's logs.proto in the JSON mapping of the OTLP specification: 64-bit integers as
text, ids in hex. Names of attributes are those of the semantic conventions.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final, NamedTuple

from stonelog.filestore import Action, Category, Level

from . import values
from .format import Format, Rejected, kind_of, parse_object
from .surplus import add, fitted

__all__ = ["OtlpJson"]

_FIELDS: Final[dict[str, str]] = {
    "http.request.method": "method",
    "http.method": "method",
    "url.path": "path",
    "http.target": "path",
    "http.response.status_code": "status_code",
    "http.status_code": "status_code",
    "client.address": "ip_address",
    "http.client_ip": "ip_address",
    "user_agent.original": "user_agent",
    "http.user_agent": "user_agent",
    "enduser.id": "user_id",
    "user.id": "user_id",
    "user.name": "username",
    "exception.type": "error_type",
    "exception.message": "error_message",
    "exception.stacktrace": "stack_trace",
    "session.id": "session_id",
    "device.id": "device_id",
    "error.type": "error_type",
}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DOTTED = re.compile(r"[a-z][a-z0-9_.]{0,63}")
_IDS: Final = (("trace_id", "traceId", 32), ("span_id", "spanId", 16))
_HEX = re.compile(r"[0-9a-f]+")
_EXPECTED: Final = 'an OTLP document, {"resourceLogs": [...]}'


class _Log(NamedTuple):
    """A log record with the resource and the scope it stands under."""

    resource: Any
    scope: Any
    record: Any


class OtlpJson(Format[_Log]):
    """Log records: well-known attributes are our fields, the others metadata; the resource is metadata.resource."""

    name: ClassVar[str] = "otlp-json"
    summary: ClassVar[str] = "OpenTelemetry logs as JSON (OTLP)"
    whole: ClassVar[bool] = True
    shortens: ClassVar[bool] = True

    def records(self, line: bytes) -> list[_Log]:
        """The log records of a document, in order."""
        document = parse_object(line, _EXPECTED)
        if not isinstance(document.get("resourceLogs"), list):
            raise Rejected(f"resourceLogs: missing or no list; expected {_EXPECTED}")
        logs = []
        for resource_logs in _objects(document, "resourceLogs"):
            for scope_logs in _objects(resource_logs, "scopeLogs"):
                for record in _list(scope_logs, "logRecords"):
                    logs.append(_Log(resource_logs.get("resource"), scope_logs.get("scope"), record))
        return logs

    def event(self, record: _Log) -> dict[str, Any]:
        """The event of one log record."""
        log = record.record
        if not isinstance(log, dict):
            raise Rejected(f"logRecords: expected an object, found {kind_of(log)}")
        fields: dict[str, Any] = {"level": _level(log)}
        if (moment := _time(log)) is not None:
            fields["time"] = moment
        attributes = _attributes(log)
        metadata: dict[str, Any] = {}
        _put_body(_value(log.get("body")), fields, metadata)
        for field, key, length in _IDS:
            _put_id(log.get(key), field, length, fields, metadata)
        event_name = log.get("eventName")
        for key, value in (("event_name", event_name), ("severity_text", log.get("severityText"))):
            if value:
                metadata[key] = value
        for key in ("flags", "droppedAttributesCount"):
            if log.get(key):
                metadata[key] = log[key]
        fields["category"] = _form(attributes.get("category"), _NAME) or Category.SYSTEM_MANAGEMENT
        fields["action"] = _form(attributes.get("action"), _DOTTED) or _form(event_name, _DOTTED) or Action.SYSTEM_EVENT
        _put_origin(record, fields, metadata)
        _put_attributes(attributes, fields, metadata)
        fields["metadata"] = fitted(metadata)
        return fields


def _put_body(body: Any, fields: dict[str, Any], metadata: dict[str, Any]) -> None:
    if isinstance(body, dict | list):
        metadata["body"] = body
    elif body is not None:
        fields["message"] = values.text(body)


def _put_attributes(attributes: dict[str, Any], fields: dict[str, Any], metadata: dict[str, Any]) -> None:
    for key, value in attributes.items():
        field = _FIELDS.get(key)
        made: Any = None
        if field == "status_code":
            made = values.status(value)
        elif field == "ip_address":
            made = values.address(value)
        elif field is not None:
            made = values.text(value)
        if made is not None and field is not None and field not in fields:
            fields[field] = made
        elif not (key == "category" and _form(value, _NAME)) and not (key == "action" and _form(value, _DOTTED)):
            add(metadata, key, value)


def _put_id(given: Any, field: str, length: int, fields: dict[str, Any], metadata: dict[str, Any]) -> None:
    """Lower hex; one that is empty or all zeros means that there is none."""
    if not given or not str(given).strip("0"):
        return
    made = str(given).lower()
    if len(made) == length and _HEX.fullmatch(made):
        fields[field] = made
    else:
        metadata[field] = given


def _put_origin(log: _Log, fields: dict[str, Any], metadata: dict[str, Any]) -> None:
    resource = _attributes(log.resource)
    for field, key in (("service", "service.name"), ("host", "host.name")):
        if isinstance(resource.get(key), str):
            fields[field] = resource.pop(key)
    if resource:
        metadata["resource"] = resource
    if isinstance(log.scope, dict):
        scope = {key: log.scope[key] for key in ("name", "version") if log.scope.get(key)}
        if attributes := _attributes(log.scope):
            scope["attributes"] = attributes
        if scope:
            metadata["scope"] = scope


def _time(log: dict[str, Any]) -> Any:
    for key in ("timeUnixNano", "observedTimeUnixNano"):
        given = log.get(key)
        if given in (None, "", 0, "0"):
            continue
        moment = values.epoch_time(given, 1_000_000_000)
        if moment is None:
            raise Rejected(f"{key}: {str(given)[:40]!a} is no number of nanoseconds since 1970")
        return moment
    return None


def _level(log: dict[str, Any]) -> Level:
    """The level of the severity's range (from 1 debug, 9 info, 13 warn, 17 error, 21 fatal), else of its text."""
    severity = values.whole(log.get("severityNumber")) or 0
    if not 1 <= severity <= 24:
        return values.level(log.get("severityText")) or "info"
    levels: tuple[Level, ...] = ("debug", "debug", "info", "warning", "error", "critical")
    return levels[(severity - 1) // 4]


def _attributes(holder: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for pair in _list(holder, "attributes"):
        if isinstance(pair, dict) and isinstance(pair.get("key"), str):
            made[pair["key"]] = _value(pair.get("value"))
    return {key: value for key, value in made.items() if value is not None}


def _value(given: Any) -> Any:
    """The JSON value of an AnyValue: bytes stay base64 text, integers in text become numbers."""
    if not isinstance(given, dict) or not given:
        return None
    kind, value = next(iter(given.items()))
    if kind == "intValue":
        number = values.whole(value)
        return number if number is not None and -(2**63) <= number < 2**63 else value
    if kind == "arrayValue":
        return [_value(item) for item in _list(value, "values")]
    if kind == "kvlistValue":
        return {
            pair["key"]: _value(pair.get("value"))
            for pair in _list(value, "values")
            if isinstance(pair, dict) and isinstance(pair.get("key"), str)
        }
    return value


def _form(value: Any, form: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and form.fullmatch(value) else None


def _list(holder: Any, key: str) -> list[Any]:
    found = holder.get(key) if isinstance(holder, dict) else None
    return found if isinstance(found, list) else []


def _objects(holder: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return [item for item in _list(holder, key) if isinstance(item, dict)]
