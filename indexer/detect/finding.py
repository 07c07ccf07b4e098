"""What a rule reports: a finding, and the event that it becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from stonelog.filestore import Level, dumps

from ..span import stamp_text

__all__ = [
    "ACTION",
    "CATEGORY",
    "LEVEL_OF",
    "MOST_SEQS",
    "SEVERITIES",
    "Finding",
    "Severity",
    "identity_of",
    "is_finding",
]

Severity: TypeAlias = Literal["low", "medium", "high", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("low", "medium", "high", "critical")
LEVEL_OF: Final[dict[Severity, Level]] = {
    "low": "notice",
    "medium": "warning",
    "high": "error",
    "critical": "critical",
}
CATEGORY: Final = "security"
ACTION: Final = "finding"
MOST_SEQS: Final = 100
"""So many `seq`s of the events that made a finding stand in it: the last ones."""
_OWN_FIELDS: Final = ("username", "user_id", "ip_address", "session_id", "device_id", "country", "host", "service")
"""Fields of an event that a finding has too, if its key says them."""
_LONGEST_MESSAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found. `key` is what the events have in common, `count` how many there were, since the finding before
    it if that is not long ago; `time` is that of the last one, in microseconds since the epoch."""

    rule: str
    title: str
    severity: Severity
    key: Mapping[str, Any]
    count: int
    first_seq: int
    last_seq: int
    seqs: Sequence[int]
    window_seconds: float
    time: int
    tags: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    of_findings: bool = False
    """Whether findings were among the events: what comes of those is looked at by no rule again."""

    @property
    def identity(self) -> str:
        """The same for the same finding, whoever came to it."""
        return _identity(self.rule, self.key, self.last_seq)

    @property
    def level(self) -> Level:
        """The level of the event that it becomes."""
        return LEVEL_OF[self.severity]

    @property
    def message(self) -> str:
        """The title and the key, for people."""
        return f"{self.title}: {', '.join(f'{name}={value}' for name, value in self.key.items())}".removesuffix(": ")

    def metadata(self) -> dict[str, Any]:
        """What stands under `metadata` in the event."""
        more: dict[str, Any] = {"details": dict(self.details)} if self.details else {}
        if self.of_findings:
            more["of_findings"] = True
        return {
            "rule": self.rule,
            "severity": self.severity,
            "key": dict(self.key),
            "count": self.count,
            "first_seq": self.first_seq,
            "last_seq": self.last_seq,
            "seqs": list(self.seqs),
            "window_seconds": self.window_seconds,
            "tags": list(self.tags),
            **more,
        }

    def fields(self) -> dict[str, Any]:
        """The finding as the fields that `Store.append` takes."""
        own = {name: self.key[name] for name in _OWN_FIELDS if isinstance(self.key.get(name), str)}
        return {
            "time": stamp_text(self.time),
            "level": self.level,
            "category": CATEGORY,
            "action": ACTION,
            "message": self.message[:_LONGEST_MESSAGE],
            **own,
            **({"tags": list(self.tags)} if self.tags else {}),
            "metadata": self.metadata(),
        }


def is_finding(event: Mapping[str, Any]) -> bool:
    """Whether the event is a finding."""
    return event.get("action") == ACTION and event.get("category") == CATEGORY


def identity_of(event: Mapping[str, Any]) -> str:
    """The identity of the finding that the event is; '' if it is none of ours."""
    free = event.get("metadata")
    if not is_finding(event) or not isinstance(free, dict):
        return ""
    try:
        return _identity(free["rule"], free["key"], free["last_seq"])
    except (KeyError, TypeError, ValueError):
        return ""


def _identity(rule: str, key: Mapping[str, Any], last_seq: int) -> str:
    return dumps([rule, dict(key), last_seq]).decode()
