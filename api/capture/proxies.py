"""The client's address: the peer's, or what proxies in trusted networks say of it.

`X-Forwarded-For` and `Forwarded` (RFC 7239) grow to the right: each proxy adds whom it was asked by. So they are read
from the right, as far as those who wrote are trusted; what stands further left may be anybody's invention.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final, Literal, NamedTuple

__all__ = ["Client", "Proxies", "address_of", "check_network"]

ProxyHeader = Literal["any", "forwarded", "x-forwarded-for"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_UNIX: Final = "unix"
_MOST_HOPS: Final = 32
"""More proxies than these stand before no application; the rest is not looked at."""
_LONGEST: Final = 64
"""An address with brackets and port has fewer characters."""


class Client(NamedTuple):
    """Whom a request comes from, as far as it can be believed."""

    address: str | None
    contradicted: bool = False
    """Whether the two headers differ, so that neither was believed."""


def check_network(text: str) -> Network | None:
    """The network that a setting names, None for `unix`; raises ValueError."""
    if text == _UNIX:
        return None
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{error}; expected a network such as 10.0.0.0/8, an address, or unix") from None


def address_of(text: str) -> str | None:
    """The address in its usual form, without port, brackets and zone; None if it is none.

    IPv4 in IPv6 (`::ffff:192.0.2.1`) is IPv4: a server that listens on both sees it so.
    """
    return _address_of(text) if len(text) <= _LONGEST else None  # what is kept is bounded, too


@lru_cache(maxsize=4096)
def _address_of(text: str) -> str | None:
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or (port and not _is_port(port)):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(f":{port}"):
            return None
    if "%" in text:
        text = text.partition("%")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdigit() and len(text) <= 6


class Proxies:
    """The networks whose proxies are believed."""

    def __init__(self, trusted: Iterable[str] = (), header: ProxyHeader = "any") -> None:
        networks = [(text, check_network(text)) for text in trusted]
        self._networks = [network for _, network in networks if network is not None]
        self._unix = any(network is None for _, network in networks)
        self._header = header
        self.any = bool(networks)
        """Whether there are any: if not, nobody needs to look for the headers."""
        self._is_trusted: Callable[[str], bool] = lru_cache(maxsize=4096)(self._look)

    def _look(self, address: str) -> bool:
        found = ipaddress.ip_address(address)
        return any(found.version == network.version and found in network for network in self._networks)

    def client(self, peer: str | None, forwarded: str | None = None, x_forwarded_for: str | None = None) -> Client:
        """The client of a request by its peer, None for one without address (a Unix socket), and the two headers.

        A header that came several times is one, with commas between.
        """
        own = None if peer is None else address_of(peer)
        if not self.any or not (self._unix if peer is None else own is not None and self._is_trusted(own)):
            return Client(own)
        found = []
        if forwarded and self._header != "x-forwarded-for":
            found.append(self._walk(own, _forwarded_for(forwarded)))
        if x_forwarded_for and self._header != "forwarded":
            found.append(self._walk(own, _entries(x_forwarded_for)))
        if not found:
            return Client(own)
        if len(found) == 2 and found[0] != found[1]:
            return Client(own, contradicted=True)
        return Client(found[0])

    def _walk(self, nearest: str | None, entries: Iterator[str]) -> str | None:
        """The first address from the right that is not a trusted proxy's; where one cannot be read, the one before."""
        for text in entries:
            address = address_of(text)
            if address is None:
                return nearest
            nearest = address
            if not self._is_trusted(address):
                return nearest
        return nearest


def _entries(header: str) -> Iterator[str]:
    """The entries between commas, from the right."""
    for entry in reversed(header.rsplit(",", _MOST_HOPS)[-_MOST_HOPS:]):
        yield entry.strip(" \t")


def _forwarded_for(header: str) -> Iterator[str]:
    """What `for` says in each element, from the right; '' where it says nothing, which is no address.

    A comma within quotes tears its element into parts that cannot be read: there is none in an address, and from the
    right nobody can tell what a client's quote was to open.
    """
    for element in _entries(header):
        values = [value for name, value in _pairs(element) if name == "for"]
        yield values[0] if len(values) == 1 else ""


def _pairs(element: str) -> Iterator[tuple[str, str]]:
    for pair in element.split(";"):
        name, equals, value = pair.strip(" \t").partition("=")
        if not equals or value.count('"') not in (0, 2):
            yield "for", ""  # so that the element is not believed
            continue
        quoted = len(value) >= 2 and value[0] == value[-1] == '"'
        yield name.lower(), value[1:-1] if quoted else value
