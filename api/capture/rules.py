"""Rules by route: what is excluded, always written, sensitive, sampled.

A pattern is a path whose segments are literal or `{name}`, any one segment: `/users/{id}`. It may end in `*`, anything:
`/health*`, `/static/*` (which is also `/static`); or begin with it: `*.css`. A method may stand before: `POST /login`.
A slash at the end makes no difference. A pattern is compared with the path; one that is written as the application's
own route (`/files/{rest}`) also means what that route takes.

Of the patterns in `exclude`, `always` and `sample` that fit, the most specific decides: the one with the most literal
characters; of equals, one without `*`; then with fewer `{name}`; then with a method. Should two lists have the same
pattern, `always` goes before `sample`, and that before `exclude`. `sensitive` holds beside whatever these say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, Self
from zlib import crc32

__all__ = ["Pattern", "Rules", "Verdict", "is_sampled"]

_LONGEST: Final = 4096
"""What follows in a longer path is not compared."""
_CACHED: Final = 256
_METHOD: Final = re.compile(r"[A-Z]{1,20}", re.ASCII)
_NAME: Final = re.compile(r"\{[^{}/*]{0,64}\}")
_ANY: Final = "{}"


class Verdict(NamedTuple):
    """What the rules say of a request."""

    rate: float = 1.0
    """The share of such requests that is written: 0 none, not even of those that failed; 1 all."""
    excluded: bool = False
    sensitive: bool = False


_PLAIN: Final = Verdict()


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which requests are meant. Compared in time proportional to the path, without a regular expression."""

    text: str
    method: str | None
    segments: tuple[str, ...]
    """What stands between slashes; `{}` is any one segment. Of a pattern that begins with `*`, the end of the path."""
    open: bool
    """Whether the last of them need only be what that segment begins with."""
    suffix: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """The pattern that a setting names; raises ValueError."""
        method, _, path = text.strip().rpartition(" ")
        method = method.strip()
        if method and not _METHOD.fullmatch(method):
            raise ValueError(f"{text!r}: before the path there may be one method, such as POST")
        if path.startswith("*") and len(path) > 1 and not set("*{}") & set(path[1:]):
            return cls(text, method or None, (path[1:],), open=False, suffix=True)
        stem = path.removesuffix("*")
        plain = _NAME.sub("", stem)
        if not path.startswith("/") or set("*{}?#") & set(plain):
            raise ValueError(f"{text!r}: expected a path such as /users/{{id}}, /health*, or *.css")
        named = _segments(_NAME.sub(_ANY, stem), keep_end=path.endswith("*"))
        if any(_ANY in segment and segment != _ANY for segment in named):
            raise ValueError(f"{text!r}: {{name}} must be a whole segment")
        return cls(text, method or None, named, open=path.endswith("*"), suffix=False)

    @property
    def specific(self) -> tuple[int, bool, int, bool]:
        """How specific it is: the greater, the more."""
        literal = sum(len(segment) for segment in self.segments if segment != _ANY)
        names = self.segments.count(_ANY)
        slashes = 0 if self.suffix else len(self.segments)
        return literal + slashes, not (self.open or self.suffix), -names, self.method is not None

    def fits(self, method: str, path: str, route: str | None = None) -> bool:
        """Whether this request is meant, by its path or by the route that took it."""
        if self.method is not None and method != self.method:
            return False
        if route is not None and self._is_route(route):
            return True
        if self.suffix:
            return path.endswith(self.segments[0])
        given = _segments(path[:_LONGEST])
        wanted = self.segments
        if self.open:
            return self._fits_beginning(given)
        return len(given) == len(wanted) and all(map(_same, given, wanted))

    def _fits_beginning(self, given: tuple[str, ...]) -> bool:
        *before, last = self.segments
        if len(given) < len(before) or not all(map(_same, given, before)):
            return False
        if not last:
            return True  # `/static/*` is also `/static`
        return len(given) > len(before) and (last == _ANY or given[len(before)].startswith(last))

    def _is_route(self, route: str) -> bool:
        return not self.suffix and not self.open and _segments(_NAME.sub(_ANY, route[:_LONGEST])) == self.segments


def _same(given: str, wanted: str) -> bool:
    return wanted in (given, _ANY)


def _segments(path: str, *, keep_end: bool = False) -> tuple[str, ...]:
    """What stands between slashes, without what would follow one at the end."""
    segments = path.split("/")[1:]
    if not keep_end and segments and not segments[-1]:
        segments.pop()
    return tuple(segments)


class Rules:
    """What is to be done with which request."""

    def __init__(
        self,
        exclude: Iterable[str] = (),
        always: Iterable[str] = (),
        sensitive: Iterable[str] = (),
        sample: Mapping[str, float] | None = None,
    ) -> None:
        ranked = [
            *((Pattern.parse(text), 2, Verdict()) for text in always),
            *((Pattern.parse(text), 1, Verdict(rate)) for text, rate in (sample or {}).items()),
            *((Pattern.parse(text), 0, Verdict(0.0, excluded=True)) for text in exclude),
        ]
        ranked.sort(key=lambda each: (each[0].specific, each[1]), reverse=True)
        self._ranked = [(pattern, verdict) for pattern, _, verdict in ranked]
        self._sensitive = [Pattern.parse(text) for text in sensitive]
        self._any = bool(self._ranked or self._sensitive)
        self._known: Callable[[str, str, str | None], Verdict] = lru_cache(maxsize=1024)(self._look)

    def verdict(self, method: str, path: str, route: str | None = None) -> Verdict:
        """What holds for this request: `path` without query string, `route` as the application has it, if known."""
        if not self._any:
            return _PLAIN
        return self._known(method, path, route) if len(path) <= _CACHED else self._look(method, path, route)

    def _look(self, method: str, path: str, route: str | None) -> Verdict:
        found = next((verdict for pattern, verdict in self._ranked if pattern.fits(method, path, route)), _PLAIN)
        if any(pattern.fits(method, path, route) for pattern in self._sensitive):
            return found._replace(sensitive=True)
        return found


def is_sampled(key: str, rate: float) -> bool:
    """Whether what has this key is among the share that is written: always the same for the same key and rate.

    A key that a client chooses, such as a trace's id, must be digested with a secret before.
    """
    return rate >= 1 or crc32(key.encode()) < rate * 2**32
