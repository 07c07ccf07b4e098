"""What the fields of one event say for risk by themselves, as names of weights of the section `[risk]`.

An action is free text of a known form, so it is taken apart into words: `user.mfa_disabled` is about `mfa`, and
switches it off. What a pair of category and action means is worked out once and kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

__all__ = ["NOTHING", "Signs", "signs_of"]


class Signs(NamedTuple):
    """What speaks for risk, by name; whether it is a login, and how it ended; whether it is more than a mishap."""

    reasons: tuple[str, ...] = ()
    login: Literal["", "failed", "success"] = ""
    acts: bool = False
    """A login or a deed: for these it matters where they come from."""
    failed: bool = False
    """It was refused or did not work, so that it shows nothing about the user's usual addresses."""


NOTHING: Final = Signs()

_NAMES: Final = 4096
_ACCOUNTS: Final = frozenset({"user", "users", "account", "accounts", "member", "members"})
_AUTHENTICATION: Final = frozenset({"authentication", "auth"})
_ADMINISTRATION: Final = frozenset({"admin", "administration"})
_ADMINISTERED: Final = _ADMINISTRATION | {
    *("user_management", "authorization", "configuration", "system_management"),
}


def _forms(*verbs: str) -> frozenset[str]:
    """Each verb, and its past: `create` and `created`."""
    return frozenset(verbs) | {verb + ("d" if verb.endswith("e") else "ed") for verb in verbs}


_LOGIN: Final = frozenset({"login", "signin", "logon", "authenticate", "authentication", "auth"})
_SESSIONS: Final = frozenset({"session", "token", "refresh", "logout"})
_FAILED: Final = _forms("fail", "reject", "refuse") | {"failure", "fails", "invalid", "unsuccessful", "wrong"}
_DENIED: Final = frozenset({"denied", "forbidden", "unauthorized", "unauthorised"})
_READS: Final = _forms("view", "list", "search", "query", "show", "fetch") | {"read", "get"}
_DELETES: Final = _forms("delete", "remove", "purge", "erase", "destroy", "wipe", "truncate") | {
    *("drop", "dropped", "deletion", "removal"),
}
_SWITCHES_OFF: Final = _forms("disable", "deactivate", "remove", "delete", "bypass", "suspend") | {"off"}
_WRITES: Final = (
    _forms("create", "update", "change", "add", "insert", "edit", "rename", "move", "import", "upload", "approve")
    | _forms("patch", "assign", "unassign", "enable", "lock", "unlock", "invite", "register", "deploy", "configure")
    | _forms("install", "uninstall", "replace", "reset", "rotate", "restore", "enroll", "activate", "upsert")
    | _forms("grant", "revoke", "impersonate", "elevate", "escalate")
    | {"write", "written", "put", "set", "ban", "banned", "modify", "modified", "impersonation", "sudo"}
    | _DELETES
    | _SWITCHES_OFF
)
_GRANTS: Final = _forms("grant", "revoke", "impersonate", "elevate", "escalate") | {"impersonation", "sudo"}
_PRIVILEGES: Final = frozenset({"permission", "permissions", "privilege", "privileges", "role", "roles", "acl"})
_FACTORS: Final = frozenset({"mfa", "2fa", "totp", "otp", "passkey", "webauthn"})
_CREDENTIALS: Final = _FACTORS | {
    *("password", "passwd", "passphrase", "credential", "credentials", "secret", "secrets", "apikey"),
}
_PROTECTIONS: Final = _FACTORS | {
    *("audit", "logging", "firewall", "antivirus", "encryption", "alert", "alerts", "monitoring", "protection"),
}
_EXPORTS: Final = _forms("export", "dump", "extract", "exfiltrate") | {"exports", "exfiltration"}
_SHARES: Final = _forms("share", "publish")
_ATTACKS: Final = frozenset(
    {
        *("attack", "injection", "sqli", "xss", "csrf", "ssrf", "traversal", "intrusion", "malware", "ransomware"),
        *("exploit", "brute", "bruteforce", "hijack", "hijacked", "hijacking", "suspicious", "tampered", "tampering"),
        *("spoofed", "spoofing", "phishing", "stuffing", "spraying"),
    }
)
_LOGIN_ENDS: Final = frozenset(
    {"login", "signin", "sign-in", "log-in", "logon", "authenticate", "auth", "token", "session", "sessions"}
)
"""Last parts of the paths that names and passwords are sent to."""
_READ_METHODS: Final = frozenset({None, "GET", "HEAD", "OPTIONS"})
_LEVELS: Final = {"error": "error_level", "critical": "critical_level"}


class _Meaning(NamedTuple):
    """What an action in its category says, before the other fields are looked at."""

    plain: bool = False
    """It says nothing."""
    deeds: tuple[str, ...] = ()
    login: bool = False
    credential: bool = False
    """If it fails, a credential was wrong."""
    failed: bool = False
    denied: bool = False
    writes: bool = False
    reads: bool = False


_PLAIN: Final = _Meaning(plain=True)


def signs_of(fields: Mapping[str, Any]) -> Signs:
    """What speaks for risk in the canonical fields of an event; NOTHING of most, and of what the store tells itself."""
    get = fields.get
    meaning = _meaning(get("category", ""), get("action", ""))
    if meaning is None:
        return NOTHING
    path = get("path", "")
    method = get("method")
    if (
        meaning.plain
        and get("status_code", 0) < 400
        and get("outcome") != "failure"
        and get("level") not in _LEVELS
        and "tags" not in fields
        and not ("dmin" in path and _is_admin_path(path))
        and method != "DELETE"
        and not (method == "POST" and _takes_logins(path))
    ):
        return NOTHING
    return _looked_at(fields, meaning)


