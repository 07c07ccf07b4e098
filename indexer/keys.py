"""What the index holds of an event: keys, each of a field and a kind. indexer/README.md has the table of kinds."""

from __future__ import annotations

from hashlib import blake2b
from math import copysign
from socket import AF_INET, inet_pton
from typing import Any, Final, Literal, TypeAlias
from unicodedata import unidata_version

from .fields import address_of
from .tree import Address

__all__ = [
    "KEYS_VERSION",
    "LONGEST",
    "MARK",
    "UNINDEXED",
    "Key",
    "Kind",
    "address_key",
    "cut",
    "cut_all",
    "is_cut",
    "key_of_address",
    "key_of_leaf",
    "shown_address",
]

KEYS_VERSION: Final = f"3-{unidata_version}"
"""Changes when the same event gets other keys: an index of another version cannot answer."""

Key: TypeAlias = str | int | float | bool
Kind: TypeAlias = Literal["text", "int", "float", "bool", "v4", "v6", "any", "word"]

UNINDEXED: Final = frozenset({"seq", "id", "time", "synced", "hash"})
"""The fields that have no keys: each value is of one event, or stands in the index in another way."""

LONGEST: Final = 120
"""A longer text or word is cut: its key tells equality by a hash, and cannot be read back."""
HEAD: Final = 100
MARK: Final = "\ue081"
"""Stands in a cut key, between the beginning of the text and the hash of all of it."""

_LARGEST: Final = 2**63


def cut(text: str) -> str:
    """The text as a key: itself, or what stands for a text that is too long or holds the mark itself."""
    if len(text) <= LONGEST and MARK not in text:
        return text
    return f"{text[:HEAD]}{MARK}{blake2b(text.encode(), digest_size=8).hexdigest()}"


def cut_all(texts: list[str]) -> list[str]:
    """The texts as keys, in the same order; quick if none has to be cut."""
    joined = "".join(texts)
    if max(map(len, texts), default=0) > LONGEST or (not joined.isascii() and MARK in joined):
        return list(map(cut, texts))
    return texts


def is_cut(key: object) -> bool:
    """Whether the key stands for a longer text, so that another text may, by a hair's breadth, have the same."""
    return isinstance(key, str) and MARK in key


def address_key(text: str) -> tuple[Kind, Key]:
    """Kind and key of an address: IPv4 as its number, IPv6 as 32 hexadecimal digits, all else as its text.

    As its text, too, an IPv6 address of which `shown_address` would not give the very same, in every Python.
    """
    try:
        return "v4", int.from_bytes(inet_pton(AF_INET, text))
    except (OSError, ValueError):
        address = address_of(text)
    if address is None or str(address) != text or "%" in text or getattr(address, "ipv4_mapped", None) is not None:
        return "text", cut(text)
    return key_of_address(address)


def key_of_address(address: Address) -> tuple[Kind, Key]:
    """Kind and key of an address without a scope."""
    return ("v4", int(address)) if address.version == 4 else ("v6", f"{int(address):032x}")


def shown_address(kind: Kind, key: Key) -> str:
    """The text of an address, of kind v4 or v6, as events have it."""
    from ipaddress import IPv4Address, IPv6Address

    return str(IPv4Address(int(key))) if kind == "v4" else str(IPv6Address(int(str(key), 16)))


def key_of_leaf(value: Any) -> tuple[Kind, Key] | None:
    """Kind and (uncut) key of a leaf of metadata that is not null; None for a number that keys cannot hold exactly."""
    if isinstance(value, str):
        return "text", value
    if value is True or value is False:
        return "bool", value
    if isinstance(value, int):
        return ("int", value) if -_LARGEST <= value < _LARGEST else None
    return ("float", value) if value or copysign(1, value) > 0 else None
