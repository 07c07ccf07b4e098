"""The events of the benchmarks: a small company's traffic over ten days, the same bytes for the same seed.

Words, users, addresses and paths follow Zipf's law, as they do in logs; an event is about 390 bytes of JSON.
"""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, Final, Generic, TypeVar

__all__ = ["generate", "to_fields"]

Item = TypeVar("Item")

_CATEGORIES: Final = {
    "auth": 18,
    "api": 30,
    "security": 4,
    "system": 10,
    "database": 14,
    "user": 10,
    "billing": 4,
    "file": 6,
    "admin": 2,
    "audit": 2,
}
_ACTIONS: Final = {
    "auth": ["login", "logout", "login_failed", "token_refresh", "password_reset"],
    "api": ["request", "response", "rate_limited", "timeout", "retry"],
    "security": ["access_denied", "sql_injection", "brute_force", "csrf_failed", "scan"],
    "system": ["start", "stop", "healthcheck", "deploy", "config_change"],
    "database": ["query", "slow_query", "migrate", "deadlock", "vacuum"],
    "user": ["create", "update", "delete", "view", "invite"],
    "billing": ["charge", "refund", "invoice", "subscribe", "cancel"],
    "file": ["upload", "download", "delete", "share", "scan"],
    "admin": ["grant", "revoke", "impersonate", "export", "purge"],
    "audit": ["review", "approve", "reject", "export", "sign"],
}
_LEVELS: Final = {"DEBUG": 10, "INFO": 70, "WARNING": 13, "ERROR": 6, "CRITICAL": 1}
_METHODS: Final = {"GET": 62, "POST": 22, "PUT": 8, "DELETE": 4, "PATCH": 4}
_STATUSES: Final = {
    200: 640,
    201: 60,
    204: 40,
    301: 10,
    304: 60,
    400: 25,
    401: 35,
    403: 20,
    404: 50,
    409: 5,
    422: 10,
    429: 15,
    500: 20,
    502: 6,
    503: 4,
}
_COUNTRIES: Final = [
    *("US", "DE", "FR", "GB", "IN", "CN", "BR", "JP", "CA", "AU"),
    *("NL", "ES", "IT", "SE", "PL", "KR", "MX", "ZA", "NG", "RU"),
]
_REGIONS: Final = ["eu-1", "eu-2", "us-1", "us-2", "ap-1"]
_VERSIONS: Final = [f"{major}.{minor}.{patch}" for major in (2, 3) for minor in range(6) for patch in range(4)]
_RESOURCES: Final = [
    *("users", "orders", "items", "reports", "files"),
    *("teams", "invoices", "projects", "events", "tokens"),
]
_CONSONANTS: Final = "bcdfghklmnprstvz"
_VOWELS: Final = "aeiou"

_OUR_NAMES: Final = {
    "timestamp": "time",
    "ip": "ip_address",
    "status": "status_code",
    "risk": "risk_score",
    "session": "session_id",
    "description": "message",
}


class _Draw(Generic[Item]):
    """Draws items, each as often as its weight says."""

    def __init__(self, items: Sequence[Item], weights: Iterable[float]) -> None:
        self._items = items
        self._running = list(accumulate(weights))

    def __call__(self, chance: random.Random) -> Item:
        return self._items[bisect.bisect_left(self._running, chance.random() * self._running[-1])]


def _zipf(items: Sequence[Item], exponent: float, shift: float = 1.0) -> _Draw[Item]:
    """Draws the item at place i with a chance proportional to 1 / (i + shift) ** exponent."""
    return _Draw(items, [1.0 / (place + shift) ** exponent for place in range(len(items))])


def _weighted(weights: dict[Item, int]) -> _Draw[Item]:
    return _Draw(list(weights), weights.values())


def _words(chance: random.Random, number: int) -> list[str]:
    """Different words of syllables; the first tenth, which are drawn most, have two and the others three."""
    words: dict[str, None] = {}
    while len(words) < number:
        syllables = 2 if len(words) < number // 10 else 3
        words["".join(chance.choice(_CONSONANTS) + chance.choice(_VOWELS) for _ in range(syllables))] = None
    return list(words)


