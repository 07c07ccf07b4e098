"""Impossible travel: two places of one key that are too far apart for the time between."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import asin, cos, inf, radians, sin, sqrt
from typing import Any, Final, NamedTuple, TypeAlias

from .conditions import value_of
from .finding import Finding
from .form import NONE, Bounds, Fields, Form
from .rules import TravelRule
from .state import Keyed
from .travel_data import COUNTRIES

__all__ = ["Place", "Travel", "distance", "place_of"]

_EARTH_KM: Final = 6371.0
_HOUR: Final = 3_600_000_000
_LEAST: Final = 60_000_000
"""What lies less than a minute apart counts as a minute: clocks differ."""


class Place(NamedTuple):
    """Where something was: degrees, and the radius in kilometres within which it may have been."""

    latitude: float
    longitude: float
    radius: float = 0.0


_Seen: TypeAlias = tuple[int, int, str, Place]
"""When a key was seen last, the `seq`, the place's name and the place."""
_PLACES: Final = {code: (code, Place(*found)) for code, found in COUNTRIES.items()}

_latitude = value_of("metadata.latitude")
_longitude = value_of("metadata.longitude")


def place_of(event: Fields) -> tuple[str, Place] | None:
    """The place of an event and its name: its coordinates, else its country; None if it tells neither."""
    free = event.get("metadata")
    if type(free) is dict and "latitude" in free:
        latitude, longitude = _latitude(event), _longitude(event)
        numbers = type(latitude) in (int, float) and type(longitude) in (int, float)
        if numbers and abs(latitude) <= 90 and abs(longitude) <= 180:
            return f"{latitude:.2f},{longitude:.2f}", Place(float(latitude), float(longitude))
    country = event.get("country")
    return _PLACES.get(country) if isinstance(country, str) else None


def distance(one: Place, other: Place) -> float:
    """The kilometres between, at least: the radius of each is taken off; 0 if they touch."""
    up, down = radians(one.latitude), radians(other.latitude)
    across = sin((up - down) / 2) ** 2 + cos(up) * cos(down) * sin(radians(one.longitude - other.longitude) / 2) ** 2
    return max(0.0, 2 * _EARTH_KM * asin(min(1.0, sqrt(across))) - one.radius - other.radius)


_remembered = lru_cache(maxsize=4_096)(distance)


class Travel(Form[TravelRule]):
    """The key was elsewhere too short a time ago."""

    def __init__(self, rule: TravelRule, bounds: Bounds) -> None:
        super().__init__(rule, bounds)
        self._keys: Keyed[_Seen] = Keyed(bounds.keys)

    def see(self, event: Fields, seq: int, time: int, step: int) -> Sequence[Finding]:
        key, free, country = self._key_of(event), event.get("metadata"), event.get("country")
        if type(free) is dict and "latitude" in free:
            found = place_of(event)
        else:
            found = _PLACES.get(country) if type(country) is str else None
        if key is None or found is None:
            return NONE
        name, place = found
        before = self._keys.get(key)
        if before is None:
            self._keys.put(key, (time, seq, name, place))
            return NONE
        then, seq_then, name_then, place_then = before
        if not 0 <= then - time <= self.bounds.late or then == time:  # else a late one: it is not the newest
            self._keys.replace(key, (time, seq, name, place))
        if name_then == name:
            return NONE
        kilometres = _remembered(place_then, place)
        hours = max(abs(time - then), _LEAST) / _HOUR
        speed = kilometres / hours if hours else inf
        if kilometres < self.rule.distance_km or speed <= self.rule.speed_kmh:
            return NONE
        return self._tell(
            *(event, key, time, (seq_then, seq), 2),
            details=lambda: {"from": name_then, "to": name, "km": round(kilometres), "kmh": round(speed)},
        )

    def saved(self) -> dict[str, Any]:
        return {**super().saved(), "keys": self._keys.saved(lambda seen: [*seen[:3], list(seen[3])])}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self._keys.restore(saved["keys"], _unpacked)


def _unpacked(packed: list[Any]) -> _Seen:
    time, seq, name, place = packed
    return int(time), int(seq), str(name), Place(*place)
