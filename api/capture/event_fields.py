"""What the functions write: the fields of an event of each kind, made of what the program gives. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from stonelog.filestore import Level

from .changes import changes
from .given import field_value, level_named
from .plain import fitting, plain

__all__ = ["api_fields", "authentication_fields", "data_fields", "event_fields", "security_fields"]

_SEVERITIES: Final[dict[str, Level]] = {"low": "notice", "medium": "warning", "moderate": "warning", "high": "error"}


def event_fields(category: str, action: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an event, each in the form that it has; what is no field is left for the store to refuse.

    What differs between `old_values` and `new_values` goes to `metadata.changes`.
    """
    given = dict(given)
    old, new = given.pop("old_values", None), given.pop("new_values", None)
    metadata = given.pop("metadata", None)
    fields: dict[str, Any] = {"category": category, "action": action}
    for name, value in given.items():
        if value is not None:
            fitted = field_value(name, value)
            fields[name] = value if fitted is None else fitted
    if isinstance(metadata, Mapping) or old is not None or new is not None:
        metadata = dict(metadata) if isinstance(metadata, Mapping) else {}
        if old is not None or new is not None:
            metadata["changes"] = changes(old, new)
        fields["metadata"] = fitting(plain(metadata))
    elif metadata is not None:
        fields["metadata"] = metadata
    return fields


def authentication_fields(
    action: str, username: str | None, success: bool, reason: str | None, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Someone proved who they are, or failed to. A `login` that failed is the action `login_failed`."""
    action = "login_failed" if action == "login" and not success else action
    given = _with_metadata(given, reason=reason)
    said = {"level": "info" if success else "warning", "outcome": "success" if success else "failure"}
    return event_fields("authentication", action, _under(given, username=username, **said))


def security_fields(action: str, severity: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Something that bears on security, of severity low, medium, high or critical, or a level."""
    name = str(severity).lower()
    level = _SEVERITIES.get(name) or level_named(name) or "warning"
    return event_fields("security", action, _under(_with_metadata(given, severity=name), level=level))


def api_fields(
    method: str, path: str, status_code: int | None, response_time_ms: float | None, given: Mapping[str, Any]
) -> dict[str, Any]:
    """A call that was answered, or made to another system; without a status it is not known how it ended."""
    status = status_code if isinstance(status_code, int) else 0
    level = "error" if status >= 500 else "warning" if status >= 400 else "info"
    outcome = "failure" if status >= 400 else "success" if status else "unknown"
    said = {"method": method, "path": path, "status_code": status_code, "response_time_ms": response_time_ms}
    return event_fields("api", "api_call", _under(given, level=level, outcome=outcome, **said))


def data_fields(operation: str, entity_type: str, entity_id: object, given: Mapping[str, Any]) -> dict[str, Any]:
    """Data was made, read, changed or removed."""
    said = {"outcome": "success", "entity_type": entity_type, "entity_id": entity_id}
    return event_fields("data_management", str(operation).lower(), _under(given, **said))


def _under(given: Mapping[str, Any], **said: object) -> dict[str, Any]:
    """What is given, and under it what is said where nothing is given."""
    return {**said, **{name: value for name, value in given.items() if value is not None}}


def _with_metadata(given: Mapping[str, Any], **more: object) -> dict[str, Any]:
    more = {name: value for name, value in more.items() if value is not None}
    metadata = given.get("metadata")
    if not more or not (metadata is None or isinstance(metadata, Mapping)):
        return dict(given)
    return {**given, "metadata": {**more, **(metadata or {})}}
