"""The messages of the authentication log, by program: a pattern for the whole text, and what it means.

Groups named `username`, `ip`, `session_id`, `account` and `group` become fields, the others metadata. Outcome `failure`
in category authentication has exactly the lines that say that an authentication was refused; what follows from it (a
closed connection, a limit reached inside PAM) has no outcome, so that counts can be reproduced with grep.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

__all__ = ["PREAUTH", "RULES", "Rule"]

PREAUTH: Final = " [preauth]"


class Rule(NamedTuple):
    """What a text that follows the pattern tells of."""

    pattern: re.Pattern[str]
    category: str
    action: str
    outcome: Literal["success", "failure"] | None = None


def _authentication(action: str, pattern: str, outcome: Literal["success", "failure"] | None = None) -> Rule:
    return Rule(re.compile(pattern, re.DOTALL), "authentication", action, outcome)


def _account(action: str, pattern: str, outcome: Literal["success", "failure"] = "success") -> Rule:
    return Rule(re.compile(pattern, re.DOTALL), "user_management", action, outcome)


def _authorization(action: str, pattern: str, outcome: Literal["success", "failure"]) -> Rule:
    return Rule(re.compile(pattern, re.DOTALL), "authorization", action, outcome)


_USER = r"(?P<username>.*)"
_FROM = r" from (?P<ip>\S+)"
_PORT = r" port (?P<port>\d{1,5})"
_KEY = r"(?:: (?P<key>[\w-]{1,40} (?:SHA256|MD5):[\w+/=:]{1,128})(?: .*)?)?"
_INVALID = r"(?:(?P<invalid>invalid) user )?"
_WHO = r"(?:(?:(?P<invalid>invalid)|authenticating) user |user )?"

_SSHD: Final = (
    _authentication("login", rf"Accepted (?P<method>\S+) for {_USER}{_FROM}{_PORT}(?: ssh\d)?{_KEY}", "success"),
    _authentication(
        "login_failed", rf"Failed (?P<method>\S+) for {_INVALID}{_USER}{_FROM}{_PORT}(?: ssh\d)?{_KEY}", "failure"
    ),
    _authentication("invalid_user", rf"(?P<invalid>Invalid) user {_USER}{_FROM}(?:{_PORT})?", "failure"),
    _authentication("not_allowed", rf"User {_USER}{_FROM} not allowed because (?P<reason>.*)", "failure"),
    _authentication("login_failed", rf"ROOT LOGIN REFUSED FROM (?P<ip>\S+)(?:{_PORT})?", "failure"),
    _authentication(
        "too_many_attempts",
        rf"(?:error: )?maximum authentication attempts exceeded for {_INVALID}{_USER}{_FROM}{_PORT}(?: ssh\d)?",
        "failure",
    ),
    _authentication(
        "too_many_attempts",
        rf"Disconnecting(?: {_WHO}{_USER} (?P<ip>\S+){_PORT})?: Too many authentication failures(?: for .*)?",
        "failure",
    ),
    _authentication("invalid_user", rf"input_userauth_request: (?P<invalid>invalid) user {_USER}"),
    _authentication("too_many_attempts", r"PAM service\(\S+\) ignoring max retries; .*"),
    _authentication("connect", rf"Connection{_FROM}{_PORT} on \S+ port \d{{1,5}}.*"),
    _authentication(
        "disconnect",
        rf"(?:Connection (?:closed|reset) by|Disconnected from) (?:{_WHO}{_USER} )??(?P<ip>\S+){_PORT}",
    ),
    _authentication("disconnect", r"(?:Connection closed by|Disconnected from) (?P<ip>\S+)"),
    _authentication(
        "disconnect",
        rf"(?:error: )?Received disconnect{_FROM}(?:{_PORT})?: ?(?P<code>\d{{1,5}}): ?(?P<reason>.*)",
    ),
    _authentication("session_opened", rf"Starting session: \S+(?: on \S+)? for {_USER}{_FROM}{_PORT}(?: id \d+)?"),
    _authentication("session_closed", rf"Close session: user {_USER}{_FROM}{_PORT}(?: id \d+)?"),
    _authentication("protocol_error", rf"Did not receive identification string{_FROM}(?:{_PORT})?"),
    _authentication("protocol_error", rf"Bad protocol version identification '(?P<given>.*)'{_FROM}(?:{_PORT})?"),
    _authentication("protocol_error", rf"(?:fatal: )?Unable to negotiate with (?P<ip>\S+)(?:{_PORT})?: (?P<reason>.*)"),
)

_FAILURE_FACTS = r"logname=.*? rhost=(?P<ip>\S*)(?: +user=(?P<username>.*))?"

_PAM: Final = (
    _authentication(
        "authentication_failure",
        rf"pam_\w+\((?P<method>[^\s()]+):auth\): authentication failure; {_FAILURE_FACTS}",
        "failure",
    ),
    _authentication(
        "authentication_failure",
        rf"PAM (?P<failures>\d{{1,9}}) more authentication failures?; {_FAILURE_FACTS}",
        "failure",
    ),
    _authentication("invalid_user", r"pam_\w+\((?P<method>[^\s()]+):auth\): check pass; user unknown"),
    _authentication(
        "session_opened",
        r"pam_\w+\((?P<method>[^\s()]+):session\): session opened for user (?P<username>[^\s(]+)(?:\(uid=\d+\))?"
        r" by (?P<by>[^\s(]*)\(uid=\d+\)",
        "success",
    ),
    _authentication(
        "logout", r"pam_\w+\((?P<method>sshd|login|gdm[^\s:]*):session\): session closed for user (?P<username>\S+)"
    ),
    _authentication(
        "session_closed", r"pam_\w+\((?P<method>[^\s()]+):session\): session closed for user (?P<username>\S+)"
    ),
    _account("password_change", r"pam_\w+\((?P<method>[^\s()]+):chauthtok\): password changed for (?P<account>.*)"),
    _account(
        "password_change",
        r'pam_\w+\((?P<method>[^\s()]+):chauthtok\): user "(?P<account>.*)" does not exist in \S+',
        "failure",
    ),
)

# Atomic groups: each separator is the first one there, and no other is tried, so that hostile text costs its length.
_SUDOER = r" *+(?>(?P<username>.*?) : )"
_COMMAND = (
    r"(?>TTY=(?P<tty>\S+) ; )?(?>PWD=(?P<pwd>.*?) ; USER=)(?>(?P<run_as>.*?) ;)(?> GROUP=\S+ ;)?(?> ENV=.*? ;)?"
    r" COMMAND=(?P<command>.*)"
)
_REFUSAL = r"user NOT in sudoers|command not allowed|user NOT authorized on host"
_SUDO: Final = (
    _authorization("sudo_command", rf"{_SUDOER}{_COMMAND}", "success"),
    _authentication(
        "login_failed", rf"{_SUDOER}(?P<failures>\d{{1,9}}) incorrect password attempts? ; {_COMMAND}", "failure"
    ),
    _authorization("sudo_command", rf"{_SUDOER}(?P<reason>{_REFUSAL}) ; {_COMMAND}", "failure"),
)

_SU: Final = (
    _authentication("switch_user", r"Successful su for (?P<target_user>\S+) by (?P<username>\S+)", "success"),
    _authentication("switch_user", r"\(to (?P<target_user>\S+)\) (?P<username>\S+) on (?P<tty>\S+)", "success"),
    _authentication("switch_user", r"FAILED su for (?P<target_user>\S+) by (?P<username>\S+)", "failure"),
    _authentication(
        "switch_user", r"FAILED SU \(to (?P<target_user>\S+)\) (?P<username>\S+) on (?P<tty>\S+)", "failure"
    ),
    _authentication("switch_user", r"[+-] (?P<tty>\S+) (?P<username>[^\s:]+):(?P<target_user>\S+)"),
)

_LOGIN: Final = (
    _authentication(
        "login", r"(?:ROOT )?LOGIN ON (?P<tty>\S+)(?: BY (?P<username>\S+))?(?: FROM (?P<ip>\S+))?", "success"
    ),
    _authentication(
        "login_failed",
        r"FAILED LOGIN \(\d+\) on '(?P<tty>[^']*)'(?: from '(?P<ip>[^']*)')? FOR '(?P<username>.*)', (?P<reason>[^']*)",
        "failure",
    ),
)

_LOGIND: Final = (
    _authentication("session_opened", r"New session (?P<session_id>\S+) of user (?P<username>.*)\.", "success"),
    _authentication("logout", r"Session (?P<session_id>\S+) logged out\. .*"),
    _authentication("session_closed", r"Removed session (?P<session_id>\S+)\."),
)

_ACCOUNTS: Final = (
    _account("create", r"new user: name=(?P<account>[^,]*), .*"),
    _account("create", r"new group: name=(?P<group>[^,]*)(?:, .*)?"),
    _account("create", r"group added to (?P<file>\S+): name=(?P<group>[^,]*)(?:, .*)?"),
    _account("create", r"failed adding (?:user|group) '(?P<account>[^']*)', .*", "failure"),
    _account("delete", r"delete user '(?P<account>[^']*)'"),
    _account("delete", r"removed group '(?P<group>[^']*)' owned by '[^']*'"),
    _account("delete", r"group '(?P<group>[^']*)' removed(?: from (?P<file>\S+))?"),
    _account("password_change", r"change user '(?P<account>[^']*)' password"),
    _account("password_change", r"password for '(?P<account>[^']*)' changed by '(?P<username>[^']*)'"),
    _account("password_change", r"password for (?P<account>\S+) changed by (?P<username>\S+)"),
    _account("update", r"change user '(?P<account>[^']*)' .*"),
    _account("update", r"add '(?P<account>[^']*)' to (?:shadow )?group '(?P<to_group>[^']*)'"),
    _account("update", r"delete '(?P<account>[^']*)' from (?:shadow )?group '(?P<from_group>[^']*)'"),
    _account(
        "update", r"user (?P<account>\S+) (?:added|removed) by (?P<username>\S+) (?:to|from) group (?P<to_group>\S+)"
    ),
)

_CRON: Final = (
    Rule(
        re.compile(r"\((?P<username>[^\s)]+)\) CMD \((?P<command>.*)\)", re.DOTALL),
        "system_management",
        "workflow_execute",
    ),
)

RULES: Final[dict[str, tuple[Rule, ...]]] = {
    **dict.fromkeys(("sshd", "sshd-session", "sshd-auth"), _SSHD),
    "sudo": _SUDO,
    "su": _SU,
    "login": _LOGIN,
    "systemd-logind": _LOGIND,
    **dict.fromkeys(
        ("useradd", "userdel", "usermod", "groupadd", "groupdel", "groupmod", "gpasswd", "passwd", "chpasswd", "chage"),
        _ACCOUNTS,
    ),
    **dict.fromkeys(("CRON", "cron", "crond"), _CRON),
    "*": _PAM,
}
"""The rules of each program, tried in order; "*" are PAM's, which speaks in the name of any program."""
