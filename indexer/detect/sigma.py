"""Sigma rules of the web and authentication kinds, read by pySigma: each becomes a rule of form `match`.

What cannot be said of our events (other log sources, correlations, some modifiers) is listed with the reason, never
dropped in silence. Texts are compared without regard to case, as Sigma says; patterns are RE2's, which are linear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeAlias

from stonelog.filestore import shorten

from ..fields import address_of, fits, json_text, kind_of, leaves_at, searched_texts
from ..match import EventFilter
from .conditions import Predicate
from .finding import Severity
from .loading import InvalidRule, Prepared
from .rules import MatchRule

__all__ = ["FIELDS_OF", "read_sigma"]

_LeafTest: TypeAlias = Callable[[Any], bool]

FIELDS_OF: Final[dict[str, str]] = {
    **dict.fromkeys(("c-uri", "cs-uri", "cs-uri-stem", "cs-uri-query", "c-uri-query", "uri", "url", "request"), "path"),
    **dict.fromkeys(("uri_path", "url.path", "c-uri-stem", "uri_query"), "path"),
    **dict.fromkeys(("cs-method", "c-method", "http_method", "method"), "method"),
    **dict.fromkeys(("sc-status", "status", "http_status", "status_code"), "status_code"),
    **dict.fromkeys(("cs-user-agent", "c-useragent", "user_agent", "useragent", "cs(user-agent)"), "user_agent"),
    **dict.fromkeys(("c-ip", "src_ip", "source_ip", "sourceip", "ipaddress", "client_ip", "ip"), "ip_address"),
    **dict.fromkeys(("cs-username", "user", "username", "targetusername", "subjectusername", "account"), "username"),
    **dict.fromkeys(("cs-host", "r-dns", "host", "hostname", "computername"), "host"),
    **dict.fromkeys(("program", "service", "processname"), "service"),
    **dict.fromkeys(("outcome", "result"), "outcome"),
    **dict.fromkeys(("action", "eventtype"), "action"),
    "message": "message",
    "session_id": "session_id",
    "country": "country",
}
"""Our field for a Sigma field in lower case; any other is looked for in metadata under its own name."""

_WEB: Final = frozenset({"webserver", "web", "proxy", "application", "waf"})
_AUTHENTICATION: Final = frozenset({"authentication", "auth", "sshd", "sudo", "su", "pam", "login", "signinlogs"})
_AUTH_ACTIONS: Final = frozenset({"authentication", "authorization"})
_SEVERITY: Final[dict[str, Severity]] = {
    "informational": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "critical": "critical",
}
_MODIFIERS: Final = frozenset(
    {
        *("SigmaContainsModifier", "SigmaStartswithModifier", "SigmaEndswithModifier", "SigmaAllModifier"),
        *("SigmaRegularExpressionModifier", "SigmaCIDRModifier", "SigmaExistsModifier", "SigmaCaseSensitiveModifier"),
        *("SigmaLessThanModifier", "SigmaLessThanEqualModifier", "SigmaGreaterThanModifier"),
        *("SigmaGreaterThanEqualModifier", "SigmaNotEqualModifier", "SigmaNegateModifier"),
        *("SigmaRegularExpressionIgnoreCaseFlagModifier", "SigmaRegularExpressionDotAllFlagModifier"),
        "SigmaRegularExpressionMultilineFlagModifier",
    }
)
_LONGEST_TEXT: Final = 65_536


class Sigma(NamedTuple):
    """The rules of a file that can be used, and what cannot, with the reasons."""

    rules: tuple[Prepared, ...]
    unsupported: tuple[str, ...]


class _Unsupported(Exception):
    """What of a rule cannot be said of our events."""


def read_sigma(text: str, origin: str) -> Sigma:
    """The rules of a YAML text with one or several. Raises InvalidRule if it is none, or pySigma is not there."""
    try:
        from sigma.collection import SigmaCollection
        from sigma.exceptions import SigmaError
    except ImportError:
        raise InvalidRule(f"{origin}: Sigma rules need pySigma; install stonelog[sigma]") from None
    try:
        collection = SigmaCollection.from_yaml(text, collect_errors=True)
    except (SigmaError, ValueError, TypeError, AttributeError) as error:
        raise InvalidRule(f"{origin}: is no Sigma rule: {shorten(str(error), 200)}") from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "yaml":
            raise
        raise InvalidRule(f"{origin}: cannot be read as YAML: {shorten(str(error), 200)}") from None
    rules, unsupported = [], []
    for number, each in enumerate(collection.rules, 1):
        name = shorten(getattr(each, "title", None) or f"rule {number}", 120)
        try:
            rules.append(_rule(each, origin))
        except _Unsupported as reason:
            unsupported.append(f"{origin}: {name}: {reason}")
        except SigmaError as error:
            unsupported.append(f"{origin}: {name}: {shorten(str(error), 200)}")
    unsupported += [f"{origin}: {shorten(str(error), 200)}" for error in collection.errors if not collection.rules]
    return Sigma(tuple(rules), tuple(unsupported))


def _rule(rule: Any, origin: str) -> Prepared:
    """The rule as ours. Raises _Unsupported."""
    if rule.errors:
        raise _Unsupported(shorten(str(rule.errors[0]), 200))
    if not hasattr(rule, "detection"):
        raise _Unsupported("correlations, near and aggregations are not supported; write a rule of form count")
    gate = _gate(rule.logsource)
    for detection in rule.detection.detections.values():
        for modifier in _modifiers(detection):
            if modifier not in _MODIFIERS:
                raise _Unsupported(f"modifier {modifier.removeprefix('Sigma').removesuffix('Modifier').lower()}")
    tests = [_test(condition.parsed) for condition in rule.detection.parsed_condition]

    def matches(event: dict[str, Any]) -> bool:
        return gate(event) and any(test(event) for test in tests)

    status, level = (each.name.lower() if each else "" for each in (rule.status, rule.level))
    ours = MatchRule.model_validate(
        {
            "form": "match",
            "id": f"sigma-{rule.id or _slug(rule.title)}",
            "title": (rule.title or "Sigma rule")[:200],
            "description": rule.description or "",
            "severity": _SEVERITY.get(level, "medium"),
            "enabled": status not in ("deprecated", "unsupported"),
            "tags": ["sigma", *(f"{tag.namespace}.{tag.name}" for tag in rule.tags)],
            "window": "10m",
        }
    )
    return Prepared(ours, (Predicate(matches),), origin)


def _slug(title: str) -> str:
    return "-".join("".join(char if char.isascii() and char.isalnum() else " " for char in title.lower()).split())[:80]


def _modifiers(detection: Any) -> Iterable[str]:
    for item in detection.detection_items:
        if hasattr(item, "detection_items"):
            yield from _modifiers(item)
        else:
            yield from (modifier.__name__ for modifier in item.modifiers)


def _gate(source: Any) -> EventFilter:
    """A test of whether an event is of the log source. Raises _Unsupported for what is neither web nor sign-in."""
    names = {str(name).lower() for name in (source.category, source.product, source.service) if name}
    if names & _WEB or source.product in ("apache", "nginx") or source.service in ("access", "iis"):
        return lambda event: event.get("path") is not None or event.get("user_agent") is not None
    if names & _AUTHENTICATION:
        return lambda event: event.get("category") in _AUTH_ACTIONS
    said = ", ".join(
        f"{key} {shorten(value)}" for key in ("category", "product", "service") if (value := getattr(source, key))
    )
    raise _Unsupported(f"log source {said or 'none'}: only the web and sign-in are supported")


def _test(node: Any) -> EventFilter:
    """What a node of the condition says of an event."""
    kind = type(node).__name__
    if kind in ("ConditionAND", "ConditionOR"):
        parts = [_test(part) for part in node.args]
        if kind == "ConditionAND":
            return lambda event: all(part(event) for part in parts)
        return lambda event: any(part(event) for part in parts)
    if kind == "ConditionNOT":
        part = _test(node.args[0])
        return lambda event: not part(event)
    if kind == "ConditionFieldEqualsValueExpression":
        return _field(node.field, node.value)
    if kind == "ConditionValueExpression":
        test = _leaf(node.value, part=True)
        return lambda event: any(test(text) for text in searched_texts(event))
    raise _Unsupported(f"condition {kind}")


def _field(name: str, value: Any) -> EventFilter:
    ours = FIELDS_OF.get(name.lower(), f"metadata.{name}")
    kind = type(value).__name__
    values = _values(ours)
    if kind == "SigmaExists":
        return lambda event: bool(values(event)) is bool(value)
    if kind == "SigmaNull":
        return lambda event: not values(event)
    test = _leaf(value)
    return lambda event: any(test(each) for each in values(event))


def _values(field: str) -> Callable[[dict[str, Any]], list[Any]]:
    if field.startswith("metadata."):
        path = field.removeprefix("metadata.")
        return lambda event: list(leaves_at(event.get("metadata"), path))
    kind = kind_of(field)

    def one(event: dict[str, Any]) -> list[Any]:
        value = event.get(field)
        return [value] if value is not None and fits(kind, value) else []

    return one


def _leaf(value: Any, *, part: bool = False) -> _LeafTest:
    """A test of one value of an event; with `part` a text that holds it is enough. Raises _Unsupported."""
    kind = type(value).__name__
    if kind in ("SigmaString", "SigmaCasedString"):
        return _like(value, cased=kind == "SigmaCasedString", part=part)
    if kind == "SigmaNumber":
        wanted = value.number
        return lambda leaf: leaf == wanted if type(leaf) in (int, float) else str(leaf) == str(wanted)
    if kind == "SigmaBool":
        return lambda leaf: leaf is bool(value.boolean) or json_text(leaf).lower() == str(value.boolean).lower()
    if kind == "SigmaRegularExpression":
        return _pattern(value)
    if kind == "SigmaCIDRExpression":
        network = value.network
        return lambda leaf: (address := address_of(json_text(leaf))) is not None and address in network
    if kind == "SigmaCompareExpression":
        return _compared(value)
    raise _Unsupported(f"value {kind.removeprefix('Sigma')}")


def _like(value: Any, *, cased: bool, part: bool) -> _LeafTest:
    """The text is the value's, with * and ? in it; RE2 looks, since ? stands for one character."""
    import re2

    pieces = []
    for piece in value.s:
        if isinstance(piece, str):
            pieces.append(re2.escape(piece))
        elif piece.name == "WILDCARD_MULTI":
            pieces.append(".*")
        elif piece.name == "WILDCARD_SINGLE":
            pieces.append(".")
        else:
            raise _Unsupported("placeholders")
    plain = value.s[0] if len(value.s) == 1 and isinstance(value.s[0], str) else None
    if not value.s or (plain is not None and not part):
        wanted = plain or ""
        return (lambda leaf: json_text(leaf) == wanted) if cased else _same(wanted)
    if not part:
        pieces = ["^", *pieces, "$"]
    found = re2.compile(f"(?s{'' if cased else 'i'}){''.join(pieces)}")
    return lambda leaf: found.search(json_text(leaf)[:_LONGEST_TEXT]) is not None


