"""Attacks on web applications in what an event has of a request; what an attack looks like is said in `web`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import islice
from typing import Any, Final

from ..fields import leaves_below, leaves_from
from .conditions import Key
from .finding import Finding
from .form import NONE, Bounds, Fields, Form
from .rules import WebRule

__all__ = ["Web"]

_PARTS: Final = frozenset({"query", "params", "headers", "body"})
"""What `web.attacks_of` looks at in metadata."""
_LONGEST_REMEMBERED: Final = 512
_MOST_TEXTS: Final = 200
_SHOWN: Final = 200


@lru_cache(maxsize=8_192)
def _is_plain(text: str, agent: bool) -> bool:
    from .web import attacks

    return not attacks(text, agent=agent)


@lru_cache(maxsize=8_192)
def _is_quiet(text: str) -> bool:
    from .web_suspect import suspect

    return not suspect(text)


def _may_attack(text: object, *, agent: bool) -> bool:
    """Whether the text is not known to be none: paths and user agents come again and again."""
    if type(text) is not str or not text:
        return False
    if len(text) > _LONGEST_REMEMBERED:
        return True
    if not agent:
        head, _, last = text.rpartition("/")
        if last.isdigit() and last.isascii() and _is_quiet(head):  # /orders/1, /orders/2, ...
            return False
    return not _is_plain(text, agent)


class Web(Form[WebRule]):
    """A text of the event is an attack; the class is a part of the key."""

    def __init__(self, rule: WebRule, bounds: Bounds) -> None:
        super().__init__(rule, bounds)
        self._classes = frozenset(rule.classes)

    def see(self, event: Fields, seq: int, time: int, step: int) -> Sequence[Finding]:
        shown = self._in_fields(event) if self.rule.fields else _in_request(event) if _is_worth(event) else None
        if not shown:
            return NONE
        key = self._key_of(event)
        return NONE if key is None else self._tell_each(event, seq, time, key, shown)

    def _tell_each(
        self, event: Fields, seq: int, time: int, key: Key, shown: dict[str, tuple[str, ...]]
    ) -> Sequence[Finding]:
        told: list[Finding] = []
        for name in dict.fromkeys(name for names in shown.values() for name in names):
            if self._classes and name not in self._classes:
                continue
            names = {**dict(zip(self.rule.by, key, strict=True)), "attack": name}
            where = [field for field, names_there in shown.items() if name in names_there]
            details: Callable[[], dict[str, Any]] = partial(dict, fields=where[:10])
            told += self._tell(event, (*key, name), time, (seq,), 1, names=names, details=details)
        return told

    def _in_fields(self, event: Fields) -> dict[str, tuple[str, ...]]:
        """By field of the rule, the classes of attacks that its texts show."""
        from .web import attacks

        found: dict[str, tuple[str, ...]] = {}
        for field in self.rule.fields:
            for text in islice(_texts(event, field), _MOST_TEXTS):
                if classes := attacks(text, agent=field == "user_agent"):
                    found[field] = tuple(dict.fromkeys((*found.get(field, ()), *classes)))
        return found


def _is_worth(event: Fields) -> bool:
    """Whether the event has what may be an attack."""
    path, agent, free = event.get("path"), event.get("user_agent"), event.get("metadata")
    return (
        (path is not None and _may_attack(path, agent=False))
        or (agent is not None and _may_attack(agent, agent=True))
        or (type(free) is dict and not _PARTS.isdisjoint(free))
    )


def _in_request(event: Fields) -> dict[str, tuple[str, ...]]:
    """By field, the classes of attacks that the path, its parameters, the user agent and the like show."""
    from .web import attacks_of

    return attacks_of(event)


def _texts(event: Fields, field: str) -> Iterator[str]:
    """The texts of the field; of metadata all at the path or below it."""
    if not field.startswith("metadata"):
        value: Any = event.get(field)
        texts: list[object] = value if isinstance(value, list) else [value]
    elif field == "metadata":
        texts = leaves_below(event.get("metadata"))
    else:
        texts = list(leaves_from(event.get("metadata"), field.removeprefix("metadata.")))
    return (text for text in texts if isinstance(text, str) and not text.isalnum())
