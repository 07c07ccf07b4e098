"""Secrets in a text by the name that stands before them: `password=x`, `"token": "x"`, `<secret>x</secret>`.

The text is looked through for parts of secrets' names that a sign follows; only there is anything else tried, so that
the time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from .redaction_headers import authorization, cookies
from .redaction_keys import IN_QUERY, KeyNames, Named, backward_pattern
from .redaction_patterns import Span
from .redaction_values import is_placeholder, is_secret, quoted, unquoted

__all__ = ["NamedValues", "lowered"]

_KEY_CHARS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."
_REACH: Final = 64
"""So many characters of a key before the part of a name are looked at."""

_QUOTE: Final = r"(?:[\"'`]\\{0,3}+|22%|;touq&)"
_SIGN: Final = (
    r"(?:=(?:[:=]|3%)?+|[:：]|>=?+|,)(?=[{LAST}0-9 \t\"'`\]%;])(?:(?=[ \t\"'`\]2;ed])[ \t]{0,4}+"
    rf"(?:{_QUOTE}?+eulav(?:{_QUOTE}?+[ ]?,[ ]?|[ ](?=[\"'])))?+{_QUOTE}?+(?:\](?:[0-9]{{0,3}}+\[)?+|d5%(?:b5%)?+)?+)?+"
)
"""What stands between a name and its value, backward: `=`, `": "`, `","value":`, `%3d` (written `%3=`)."""
_WINDOW: Final = 4096
"""So much of a text is looked through at a time, so that one with very many names is not gone through to its end."""
_OVERLAP: Final = 192
_NEXT = re.compile(r"\\{0,3}[\"'],[ ]?(?=\\{0,3}[\"'])")
_VARIABLE = re.compile(r"\$[A-Za-z_][\w.:]{0,80}|[A-Za-z_]\w{0,40}(?:\.\w{1,40}){1,4}")
_SPACE = re.compile(r"[ \t]{0,8}")
_SCHEMES: Final = frozenset({"basic", "bearer", "token", "digest", "negotiate", "apikey"})


def lowered(text: str) -> str:
    """The text in small letters, each at its place: `İ` alone would become two."""
    return text.replace("İ", "I").lower() if "İ" in text else text.lower()


def _backward(low: str) -> str:
    """The text from its end, with `%3d` and `%3a` as the signs that they are."""
    if "%3" in low:
        low = low.replace("%3d", "%3=").replace("%3a", "%3=")
    return low[::-1]


class NamedValues:
    """Finds the values whose names say that they are secrets."""

    def __init__(self, names: KeyNames, further: Iterable[str] = ()) -> None:
        self._names = names
        pattern, last = backward_pattern(further)
        self._back = re.compile(f"({_SIGN.replace('{LAST}', last)})({pattern})")

    def worth(self, text: str, low: str) -> object:
        """Whether there is a name with a sign after it: what looks for more follows only then."""
        signs = "=" in text or ":" in text or "：" in text or ">" in text or "%3" in text or "'" in text or '"' in text
        return signs and self._back.search(_backward(low))

    def __call__(self, text: str, low: str) -> Iterator[Span]:
        """The values, from left to right, and an empty place for each name without; `low` is the text, `lowered`."""
        back, done, size = _backward(low), 0, len(low)
        for begin in range(0, size, _WINDOW):
            if begin + _WINDOW <= done:
                continue
            left, right = max(0, size - begin - _WINDOW), min(size, size - begin + _OVERLAP)
            for match in reversed(list(self._back.finditer(back, left, right))):
                first, end, at = size - match.end(), size - match.end(1), size - match.start()
                if first < done or at <= begin:
                    continue
                before = text[max(done, first - _REACH) : first]
                start = first - len(before) + len(before.rstrip(_KEY_CHARS))
                yield start, start, ""
                for span in self._values(text, start, end, at):
                    yield span
                    done = span[1]

    def _named(self, text: str, start: int, key: str) -> Named | None:
        """What the key at this place names; None for what stands in a mark of ours, or is no key here."""
        if text.endswith(("[redacted:", "[sha:"), 0, start):
            return None
        if key.lower() in IN_QUERY:
            asked = start > 0 and text[start - 1] in "?&;"
            return Named("signature" if key[0] in "sS" else "password") if asked else None
        return self._names.named(key)

    def _values(self, text: str, start: int, end: int, at: int) -> Iterator[Span]:
        """The values of the key from `start` to `end`, whose sign goes to `at`."""
        key = text[start:end]
        named = self._named(text, start, key)
        if named is None:
            return
        before, sign = text[start - 1 : start], text[end:at].strip(" \t\"'`\\]")
        spaces = _SPACE.match(text, at)
        at = spaces.end() if spaces else at
        joined = at - end == 1
        if sign == ">":
            end = text.find("<", at)
            if before in ("<", ":") and end > at:
                yield at, end, named.kind
            return
        if sign == "," and (named.kind not in ("authorization", "cookie") or before not in ("'", '"')):
            return
        if sign.endswith(":") and ((joined and before in (":", "/")) or text.startswith("//", at)):
            return  # a part of an ARN or of an address
        if named.kind == "cookie":
            yield from cookies(text, at, attributes=named.attributes)
        elif named.kind == "authorization":
            yield from authorization(text, at)
        else:
            yield from self._one(text, at, sign, key, named)

    def _one(self, text: str, at: int, sign: str, key: str, named: Named) -> Iterator[Span]:
        """The one value that begins here, if it is a secret."""
        place = quoted(text, at)
        if place is None and is_placeholder(text, at):
            return  # before its end is looked for: that may be far, and so for every name on the way there
        prose = place is None and sign == ":"
        start, end = place or unquoted(text, at, in_url=sign.startswith("%"))
        value = text[start:end]
        if place is None and (value.lower() in _SCHEMES or value.startswith("!!")) and text.startswith(" ", end):
            start, end = unquoted(text, end + 1)
            value = text[start:end]
        if not is_secret(value, prose=prose, begins=place is None):
            return
        if not named.numbers and value.replace(".", "", 1).isdigit():
            return
        if key[-3:].lower() == "pwd" and value.startswith(("/", "~")):
            return  # sudo's and the shell's name for the working directory
        if place is None and _VARIABLE.fullmatch(value) and self._names.named(value):
            return  # code: `password=self.password`, `$t.Password = $Password`
        yield start, end, named.kind
        if place is not None and text[at] == "[":
            yield from self._others(text, end, named)

    def _others(self, text: str, end: int, named: Named) -> Iterator[Span]:
        """The other texts of a list whose first ends here."""
        while following := _NEXT.match(text, end):
            place = quoted(text, following.end())
            if place is None:
                return
            end = place[1]
            if is_secret(text[place[0] : end]):
                yield *place, named.kind