def _same(wanted: str) -> _LeafTest:
    folded = wanted.casefold()
    return lambda leaf: json_text(leaf).casefold() == folded


def _pattern(value: Any) -> _LeafTest:
    import re2

    letters = {"IGNORECASE": "i", "MULTILINE": "m", "DOTALL": "s"}
    flags = "".join(sorted(letters[flag.name] for flag in value.flags))
    text = str(value.regexp)
    try:
        found = re2.compile(f"(?{flags}){text}" if flags else text)
    except re2.error as error:
        raise _Unsupported(f"pattern {shorten(text)}: {shorten(str(error))}") from None
    return lambda leaf: found.search(json_text(leaf)[:_LONGEST_TEXT]) is not None


def _compared(value: Any) -> _LeafTest:
    bound, sign = value.number.number, value.op.name
    compare: dict[str, Callable[[Any], bool]] = {
        "LT": lambda leaf: bool(leaf < bound),
        "LTE": lambda leaf: bool(leaf <= bound),
        "GT": lambda leaf: bool(leaf > bound),
        "GTE": lambda leaf: bool(leaf >= bound),
        "NEQ": lambda leaf: bool(leaf != bound),
    }
    test = compare[sign]
    return lambda leaf: type(leaf) in (int, float) and test(leaf)
