"""Makes small files of MaxMind's format: https://maxmind.github.io/MaxMind-DB/."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

_TEXT, _SHORT, _NUMBER, _MAP, _LONG, _LIST = 2, 5, 6, 7, 9, 11
_METADATA = {"node_count": _NUMBER, "build_epoch": _LONG}


def mmdb(records: dict[str, Any], *, version: int = 4) -> bytes:
    """The file that knows of each network what is given; `version` 6 takes networks of IPv6 alone."""
    nodes: list[list[Any]] = [[None, None]]
    data = b""
    for network, record in records.items():
        parsed = ip_network(network)
        bits = f"{int(parsed.network_address):0{parsed.max_prefixlen}b}"[: parsed.prefixlen]
        node = 0
        for bit in map(int, bits[:-1]):
            if nodes[node][bit] is None:
                nodes[node][bit] = len(nodes)
                nodes.append([None, None])
            node = nodes[node][bit]
        nodes[node][int(bits[-1])] = -len(data) - 1
        data += _encoded(record)
    tree = b"".join(_pointer(side, len(nodes)) for node in nodes for side in node)
    about = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1_700_000_000,
        "database_type": "Test",
        "description": {"en": "a test"},
        "ip_version": version,
        "languages": ["en", "de"],
        "node_count": len(nodes),
        "record_size": 24,
    }
    metadata = b"".join(_encoded(key) + _encoded(value, _METADATA.get(key, _SHORT)) for key, value in about.items())
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + _control(_MAP, len(about)) + metadata


def _pointer(side: int | None, count: int) -> bytes:
    value = count if side is None else side if side >= 0 else count + 16 - side - 1
    return value.to_bytes(3, "big")


def _encoded(value: Any, number: int = _NUMBER) -> bytes:
    if isinstance(value, str):
        raw = value.encode()
        return _control(_TEXT, len(raw)) + raw
    if isinstance(value, int):
        size = {_SHORT: 2, _NUMBER: 4, _LONG: 8}[number]
        return _control(number, size) + value.to_bytes(size, "big")
    if isinstance(value, list):
        return _control(_LIST, len(value)) + b"".join(map(_encoded, value))
    return _control(_MAP, len(value)) + b"".join(_encoded(key) + _encoded(item) for key, item in value.items())


def _control(kind: int, size: int) -> bytes:
    low, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    assert size < 285
    return (bytes([kind << 5 | low]) if kind < 8 else bytes([low, kind - 7])) + more
