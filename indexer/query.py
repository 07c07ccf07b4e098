"""The query language: text to a filter tree. The language is described in indexer/README.md.

The grammar says what stands where; what a value means is decided per field in `values`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .errors import QueryError
from .fields import kind_of, nearest_field
from .tree import Everything, Exists, Node, Words, all_of, any_of, negated
from .values import compared, matched, ranged

__all__ = ["MAX_DEPTH", "MAX_LEAVES", "MAX_LENGTH", "parse"]

MAX_LENGTH: Final = 8_192
"""The longest query in characters."""
MAX_DEPTH: Final = 64
"""How deep parentheses and negations may nest."""
MAX_LEAVES: Final = 1_000
"""How many conditions one query may hold."""

# either: both ("OR" both)*     both: one ("AND"? one)*
# one:  "(" either ")" | ("NOT" | "-") one | phrase | word | field phrase | field value | field sign bound
#       | field ("[" | "{") bound "TO" bound ("]" | "}")
# What can stand in a place is tried in this order: `>` begins a comparison after a field, and is text elsewhere.
_TERMINALS: Final = {
    "AND": r"AND(?=[\s()]|$)",
    "OR": r"OR(?=[\s()]|$)",
    "NOT": r"NOT(?=[\s()]|$)|-(?=[^\s)])",
    "FIELD": r'[A-Za-z_](?:\\(?s:.)|[^\s:"()\\])*:',
    "SIGN": r">=|<=|>|<",
    "OPEN": r"[\[{]",
    "CLOSE": r"[\]}]",
    "TO": r"TO(?=\s)",
    "PHRASE": r'"(?:\\(?s:.)|[^"\\])*"',
    "WORD": r'(?!(?:AND|OR|NOT)(?:[\s()]|$))(?:\\(?s:.)|[^\s()"\\])+',
    "VALUE": r'(?:\\(?s:.)|[^\s()"\\\[{<>])(?:\\(?s:.)|[^\s()"\\])*',
    "BOUND": r'(?:\\(?s:.)|[^\s()"\\\[\]{}])+',
    "(": r"\(",
    ")": r"\)",
    "END": r"\Z",
}


def _place(*kinds: str) -> re.Pattern[str]:
    """What can stand in one place, after spaces."""
    found = "|".join(f"(?P<{_GROUPS.get(kind, kind)}>{_TERMINALS[kind]})" for kind in _TERMINALS if kind in kinds)
    return re.compile(rf"\s*(?:{found})")


_GROUPS: Final = {"(": "BEGIN", ")": "STOP"}
_OPERAND: Final = _place("NOT", "FIELD", "PHRASE", "WORD", "(")
_AFTER: Final = _place("AND", "OR", "NOT", "FIELD", "PHRASE", "WORD", "(", ")", "END")
_CONDITION: Final = _place("SIGN", "OPEN", "PHRASE", "VALUE")
_BOUND: Final = _place("PHRASE", "BOUND")
_TO: Final = _place("TO")
_CLOSE: Final = _place("CLOSE")

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_STARS = re.compile(r"\\(.)|(\*)|([^\\*]+)", re.DOTALL)


class _Token(NamedTuple):
    """A piece of the query: what it is, its text, and where it begins and ends."""

    kind: str
    text: str
    start: int
    end: int


class _Built(NamedTuple):
    """A part of the tree, with how deep and how large it is."""

    node: Node
    depth: int = 1
    leaves: int = 1


def _plain(text: str) -> str:
    return _ESCAPE.sub(r"\1", text)


def _parts(text: str) -> tuple[str, ...]:
    """The text between the stars that are not escaped, unescaped; one part if there is no star."""
    parts = [""]
    for escaped, star, plain in _STARS.findall(text):
        if star:
            parts.append("")
        else:
            parts[-1] += escaped or plain
    # Several stars in a row say no more than one.
    return tuple(part for at, part in enumerate(parts) if part or at in (0, len(parts) - 1))


def _field(token: _Token) -> str:
    name = _plain(token.text[:-1])
    if kind_of(name) is None:
        nearest = nearest_field(name)
        raise QueryError(f"there is no field {name[:60]!r}; text with a colon stands in quotes", token.start, nearest)
    return name


def _bare(token: _Token) -> Node:
    if token.kind == "PHRASE":
        text = _plain(token.text[1:-1])
        return Words(text) if text else Everything()
    parts = _parts(token.text)
    if len(parts) == 1:
        return Words(parts[0])
    if parts == ("", ""):
        return Everything()
    if len(parts) == 2 and not parts[1]:
        return Words(parts[0], prefix=True)
    literal = token.text.replace("\\", "\\\\").replace('"', '\\"')
    star = token.start + token.text.index("*")
    raise QueryError("in a bare word * may only stand at the end", star, f'"{literal}"')


def _condition(name: _Token, tokens: list[_Token]) -> Node:
    """The node of a field and what follows it: a value, a phrase, a sign and a bound, or an interval."""
    field, first = _field(name), tokens[0]
    if first.kind == "PHRASE":
        return matched(field, (_plain(first.text[1:-1]),), first.start)
    if first.kind == "VALUE":
        parts = _parts(first.text)
        return Exists(field) if parts == ("", "") else matched(field, parts, first.start)
    if first.kind == "SIGN":
        return compared(field, first.text, _bound(tokens[1]), tokens[1].start)
    _, low, _, high, closing = tokens
    lower = None if low.text == "*" else _bound(low)
    upper = None if high.text == "*" else _bound(high)
    return ranged(field, (lower, low.start), (upper, high.start), first.text == "{", closing.text == "}")


def _bound(token: _Token) -> str:
    return _plain(token.text[1:-1]) if token.kind == "PHRASE" else _plain(token.text)


def _grown(node: Node, items: list[_Built], deeper: int) -> _Built:
    depth = max(item.depth for item in items) + deeper
    if depth > MAX_DEPTH:
        raise QueryError(f"the query nests deeper than {MAX_DEPTH} levels", 0, "fewer parentheses")
    count = sum(item.leaves for item in items)
    if count > MAX_LEAVES:
        raise QueryError(f"the query holds more than {MAX_LEAVES:,} conditions", 0, "several smaller queries")
    return _Built(node, depth, count)


@dataclass(slots=True)
class _Level:
    """What was read within one pair of parentheses, or of the whole query."""

    alternatives: list[_Built] = field(default_factory=list)
    factors: list[_Built] = field(default_factory=list)
    negations: int = 0
    """How many stand before what is read next."""

    def add(self, built: _Built) -> None:
        for _ in range(self.negations):
            built = _grown(negated(built.node), [built], 1)
        self.negations = 0
        self.factors.append(built)

    def end_both(self) -> None:
        self.alternatives.append(_grown(all_of(item.node for item in self.factors), self.factors, 0))
        self.factors = []

    def end(self) -> _Built:
        self.end_both()
        return _grown(any_of(item.node for item in self.alternatives), self.alternatives, 0)


class _Parser:
    """Reads one query from left to right. Levels are kept in a list, so that no query is too deep to be refused."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._levels = [_Level()]

    def parse(self) -> Node:
        token = self._next(_OPERAND, 0)
        while True:
            if token.kind == "BEGIN":
                self._levels.append(_Level())
                token = self._next(_OPERAND, token.end)
                continue
            if token.kind == "NOT":
                self._levels[-1].negations += 1
                token = self._next(_OPERAND, token.end)
                continue
            token = self._operand(token)
            while token.kind == "STOP":
                token = self._leave(token)
            if token.kind == "END":
                built = self._levels[-1].end()
                if len(self._levels) > 1:
                    raise _misread(self._text, len(self._text))
                return built.node
            if token.kind == "OR":
                self._levels[-1].end_both()
            if token.kind in ("AND", "OR"):
                token = self._next(_OPERAND, token.end)

    def _next(self, place: re.Pattern[str], at: int) -> _Token:
        found = place.match(self._text, at)
        if found is None or found.lastgroup is None:
            raise _misread(self._text, at)
        kind = found.lastgroup
        return _Token(kind, found[kind], found.start(kind), found.end())

    def _operand(self, token: _Token) -> _Token:
        """The condition that begins here belongs to the level; gives what follows it."""
        tokens = self._following(token) if token.kind == "FIELD" else []
        after = self._next(_AFTER, (tokens or [token])[-1].end)
        node = _condition(token, tokens) if tokens else _bare(token)
        self._levels[-1].add(_Built(node))
        return after

    def _following(self, name: _Token) -> list[_Token]:
        found = [self._next(_CONDITION, name.end)]
        places = {"SIGN": [_BOUND], "OPEN": [_BOUND, _TO, _BOUND, _CLOSE]}.get(found[0].kind, [])
        for place in places:
            found.append(self._next(place, found[-1].end))
        return found

    def _leave(self, token: _Token) -> _Token:
        """The level that this parenthesis closes belongs to the one around it; gives what follows."""
        built = self._levels[-1].end()
        if len(self._levels) == 1:
            raise _misread(self._text, token.start)
        after = self._next(_AFTER, token.end)
        self._levels.pop()
        self._levels[-1].add(_grown(built.node, [built], 1))
        return after


