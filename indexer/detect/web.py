"""Attacks on web applications, as they show in paths, parameters, headers and user agents."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from .web_agents import is_scanner
from .web_commands import shows_cmdi, shows_php
from .web_decode import LOOKED_AT, WHOLE, View, unquoted
from .web_lookups import shows_crlf, shows_ldap, shows_log4shell, shows_nosql
from .web_markup import shows_ssti, shows_xss, shows_xxe
from .web_paths import shows_ssrf, shows_traversal
from .web_sqli import shows_sqli
from .web_suspect import suspect

__all__ = ["CLASSES", "attacks", "attacks_of"]

_SHOWS: Final[dict[str, Callable[[View], bool]]] = {
    "sqli": shows_sqli,
    "xss": shows_xss,
    "traversal": shows_traversal,
    "cmdi": shows_cmdi,
    "ssrf": shows_ssrf,
    "log4shell": shows_log4shell,
    "ssti": shows_ssti,
    "xxe": shows_xxe,
    "php": shows_php,
    "ldap": shows_ldap,
    "nosql": shows_nosql,
    "crlf": shows_crlf,
}
CLASSES: Final = (*_SHOWS, "scanner")
"""The classes of attack in the order in which they are named."""

_PRODUCT: Final = re.compile(r"[A-Za-z][\w.-]{1,40}+/v?\d")
_REMEMBERED: Final = 512
_PARAMETERS: Final = 64
_LAYERS: Final = 2  # of URL encoding that are taken off for the quick look
_TEXTS: Final = 200
_ROOM: Final = 16 * 1024
_DEPTH: Final = 8
_PARTS: Final = ("query", "params", "headers", "body")


def attacks(text: str, *, agent: bool = False) -> tuple[str, ...]:
    """The classes of attack that the text shows, () for an ordinary one.

    It may be a parameter's value, a path with or without a query string, a header's value, or a user agent; `agent`
    says that it is one, in which a scanner's bare name is enough. LOOKED_AT characters are looked at. Never raises.
    """
    if agent:
        return _of_agent(text) if len(text) <= _REMEMBERED else _with_scanner(text, _shown(text))
    shown = _shown(text)
    return _with_scanner(text, shown) if _PRODUCT.match(text) else shown


def attacks_of(fields: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """By field, the classes of attack that the event's texts show; a field that shows none is left out.

    Looked at are `path`, its parameters each (`path?name`), `user_agent`, and what stands under `query`, `params`,
    `headers` and `body` in `metadata` (`metadata.query.name`): 200 texts, and 16 KiB of characters altogether.
    """
    found: dict[str, tuple[str, ...]] = {}
    room = _ROOM
    for number, (field, text) in enumerate(_texts(fields)):
        if number >= _TEXTS or room <= 0:
            break
        shown = attacks(text[:room], agent=field == "user_agent")
        room -= len(text)
        if shown:
            found[field] = tuple(each for each in CLASSES if each in {*found.get(field, ()), *shown})
    return found


def _texts(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The texts of the event that come from outside, with the field of each."""
    path = fields.get("path")
    if isinstance(path, str):
        before, _, query = path.partition("?")
        yield "path", before
        for name, value in _parameters(query):
            yield f"path?{name[:64]}", value
            yield f"path?{name[:64]}", name
    agent = fields.get("user_agent")
    if isinstance(agent, str):
        yield "user_agent", agent
    metadata = fields.get("metadata")
    if isinstance(metadata, Mapping):
        for part in _PARTS:
            if part in metadata:
                yield from _inside(f"metadata.{part}", metadata[part], _DEPTH)


def _inside(field: str, value: object, depth: int) -> Iterator[tuple[str, str]]:
    """The texts in a value, its keys among them, which are the sender's too."""
    if isinstance(value, str):
        if value.startswith("?") or _FORM.match(value):
            for name, text in _parameters(value.lstrip("?")):
                yield f"{field}.{name[:64]}", text
                yield f"{field}.{name[:64]}", name
        else:
            yield field, value
    elif isinstance(value, Mapping) and depth:
        for key, each in value.items():
            name = str(key)
            yield f"{field}.{name[:64]}", name
            yield from _inside(f"{field}.{name[:64]}", each, depth - 1)
    elif isinstance(value, list | tuple) and depth:
        for each in value:
            yield from _inside(field, each, depth - 1)


_FORM: Final = re.compile(r"[\w.%\[\]$+-]{1,100}=")


def _parameters(query: str) -> Iterator[tuple[str, str]]:
    """The names and values of a query string, one layer of encoding taken off."""
    for pair in query[:LOOKED_AT].split("&", _PARAMETERS) if query else ():
        name, _, value = pair.partition("=")
        yield unquoted(name.replace("+", " ")), unquoted(value.replace("+", " "))


def _shown(text: str) -> tuple[str, ...]:
    """The classes that the text shows, without the scanner's."""
    if len(text) <= WHOLE and not suspect(text):
        return ()
    return _remembered(text) if len(text) <= _REMEMBERED else _found(text[:LOOKED_AT])


def _with_scanner(text: str, shown: tuple[str, ...]) -> tuple[str, ...]:
    return (*shown, "scanner") if is_scanner(text) else shown


@lru_cache(maxsize=2048)  # the same few come again and again
def _of_agent(text: str) -> tuple[str, ...]:
    return _with_scanner(text, _shown(text))


def _found(text: str) -> tuple[str, ...]:
    """The classes that a text shows which is not ordinary: of its parts, if it is a path with a query string."""
    if len(text) > WHOLE:
        return _judged(text.replace("+", " ") if text.startswith(("/", "?")) else text)
    if text.startswith(("/", "?")) and "?" in text:
        path, _, query = text.partition("?")
        shown = {each for part in (path, *(p for pair in _parameters(query) for p in pair)) for each in _judged(part)}
        return tuple(each for each in CLASSES if each in shown)
    return _judged(text)


_remembered: Final = lru_cache(maxsize=2048)(_found)


def _judged(text: str) -> tuple[str, ...]:
    """The classes that the text shows, decoded and whole."""
    if len(text) <= WHOLE:
        for _ in range(_LAYERS):
            text = unquoted(text)
        if not suspect(text):
            return ()
    view = View(text)
    return tuple(name for name, shows in _SHOWS.items() if shows(view))
