"""Which keys name secrets: token by token, so that `apiKey` and `X-API-Key` do, and `monkey` and `token_type` do not.

A key is cut into words (`X-API-Key`: x, api, key). It names a secret if its last words do (`client_secret`,
`PGPASSWORD`), words that leave a secret one aside (`password_hash`, `new_password_2`). What is told of a secret
(`password_length`, `token_expires_at`) is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from .redaction_values import MARKED

__all__ = ["IN_QUERY", "KeyNames", "Named", "backward_pattern", "words"]


class Named(NamedTuple):
    """What a key names: the kind that a mask shows, and how far it reaches."""

    kind: str
    numbers: bool = True
    """Whether a number under the key is a secret: `pin: 1234` is one, `max_tokens: 100` is not."""
    inside: bool = True
    """Whether what lies in an object under the key is secret, or only what has a key that says so."""
    attributes: bool = False
    """Whether cookies have attributes beside them, as in Set-Cookie."""


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+")
_FILE = re.compile(r"^(?:/|\.\.|etc/)|/etc/|[ :]/")
"""What says of a key with `/` that it is the path of a file or an address: `/etc/passwd`, `POST /oauth/token`."""
_LONGEST: Final = 128
"""So many characters of a key are looked at, its last ones."""
_CACHED: Final = 4096

_KINDS: Final = {
    "password": "password passwd pwd pass-phrase pass-code passwort kennwort contraseña contrasena senha mot-de-passe"
    " wachtwoord hasło parola пароль 密码 密碼 パスワード 비밀번호",
    "secret": "secret",
    "token": "token jwt",
    "api_key": "api-key app-key",
    "access_key": "access-key secret-key account-key shared-key storage-key master-key",
    "private_key": "private-key priv-key signing-key encryption-key decryption-key ssh-key host-key",
    "authorization": "authorization auth-key",
    "cookie": "cookie cookies",
    "session": "phpsessid jsessionid",
    "credential": "credential credentials",
    "pin": "pin pin-code",
    "cvv": "cvv cvc security-code card-verification-value",
    "card": "card-number credit-card debit-card",
    "ssn": "ssn social-security social-security-number",
    "otp": "otp totp one-time-password one-time-code mfa-code verification-code recovery-code backup-code",
    "seed": "seed-phrase mnemonic recovery-phrase",
    "signature": "amz-signature goog-signature",
}
_WITHOUT_NUMBERS: Final = {
    "password": "passwords passwds pass pw",
    "secret": "secrets",
    "token": "tokens",
    "api_key": "api-keys",
    "access_key": "access-keys secret-keys",
    "private_key": "private-keys",
    "otp": "recovery-codes backup-codes",
}
"""Names under which a number is a count."""
IN_QUERY: Final = frozenset({"sig", "signature", "pass", "pw"})
"""Names that are secrets' in the query of a URL alone; elsewhere they are anything's."""
_GLUED: Final = (
    *("password", "passwd", "passphrase", "token", "secret"),
    *("apikey", "secretkey", "accesskey", "privatekey"),
)
"""Words that name a secret at the end of a longer one too: `pgpassword`, `csrfmiddlewaretoken`."""

_ASIDE_WORDS: Final = (
    "value values val raw plain plaintext clear cleartext text string str data hash hashed digest salt encrypted"
    " enc decrypted new old current previous confirm confirmation repeat again retype verify base64 b64 hex base bytes"
    " header"
)
_ASIDE: Final = frozenset(_ASIDE_WORDS.split())
"""Words that may follow the secret one: `password_confirmation` is a password too."""
_TOLD_WORDS: Final = (
    "id ids type types kind name names expires expiry expiration expired at in on length len count used changed age"
    " policy url uri scope scopes issuer audience algorithm alg status enabled required version created updated"
    " user subject action role namespace strength by"
)
_TOLD: Final = frozenset(_TOLD_WORDS.split())
"""Words that tell something of a secret: under `token: {type: ..., value: ...}` only the value is one."""

_INNOCENT_WORDS: Final = (
    "publickeytoken nexttoken pagetoken continuationtoken clientrequesttoken paginationtoken synctoken skiptoken"
    " tokensecretid invalidtoken unexpectedtoken badtoken nopasswd nopassword chpasswd gpasswd htpasswd smbpasswd"
    " vipasswd lastpass nopass hypass"
)
_INNOCENT: Final = frozenset(_INNOCENT_WORDS.split())
"""Words, or several as one, that look like a secret's name and are none: programs, places in a list, .NET's names."""


def words(key: str) -> list[str]:
    """The words of a key in small letters: of `X-API-Key`, `xApiKey` and `x_api_key` the same."""
    return [word.lower() for word in _WORD.findall(key[-_LONGEST:])]


def _table() -> dict[str, Named]:
    table = {}
    for kind, names in _KINDS.items():
        table.update(dict.fromkeys(names.replace("-", "").split(), Named(kind)))
    for kind, names in _WITHOUT_NUMBERS.items():
        table.update(dict.fromkeys(names.replace("-", "").split(), Named(kind, numbers=False)))
    table["credential"] = table["credentials"] = Named("credential", numbers=False, inside=False)
    table["authorization"] = Named("authorization", inside=False)
    table["cookies"] = Named("cookie", numbers=False)
    table["setcookie"] = Named("cookie", attributes=True)
    return table


_BUILT_IN: Final = _table()


def backward_pattern(further: Iterable[str] = ()) -> tuple[str, str]:
    """A regular expression for keys that may name secrets, from their last character back; and the letters they end in.

    It is for small letters. It decides nothing, `KeyNames.named` does: it is there to pass over what names none.
    """
    names = {name for names in (*_KINDS.values(), *_WITHOUT_NUMBERS.values()) for name in names.split()}
    names |= IN_QUERY | {"-".join(words(key)) for key in further if words(key)}
    last = {re.escape(name[-1]) for name in (*names, *_ASIDE)}
    ends = "".join(sorted(last))
    asides = _branches([word[::-1] for word in _ASIDE])
    before = f"(?:[0-9]{{1,3}}+[_.-]?+)?+(?=[{ends}])(?:{asides}[_.-]?+){{0,2}}+"
    return before + _branches([name[::-1] for name in names]), ends


def _branches(names: Iterable[str]) -> str:
    """The names as alternatives, each beginning that several share once: the engine tries few of them."""
    rests: dict[str, list[str]] = {}
    for name in names:
        rests.setdefault(name[:1], []).append(name[1:])
    ends = "" in rests
    rests.pop("", None)
    each = [
        ("[ _.-]?+" if first == "-" else re.escape(first)) + (_branches(rest) if len(rest) > 1 else _letters(rest[0]))
        for first, rest in sorted(rests.items())
    ]
    joined = each[0] if len(each) == 1 else f"(?:{'|'.join(each)})"
    return f"(?:{joined})?+" if ends else joined


def _letters(name: str) -> str:
    return "[ _.-]?+".join(map(re.escape, name.split("-")))


_REACH: Final = 4
"""So many words of a key may be one name."""


class KeyNames:
    """Tells of keys what secret they name, with the further keys and exceptions of the settings."""

    def __init__(self, further: Iterable[str] = (), allowed: Iterable[str] = ()) -> None:
        own = {joined: Named("key") for key in further if (joined := "".join(words(key)))}
        self._table = {**_BUILT_IN, **own}
        self._reach = max([_REACH, *(len(words(key)) for key in (*further, *allowed))])
        self._allowed = _INNOCENT | {joined for key in allowed if (joined := "".join(words(key)))}
        self._known: dict[str, Named | None] = {}

    def named(self, key: Any) -> Named | None:
        """What secret the key names, None for none, and for what is no text."""
        try:
            return self._known[key]
        except KeyError:
            pass
        if not isinstance(key, str):
            return None
        found = self._named(key)
        if len(key) <= _LONGEST:
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[key] = found
        return found

    def tells(self, key: str) -> bool:
        """Whether the key is about a secret, and what stands under it is none: `type`, `expires_in`."""
        last = words(key)[-1:]
        return bool(last) and last[0] in _TOLD

    def holds(self, key: str) -> bool:
        """Whether the key stands for the secret itself: `value`, `header`."""
        last = words(key)[-1:]
        return bool(last) and last[0] in _ASIDE

    def _named(self, key: str) -> Named | None:
        if "/" in key and _FILE.search(key):
            return None
        parts = words(MARKED.sub("", key) if "[" in key else key)
        if found := self._at_end(parts):
            return found[0]
        while parts and (parts[-1] in _ASIDE or parts[-1].isdigit()):
            parts.pop()
            if found := self._at_end(parts):
                return found[0]
        return None

    def _at_end(self, parts: list[str]) -> tuple[Named | None] | None:
        """In a tuple, what the last words name; a tuple of None if they are allowed; None if they say nothing."""
        joined, named = "", None
        for count in range(1, min(self._reach, len(parts)) + 1):
            joined = parts[-count] + joined
            if joined in self._allowed:
                return (None,)
            named = self._table.get(joined) or named
        if named is None and parts and parts[-1].endswith(_GLUED):
            named = self._table[next(end for end in _GLUED if parts[-1].endswith(end))]
        return (named,) if named else None