def parse(text: str) -> Node:
    """The filter tree of a query; an empty one matches everything.

    Raises QueryError saying where and what could stand there instead. Safe to call from several threads.
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(
            f"the query has {len(text):,} characters; at most {MAX_LENGTH:,} are allowed", MAX_LENGTH, "a shorter query"
        )
    if not text.strip():
        return Everything()
    if not text.isascii() and (lone := re.search("[\ud800-\udfff]", text)):
        raise QueryError("the query holds bytes that are no UTF-8 text", lone.start())
    return _Parser(text).parse()


def _misread(text: str, position: int) -> QueryError:
    """What is wrong where the parser could not go on, in the reader's words."""
    rest = text[position:].lstrip()
    position = len(text) - len(rest)
    before = text[:position].rstrip()
    if rest.startswith('"'):
        return QueryError("a quote is opened and not closed", position, f'{rest[:40]}"')
    if rest.startswith(")"):
        return QueryError(
            "a parenthesis is closed that was not opened, or there is nothing in it", position, "( word )"
        )
    if rest.startswith("("):
        return QueryError("a parenthesis cannot stand here", position, "level:error OR level:critical")
    if rest.startswith("\\"):
        return QueryError("there is nothing after the backslash to escape", position, "\\\\")
    if re.match(r"(AND|OR|NOT)\b", rest):
        word = rest.split()[0]
        return QueryError(f"{word} stands between two conditions", position, f'"{word}" in quotes to look for the word')
    if re.search(r"[\[{][^\]}]*$", before) or rest.startswith(("[", "{")):
        return QueryError("a range is not complete", position, "field:[1 TO 9], with * for an open end")
    if not rest:
        if before.count("(") > before.count(")"):
            return QueryError("a parenthesis is opened and not closed", position, f"{before[-40:]})")
        return QueryError("the query ends where something more must stand", position, f"{before[-20:]} word")
    return QueryError(f"{rest[:20]!r} cannot stand here", position, '"quotes" around text')
