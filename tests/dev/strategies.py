"""Events and queries for property tests, drawn from small pools so that they often meet."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from hypothesis import strategies as st

from fakeblock import leaves_of
from stonelog.filestore import ACTIONS, CATEGORIES, FIELDS, LEVELS, format_time
from stonelog.indexer.fields import CANONICAL_CASE, json_text, kind_of, number_of
from stonelog.indexer.span import stamp_text
from stonelog.indexer.tree import (
    And,
    Cidr,
    Equals,
    Everything,
    Exists,
    Node,
    Not,
    Or,
    Range,
    Wildcard,
    Words,
    all_of,
    any_of,
    negated,
)

WORDS = [
    *("login", "Login", "FAILED", "logins", "a", "b", "foo_bar", "a-b", "10.0.0.1", "5", "5.0", "-5", "1e3", "true"),
    *("café", "cafe\u0301", "CAFE", "İstanbul", "ISTANBUL", "hakkı", "HAKKI", "Straße", "STRASSE", "ﬁne", "fine"),
    *(
        "自由",
        "由",
        "東京都自由",
        "権利",
        "自由な",
        "か\u3099",
        "が",
        "か",
        "ｶﾞ",
        "자유",
        "자",
        "자유를",
        "สิทธิ",
        "สิทธิมนุษยชน",
    ),
    *("ខ្មែរ", "ລາວ", "မြန်မာ", "свободу", "СВОБОДУ", "δικαίωμα", "ΔΙΚΑΙΩΜΑ", "حقوق", "حَقّ", "אדם", "אָדָם"),
    *(
        "स्वतन्त्रता",
        "स",
        "वतन",
        "मानव",
        "नव",
        "™",
        "Acme™",
        "x²",
        "❤️",
        "👨‍👩‍👧",
        "1️⃣",
        "ᾳ",
        "α\u0345",
        "::",
        "--",
        "*",
        '"',
        "'",
    ),
    *(
        "AND",
        "OR",
        "NOT",
        "TO",
        "\\",
        "a\x00b",
        "\x7f",
        "\ue000",
        "\ue041",
        "\ue080A",
        "\ue081",
        "=",
        "<5",
        "~x",
        "w" * 130,
    ),
]
"""Words of many scripts, with what grep, JSON, SQL or the query language treat in a way of their own."""
SEPARATORS = [" ", "  ", "-", "_", ", ", "/", "\n", "\t", "\0", "", "\u200d", "。", "\u3000", '"', "="]

safe_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
word = st.sampled_from(WORDS)
text = st.one_of(
    word,
    st.lists(st.tuples(word, st.sampled_from(SEPARATORS)), max_size=5).map(lambda ws: "".join(w + s for w, s in ws)),
    safe_text,
    st.sampled_from(["w" * 119, "w" * 120, "w" * 121, "w" * 121 + "x", "W " * 70, "", " "]),
)
numbers = st.one_of(
    st.sampled_from(
        [0, -0.0, 1, -1, 5, 5.0, 404, 2**53 - 1, 2**53, 2**53 + 1, float(2**53), 2**63, -(2**63), 0.1, 99.9]
    ),
    st.sampled_from([1e300, -1e300, 5e-324, 1e16, 1e-5, 1e22, 1.5]),
    st.integers(-20, 20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**63), 2**64 - 1),
)
addresses = st.one_of(
    st.sampled_from(
        ["10.0.0.1", "10.0.0.2", "10.255.0.1", "192.168.1.9", "::1", "fe80::1", "fe80::1%eth0", "2001:db8::5"]
    ),
    st.ip_addresses().map(str),
)
keys = st.one_of(
    st.sampled_from(["a", "b", "a.b", "b.c", "", ".", "A", "a b", "a=", "<a", "k" * 210, "k" * 211, "é"]), safe_text
)
leaf = st.one_of(st.none(), st.booleans(), numbers, text)
metadata = st.dictionaries(
    keys,
    st.recursive(
        leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=6
    ),
    max_size=4,
)
_BASE = datetime(2026, 11, 23, tzinfo=UTC)
times = st.one_of(
    st.sampled_from([0, 1, 60_000_000, 86_400_000_000, 86_399_999_999]), st.integers(0, 3 * 86_400_000_000)
).map(lambda microseconds: format_time(_BASE + timedelta(microseconds=microseconds)))

_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "time": times,
    "level": st.sampled_from(LEVELS),
    "category": st.sampled_from(CATEGORIES),
    "action": st.sampled_from(ACTIONS),
    "outcome": st.sampled_from(["success", "failure", "unknown"]),
    "ip_address": addresses,
    "country": st.sampled_from(["DE", "US"]),
    "asn": st.integers(0, 2**32 - 1),
    "status_code": st.integers(100, 599) | st.sampled_from([200, 404, 500]),
    "response_time_ms": st.floats(0, 1e6) | st.sampled_from([0.0, 5.0, 99.9, 100.0, 250.5]),
    "risk_score": st.integers(0, 100),
    "risk_reasons": st.lists(text, max_size=3),
    "tags": st.lists(text, max_size=3),
    "redacted": st.lists(text, max_size=2),
    "trace_id": st.sampled_from(["0" * 32, "deadbeef" * 4]),
    "span_id": st.sampled_from(["0" * 16, "deadbeef" * 2]),
    "metadata": metadata,
}
_REQUIRED = ("time", "level", "category", "action")
_GIVEN = ("seq", "id", "synced", "hash")
_OPTIONAL = [field for field in FIELDS if field not in _REQUIRED + _GIVEN]


@st.composite
def stored_fields(draw: st.DrawFn, *, seq: int | None = None) -> dict[str, Any]:
    """The fields of a line as the store writes it, in their order."""
    chosen = draw(st.sets(st.sampled_from(_OPTIONAL), max_size=9))
    given = {field: draw(_VALUES.get(field, text)) for field in FIELDS if field in chosen or field in _REQUIRED}
    number = seq or draw(st.integers(1, 1000))
    fields = {"seq": number, "id": f"01940000-0000-7000-8000-{number:012x}", **given}
    return fields | {"synced": number - 1, "hash": f"{number:016x}"}


_fields = st.sampled_from([field for field in FIELDS if field != "metadata"])
_paths = st.lists(keys, min_size=1, max_size=3).map(lambda parts: "metadata." + ".".join(parts))


def _cased(field: str, value: str) -> str:
    case = CANONICAL_CASE.get(field)
    return value.lower() if case == "lower" else value.upper() if case == "upper" else value


def _value(field: str) -> st.SearchStrategy[Any]:
    kind = kind_of(field)
    if kind in ("int", "float"):
        return st.one_of(_VALUES.get(field, st.integers(0, 1000)), numbers)
    if kind == "level":
        return st.integers(0, len(LEVELS) - 1)
    if kind == "address":
        return addresses.map(ip_address)
    if kind == "time":
        return times.map(lambda written: _microseconds(written))
    known = _VALUES.get(field)
    given = known if known is not None and kind == "string" else text
    return given.map(lambda value: _cased(field, value))


def _microseconds(written: str) -> int:
    return (datetime.fromisoformat(written) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@st.composite
def _equals(draw: st.DrawFn) -> Node:
    field = draw(_fields | _paths)
    if kind_of(field) == "text":
        value = draw(text)
        return Words(value, field, prefix=bool(value) and draw(st.booleans()))
    if kind_of(field) == "metadata":
        return Equals(field, draw(text | leaf.filter(lambda value: value is not None).map(json_text)))
    return Equals(field, draw(_value(field)))


@st.composite
def _wildcard(draw: st.DrawFn) -> Node:
    field = draw((_fields | _paths).filter(lambda name: kind_of(name) != "time"))
    pieces = text | st.sampled_from(["4", "5", "w", "log", "1"])
    first, last = _cased(field, draw(pieces)), _cased(field, draw(st.just("") | pieces))
    middle = draw(st.lists(pieces.map(lambda part: _cased(field, part)).filter(bool), max_size=2))
    if not (first or middle or last):
        return Exists(field)
    if kind_of(field) == "text" and not middle and not last:
        return Words(first, field, prefix=True)
    return Wildcard(field, (first, *middle, last))


def _ranges(field: str) -> bool:
    return kind_of(field) not in ("text", "list")


@st.composite
def _range(draw: st.DrawFn) -> Node:
    field = draw((_fields | _paths).filter(_ranges))
    if kind_of(field) == "metadata":
        values = draw(st.sampled_from([numbers, text.filter(lambda value: number_of(value) is None)]))
    else:
        values = _value(field)
    low, high = draw(st.none() | values), draw(st.none() | values)
    if kind_of(field) == "address" and low is not None and high is not None and low.version != high.version:
        high = None
    if low is None and high is None:
        return Exists(field)
    return Range(field, low, high, low is not None and draw(st.booleans()), high is not None and draw(st.booleans()))


_networks = st.one_of(
    st.sampled_from(["10.0.0.0/8", "10.0.0.0/31", "0.0.0.0/0", "fe80::/10", "192.168.1.9/32", "::/0", "2001:db8::/33"]),
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
).map(lambda written: ip_network(written, strict=False))

leaves = st.one_of(
    st.just(Everything()),
    st.builds(Words, text.filter(bool), st.none(), st.booleans()),
    _equals(),
    (_fields | _paths | st.just("metadata")).map(Exists),
    _wildcard(),
    _range(),
    st.builds(Cidr, st.just("ip_address"), _networks),
)
trees: st.SearchStrategy[Node] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(all_of),
        st.lists(inner, min_size=2, max_size=3).map(any_of),
        inner.map(negated),
    ),
    max_leaves=8,
)
"""Filter trees as the parser makes them."""


@st.composite
def leaves_about(draw: st.DrawFn, event: dict[str, Any]) -> Node:
    """A condition drawn from what the event holds, so that it is often met, or missed by little."""
    field = draw(st.sampled_from([name for name in event if name != "metadata" and event[name] != []]))
    value = event[field]
    if draw(st.booleans()) and (named := list(leaves_of("metadata", event.get("metadata")))):
        field, value = draw(st.sampled_from(named))
    kind = kind_of(field)
    if isinstance(value, list):
        value = draw(st.sampled_from(value))
    written = json_text(value)
    way = draw(st.sampled_from(["words", "equals", "range", "wildcard", "cidr"]))
    if kind == "text" or way == "words":
        start = draw(st.integers(0, len(written)))
        part = written[start : draw(st.integers(start, len(written)))]
        return Words(part or "x", field if kind == "text" else None, draw(st.booleans()))
    if way == "wildcard" and kind != "time":
        start = draw(st.integers(0, len(written)))
        return Wildcard(field, (written[:start], "")) if start else Exists(field)
    if way == "cidr" and kind == "address":
        return Cidr(field, ip_network(f"{written.partition('%')[0]}/{draw(st.integers(0, 32))}", strict=False))
    if kind == "list" or (way == "equals" and kind == "metadata"):
        return Equals(field, written)
    known = {"level": LEVELS.index, "address": ip_address, "time": _microseconds}.get(kind or "", lambda given: given)
    value = known(value) if kind in ("level", "address", "time") or not isinstance(value, bool) else written
    if way == "equals":
        return Equals(field, value)
    if isinstance(value, str) and kind == "metadata" and number_of(value) is not None:
        return Equals(field, value)
    is_open = draw(st.booleans())
    return draw(st.sampled_from([Range(field, value, None, is_open), Range(field, None, value, False, is_open)]))


def render(node: Node) -> str:
    """A text that the parser reads as the tree."""
    match node:
        case Everything():
            return "*"
        case And(nodes):
            return " ".join(_grouped(part) for part in nodes)
        case Or(nodes):
            return " OR ".join(_grouped(part) for part in nodes)
        case Not(part):
            return f"NOT {_grouped(part)}"
        case Words(value, field, prefix):
            return ("" if field is None else f"{_name(field)}:") + _text(value, star=prefix)
        case Equals(field, value):
            return f"{_name(field)}:{_bound(field, value)}"
        case Exists(field):
            return f"{_name(field)}:*"
        case Wildcard(field, parts):
            return f"{_name(field)}:{'*'.join(_escaped(part) for part in parts)}"
        case Cidr(field, network):
            return f"{_name(field)}:{_escaped(str(network))}"
        case Range(field, low, None, low_open, _):
            return f"{_name(field)}:{'>' if low_open else '>='}{_bound(field, low)}"
        case Range(field, None, high, _, high_open):
            return f"{_name(field)}:{'<' if high_open else '<='}{_bound(field, high)}"
        case Range(field, low, high, low_open, high_open):
            bounds = f"{_bound(field, low)} TO {_bound(field, high)}"
            return f"{_name(field)}:{'{' if low_open else '['}{bounds}{'}' if high_open else ']'}"


def _grouped(node: Node) -> str:
    return f"({render(node)})" if isinstance(node, And | Or) else render(node)


def _name(field: str) -> str:
    return _escaped(field).replace("\\.", ".").replace("\\_", "_")


def _escaped(value: str) -> str:
    escaped = re.sub(r"[^\w]|_", lambda found: f"\\{found[0]}", value)
    return f"\\{escaped}" if escaped in ("AND", "OR", "NOT", "TO") else escaped


def _text(value: str, *, star: bool = False) -> str:
    if not value and not star:
        return '""'
    return _escaped(value) + ("*" if star else "")


def _bound(field: str, value: Any) -> str:
    kind = kind_of(field)
    if kind == "level":
        return LEVELS[value]
    if kind == "time":
        return _escaped(stamp_text(value))
    return _text(str(value) if not isinstance(value, float) else repr(value))
