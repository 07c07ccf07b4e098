"""The filter tree: what a query means, whoever evaluates it.

Values are already of their field's type and in its canonical form, so that a tree needs no further checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

__all__ = [
    "Address",
    "And",
    "Cidr",
    "Equals",
    "Everything",
    "Exists",
    "Node",
    "Not",
    "Or",
    "Range",
    "Value",
    "Wildcard",
    "Words",
    "all_of",
    "any_of",
    "leaves",
    "negated",
]

Address: TypeAlias = IPv4Address | IPv6Address
Value: TypeAlias = str | int | float | Address
"""Text, a number, an address; a level by its severity (0 is debug); a time in microseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Everything:
    """Every event."""


@dataclass(frozen=True, slots=True)
class Words:
    """The text's words stand side by side in one value: of the text field, or (None) of any field that is searched."""

    text: str
    field: str | None = None
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Equals:
    """The field (an element, if it is a list) is the value."""

    field: str
    value: Value


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there; of metadata, anything but null at or below the path."""

    field: str


@dataclass(frozen=True, slots=True)
class Wildcard:
    """The field's text is the parts in their order, with anything between them; the outer ones may be empty."""

    field: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The field lies between the bounds; None is no bound, and an open bound is itself outside."""

    field: str
    low: Value | None
    high: Value | None
    low_open: bool = False
    high_open: bool = False


@dataclass(frozen=True, slots=True)
class Cidr:
    """The address lies in the network."""

    field: str
    network: IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class And:
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    node: Node


Node: TypeAlias = Everything | Words | Equals | Exists | Wildcard | Range | Cidr | And | Or | Not


def all_of(nodes: Iterable[Node]) -> Node:
    """What is true when all nodes are; an And within it is taken apart."""
    flat = tuple(part for node in nodes for part in (node.nodes if isinstance(node, And) else (node,)))
    return flat[0] if len(flat) == 1 else And(flat)


def any_of(nodes: Iterable[Node]) -> Node:
    """What is true when one of the nodes is; an Or within it is taken apart."""
    flat = tuple(part for node in nodes for part in (node.nodes if isinstance(node, Or) else (node,)))
    return flat[0] if len(flat) == 1 else Or(flat)


def negated(node: Node) -> Node:
    """What is true when the node is not; two negations are none."""
    return node.node if isinstance(node, Not) else Not(node)


def leaves(node: Node) -> Iterator[Node]:
    """The conditions of a tree, from left to right."""
    if isinstance(node, And | Or):
        for part in node.nodes:
            yield from leaves(part)
    elif isinstance(node, Not):
        yield from leaves(node.node)
    else:
        yield node
