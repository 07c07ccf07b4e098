"""Redaction of an event's values in depth: by the key they stand under, and each text for itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from itertools import count, pairwise
from typing import Any, Final, Literal

from .codec import dumps, structure
from .redaction_headers import authorization, cookies, is_left
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
_OPTION = re.compile(r"--?[A-Za-z][A-Za-z0-9_-]{1,40}")
_GROWS: Final = 4096
"""An object or list that marks would make longer by more than so many characters becomes one mark: else an event that
is not too long could become so."""
_SPACES: Final = " \t\r\n"
_LONGEST_JSON: Final = 64 * 1024
_NESTED: Final = 3
"""So deep JSON in a text, in a text of that, is gone through as values; what is deeper only as a text."""
_DEEPEST: Final = 64
_ESCAPES = re.compile(r"[\"\\\x00-\x1f]")
_MOST_LOOKS: Final = 200
"""So many texts with escapes in JSON in texts are looked through for themselves."""


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

    def __init__(
        self, names: KeyNames, search: Search, marks: Marks, outer: Walk | None = None, source: str = ""
    ) -> None:
        self._names, self._search, self._marks = names, search, marks
        self._depth: int = outer._depth + 1 if outer else 0
        self._looks: Iterator[int] = outer._looks if outer else count()
        self._escaped = "\\u" in source or "\\/" in source
        self._grown = 0
        self.found: list[Path] = []

    def text(self, text: str) -> str:
        """The text without what is secret in it; the same object if there is nothing."""
        if self._depth and self._is_looked_through(text):
            return text
        changed = self._plain(text)
        if self._depth >= _NESTED or not text.lstrip(_SPACES).startswith(("{", "[")):
            return changed
        for _ in range(_ROUNDS):
            left = self._json(text, changed)
            if left == changed:
                break
            text = left
            changed = self._plain(left)
            if changed == left:
                break
        return changed

    def _is_looked_through(self, text: str) -> bool:
        """Whether a text in JSON in a text was looked through with that one, as it has no escapes; or too many were."""
        return not (self._escaped or _ESCAPES.search(text)) or next(self._looks) >= _MOST_LOOKS

    def _plain(self, text: str) -> str:
        """The text without what the search finds in it."""
        for _ in range(_ROUNDS):
            spans = self._search(text) if text else []
            if not spans:
                break
            text = self._marks.put(text, spans)
        return text

    def _json(self, text: str, changed: str) -> str:
        """What is left of a text that may be JSON, of which `changed` is left by the search.

        That one keeps the form that the text has. So JSON is written anew only if more is found in it as the value that
        it is, or if the search left no JSON: a mark in place of a number has no quotes.
        """
        if len(text) > _LONGEST_JSON:
            return changed
        value = structure(changed)
        if value is None and changed is not text:
            value = structure(text)
        if value is None or _is_deep(value):
            return changed
        inner = Walk(self._names, self._search, self._marks, self, text)
        left = inner.value(value, ())
        return dumps(left).decode() if inner.found else changed

    def value(self, value: Any, path: Path, named: Named | None = None) -> Any:
        """The value without what is secret in it, the same object if there is nothing; GONE if nothing is left of it.

        `named` is what the key above says of it. Of classes of their own plain values are left.
        """
        if isinstance(value, str):
            plain = _plain_text(value)
            return self._seen(plain, self._named_text(plain, named) if named else self.text(plain), path)
        if isinstance(value, Mapping):
            return self._bounded(self._object, value, path, named)
        if isinstance(value, (list, tuple)):
            return self._bounded(self._list, value, path, named)
        if value is None or isinstance(value, bool):
            return value
        return self._number(value, path, named)

    def _bounded(self, walk: Callable[[Any, Path, Named | None], Any], value: Any, path: Path, named: Any) -> Any:
        """What `walk` leaves of an object or a list, one mark of it if the marks inside make it much longer."""
        grown, found = self._grown, len(self.found)
        changed = walk(value, path, named)
        if self._grown - grown <= _GROWS:
            return changed
        self._grown = grown
        self.found[found:] = [path]
        mark = self._marks.mark("rest", "")
        return {"rest": mark} if isinstance(value, Mapping) else [mark]

    def _seen(self, value: str, changed: str, path: Path) -> Any:
        if changed == value:
            return value
        self.found.append(path)
        self._grown += len(changed) - len(value)
        return GONE if self._marks.removes and changed == "[]" else changed

    def _named_text(self, text: str, named: Named) -> str:
        """A text under a key that names a secret: all of it, but a cookie's name and an authorization's scheme."""
        if named.kind not in _HEADERS:
            return self._marks.mark(named.kind, text) if is_secret(text) else self.text(text)
        changed = text
        for _ in range(_ROUNDS):
            before = changed
            if named.kind == "cookie":
                spans = list(cookies(changed, 0, attributes=named.attributes))
            else:
                spans = list(authorization(changed, 0))
            changed = self.text(self._marks.put(changed, [span for span in spans if span[0] < span[1]]))
            if changed == before:
                break
        left = is_left(changed, named.kind, attributes=named.attributes)
        return self._marks.mark(named.kind, text) if left else changed

    def _number(self, value: Any, path: Path, named: Named | None) -> Any:
        kind = named.kind if named and named.numbers else ""
        if not kind and self._search.cards and isinstance(value, int) and is_card_number(value):
            kind = "card"
        if not kind:
            return value
        self.found.append(path)
        mark = self._marks.mark(kind, str(value))
        self._grown += len(mark) - len(str(value))
        return GONE if self._marks.removes else mark

    def _list(self, values: Any, path: Path, named: Named | None) -> Any:
        told = self._told(values)
        changed = [self.value(each, (*path, place), told.get(place, named)) for place, each in enumerate(values)]
        if values and all(map(_is_pair, values)):
            for place, (name, value) in enumerate(values):
                if pair := self._said(name):
                    new = self.value(value, (*path, place, 1), pair)
                    if new is not value:
                        changed[place] = [changed[place][0], "[]" if new is GONE else new]
        changed = ["[]" if each is GONE else each for each in changed]
        return changed if any(one is not other for one, other in zip(values, changed, strict=True)) else values

    def _told(self, values: Any) -> dict[int, Named]:
        """What the elements of a list say of those after them: a header's name, an option such as `--password`."""
        told = {}
        for place, (name, value) in enumerate(pairwise(values)):
            if not isinstance(name, str) or not isinstance(value, str):
                continue
            option = _OPTION.fullmatch(name) is not None and not value.startswith("-")
            named = self._said(name) if option or len(values) == 2 else None
            if named and (option or named.kind in _HEADERS):
                told[place + 1] = named
        return told

    def _said(self, name: str) -> Named | None:
        """What a text that stands for a key names; a text with anything else in it is none."""
        return self._names.named(name) if _PLAIN.fullmatch(name) else None

    def _object(self, values: Mapping[Any, Any], path: Path, named: Named | None) -> Any:
        about = values.get("name", values.get("key"))
        told = self._said(about) if isinstance(about, str) and "value" in values else None
        changed: dict[Any, Any] = {}
        same = values.__class__ is dict
        for key, each in values.items():
            name = self._key(key, changed)
            under = self._under(name, None if isinstance(each, Mapping) else named)
            new = self.value(each, (*path, name), under or (told if key == "value" else None))
            same = same and new is each and name is key
            if name != key:
                self.found.append((*path, name))
                self._grown += len(name) - len(key)
            if new is not GONE:
                changed[name] = new
        return values if same else changed

    def _key(self, key: Any, taken: dict[Any, Any]) -> Any:
        """The key without what is secret in it; another one if it is taken."""
        if not isinstance(key, str):
            return key
        plain = _plain_text(key)
        new = self.text(plain)
        if new == plain:
            return plain
        name, number = new, 1
        while name in taken:
            number += 1
            name = f"{new}#{number}"
        return name

    def _under(self, key: Any, named: Named | None) -> Named | None:
        """What a key names, in an object that stands under a secret's name or under none."""
        own = self._names.named(key)
        if own is not None or named is None or not isinstance(key, str) or self._names.tells(key):
            return own
        return named if named.inside or self._names.holds(key) else None


def _plain_text(text: str) -> str:
    """The text, not of a class of its own."""
    return text if text.__class__ is str else str.__str__(text)


def _is_pair(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(each, str) for each in value)


def _is_deep(value: Any) -> bool:
    """Whether values lie deeper in each other than is gone through."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            for inner in (each.values() if each.__class__ is dict else each)
            if inner.__class__ is dict or inner.__class__ is list
        ]
        if not level:
            return False
    return True


def json_path(path: Path) -> str:
    """The path as RFC 9535 writes it: `$.metadata.headers.Authorization`, `$.metadata['a b'][2]`."""
    parts = []
    for part in path:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        elif _NAME.fullmatch(str(part)):
            parts.append(f".{part}")
        else:
            quoted = json.dumps(str(part), ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
            parts.append(f"['{quoted}']")
    return "$" + "".join(parts)