class _Company:
    """Who and what the events are about; `setup` is drawn from in a fixed order, so that a seed means one company."""

    def __init__(self, setup: random.Random) -> None:
        words = _words(setup, 20_000)
        users = [f"{word}.{setup.randrange(10, 99)}" for word in _words(setup, 5_000)]
        addresses = [
            f"{setup.randrange(11, 223)}.{setup.randrange(256)}.{setup.randrange(256)}.{setup.randrange(1, 255)}"
            for _ in range(20_000)
        ]
        paths = [
            f"/v{setup.randrange(1, 4)}/{setup.choice(_RESOURCES)}/{words[setup.randrange(2000)]}"
            + ("/{id}" if setup.random() < 0.5 else "")
            for _ in range(500)
        ]
        self.word = _zipf(words, 1.0, 2.7)
        self.user = _zipf(users, 1.05)
        self.address = _zipf(addresses, 0.8)
        self.path = _zipf(paths, 1.0)
        self.category = _weighted(_CATEGORIES)
        self.level = _weighted(_LEVELS)
        self.method = _weighted(_METHODS)
        self.status = _weighted(_STATUSES)


def generate(number: int, *, seed: int = 7, days: float = 10, start: str = "2026-01-01") -> Iterator[dict[str, Any]]:
    """So many events in the order of their times, spread evenly with jitter over `days` days from `start` (UTC).

    Their keys are those of somebody else's program; `to_fields` makes them ours. As compact JSON the same arguments
    give the same bytes everywhere.
    """
    company = _Company(random.Random(f"daybook-bench-{seed}"))  # noqa: S311 (a workload, not a secret)
    chance = random.Random(seed)  # noqa: S311
    first = int(datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp()) * 1_000_000
    step = days * 86_400_000_000 / max(number, 1)
    for place in range(number):
        yield _event(company, chance, first + int((place + chance.random() * 0.999) * step))


def _event(company: _Company, chance: random.Random, moment: int) -> dict[str, Any]:
    """An event at `moment` (microseconds since 1970). The order in which chance is asked decides the bytes."""
    second, fraction = divmod(moment, 1_000_000)
    category = company.category(chance)
    level = company.level(chance)
    status = company.status(chance)
    path = company.path(chance)
    if path.endswith("{id}"):
        path = path[:-4] + str(chance.randrange(1, 100_000))
    risk = int(chance.expovariate(1 / 12.0)) + 25 * (category == "security")
    risk += 15 * (status in (401, 403, 429)) + 10 * (level in ("ERROR", "CRITICAL"))
    metadata: dict[str, Any] = {"req": f"{chance.getrandbits(40):010x}", "region": chance.choice(_REGIONS)}
    extra = chance.random()
    if extra < 0.6:
        metadata["ver"] = chance.choice(_VERSIONS)
    if extra < 0.25:
        metadata["order"] = chance.randrange(1, 250_000)
    return {
        "timestamp": f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{fraction // 1000:03d}Z",
        "category": category,
        "action": chance.choice(_ACTIONS[category]),
        "level": level,
        "username": company.user(chance),
        "ip": company.address(chance),
        "method": company.method(chance),
        "path": path,
        "status": status,
        "response_time_ms": round(math.exp(chance.gauss(3.2, 1.1)), 2),
        "risk": min(100, risk),
        "country": _COUNTRIES[min(19, int(chance.expovariate(0.25)))],
        "session": f"{chance.getrandbits(32):08x}",
        "description": " ".join(company.word(chance) for _ in range(chance.randint(6, 12))),
        "metadata": metadata,
    }


def to_fields(event: dict[str, Any]) -> dict[str, Any]:
    """The generated event as the fields that `Store.append` takes."""
    return {_OUR_NAMES.get(key, key): value.lower() if key == "level" else value for key, value in event.items()}
