"""Credentials in the forms that have rules of their own: authorization headers, cookies, URLs, command lines, SQL."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from .redaction_keys import IN_QUERY, KeyNames, Named
from .redaction_patterns import Span
from .redaction_values import MARK, MARKED, is_placeholder, is_secret, quoted, unquoted, until_line_end

__all__ = [
    *("authorization", "bearers", "commands", "cookies", "escaped_name", "is_left", "queries", "statements"),
    "url_passwords",
]

_SCHEME = re.compile(
    r"(?:(basic|bearer|token|negotiate|ntlm|kerberos|api-?key|jwt|dpop|sso-key|splunk|privatetoken|sharedkey|gnap)"
    r"|(digest|aws4-hmac-sha256|aws|oauth|hawk|hmac[a-z0-9-]{0,12}|signature|mac|vapid|sharedaccesssignature|googlelogin))"
    r"(?:[ ]{1,4}|%20|\+)",
    re.IGNORECASE,
)
"""Schemes of one word after them, and those with parameters to the end of the line."""
_BARE: Final = 12
"""So long at least is what follows `authorization:` in prose without a scheme to be taken for a credential."""

_PAIR = re.compile(rf"[ ]?([^\s=;,\"'\\]{{1,128}})=(\"?)({MARK}|[^;\s\"'\\]*+)\"?(;|%3[bB])?")
_ATTRIBUTES: Final = frozenset(
    {"path", "domain", "expires", "max-age", "samesite", "httponly", "secure", "partitioned", "priority", "version"}
)

_SEMICOLON = re.compile(r";|%3[bB]")
_QUERY_NAME = re.compile(r"[?&]([^\s=&#\"?]{1,128}+)=")
_QUERY_VALUE = re.compile(r"[^\s&#\"\\]*+(?:\\(?![nrtu\"'\\])[^\s&#\"\\]*+)*+")
_QUERY_ESCAPED = re.compile(r"[?&][^\s=&#\"?%]{0,64}+%[^\s=&#\"?]{0,64}+=")

_FLAGS = re.compile(r"(?:[ ]?(?:secure|httponly|partitioned)[ ]?;){1,4}", re.IGNORECASE)

_BEARER = re.compile(r"(bearer|basic)(?:[ \t]{1,4}+|%20|\+)[\"']?([a-z0-9._~+/%-]{8,}+={0,2})")
_BASIC: Final = 2048

_USERINFO = re.compile(r"://([^\s/@:\"'<>?#\[]{0,128}):([^\s/\"'<>?]{0,256})@|://([^\s/@:\"'<>?#\[]{20,128})@")
_TOKEN_USER: Final = frozenset({"", "x-oauth-basic", "x-oauth-token", "x"})

_FLAG = re.compile(
    r"-(?<![a-z0-9_-]-)-?(?=[a-z0-9-]{0,24}?(?:pass(?:word|wd|phrase|code)?|pwd|pw|token|secret|key|pin|otp)\b)"
    r"([a-z][a-z0-9-]{1,40}+)[ ]{1,3}+(?![-=:\s|&;])"
)
_NET_USER = re.compile(
    r"net(?<![a-z0-9]net)1?(?:\.exe)?[\"']?[ ]{1,4}user[ ]{1,4}(?:/[a-z]{1,16}[ ]{1,4}){0,3}"
    r"[^\s/\"'\\]{1,64}[ ]{1,4}(?:/[a-z]{1,16}[ ]{1,4}){0,3}([^\s/\"'\\][^\s\"'\\]{0,127})"
)
_TOOL = re.compile(
    r"(?:sshpass[ ]{1,4}-p[ ]{0,4}|curl[ ]{1,4}-u[ ]{1,4}[\"']?[^\s:\"']{1,64}:| -u [\"']?[^\s:\"'/]{1,64}:)"
)
_SQL = re.compile(
    r"(?:identified[ ](?:with[ ][a-z0-9_'\"]{1,40}[ ])?(?:by|as)|password)(?:[ ]{1,2}\(?+|\()[ ]?+(?=['\"])"
)


def authorization(text: str, at: int) -> Iterator[Span]:
    """The credentials of an authorization header whose value begins here; the scheme stays."""
    place = quoted(text, at)
    start, end = place or (at, len(text))
    scheme = _SCHEME.match(text, start, end)
    if scheme is not None:
        start = scheme.end()
    if place is None:
        if is_placeholder(text, start):
            return
        end = until_line_end(text, start) if scheme and scheme[2] else unquoted(text, start)[1]
    value = text[start:end]
    if not is_secret(value, prose=True, begins=place is None):
        return
    if scheme is None and (len(value) < _BARE or place is None) and value.isalpha():
        return  # `"authorization": "ldap"`
    if scheme is None and place is None and len(value) < _BARE:
        return
    yield start, end, "authorization"


def cookies(text: str, at: int, *, attributes: bool = False) -> Iterator[Span]:
    """The values of the cookies whose list begins here, empty places for those that stay as they are.

    Names stay, and what Set-Cookie says of a cookie.
    """
    place = quoted(text, at)
    start, stop = place or (at, len(text))
    pair = _PAIR.match(text, start, stop)
    if pair is None:
        if place is not None and is_secret(text[start:stop]):
            yield start, stop, "cookie"
        return
    first = True
    while pair is not None:
        attribute = attributes and not first and pair[1].lower() in _ATTRIBUTES
        start, end = pair.span(3)
        yield start, end if not attribute and is_secret(pair[3]) else start, "cookie"
        at, first = pair.end(), False
        if pair[4] is None and not text.startswith(";", at):
            return
        pair = _PAIR.match(text, at, stop) or (_next_pair(text, at, stop) if attributes else None)


def _next_pair(text: str, at: int, end: int) -> re.Match[str] | None:
    """The next pair of Set-Cookie after attributes without a value, such as `Secure`."""
    flags = _FLAGS.match(text, at, end)
    return _PAIR.match(text, flags.end(), end) if flags else None


def bearers(text: str, low: str) -> Iterator[Span]:
    """The credentials after `Bearer` and `Basic` wherever they stand; `basic` only with what decodes to `user:...`."""
    for match in _BEARER.finditer(low):
        start, end = match.span(2)
        value = text[start:end]
        if match[1] == "basic":
            found = _is_basic(value)
        else:
            found = (len(value) >= 20 or any(map(str.isdigit, value))) and is_secret(value)
        yield start, end if found else start, match[1]


def _is_basic(value: str) -> bool:
    try:
        plain = b64decode(value[:_BASIC] + "=" * (-len(value[:_BASIC]) % 4))
    except (Error, ValueError):
        return False
    return b":" in plain and all(byte >= 32 for byte in plain)


def url_passwords(text: str) -> Iterator[Span]:
    """The passwords in the addresses of URLs; the user's name stays, unless it is a token in its place."""
    for match in _USERINFO.finditer(text):
        if match[3] is not None:
            if any(map(str.isdigit, match[3])) and not match[3].startswith(("$", "{", "[")):
                yield *match.span(3), "url_user"
        elif match[2].lower() in _TOKEN_USER:
            if len(match[1]) >= 16 and is_secret(match[1]):
                yield *match.span(1), "url_user"
        elif is_secret(match[2]):
            yield *match.span(2), "url_password"


