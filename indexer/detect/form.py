"""What all forms of rules share: the key, when a key is reported again, and how what is kept is saved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, TypeAlias, TypeVar

from .conditions import Key, key_of
from .finding import MOST_SEQS, Finding, is_finding
from .rules import Common, MatchRule
from .state import Keyed

__all__ = ["NONE", "Bounds", "Fields", "Form", "Match"]

Fields: TypeAlias = Mapping[str, Any]
NONE: Final[tuple[Finding, ...]] = ()
_MOST_ENTRIES: Final = 200_000
"""So many events or values are kept for a rule, over all its keys."""

AnyRule = TypeVar("AnyRule", bound=Common)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many keys a rule keeps in mind, and how late an event may come (microseconds)."""

    keys: int = 10_000
    late: int = 300_000_000

    def keys_of(self, entries: int) -> int:
        """How many keys are kept of a rule that keeps so many entries of each."""
        return max(1, min(self.keys, _MOST_ENTRIES // max(entries, 1)))


class _Told:
    """When a key was reported, when it last would have been, and what came since that nobody was told."""

    __slots__ = ("count", "last", "seqs", "time")

    def __init__(self, time: int, last: int, count: int = 0, seqs: Sequence[int] = ()) -> None:
        self.time = time
        self.last = last
        self.count = count
        self.seqs = deque(seqs, MOST_SEQS)

    def packed(self) -> list[object]:
        return [self.time, self.last, self.count, list(self.seqs)]


class Form(ABC, Generic[AnyRule]):
    """One rule at work: it is shown the events that meet its conditions, in the order of `seq`."""

    needs_time: ClassVar[bool] = True

    def __init__(self, rule: AnyRule, bounds: Bounds) -> None:
        self.rule = rule
        self.bounds = bounds
        self.needed: frozenset[str] = frozenset(rule.by)
        """Events without one of these fields are passed over."""
        self._key_of = key_of(rule.by)
        self._told: Keyed[_Told] = Keyed(bounds.keys)

    @abstractmethod
    def see(self, event: Fields, seq: int, time: int, step: int) -> Sequence[Finding]:
        """The findings that the event, of `time` (microseconds), brings about; it meets the rule's condition `step`."""

    def saved(self) -> dict[str, Any]:
        """What is kept, for JSON."""
        return {"told": self._told.saved(_Told.packed)}

    def restore(self, saved: dict[str, Any]) -> None:
        """What is kept is what `saved` gave. Raises ValueError, TypeError, KeyError or IndexError for anything else."""
        self._told.restore(saved["told"], lambda packed: _Told(*packed))

    def _tell(
        self,
        event: Fields,
        key: Key,
        time: int,
        seqs: Sequence[int],
        count: int,
        *,
        names: Mapping[str, Any] | None = None,
        details: Callable[[], Mapping[str, Any]] = dict,
    ) -> Sequence[Finding]:
        """A finding about the key, whose last event this is, unless it was told within the window: then it is counted.

        `names` is the key by name, if it is not that of `by`; `details` is asked for when it is told.
        """
        if self._is_quiet(key, time, seqs[-1]):
            return NONE
        return self._report(event, key, time, seqs, count, names=names, details=details)

    def _is_quiet(self, key: Key, time: int, seq: int) -> bool:
        """Whether the key was told within the window; if so this event is counted with it."""
        told = self._told.get(key)
        # An event from long before the last report belongs to another course of time, as in a file read later.
        if told is None or not told.time - self.bounds.late - self.rule.window < time < told.time + self.rule.window:
            return False
        told.count += 1
        told.seqs.append(seq)
        told.last = max(told.last, time)
        return True

    def _report(
        self,
        event: Fields,
        key: Key,
        time: int,
        seqs: Sequence[int],
        count: int,
        *,
        names: Mapping[str, Any] | None = None,
        details: Callable[[], Mapping[str, Any]] = dict,
    ) -> Sequence[Finding]:
        """The finding, with what was counted since the one before if it has gone on until now."""
        told = self._told.get(key)
        if told is not None and told.count and told.time <= time and told.last >= time - self.rule.window:
            count, seqs = told.count + 1, [*told.seqs, seqs[-1]]
        self._told.put(key, _Told(time, time))
        return (self._finding(event, key, time, seqs, count, names, details()),)

    def _finding(
        self,
        event: Fields,
        key: Key,
        time: int,
        seqs: Sequence[int],
        count: int,
        names: Mapping[str, Any] | None,
        details: Mapping[str, Any],
    ) -> Finding:
        rule = self.rule
        return Finding(
            rule=rule.id,
            title=rule.title,
            severity=rule.severity,
            key=dict(zip(rule.by, key, strict=True)) if names is None else names,
            count=count,
            first_seq=min(seqs),
            last_seq=seqs[-1],
            seqs=tuple(seqs[-MOST_SEQS:]),
            window_seconds=rule.window / 1_000_000,
            time=time,
            tags=rule.tags,
            details=details,
            of_findings=is_finding(event),
        )


class Match(Form[MatchRule]):
    """Each event is one to report."""

    def see(self, event: Fields, seq: int, time: int, step: int) -> Sequence[Finding]:
        key = self._key_of(event)
        return NONE if key is None else self._tell(event, key, time, (seq,), 1)
