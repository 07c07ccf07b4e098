"""Sets of events as FTS5 expressions: what AND, OR and NOT make of them, complements included.

FTS5 knows no complement, so that a set is an expression or all that it does not find. A set may be larger than what is
meant; then it is not exact, and neither is what is made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = ["ALL", "NONE", "UNSURE", "Expression", "Part", "all_of", "any_of", "flipped", "prefixed", "quoted"]

_STACK: Final = 90
"""FTS5's parser gives up when more than 100 symbols wait on its stack."""


class Expression(NamedTuple):
    """A text of FTS5's query language; `operator` is its outermost, `stack` what the parser needs to read it."""

    text: str
    operator: str = ""
    stack: int = 1


class Part(NamedTuple):
    """The events that the expression finds (None: no events) or, if `negative`, all others."""

    expression: Expression | None
    negative: bool = False
    exact: bool = True


ALL: Final = Part(None, negative=True)
NONE: Final = Part(None)
UNSURE: Final = Part(None, negative=True, exact=False)
"""Any event may be meant."""


def quoted(term: str) -> Expression:
    """What finds the term, and can never be read as anything but a term."""
    return Expression(f'"{term.replace(chr(34), chr(34) * 2)}"')


def prefixed(term: str) -> Expression:
    """What finds every term that begins so."""
    return Expression(f"{quoted(term).text}*")


def flipped(part: Part) -> Part:
    """All events that an exact part does not hold."""
    return part._replace(negative=not part.negative)


def all_of(parts: Sequence[Part]) -> Part:
    """The events that all parts hold."""
    exact = all(part.exact for part in parts)
    within = [part.expression for part in parts if not part.negative]
    without = [part.expression for part in parts if part.negative and part.expression is not None]
    if None in within:
        return NONE
    return _bounded(_difference(_joined("AND", within), _joined("OR", without)), exact)


def any_of(parts: Sequence[Part]) -> Part:
    """The events that one of the parts holds."""
    if any(part.negative and part.expression is None and part.exact for part in parts):
        return ALL
    exact = all(part.exact for part in parts)
    if any(part.negative and part.expression is None for part in parts):
        return UNSURE
    within = [part.expression for part in parts if not part.negative and part.expression is not None]
    without = [part.expression for part in parts if part.negative]
    if not without:
        return _bounded(Part(_joined("OR", within)), exact)
    # What is outside one set or within another is all but what is within the one and outside the other.
    return _bounded(flipped(_difference(_joined("AND", without), _joined("OR", within))), exact)


def _difference(within: Expression | None, without: Expression | None) -> Part:
    """What `within` finds (None: everything) and `without` (None: nothing) does not."""
    if within is None:
        return Part(without, negative=True)
    if without is None:
        return Part(within)
    return Part(_written("NOT", [within, without]))


def _joined(operator: str, expressions: Sequence[Expression | None]) -> Expression | None:
    """The expressions, none of them None, with the operator between them."""
    given = list(dict.fromkeys(each for each in expressions if each is not None))
    if len(given) < 2:
        return given[0] if given else None
    # The parser keeps what it has read while it reads on: what needs most of its stack comes first.
    return _written(operator, sorted(given, key=lambda each: -each.stack))


def _written(operator: str, expressions: list[Expression]) -> Expression:
    texts = []
    stack = 0
    for place, each in enumerate(expressions):
        bare = not each.operator or (each.operator == operator and operator != "NOT")
        texts.append(each.text if bare else f"({each.text})")
        stack = max(stack, each.stack + (0 if bare else 1) + (2 if place else 0))
    return Expression(f" {operator} ".join(texts), operator, stack)


def _bounded(part: Part, exact: bool) -> Part:
    """The part, or if FTS5 could not read it, every event, to be looked at one by one."""
    if part.expression is not None and part.expression.stack > _STACK:
        return UNSURE
    return part._replace(exact=exact)
