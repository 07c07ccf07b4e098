"""The authentication log of syslog: what sshd, sudo, su, PAM, cron, systemd-logind and the shadow tools say.

Whoever connects chooses the user name, so a name may hold spaces, " from " and addresses: every pattern is anchored at
the end of the line and takes the last " from ". The messages are those of OpenSSH's auth.c and packet.c, Linux-PAM's
pam_unix, sudo's logging.c, systemd's logind and shadow-utils.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from . import values
from .auth_rules import PREAUTH, RULES
from .format import Format, Options, text_line
from .syslog import Head, YearCount, parse_head

__all__ = ["Auth"]

_INTEGERS: Final = ("port", "repeated", "failures", "pid", "code")


class Auth(Format[str]):
    """Lines that tell of an authentication, a session, an account or a sudo command are that; others system events."""

    name: ClassVar[str] = "auth"
    summary: ClassVar[str] = "authentication log of syslog (auth.log, secure)"
    looks_ahead: ClassVar[bool] = True

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options)
        self._years = YearCount(self.options.year, self.options.now)

    def look_ahead(self, lines: Iterable[bytes]) -> None:
        """The year is known, if it was not given."""
        self._years.look_ahead(lines)

    def records(self, line: bytes) -> list[str]:
        """The line as text."""
        return [text_line(line)]

    def event(self, record: str) -> dict[str, Any]:
        """What the line tells of."""
        head = parse_head(record, self._years)
        fields: dict[str, Any] = {
            "time": head.time,
            "category": "system_management",
            "action": "system_event",
            "message": head.message,
            "service": head.program,
            "host": head.host,
        }
        metadata: dict[str, Any] = {"pid": head.pid, "repeated": head.repeated}
        _apply_rule(head, fields, metadata)
        if fields.get("outcome") == "failure":
            fields["level"] = "warning"
        elif head.text.startswith(("error: ", "fatal: ")):
            fields["level"] = "error"
        fields["metadata"] = {key: value for key, value in metadata.items() if value is not None} or None
        return fields


def _apply_rule(head: Head, fields: dict[str, Any], metadata: dict[str, Any]) -> None:
    """The fields of the first rule of the program that the text follows."""
    program = (head.program or "").partition("(")[0].rpartition("/")[2]
    text = head.text.removesuffix(PREAUTH)
    for rule in RULES.get(program, ()) + RULES["*"]:
        match = rule.pattern.fullmatch(text)
        if match is None:
            continue
        fields |= {"category": rule.category, "action": rule.action, "outcome": rule.outcome}
        for key, value in match.groupdict().items():
            _put(key, value, fields, metadata)
        return


def _put(key: str, value: str | None, fields: dict[str, Any], metadata: dict[str, Any]) -> None:
    if value is None:
        return
    if key == "username":
        fields[key] = value
    elif key == "ip":
        fields["ip_address"] = values.address(value)
        if fields["ip_address"] is None and value:
            metadata["client"] = value
    elif key == "invalid":
        metadata["invalid_user"] = True
    elif key in ("account", "group"):
        fields["entity_type"] = "user" if key == "account" else "group"
        fields["entity_name"] = value
    elif key == "session_id":
        fields[key] = value
    elif key in _INTEGERS:
        metadata[key] = values.whole(value)
    elif value:
        metadata[key] = value