def _looked_at(fields: Mapping[str, Any], meaning: _Meaning) -> Signs:
    get = fields.get
    status = get("status_code", 0)
    login = meaning.login or (get("method") == "POST" and _takes_logins(get("path", "")))
    failed = meaning.failed or get("outcome") == "failure"
    reasons = list(meaning.deeds)
    if not login:
        _add_deeds(fields, meaning, reasons)
    if "sensitive" in get("tags", ()):
        reasons.append("sensitive")
    acts = login or bool(reasons)
    if (login and (failed or status in (401, 403))) or (meaning.credential and (failed or status == 401)):
        reasons.append("failed_login")
        return Signs((*reasons, *_level(fields)), "failed", True, True)
    if status >= 400 or failed:
        reasons.append(_mishap(status, denied=meaning.denied or (failed and get("category") == "authorization")))
        return Signs((*reasons, *_level(fields)), "", acts, True)
    return Signs((*reasons, *_level(fields)), "success" if login else "", acts, False)


def _add_deeds(fields: Mapping[str, Any], meaning: _Meaning, reasons: list[str]) -> None:
    """Adds to the reasons what the method, the path and the entity say about what was done."""
    get = fields.get
    method, path, category = get("method"), get("path", ""), get("category")
    if method == "DELETE" and "deletion" not in reasons:
        reasons.append("deletion")
    if "deletion" in reasons and _is_account(fields):
        reasons.append("user_deletion")
    user = get("user_id")
    others = user is None or get("entity_id") != user  # what people do to their own account is no administration
    administered = "dmin" in path and _is_admin_path(path)
    if meaning.writes or method not in _READ_METHODS:
        if administered or (meaning.writes and category in _ADMINISTERED and others):
            reasons.append("admin_write")
    elif administered or (category in _ADMINISTRATION and (meaning.reads or method is not None)):
        reasons.append("admin_read")


def _mishap(status: int, *, denied: bool) -> str:
    if denied or status in (401, 403):
        return "access_denied"
    if status == 429:
        return "rate_limited"
    if status >= 500:
        return "server_error"
    return "client_error" if status >= 400 else "failure"


def _level(fields: Mapping[str, Any]) -> tuple[str, ...]:
    name = _LEVELS.get(fields.get("level", ""))
    return (name,) if name else ()


def _is_admin_path(path: str) -> bool:
    return "/admin" in path or "/Admin" in path or "/wp-admin" in path


def _takes_logins(path: str) -> bool:
    return path.partition("?")[0].rstrip("/").rpartition("/")[2].lower() in _LOGIN_ENDS


def _is_account(fields: Mapping[str, Any]) -> bool:
    """Whether what is deleted is an account: by the type of the entity, else the category, else the path."""
    kind = fields.get("entity_type")
    if kind is not None:
        return kind.lower() in _ACCOUNTS
    if fields["category"] in ("user_management", "user", "users", "account", "accounts"):
        return True
    parts = fields.get("path", "").partition("?")[0].rstrip("/").rsplit("/", 2)
    return not _ACCOUNTS.isdisjoint(parts[1:])


@lru_cache(maxsize=_NAMES)
def _meaning(category: str, action: str) -> _Meaning | None:
    """What the pair says; None if it is what the store tells of itself."""
    if category == "system_management" and (action.startswith("store_") or action == "events_dropped"):
        return None
    words = frozenset(action.replace(".", "_").split("_"))
    denied = not words.isdisjoint(_DENIED)
    writes = not words.isdisjoint(_WRITES)
    meaning = _Meaning(
        deeds=tuple(_deeds(category, words, writes=writes)),
        login=_logs_in(words),
        credential=category in _AUTHENTICATION and words.isdisjoint(_SESSIONS),
        failed=denied or not words.isdisjoint(_FAILED),
        denied=denied,
        writes=writes,
        reads=not writes and not words.isdisjoint(_READS),
    )
    speaks = meaning.deeds or meaning.login or meaning.failed or (writes and category in _ADMINISTERED)
    return meaning if speaks or meaning.credential or category in _ADMINISTRATION else _PLAIN


def _logs_in(words: frozenset[str]) -> bool:
    named = not words.isdisjoint(_LOGIN) or (
        "in" in words and not words.isdisjoint({"sign", "signed", "log", "logged"})
    )
    return named and words.isdisjoint(_SESSIONS)


def _deeds(category: str, words: frozenset[str], *, writes: bool) -> Iterator[str]:
    """What is done, by name, as far as the words of the action tell."""
    if not words.isdisjoint(_DELETES):
        yield "deletion"
    if not words.isdisjoint(_PROTECTIONS) and not words.isdisjoint(_SWITCHES_OFF):
        yield "protection_disabled"
    elif writes and not words.isdisjoint(_CREDENTIALS):
        yield "credential_change"
    if (writes and not words.isdisjoint(_PRIVILEGES)) or not words.isdisjoint(_GRANTS):
        yield "privilege_change"
    if not words.isdisjoint(_EXPORTS) and words.isdisjoint(_READS):
        yield "export"
    if not words.isdisjoint(_SHARES):
        yield "share"
    if not words.isdisjoint(_ATTACKS):
        yield "attack"
    if category == "security":
        yield "security_event"
