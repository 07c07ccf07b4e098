"""What was seen lately, in this process: failed logins by user and by address, and where each user comes from.

Bounded in memory: what was used least recently goes first. Within that bound the counts of the window are exact.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Any, Final

from .risk_signs import Signs

__all__ = ["KEYS", "NO_COUNTS", "Counts", "Recent"]

KEYS: Final = 10_000
"""So many users and addresses are remembered, of each kind."""
_VALUES: Final = 8
"""So many addresses and devices of each user."""
_LONG: Final = 128


@dataclass(frozen=True, slots=True)
class Counts:
    """What was there before an event."""

    user_failures: int = 0
    """Failed logins of this user within the window."""
    address_failures: int = 0
    """Failed logins from this address (IPv6: its /64) within the window."""
    new_address: bool = False
    """The user is known, but not from this address."""
    new_device: bool = False
    """The user is known, but not with this device."""


NO_COUNTS: Final = Counts()
_PLACES: Final = (
    (NO_COUNTS, Counts(new_device=True)),
    (Counts(new_address=True), Counts(new_address=True, new_device=True)),
)


class Recent:
    """The counters. Any thread may call; `seconds` is the length of the window, and more than `most` is not counted."""

    def __init__(self, seconds: float, most: int, *, keys: int = KEYS) -> None:
        self._turn = threading.RLock()
        self._inside = False
        self._by_user = _Failures(seconds, most, keys)
        self._by_address = _Failures(seconds, most, keys)
        self._addresses = _Known(keys)
        self._devices = _Known(keys)

    def count(self, fields: Mapping[str, Any], signs: Signs, now: float) -> Counts:
        """What was there before this event, which is counted from now on."""
        get = fields.get
        user = (get("username") or get("user_id") or "")[:_LONG]
        if not user and not signs.login:
            return NO_COUNTS
        address = get("ip_address", "")
        if ":" in address:
            address = _network(address)
        device = get("device_id", "")[:_LONG]
        request = get("request_id", "")[:_LONG]
        with self._turn:
            if self._inside:  # a destructor, or a signal's handler, that logs in the middle of this thread's turn
                return NO_COUNTS
            self._inside = True
            try:
                if signs.login:
                    return self._login(user, address, device, request, signs.login == "failed", now)
                return self._places(user, address, device, learn=not signs.failed)
            finally:
                self._inside = False

    def _login(self, user: str, address: str, device: str, request: str, failed: bool, now: float) -> Counts:
        by_user = self._by_user.before(user, request, now)
        by_address = self._by_address.before(address, request, now)
        if failed:
            self._by_user.add(user, request, now)
            self._by_address.add(address, request, now)
        places = self._places(user, address, device, learn=not failed)
        if not by_user and not by_address:
            return places
        return Counts(by_user, by_address, places.new_address, places.new_device)

    def _places(self, user: str, address: str, device: str, *, learn: bool) -> Counts:
        new_address = self._addresses.is_new(user, address, learn) if address else False
        new_device = self._devices.is_new(user, device, learn) if device else False
        return _PLACES[new_address][new_device]


class _Failures:
    """The failures of each key, with the requests that they belong to."""

    def __init__(self, seconds: float, most: int, keys: int) -> None:
        self._seconds = seconds
        self._most = most + 1  # one may belong to the request that asks
        self._keys = keys
        self._times: OrderedDict[str, list[tuple[float, str]]] = OrderedDict()

    def before(self, key: str, request: str, now: float) -> int:
        """How many there are within the window that ends `now`.

        Those of the same request are left out: a login is told by the program, and again by the middleware around it.
        """
        times = self._times.get(key)
        if times is None:
            return 0
        while times and times[0][0] <= now - self._seconds:
            del times[0]
        if not times:
            del self._times[key]
        return sum(1 for time, other in times if time <= now and (not request or other != request))

    def add(self, key: str, request: str, now: float) -> None:
        """One more, unless it is known of the same request."""
        if not key:
            return
        times = self._times.setdefault(key, [])
        self._times.move_to_end(key)
        if request and any(other == request for _, other in times):
            return
        times.append((now, request))
        del times[: -self._most]
        if len(self._times) > self._keys:
            self._times.popitem(last=False)


class _Known:
    """The values that each key was seen with, the newest last."""

    def __init__(self, keys: int) -> None:
        self._keys = keys
        self._values: OrderedDict[str, list[str]] = OrderedDict()

    def is_new(self, key: str, value: str, learn: bool) -> bool:
        """Whether the key is known, but not with this value; afterwards it is, if it is to `learn`."""
        if not key:
            return False
        values = self._values.get(key)
        if values is None:
            if learn:
                self._values[key] = [value]
                if len(self._values) > self._keys:
                    self._values.popitem(last=False)
            return False
        self._values.move_to_end(key)
        if values[-1] == value:
            return False
        known = value in values
        if learn:
            if known:
                values.remove(value)
            values.append(value)
            if len(values) > _VALUES:
                del values[0]
        return not known


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    """What stands for an IPv6 address: its /64, for the rest changes by itself; of a mapped one the IPv4 address."""
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address[:_LONG]
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped else f"{int(parsed) >> 64:x}/64"
