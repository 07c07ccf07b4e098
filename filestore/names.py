"""The names that every installation shares: fields, categories, actions, levels, outcomes."""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["ACTIONS", "CATEGORIES", "FIELDS", "LEVELS", "Action", "Category", "Level", "Outcome"]


class Category:
    """The ten categories that every installation shares; any other name of the same form is accepted."""

    AUTHENTICATION: Final = "authentication"
    AUTHORIZATION: Final = "authorization"
    USER_MANAGEMENT: Final = "user_management"
    DATA_MANAGEMENT: Final = "data_management"
    SYSTEM_MANAGEMENT: Final = "system_management"
    SECURITY: Final = "security"
    WORKFLOW: Final = "workflow"
    API: Final = "api"
    FILE_MANAGEMENT: Final = "file_management"
    CONFIGURATION: Final = "configuration"


class Action:
    """The common actions; any other name of the same form is accepted."""

    CREATE: Final = "create"
    READ: Final = "read"
    UPDATE: Final = "update"
    DELETE: Final = "delete"
    LOGIN: Final = "login"
    LOGOUT: Final = "logout"
    LOGIN_FAILED: Final = "login_failed"
    EXPORT: Final = "export"
    IMPORT: Final = "import"
    SHARE: Final = "share"
    PERMISSION_CHANGE: Final = "permission_change"
    SYSTEM_EVENT: Final = "system_event"
    SECURITY_EVENT: Final = "security_event"
    API_CALL: Final = "api_call"
    FILE_UPLOAD: Final = "file_upload"
    FILE_DOWNLOAD: Final = "file_download"
    WORKFLOW_EXECUTE: Final = "workflow_execute"
    VALIDATION_FAILED: Final = "validation_failed"


def _names(constants: type) -> tuple[str, ...]:
    return tuple(value for name, value in vars(constants).items() if name.isupper())


CATEGORIES: Final = _names(Category)
ACTIONS: Final = _names(Action)

Level = Literal["debug", "info", "notice", "warning", "error", "critical"]
LEVELS: Final[tuple[Level, ...]] = ("debug", "info", "notice", "warning", "error", "critical")
"""The levels by severity, lowest first."""

Outcome = Literal["success", "failure", "unknown"]

FIELDS: Final[tuple[str, ...]] = (
    *("seq", "id", "time", "level", "category", "action", "message", "outcome", "entity_type"),
    *("entity_id", "entity_name", "user_id", "username", "ip_address", "user_agent", "session_id"),
    *("device_id", "country", "region", "city", "asn", "method", "path", "status_code"),
    *("response_time_ms", "request_id", "trace_id", "span_id", "risk_score", "risk_reasons", "service"),
    *("host", "tags", "error_type", "error_message", "stack_trace", "redacted", "metadata", "synced"),
    "hash",
)
"""The names of the fields in their order on the line."""
