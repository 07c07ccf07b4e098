"""The engine: it is shown the events of a store in the order of `seq`, as they come or as they are there, and finds.

Time is that of the events, never the clock's. For each category, action and so on that comes it is worked out once
which rules can be concerned at all, and what is left to test of an event (`conditions.simplified`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias

from ..match import EventFilter
from ..span import microseconds
from .conditions import KNOWN, NOTHING, compiled, fields_in, simplified, without
from .counting import Count, Distinct
from .finding import Finding, is_finding
from .form import Bounds, Form, Match
from .gap import Gap
from .loading import Prepared
from .novelty import FirstSeen, Rare
from .requests import Web
from .rules import (
    CountRule,
    FirstSeenRule,
    GapRule,
    MatchRule,
    RareRule,
    SequenceRule,
    TravelRule,
    VolumeRule,
    WebRule,
)
from .sequence import Sequence as Steps
from .state import State
from .travel import Travel
from .volume import Volume

__all__ = ["Engine"]

_MOST_PLANS: Final = 4_096
"""Categories, actions and so on of which it is kept what concerns them; who sends others costs only time."""

_ALWAYS: Final = ("category", "action")
"""By these a finding is known."""

_TIME_LENGTH: Final = len("2026-01-01T00:00:00.000000Z")
_MINUTE_LENGTH: Final = len("2026-01-01T00:00:")

AnyForm: TypeAlias = Form[Any]


class _Part(NamedTuple):
    """What may concern an event: a form's `see`, which of its conditions, what is left to test (None: nothing)."""

    see: Callable[[Mapping[str, Any], int, int, int], Sequence[Finding]]
    step: int
    test: EventFilter | None


class Engine:
    """Rules at work. `state` is what an engine kept before: each rule that is the same goes on where it was.

    Not for two threads at once.
    """

    def __init__(
        self, rules: Iterable[Prepared], state: State | None = None, *, keys: int = 10_000, late: int = 300_000_000
    ) -> None:
        bounds = Bounds(keys, late)
        self._prepared = tuple(rules)
        self._forms = [_form(each, bounds) for each in self._prepared]
        used = {field for each in self._prepared for node in each.nodes for field in fields_in(node)}
        self._known = tuple(field for field in KNOWN if field in used or field in _ALWAYS)
        self._plans: dict[tuple[Any, ...], tuple[_Part, ...]] = {}
        self._gaps = [form for form in self._forms if isinstance(form, Gap) and form.of_the_store]
        self._seq = 0
        self._minute, self._minute_start = "", 0
        if state is not None:
            self._restore(state)

    @property
    def seq(self) -> int:
        """Up to which `seq` events were seen."""
        return self._seq

    def passed(self, seq: int) -> None:
        """The events up to this `seq` need not be seen: they were, or they are gone and that is accounted for."""
        self._seq = seq

    def see(self, fields: Mapping[str, Any], seq: int) -> Sequence[Finding]:
        """The findings that the event brings about. What has no category, or no time, is passed over."""
        before, self._seq = self._seq, seq
        known = tuple([fields.get(field) for field in self._known])
        try:
            plan = self._plans.get(known)
        except TypeError:  # by another hand: a list where a text should be
            return ()
        if plan is None:
            plan = self._plan(known)
        found: list[Finding] | None = None
        if seq > before + 1 and self._gaps:
            found = self._missing(fields, seq, before + 1)
        time: int | None = None
        event: Any = fields
        for see, step, test in plan:
            if test is None or test(event):
                if time is None:
                    time = self._time_of(fields)
                    if time is None:
                        break
                if told := see(fields, seq, time, step):
                    found = [*(found or ()), *told]
        if not found:
            return ()
        return _of_findings(fields, found) if is_finding(fields) else found

    def _missing(self, fields: Mapping[str, Any], seq: int, first: int) -> list[Finding]:
        time = self._time_of(fields)
        if time is None:
            return []
        return [found for gap in self._gaps for found in gap.missing(fields, seq, time, first)]

    def _time_of(self, fields: Mapping[str, Any]) -> int | None:
        """The event's time in microseconds since the epoch; None if it has none that can be read."""
        try:
            text = fields["time"]
            if text[:_MINUTE_LENGTH] == self._minute and len(text) == _TIME_LENGTH:
                return self._minute_start + int(text[_MINUTE_LENGTH : _MINUTE_LENGTH + 2] + text[-7:-1])
            time = microseconds(text)
        except (KeyError, TypeError, ValueError):
            return None
        if len(text) == _TIME_LENGTH:
            self._minute, self._minute_start = text[:_MINUTE_LENGTH], time - time % 60_000_000
        return time

    def _plan(self, known: tuple[Any, ...]) -> tuple[_Part, ...]:
        """What may concern events that have these of the known fields."""
        present: dict[str, Any] = {
            field: value for field, value in zip(self._known, known, strict=True) if value is not None
        }
        finding = is_finding(present)
        parts = []
        for form, prepared in zip(self._forms, self._prepared, strict=True):
            if form in self._gaps or (finding and not form.rule.findings):
                continue
            # Of a sequence the last step first: an event is not two of them.
            for step, node in reversed(list(enumerate(prepared.nodes))):
                left = simplified(node, present)
                if left != NOTHING:
                    parts.append(_Part(form.see, step, compiled(without(left, form.needed))))
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        self._plans[known] = plan = tuple(parts)
        return plan

    def state(self) -> State:
        """What is kept, to go on from later."""
        rules = {
            each.rule.id: {"rule": _digest(each), **form.saved()}
            for each, form in zip(self._prepared, self._forms, strict=True)
        }
        return State(self._seq, rules)

    def _restore(self, state: State) -> None:
        self._seq = state.seq
        for place, each in enumerate(self._prepared):
            saved = state.rules.get(each.rule.id)
            if saved is None or saved.get("rule") != _digest(each):
                continue
            try:
                self._forms[place].restore(saved)
            except (KeyError, ValueError, TypeError, IndexError):
                self._forms[place] = _form(each, self._forms[place].bounds)
        self._gaps = [form for form in self._forms if isinstance(form, Gap) and form.of_the_store]


def _of_findings(fields: Mapping[str, Any], found: list[Finding]) -> Sequence[Finding]:
    """What rules that look at findings found: not of their own, nor of what came of findings, so that it ends."""
    free = fields.get("metadata")
    if not isinstance(free, dict) or free.get("of_findings"):
        return ()
    return [each for each in found if each.rule != free.get("rule")]


def _digest(prepared: Prepared) -> str:
    """Changes with what the rule keeps in mind."""
    text = prepared.rule.model_dump_json(exclude={"title", "description", "severity", "tags", "enabled"})
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _form(prepared: Prepared, bounds: Bounds) -> AnyForm:
    match prepared.rule:
        case MatchRule() as rule:
            return Match(rule, bounds)
        case CountRule() as rule:
            return Count(rule, bounds) if rule.distinct is None else Distinct(rule, bounds)
        case SequenceRule() as rule:
            return Steps(rule, bounds)
        case FirstSeenRule() as rule:
            return FirstSeen(rule, bounds)
        case RareRule() as rule:
            return Rare(rule, bounds)
        case TravelRule() as rule:
            return Travel(rule, bounds)
        case VolumeRule() as rule:
            return Volume(rule, bounds)
        case GapRule() as rule:
            return Gap(rule, bounds)
        case WebRule() as rule:
            return Web(rule, bounds)
