"""AWS CloudTrail records: one on each line, or files of the form {"Records": [...]} as CloudTrail delivers them.

The fields are those of "CloudTrail record contents" in AWS's user guide.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

from stonelog.filestore import Action, Category

from . import values
from .format import Format, Rejected, kind_of, parse_records
from .surplus import add, fitted

__all__ = ["CloudTrail"]

_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_CATEGORIES: Final[dict[str, str]] = {
    "signin": Category.AUTHENTICATION,
    "sso": Category.AUTHENTICATION,
    "cognito-idp": Category.AUTHENTICATION,
    "iam": Category.USER_MANAGEMENT,
    **dict.fromkeys(
        ("s3", "s3express", "dynamodb", "rds", "redshift", "secretsmanager", "kms", "ebs", "glue", "athena", "backup"),
        Category.DATA_MANAGEMENT,
    ),
    **dict.fromkeys(("cloudtrail", "config", "organizations", "account", "ssm"), Category.CONFIGURATION),
    **dict.fromkeys(("guardduty", "securityhub", "inspector2", "access-analyzer", "macie2"), Category.SECURITY),
}
_TAKEN: Final = ("eventTime", "@timestamp", "userAgent", "requestID", "errorCode", "errorMessage")
_EXPECTED: Final = 'expected a CloudTrail record, or {"Records": [...]}'


class CloudTrail(Format[Any]):
    """Caller, address, outcome and request are our fields; all the rest is under metadata by AWS's names."""

    name: ClassVar[str] = "cloudtrail"
    summary: ClassVar[str] = 'AWS CloudTrail: records one a line, or files of {"Records": [...]}'
    whole: ClassVar[bool] = True
    shortens: ClassVar[bool] = True

    def records(self, line: bytes) -> list[Any]:
        """The record on the line, or those of a document or a list."""
        return parse_records(line, "Records")

    def event(self, record: Any) -> dict[str, Any]:
        """The call that the record tells of."""
        if not isinstance(record, dict):
            raise Rejected(f"record: {_EXPECTED}, found {kind_of(record)}")
        what, source = record.get("eventName"), record.get("eventSource")
        if not isinstance(what, str) or not what:
            raise Rejected(f"eventName: missing or no text; {_EXPECTED}")
        if not isinstance(source, str):
            raise Rejected(f"eventSource: missing or no text; {_EXPECTED}")
        stamp = record.get("eventTime") or record.get("@timestamp")
        moment = values.iso_time(stamp)
        if moment is None:
            raise Rejected(f"eventTime: {str(stamp)[:40]!a} is no time such as 2023-07-10T11:42:36Z")
        failed = bool(record.get("errorCode")) or _console_login(record) == "Failure"
        metadata = {key: value for key, value in record.items() if key not in _TAKEN}
        fields: dict[str, Any] = {
            "time": moment,
            "level": "warning" if failed else "info",
            "category": _category(source, what),
            "action": _action(source, what, failed),
            "message": f"{what} on {source}",
            "outcome": "failure" if failed else "success",
            "user_agent": values.text(record.get("userAgent")),
            "request_id": values.text(record.get("requestID")),
            "service": source,
            "error_type": values.text(record.get("errorCode")),
            "error_message": values.text(record.get("errorMessage")),
            **_caller(record.get("userIdentity")),
        }
        given = metadata.pop("sourceIPAddress", None)
        fields["ip_address"] = values.address(given)
        if fields["ip_address"] is None:
            add(metadata, "source_ip", given)
        fields["metadata"] = fitted(metadata)
        return fields


def _console_login(record: dict[str, Any]) -> object:
    answer = record.get("responseElements")
    return answer.get("ConsoleLogin") if isinstance(answer, dict) else None


def _category(source: str, what: str) -> str:
    service = source.partition(".")[0]
    if service == "sts" and what.startswith(("AssumeRole", "GetSessionToken", "GetFederationToken")):
        return Category.AUTHENTICATION
    if service == "iam" and re.search(r"Polic(?:y|ies)|Role|PermissionsBoundary", what):
        return Category.AUTHORIZATION
    return _CATEGORIES.get(service, Category.API)


def _action(source: str, what: str, failed: bool) -> str:
    if what == "ConsoleLogin" and source.startswith("signin."):
        return Action.LOGIN_FAILED if failed else Action.LOGIN
    return values.name(_BOUNDARY.sub("_", what[:64])) or Action.API_CALL


def _caller(identity: object) -> dict[str, Any]:
    """Who called: the user's name, else that of the role assumed, else the identity's id or kind."""
    if not isinstance(identity, dict):
        return {}
    context = identity.get("sessionContext")
    issuer = context.get("sessionIssuer") if isinstance(context, dict) else None
    role = issuer.get("userName") if isinstance(issuer, dict) else None
    principal = values.text(identity.get("principalId"))
    name = identity.get("userName") or role or principal or identity.get("type")
    return {"username": values.text(name), "user_id": principal}
