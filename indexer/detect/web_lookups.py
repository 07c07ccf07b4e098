"""Syntax of what looks things up or ends a line: loggers, directories, document stores, headers."""

from __future__ import annotations

import re
from typing import Final

from .web_decode import View
from .web_features import Sign, reaches, sign

__all__ = ["shows_crlf", "shows_ldap", "shows_log4shell", "shows_nosql"]

_LOOKUP: Final = re.compile(r"\$\{[^${}\n]{0,40}:-?([^${}:\n]{0,20})\}")
_LOG4SHELL: Final[tuple[Sign, ...]] = (
    sign(10, "jndi", r"\$\{?\s?\{?\s?jndi\s?:|\bjndi:(?:ldaps?|rmi|dns|iiop|nis|nds|corba|https?):"),
    sign(10, "${", r"\$\{(?:ctx|lower|upper|base64|bundle|jvmrunargs|k8s|spring|sd|marker):|\$\{\s?\$\{|\$\{::-"),
    sign(10, "${", r"\$\{(?:env|sys|java|date|main|docker|web):[^}]{0,60}(?::-|\$\{)"),
)

_FIELD: Final = r"[a-z]{1,20}\s?="
_LDAP: Final[tuple[Sign, ...]] = (
    sign(10, ")", rf"\*\)\s?\((?:[&|!]|{_FIELD})|\)\s?\({_FIELD}[*)]|\)\)\0|\*\)\)"),
    sign(10, "(", r"\*\s?\(\s?[|&!]\s?\("),
    sign(10, "(", rf"\(?[|&]\({_FIELD}\*|^\*\(\)\|&"),
    sign(10, "objectclass", r"\*.{0,5}\(\s?objectclass\s?="),
)

_OPERATORS: Final = (
    "(?:ne|eq|gte?|lte?|n?in|regex|exists|where|or|and|not|nor|comment|elemmatch|expr|function|size|type|options)"
)
_NOSQL: Final[tuple[Sign, ...]] = (
    sign(10, "[$", rf"\[\${_OPERATORS}\]"),
    sign(10, "$", rf"[{{,\[&]\s?[\"']?\s?\${_OPERATORS}[\"']?\s?:|^[\"']?\$where\b|\$where['\"]?\s?:"),
    sign(10, "exists", r"[{,\[]\s?[\"']?&exists[\"']?\s?:"),
    sign(10, "$", rf"^\[?\${_OPERATORS}\]?\s?[:=]"),
    sign(10, "return", r"['\"0-9]\s?;\s?return\s?\(?\s?(?:true|false|1|'|\")"),
    sign(10, "this.", r"\bthis\.\w{1,40}\.match\(|&& ?this\."),
    sign(10, "==", r"\|\| ?['\"]?1['\"]?\s?==|&& ?'' ?== ?'"),
    sign(10, "db.", r"\bdb\.\w{1,40}\.(?:insert|find|drop|remove|update|mapreduce)\("),
    sign(10, "sleep(", r"['\"]\s?;\s?sleep\(\d"),
    sign(10, "new", r"\bnew date\(\).{0,9};"),
    sign(10, "}", r"\}\s?\]\s?,\s?\$|['\"]\s?\}\s?,\s?\$"),
)

_METHODS: Final = "(?:get|post|head|put|delete|options|trace|connect|propfind)"
_CRLF: Final[tuple[Sign, ...]] = (
    sign(
        *(10, ":"),
        r"[\r\n]\s{0,9}+(?:set-cookie|content-(?:type|length|disposition)|transfer-encoding|location|refresh|x-[a-z-]{2,30})"
        r"\s{0,3}:\s{0,3}[\w/.-]",
    ),
    sign(
        10,
        "http/",
        rf"[\r\n]\s{{0,9}}+http/[0-9.]{{1,3}}\s\d{{3}}|(?:^|[\r\n])\s{{0,9}}+{_METHODS}\s{{1,9}}\S{{1,200}}\s{{1,9}}http/\d",
    ),
)


def shows_log4shell(view: View) -> bool:
    """Whether a logger that looks names up would fetch code: `${jndi:...}`, and the forms that hide it."""
    text = view.text
    if "${" not in text and "jndi" not in text:
        return False
    if reaches(text, _LOG4SHELL):
        return True
    for _ in range(3):
        text = _LOOKUP.sub(r"\1", text)
    return reaches(text, _LOG4SHELL)


def shows_ldap(view: View) -> bool:
    """Whether the text would change the filter of an LDAP search that it is put into."""
    return reaches(view.text, _LDAP)


def shows_nosql(view: View) -> bool:
    """Whether a document database would take the text for an operator or a script."""
    return reaches(view.text, _NOSQL)


def shows_crlf(view: View) -> bool:
    """Whether the text, put into a header, would end it and begin another or a second message."""
    text = view.text
    return not text.startswith("--") and reaches(text, _CRLF)  # the parts of a multipart body have headers