def commands(text: str, low: str, names: KeyNames) -> Iterator[Span]:
    """The passwords in command lines: `--password x`, `net user ada x /add`, `sshpass -p x`, `curl -u ada:x`."""
    if "-" in low:
        for match in _FLAG.finditer(low):
            named = names.named(text[match.start(1) : match.end(1)])
            yield _argument(text, match.end(), named.kind) if named else (match.end(), match.end(), "")
        for match in _TOOL.finditer(low):
            yield _argument(text, match.end())
    if " user " in low:
        for match in _NET_USER.finditer(low):
            yield _argument(text, match.start(1))


def statements(text: str, low: str) -> Iterator[Span]:
    """The passwords in SQL: `IDENTIFIED BY 'x'`, `PASSWORD 'x'`."""
    for match in _SQL.finditer(low):
        yield _argument(text, match.end())


def _argument(text: str, at: int, kind: str = "password") -> Span:
    """The place of the one value that begins here, an empty one if it is no secret."""
    place = quoted(text, at)
    start, end = place or unquoted(text, at)
    return start, end if is_secret(text[start:end], prose=True, begins=place is None) else start, kind


def queries(text: str, names: KeyNames) -> Iterator[Span]:
    """The secrets in queries of URLs: there only `&`, `#`, a space and `"` end a value, and names may be escaped."""
    done = 0
    for match in _QUERY_NAME.finditer(text):
        if match.start() < done:
            continue
        key = unquote(match[1]) if "%" in match[1] else match[1]
        named = names.named(key) or (Named("password") if key.lower() in IN_QUERY else None)
        if named is None or named.kind in ("authorization", "cookie"):
            continue
        body = _QUERY_VALUE.match(text, match.end())
        start, done = match.end(), body.end() if body else match.end()
        value = text[start:done]
        counts = not named.numbers and value.replace(".", "", 1).isdigit()
        kind = "signature" if key[:1] in "sS" and key.lower() in IN_QUERY else named.kind
        yield start, done if is_secret(value, begins=True) and not counts else start, kind


def escaped_name(text: str, low: str) -> object:
    """Whether a name in a query is written with escapes."""
    return "%" in text and "=" in text and _QUERY_ESCAPED.search(text)


def is_left(text: str, kind: str, *, attributes: bool = False) -> bool:
    """Whether beside marks and what may stay a secret is left of the value of such a header."""
    if kind == "cookie":
        parts = [part.strip() for part in _SEMICOLON.split(text)]
        return any(_is_left_of_cookie(part, attributes and place > 0) for place, part in enumerate(parts))
    rest = MARKED.sub("", text)
    scheme = _SCHEME.match(rest)
    return is_secret((rest[scheme.end() :] if scheme else rest).strip())


def _is_left_of_cookie(part: str, attributes: bool) -> bool:
    name, sign, value = part.partition("=")
    if attributes and name.lower() in _ATTRIBUTES:
        return False
    return is_secret(MARKED.sub("", value if sign else name).strip(' "'))
