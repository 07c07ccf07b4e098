"""Redaction of an event's values in depth: by the key they stand under, and each text for itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Final, Literal

from .redaction_headers import authorization, cookies
from .redaction_keys import KeyNames, Named
from .redaction_numbers import is_card_number
from .redaction_patterns import Span
from .redaction_search import Search
from .redaction_values import is_secret

__all__ = ["GONE", "Marks", "Path", "Walk", "json_path"]

Path = tuple[str | int, ...]
GONE: Final = object()
"""In place of a value that was removed: its key goes too."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(r"[\w.-]{1,128}")
_ROUNDS: Final = 4
"""So often a text is looked through again after something was taken out; two are all it should ever need."""
_HEADERS: Final = frozenset({"authorization", "cookie"})


class Marks:
    """What is written in place of secrets."""

    def __init__(self, mode: Literal["mask", "remove", "digest"], key: bytes = b"") -> None:
        self.removes = mode == "remove"
        self._key = (key if len(key) <= 64 else blake2b(key).digest()) if mode == "digest" else None

    def mark(self, kind: str, value: str) -> str:
        """The mark for a secret of this kind: its name, with a digest that is the same for the same value, or `[]`."""
        if self.removes:
            return "[]"
        if self._key is None:
            return f"[redacted:{kind}]"
        digest = blake2b(value.encode("utf-8", "surrogatepass"), key=self._key, digest_size=8)
        return f"[sha:{kind}:{digest.hexdigest()}]"

    def put(self, text: str, spans: list[Span]) -> str:
        """The text with marks at these places."""
        parts: list[str] = []
        at = 0
        for start, end, kind in spans:
            parts += (text[at:start], self.mark(kind, text[start:end]))
            at = end
        return "".join((*parts, text[at:]))


class Walk:
    """One event's way through redaction; `found` gathers the paths of what was changed."""

    def __init__(self, names: KeyNames, search: Search, marks: Marks) -> None:
        self._names, self._search, self._marks = names, search, marks
        self.found: list[Path] = []

    def text(self, text: str) -> str:
        """The text without what is secret in it; the same object if there is nothing."""
        for _ in range(_ROUNDS):
            spans = self._search(text) if text else []
            if not spans:
                break
            text = self._marks.put(text, spans)
        return text

    def value(self, value: Any, path: Path, named: Named | None = None) -> Any:
        """The value without what is secret in it, the same object if there is nothing; GONE if nothing is left of it.

        `named` is what the key above says of it.
        """
        if isinstance(value, str):
            changed = self._named_text(value, named) if named else self.text(value)
            return self._seen(value, changed, path)
        if isinstance(value, dict):
            return self._object(value, path, named)
        if isinstance(value, (list, tuple)):
            return self._list(value, path, named)
        if value is None or isinstance(value, bool):
            return value
        return self._number(value, path, named)

    def _seen(self, value: str, changed: str, path: Path) -> Any:
        if changed == value:
            return value
        self.found.append(path)
        return GONE if self._marks.removes and changed == "[]" else changed

    def _named_text(self, text: str, named: Named) -> str:
        """A text under a key that names a secret: all of it, but a cookie's name and an authorization's scheme."""
        found: Iterable[Span] = ()
        if named.kind == "cookie":
            found = cookies(text, 0, attributes=named.attributes)
        elif named.kind == "authorization":
            found = authorization(text, 0)
        spans = [span for span in found if span[0] < span[1]]
        if spans:
            return self.text(self._marks.put(text, spans))
        if not is_secret(text) or self._marked(text, named):
            return self.text(text)
        return self._marks.mark(named.kind, text)

    def _marked(self, text: str, named: Named) -> bool:
        """Whether the form of a header leaves nothing more to take out."""
        return named.kind in _HEADERS and ("[redacted:" in text or "[sha:" in text or "[]" in text)

    def _number(self, value: Any, path: Path, named: Named | None) -> Any:
        kind = named.kind if named and named.numbers else ""
        if not kind and self._search.cards and isinstance(value, int) and is_card_number(value):
            kind = "card"
        if not kind:
            return value
        self.found.append(path)
        return GONE if self._marks.removes else self._marks.mark(kind, str(value))

    def _list(self, values: Any, path: Path, named: Named | None) -> Any:
        told = self._pair(values)
        changed = [
            self.value(each, (*path, place), told if told and place == 1 else named)
            for place, each in enumerate(values)
        ]
        changed = ["[]" if each is GONE else each for each in changed]
        return changed if any(one is not other for one, other in zip(values, changed, strict=True)) else values

    def _pair(self, values: Any) -> Named | None:
        """What a list of a header's name and its value is."""
        if len(values) != 2 or not all(isinstance(each, str) for each in values):
            return None
        named = self._said(values[0])
        return named if named and named.kind in _HEADERS else None

    def _said(self, name: str) -> Named | None:
        """What a text that stands for a key names; a text with anything else in it is none."""
        return self._names.named(name) if _PLAIN.fullmatch(name) else None

    def _object(self, values: dict[str, Any], path: Path, named: Named | None) -> Any:
        about = values.get("name", values.get("key"))
        told = self._said(about) if isinstance(about, str) and "value" in values else None
        changed: dict[str, Any] = {}
        same = True
        for key, each in values.items():
            name = self._key(key, changed)
            under = self._under(name, None if isinstance(each, dict) else named)
            new = self.value(each, (*path, name), under or (told if key == "value" else None))
            same = same and new is each and name is key
            if name is not key:
                self.found.append((*path, name))
            if new is not GONE:
                changed[name] = new
        return values if same else changed

    def _key(self, key: str, taken: dict[str, Any]) -> str:
        """The key without what is secret in it; another one if it is taken."""
        new = self.text(key)
        if new == key:
            return key
        name, count = new, 1
        while name in taken:
            count += 1
            name = f"{new}#{count}"
        return name

    def _under(self, key: str, named: Named | None) -> Named | None:
        """What a key names, in an object that stands under a secret's name or under none."""
        own = self._names.named(key)
        if own is not None or named is None or not named.inside or self._names.tells(key):
            return own
        return named


def json_path(path: Path) -> str:
    """The path as RFC 9535 writes it: `$.metadata.headers.Authorization`, `$.metadata['a b'][2]`."""
    parts = []
    for part in path:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        elif _NAME.fullmatch(part):
            parts.append(f".{part}")
        else:
            quoted = json.dumps(part, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
            parts.append(f"['{quoted}']")
    return "$" + "".join(parts)
