"""The query language: text to a filter tree. The language is described in indexer/README.md.

The grammar says what stands where; what a value means is decided per field in `values`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from .errors import QueryError
from .fields import kind_of, nearest_field
from .tree import Everything, Exists, Node, Words, all_of, any_of, negated
from .values import compared, matched, ranged

if TYPE_CHECKING:
    from lark import Lark, Token
    from lark.exceptions import UnexpectedInput

__all__ = ["MAX_DEPTH", "MAX_LEAVES", "MAX_LENGTH", "parse"]

MAX_LENGTH: Final = 8_192
"""The longest query in characters."""
MAX_DEPTH: Final = 64
"""How deep parentheses and negations may nest."""
MAX_LEAVES: Final = 1_000
"""How many conditions one query may hold."""

# A terminal is only tried where the grammar allows it: `>` begins a comparison after a field, and is text elsewhere.
_GRAMMAR: Final = r"""
start: either
either: both ("OR" both)*
both: one ("AND"? one)*
?one: "(" either ")"       -> group
    | "NOT" one            -> negation
    | MINUS one            -> negation
    | PHRASE               -> bare_phrase
    | WORD                 -> bare_word
    | FIELD PHRASE         -> field_phrase
    | FIELD VALUE          -> field_value
    | FIELD COMPARE (BOUND | PHRASE)                                          -> comparison
    | FIELD OPEN (BOUND | PHRASE) "TO" (BOUND | PHRASE) CLOSE                 -> interval

AND.9: /AND(?=[\s()]|$)/
OR.9: /OR(?=[\s()]|$)/
NOT.9: /NOT(?=[\s()]|$)/
MINUS.8: /-(?=[^\s)])/
FIELD.7: /[A-Za-z_](?:\\(?s:.)|[^\s:"()\\])*:/
WORD.1: /(?!(?:AND|OR|NOT)(?:[\s()]|$))(?:\\(?s:.)|[^\s()"\\])+/
PHRASE.5: /"(?:\\(?s:.)|[^"\\])*"/
VALUE.1: /(?:\\(?s:.)|[^\s()"\\\[{<>])(?:\\(?s:.)|[^\s()"\\])*/
COMPARE.6: />=|<=|>|</
OPEN.6: /[\[{]/
CLOSE.6: /[\]}]/
TO.6: /TO(?=\s)/
BOUND.1: /(?:\\(?s:.)|[^\s()"\\\[\]{}])+/
%ignore /\s+/
"""

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_STARS = re.compile(r"\\(.)|(\*)|([^\\*]+)", re.DOTALL)


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


def _field(token: Token) -> str:
    name = _plain(token[:-1])
    if kind_of(name) is None:
        nearest = nearest_field(name)
        raise QueryError(f"there is no field {name[:60]!r}; text with a colon stands in quotes", _at(token), nearest)
    return name


def _at(token: Token) -> int:
    return token.start_pos or 0


def _bare_word(token: Token) -> Node:
    parts = _parts(token)
    if len(parts) == 1:
        return Words(parts[0])
    if parts == ("", ""):
        return Everything()
    if len(parts) == 2 and not parts[1]:
        return Words(parts[0], prefix=True)
    literal = token.replace("\\", "\\\\").replace('"', '\\"')
    raise QueryError("in a bare word * may only stand at the end", _at(token) + token.index("*"), f'"{literal}"')


def _field_value(name: Token, token: Token) -> Node:
    field, parts = _field(name), _parts(token)
    if parts == ("", ""):
        return Exists(field)
    return matched(field, parts, _at(token))


class _Builder:
    """Makes nodes while the parser reads, so that no tree of text is kept and depth is known as it grows."""

    def bare_word(self, items: list[Token]) -> _Built:
        return _Built(_bare_word(items[0]))

    def bare_phrase(self, items: list[Token]) -> _Built:
        text = _plain(items[0][1:-1])
        return _Built(Words(text) if text else Everything())

    def field_phrase(self, items: list[Token]) -> _Built:
        return _Built(matched(_field(items[0]), (_plain(items[1][1:-1]),), _at(items[1])))

    def field_value(self, items: list[Token]) -> _Built:
        return _Built(_field_value(*items))

    def comparison(self, items: list[Token]) -> _Built:
        name, sign, bound = items
        return _Built(compared(_field(name), sign, _bound(bound), _at(bound)))

    def interval(self, items: list[Token]) -> _Built:
        name, opening, low, high, closing = items
        lower = None if low == "*" else _bound(low)
        upper = None if high == "*" else _bound(high)
        node = ranged(_field(name), (lower, _at(low)), (upper, _at(high)), opening == "{", closing == "}")
        return _Built(node)

    def negation(self, items: list[Any]) -> _Built:
        built: _Built = items[-1]
        return _grown(negated(built.node), [built], 1)

    def group(self, items: list[_Built]) -> _Built:
        return _grown(items[0].node, items, 1)

    def both(self, items: list[_Built]) -> _Built:
        return _grown(all_of(item.node for item in items), items, 0)

    def either(self, items: list[_Built]) -> _Built:
        return _grown(any_of(item.node for item in items), items, 0)

    def start(self, items: list[_Built]) -> Node:
        return items[0].node


def _bound(token: Token) -> str:
    return _plain(token[1:-1]) if token.type == "PHRASE" else _plain(token)


def _grown(node: Node, items: list[_Built], deeper: int) -> _Built:
    depth = max(item.depth for item in items) + deeper
    if depth > MAX_DEPTH:
        raise QueryError(f"the query nests deeper than {MAX_DEPTH} levels", 0, "fewer parentheses")
    count = sum(item.leaves for item in items)
    if count > MAX_LEAVES:
        raise QueryError(f"the query holds more than {MAX_LEAVES:,} conditions", 0, "several smaller queries")
    return _Built(node, depth, count)


@cache
def _parser() -> Lark:
    # Reading the grammar takes longer than most queries do, so that it waits for the first one.
    from lark import Lark

    return Lark(_GRAMMAR, parser="lalr", lexer="contextual", transformer=_Builder())


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
    from lark.exceptions import UnexpectedInput, VisitError

    try:
        node = cast("Node", _parser().parse(text))  # the builder makes nodes, not lark's trees
    except VisitError as error:
        raise error.orig_exc from None
    except UnexpectedInput as error:
        raise _misread(text, error) from None
    return node


def _misread(text: str, error: UnexpectedInput) -> QueryError:
    """What is wrong where the parser could not go on, in the reader's words."""
    position = error.pos_in_stream
    at_end = getattr(getattr(error, "token", None), "type", None) == "$END"
    if position is None or position < 0 or at_end:
        position = len(text)
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
