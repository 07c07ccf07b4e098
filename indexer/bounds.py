"""A filter tree over one block: which rows it surely means, and which it may mean.

Of the rows that are only maybe meant, the lines have to be read. Bounds are taken together from the leaves up, and
negated by looking at the other side, so that what is certain of a part stays certain in the whole.
"""

from __future__ import annotations

from .block import Block
from .conditions import condition
from .patience import Patience
from .texts import Bounds
from .tree import And, Cidr, Equals, Everything, Exists, Node, Not, Or, Range, Wildcard, Words

__all__ = ["Bounds", "bounds"]


def bounds(node: Node, block: Block, patience: Patience | None = None) -> Bounds:
    """The rows of the block, among its `rows`, that the tree means: none of `sure` is not, all are among `maybe`.

    Raises QueryStopped when patience ends; it is asked before each condition.
    """
    match node:
        case And(nodes):
            return _all(nodes, block, patience)
        case Or(nodes):
            return _any(nodes, block, patience)
        case Not(inner):
            found = bounds(inner, block, patience)
            return Bounds(block.rows - found.maybe, block.rows - found.sure)
    if patience is not None:
        patience.check()
    return condition(node, block)


def _all(nodes: tuple[Node, ...], block: Block, patience: Patience | None) -> Bounds:
    first, *others = sorted(nodes, key=_effort)
    sure, maybe = bounds(first, block, patience)
    for node in others:
        if not maybe:
            break
        part = bounds(node, block, patience)
        sure, maybe = sure & part.sure, maybe & part.maybe
    return Bounds(sure, maybe)


def _any(nodes: tuple[Node, ...], block: Block, patience: Patience | None) -> Bounds:
    sure = maybe = type(block.rows)()
    for node in sorted(nodes, key=_effort):
        part = bounds(node, block, patience)
        sure, maybe = sure | part.sure, maybe | part.maybe
        if len(sure) == len(block.rows):
            break
    return Bounds(sure, maybe)


def _effort(node: Node) -> int:
    """What comes first: what reads one key, then what reads a few, then what may read all of a field, then trees."""
    match node:
        case Everything() | Equals():
            return 0
        case Words(prefix=False) | Exists():
            return 1
        case Words() | Cidr():
            return 2
        case Range(field):
            return 0 if field in ("seq", "time", "level") else 3
        case Wildcard():
            return 4
        case Not(inner):
            return _effort(inner)
        case And() | Or():
            return 5
