"""Rules from TOML: the shipped ones, those of the settings, and those in DIR/rules.

    [[rule]]
    id = "many-deletions"
    title = "Many deletions by one user"
    form = "count"
    query = "action:delete"
    by = ["username"]
    window = "5m"
    at_least = 50

An error names the file, the rule and the key.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from pydantic import ValidationError

from stonelog.filestore import InvalidSetting, shorten

from ..query import parse
from ..tree import Node
from .conditions import EVERYTHING, Predicate
from .rules import FORMS, Rule, SequenceRule
from .settings import DetectSettings

__all__ = ["InvalidRule", "LoadedRules", "Prepared", "load_rules", "prepared", "read_rules", "shipped_rules"]

_SHIPPED: Final = "defaults.toml"
_SIGMA: Final = (".yml", ".yaml")
_MOST_BYTES: Final = 4 << 20


class InvalidRule(InvalidSetting):
    """A rule is not one that can be used: the message names the file, the rule's id and the key."""


class Prepared(NamedTuple):
    """A rule and, one for each step, what the events are that it looks at."""

    rule: Rule
    nodes: tuple[Node | Predicate, ...]
    origin: str = ""


class LoadedRules(NamedTuple):
    """Rules, each id once, and what Sigma rules could not be used and why."""

    rules: tuple[Prepared, ...]
    unsupported: tuple[str, ...] = ()

    def enabled(self, only: Sequence[str] = ()) -> tuple[Prepared, ...]:
        """The rules that are to be used: those named in `only`, also if they are off, or else all that are on.

        Raises InvalidRule if one of `only` is not there.
        """
        if not only:
            return tuple(each for each in self.rules if each.rule.enabled)
        known = {each.rule.id: each for each in self.rules}
        for name in only:
            if name not in known:
                raise InvalidRule(f"there is no rule {shorten(name)}{_meant(name, known)}")
        return tuple(known[name] for name in dict.fromkeys(only))


def load_rules(directory: Path, settings: DetectSettings, more: Iterable[Path] = ()) -> LoadedRules:
    """The shipped rules, unless the settings say none, those of its files, of DIR/rules/*.toml and of `more`.

    A rule of a later file takes the place of one with its id. Raises InvalidRule.
    """
    found: dict[str, Prepared] = {}
    unsupported: list[str] = []
    if settings.defaults:
        found |= {each.rule.id: each for each in shipped_rules()}
    named = [directory / name for name in settings.rules_files]
    own = sorted(each for kind in ("*.toml", "*.yml", "*.yaml") for each in (directory / "rules").glob(kind))
    for path in (*named, *own, *more):
        loaded = _load(path)
        found |= {each.rule.id: each for each in loaded.rules}
        unsupported += loaded.unsupported
    for name in settings.disabled:
        if name not in found:
            raise InvalidRule(f"[detect] disabled: there is no rule {shorten(name)}{_meant(name, found)}")
    rules = [each for each in found.values() if each.rule.id not in settings.disabled]
    off = [
        each._replace(rule=each.rule.model_copy(update={"enabled": False}))
        for each in found.values()
        if each.rule.id in settings.disabled
    ]
    return LoadedRules((*rules, *off), tuple(unsupported))


def shipped_rules() -> tuple[Prepared, ...]:
    """The rules that come with stonelog."""
    text = files(__package__).joinpath(_SHIPPED).read_text(encoding="utf-8")
    return read_rules(text, _SHIPPED)


def _load(path: Path) -> LoadedRules:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InvalidRule(f"{path}: has more than {_MOST_BYTES:,} bytes")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidRule(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InvalidRule(f"{path}: is no UTF-8 text: {error}") from None
    if path.suffix in _SIGMA:
        from .sigma import read_sigma  # needs pySigma

        rules, unsupported = read_sigma(text, str(path))
        return LoadedRules(rules, unsupported)
    return LoadedRules(read_rules(text, str(path)))


def read_rules(text: str, origin: str) -> tuple[Prepared, ...]:
    """The rules of a TOML text; `origin` names it in errors. Raises InvalidRule."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRule(f"{origin}: cannot be read as TOML: {error}") from None
    for name in tables:
        if name != "rule":
            raise InvalidRule(f"{origin}: {shorten(name)}: only tables [[rule]] may stand here")
    given = tables.get("rule", [])
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise InvalidRule(f"{origin}: rule: expected tables [[rule]], found {shorten(given)}")
    rules: dict[str, Prepared] = {}
    for place, table in enumerate(given, 1):
        rule = _rule(table, origin, place)
        if rule.id in rules:
            raise InvalidRule(f"{origin}: rule {rule.id}: id: it stands there twice")
        rules[rule.id] = prepared(rule, origin)
    return tuple(rules.values())


def prepared(rule: Rule, origin: str = "") -> Prepared:
    """The rule with its queries read."""
    common = parse(rule.query)
    if not isinstance(rule, SequenceRule):
        return Prepared(rule, (common,), origin)
    from ..tree import all_of

    nodes = (parse(step.query) for step in rule.steps)
    return Prepared(rule, tuple(node if common == EVERYTHING else all_of((common, node)) for node in nodes), origin)


def _rule(table: dict[str, Any], origin: str, place: int) -> Rule:
    name = table.get("id")
    where = f"{origin}: rule {shorten(name)}" if isinstance(name, str) and name else f"{origin}: rule {place}"
    form = table.get("form")
    if not isinstance(form, str) or form not in FORMS:
        found = "there is none" if form is None else f"{shorten(form)} is none"
        raise InvalidRule(f"{where}: form: {found}; known are {', '.join(FORMS)}{_meant(str(form), FORMS)}")
    try:
        return cast(Rule, FORMS[form].model_validate(table))
    except ValidationError as error:
        raise InvalidRule(f"{where}: {_told(error, form)}") from None


def _told(error: ValidationError, form: str) -> str:
    """The first thing that is wrong: its key, what was found, and what may stand there.

    A key that is unknown goes before one that is missing, of which it may be a misspelling.
    """
    first = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        last = str(first["loc"][-1])
        known = ("query", "at_least") if len(first["loc"]) > 1 else tuple(FORMS[form].model_fields)
        return f"{key}: form {form} has no such key; known are {', '.join(known)}{_meant(last, known)}"
    if first["type"] == "missing":
        return f"{key}: form {form} needs it"
    message = str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"]
    return f"{key} = {shorten(first.get('input'))}: {message}"


def _meant(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower(), list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""
