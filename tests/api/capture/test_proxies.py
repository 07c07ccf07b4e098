"""The client's address behind proxies: what is believed, and what is not."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonelog.api.capture.proxies import Proxies, _address_of, address_of, check_network

PROXY = "10.0.0.2"
TRUSTED = Proxies(["10.0.0.0/8", "fd00::/8"])


def client(x_forwarded_for: str | None = None, forwarded: str | None = None, peer: str | None = PROXY) -> str | None:
    return TRUSTED.client(peer, forwarded, x_forwarded_for).address


def test_headers_of_strangers_are_not_read() -> None:
    """Only a peer in a trusted network is believed."""
    assert client("203.0.113.9", peer="198.51.100.1") == "198.51.100.1"
    assert Proxies().client(PROXY, None, "203.0.113.9").address == PROXY


def test_the_client_is_the_first_from_the_right_that_is_no_proxy_of_ours() -> None:
    """What stands further left was sent by the client, and may be invented."""
    assert client("203.0.113.9") == "203.0.113.9"
    assert client("127.0.0.1, 8.8.8.8, 203.0.113.9, 10.1.1.1") == "203.0.113.9"
    assert client("10.9.9.9, 10.1.1.1") == "10.9.9.9"


@pytest.mark.parametrize("entry", ["unknown", "", "_hidden", "300.1.1.1", "evil.example", "1.2.3.4:99999999", "[::1"])
def test_an_entry_that_cannot_be_read_stops_the_walk(entry: str) -> None:
    """The last address before it is the client's, as far as anybody knows."""
    assert client(f"203.0.113.9, {entry}, 10.1.1.1") == "10.1.1.1"
    assert client(f"203.0.113.9, {entry}") == PROXY


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:DB8::0001", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::1"),
        ("testclient", None),
        ("1.2.3.4:", None),
        ("1" * 10_000, None),
    ],
)
def test_forms_of_an_address(text: str, address: str | None) -> None:
    """Ports, brackets and zones are left off; IPv4 in IPv6 is IPv4."""
    assert address_of(text) == address


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("for=203.0.113.9", "203.0.113.9"),
        ('For="[2001:db8:cafe::17]:4711";proto=https', "2001:db8:cafe::17"),
        ("for=1.1.1.1, for=203.0.113.9;by=10.0.0.1;host=example.org, for=10.3.3.3", "203.0.113.9"),
        ('for="', PROXY),
        ('for="_gazonk"', PROXY),
        ("for=unknown, for=10.3.3.3", "10.3.3.3"),
        ("proto=https", PROXY),
        ("for=203.0.113.9;for=203.0.113.8", PROXY),
        ('for="x, for=203.0.113.9', "203.0.113.9"),
    ],
)
def test_forwarded(header: str, address: str) -> None:
    """RFC 7239, from the right; a quote that a client left open swallows nothing that a proxy wrote."""
    assert client(forwarded=header) == address


def test_headers_that_differ_are_both_not_believed() -> None:
    """A proxy that writes one may hand on the client's other; a setting says which one it is."""
    both = PROXY, "for=198.51.100.7", "203.0.113.9"
    assert TRUSTED.client(*both) == (PROXY, True)
    assert TRUSTED.client(PROXY, "for=203.0.113.9", "203.0.113.9") == ("203.0.113.9", False)
    assert Proxies(["10.0.0.0/8"], "forwarded").client(*both).address == "198.51.100.7"
    assert Proxies(["10.0.0.0/8"], "x-forwarded-for").client(*both).address == "203.0.113.9"


def test_a_unix_socket_is_trusted_by_name() -> None:
    """A peer without address is believed if `unix` is among the networks."""
    assert Proxies(["unix"]).client(None, None, "203.0.113.9").address == "203.0.113.9"
    assert client("203.0.113.9", peer=None) is None


def test_a_long_chain_is_not_walked_to_its_end() -> None:
    """After 32 proxies no more is looked at."""
    assert client("203.0.113.9," + ",".join(["10.0.0.9"] * 10_000)) == "10.0.0.9"


def test_networks_are_checked() -> None:
    """A setting that is no network is refused, and told what would be one."""
    with pytest.raises(ValueError, match="expected a network such as"):
        check_network("10.0.0.1/8x")


@given(st.text(alphabet="0123456789.:,;=\"[]for 'unkow_", max_size=60), st.sampled_from(["f", "x"]))
def test_whatever_a_header_says_it_is_an_address(text: str, which: str) -> None:
    """The result always parses: it is the peer's, or one that stands in the header."""
    found = client(forwarded=text) if which == "f" else client(text)
    assert found is not None
    ipaddress.ip_address(found)


def test_a_long_text_is_no_address_and_is_not_kept() -> None:
    """What a client writes in a header fills no memory."""
    before = _address_of.cache_info().currsize
    assert address_of("j" * 30_000) is None
    assert _address_of.cache_info().currsize == before
