"""Values that are secrets by their shape: tokens of clouds and vendors, JSON web tokens, private keys.

Each pattern begins with characters that do not change, and what follows them is bounded or runs to the end of the token
without coming back (`++`, `{n,}+`): the time is linear in the text, whatever the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

__all__ = ["KINDS", "RUN", "Span", "long_run", "private_keys", "tokens"]

Span = tuple[int, int, str]
"""Where something secret begins and ends, and of what kind it is."""

RUN: Final = 16
"""No token has less than this many characters in a row out of letters, digits, `-` and `_`."""

_W: Final = "[A-Za-z0-9_-]"
_END: Final = "(?![A-Za-z0-9])"

_SHAPES: Final[tuple[tuple[str, str], ...]] = (
    # A JSON web token begins a word: else every `eyJ` of a long run would be a beginning to try.
    (
        "jwt",
        rf"eyJ(?:(?<![A-Za-z0-9_-]eyJ)|(?<=\\[nrt]eyJ)){_W}{{8,}}+\.(?:eyJ{_W}++(?:\.{_W}*+)?|{_W}*+(?:\.{_W}++){{1,3}}+)",
    ),
    ("onepassword", rf"ops_eyJ{_W}{{80,}}+"),
    ("onepassword", r"A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}"),
    ("anthropic", rf"sk-ant-[a-z]{{2,8}}[0-9]{{2}}-{_W}{{60,}}+"),
    ("openrouter", r"sk-or-v1-[0-9a-f]{64}"),
    ("openai", rf"sk-{_W}{{40,}}+"),
    ("aws_key_id", rf"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{{16}}{_END}"),
    ("aws_bedrock", r"ABSK[A-Za-z0-9+/]{100,}+={0,2}"),
    ("google", rf"AIza{_W}{{35}}"),
    ("google", rf"GOCSPX-{_W}{{28}}"),
    ("google", rf"ya29\.{_W}{{20,}}+"),
    ("github", r"ghs_[0-9]{1,20}_eyJ[A-Za-z0-9_.-]{36,}+"),
    ("github", r"gh[pousr]_[A-Za-z0-9]{36,}+"),
    ("github", r"github_pat_[A-Za-z0-9_]{50,}+"),
    ("gitlab", rf"gl(?:pat|dt|rt|rtr|ft|soat|agent|imt|cbt|ptt|oas|ffct)-{_W}{{20,}}+"),
    ("gitlab", rf"GR1348941{_W}{{20}}"),
    ("slack", r"xox[abeoprs]-[A-Za-z0-9-]{10,}+"),
    ("slack", r"xapp-[0-9]-[A-Za-z0-9-]{10,}+"),
    ("slack", r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9_/-]{15,}+"),
    ("discord", rf"discord(?:app)?\.com/api/(?:v[0-9]{{1,2}}/)?webhooks/[0-9]{{15,20}}/{_W}{{60,}}+"),
    ("discord", rf"[MNO](?<![A-Za-z0-9_-].){_W}{{23,27}}+\.{_W}{{6}}\.{_W}{{27,}}+"),
    ("telegram", rf"AA(?<=[0-9]:AA){_W}{{33}}(?![A-Za-z0-9_-])"),
    ("stripe", r"[rs]k_(?:live|test)_[A-Za-z0-9]{24,}+"),
    ("stripe", r"whsec_[A-Za-z0-9+/]{24,}+={0,2}"),
    ("square", rf"sq0(?:atp|csp|idp)-{_W}{{22,43}}"),
    ("shopify", r"shp(?:at|ca|pa|ss|ua)_[A-Za-z0-9]{32,}+"),
    ("sendgrid", rf"SG\.{_W}{{20,24}}\.{_W}{{39,50}}+"),
    ("twilio", rf"SK[0-9a-f]{{32}}{_END}"),
    ("mailgun", rf"key-[0-9a-f]{{32}}{_END}"),
    ("mailchimp", rf"us(?<=[0-9a-f]{{32}}-us)[0-9]{{1,2}}{_END}"),
    ("brevo", r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    ("npm", r"npm_[A-Za-z0-9]{36,}+"),
    ("pypi", rf"pypi-{_W}{{50,}}+"),
    ("rubygems", r"rubygems_[0-9a-f]{48}"),
    ("nuget", rf"oy2[a-z0-9]{{43}}{_END}"),
    ("docker", rf"dckr_(?:pat|oat)_{_W}{{20,}}+"),
    ("cloudflare", rf"cf(?:at|ut|k)_[A-Za-z0-9]{{40}}[0-9a-f]{{8}}{_END}"),
    ("databricks", rf"dapi[0-9a-fA-F]{{32}}(?:-[0-9]{{1,2}})?{_END}"),
    ("digitalocean", r"do[opr]_v1_[0-9a-f]{64}"),
    ("heroku", rf"HRKU-{_W}{{36,}}+"),
    ("vercel", r"vc[acikpr]_[A-Za-z0-9]{24,}+"),
    ("netlify", r"nf[cpu]_[A-Za-z0-9]{36,}+"),
    ("supabase", r"sb(?:p_[0-9a-f]{40}|_secret_[A-Za-z0-9_-]{30,}+)"),
    ("planetscale", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{32,}+"),
    ("doppler", r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.-]{40,}+"),
    ("pulumi", r"pul-[0-9a-f]{40}"),
    ("terraform", rf"atlasv1\.(?<=[A-Za-z0-9]{{14}}\.atlasv1\.){_W}{{60,}}+"),
    ("tailscale", r"tskey-[a-z]{2,16}-[A-Za-z0-9]{8,40}-[A-Za-z0-9]{20,}+"),
    ("vault", rf"hv[brs]\.{_W}{{90,}}+"),
    ("grafana", r"glc_[A-Za-z0-9+/]{32,}+={0,2}"),
    ("grafana", r"glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}"),
    ("newrelic", r"NR(?:AK|II|JS|BR)-[A-Za-z0-9-]{27,}+"),
    ("sentry", r"sntry[su]_[A-Za-z0-9_=+/-]{60,}+"),
    ("linear", r"lin_(?:api|oauth)_[A-Za-z0-9]{40,}+"),
    ("figma", rf"fig[dou]r?_{_W}{{40,}}+"),
    ("notion", rf"ntn_[0-9]{{11}}[A-Za-z0-9]{{35}}{_END}"),
    ("notion", rf"secret_[A-Za-z0-9]{{43}}{_END}"),
    ("atlassian", r"AT(?:ATT|CTT)3[A-Za-z0-9_=+/-]{100,}+"),
    ("bitbucket", rf"ATBB[A-Za-z0-9]{{32}}{_END}"),
    ("postman", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    ("typeform", r"tfp_[A-Za-z0-9_.-]{40,}+"),
    ("huggingface", rf"hf_[A-Za-z]{{34}}{_END}"),
    ("groq", rf"gsk_[A-Za-z0-9]{{52}}{_END}"),
    ("xai", r"xai-[A-Za-z0-9]{70,}+"),
    ("perplexity", r"pplx-[A-Za-z0-9]{48,}+"),
    ("replicate", rf"r8_[A-Za-z0-9]{{37}}{_END}"),
    ("artifactory", r"AKC[a-zA-Z0-9]{60,}+"),
    ("age", r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    # The beginning of a private key in PEM form, in base64 once more: `-----BEGIN PRIVATE`, `RSA`, `EC`, `OPENSSH`.
    ("private_key", r"LS0tLS1CRUdJTi(?:BQUklW|BSU0Eg|BFQyBQ|BPUEVO|BEU0Eg|BFTkNS)[A-Za-z0-9+/=]{40,}+"),
)
KINDS: Final = tuple(sorted({"azure", *(kind for kind, _ in _SHAPES)}))

_FIRST = re.compile(r"\[([A-Za-z0-9]+)\]|([A-Za-z0-9])")
_AZURE = re.compile(rf"[78]Q~(?<=[A-Za-z0-9_~.]{{3}}[78]Q~)[A-Za-z0-9_~.-]{{31,34}}{_END}")


def _by_first() -> dict[str, list[tuple[str, str]]]:
    """The kinds and shapes by the character that a token begins with; the shapes without it."""
    table: dict[str, list[tuple[str, str]]] = {}
    for kind, shape in _SHAPES:
        if first := _FIRST.match(shape):
            for character in first[1] or first[2]:
                table.setdefault(character, []).append((kind, shape[first.end() :]))
    return table


# What stands before a token comes first, and one branch for each first character: so the engine passes over the inside
# of words without trying anything, and tries little elsewhere.
_TABLE: Final = _by_first()
_ANY = re.compile(
    f"[^A-Za-z0-9](?=[{''.join(_TABLE)}])"
    f"(?:{'|'.join(f'{first}(?:' + '|'.join(rest for _, rest in rests) + ')' for first, rests in _TABLE.items())})"
)
_EACH: Final = {first: [(kind, re.compile(first + rest)) for kind, rest in rests] for first, rests in _TABLE.items()}

_CLASSES: Final = bytes(
    ord("w") if chr(code).isascii() and (chr(code).isalnum() or chr(code) in "-_") else ord(" ") for code in range(256)
)
_LONG: Final = b"w" * RUN
_WHOLE_RUN = re.compile(rf"{_W}{{{RUN},}}+")
_IDENTIFIER = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:[0-9a-f]{16}){1,2}|[0-9]{16,20}|[a-z_-]{16,30}"
)
"""What has the length of a token and is none: UUIDs, hexadecimal ids, numbers, words joined."""

_ESCAPES: Final = {
    "\\": [("\\" + letter, "\\ ") for letter in "nrtbf"]
    + [(f"\\u00{code}", "\\u00  ") for code in ("3d", "3a", "3D", "3A")],
    "%": [
        (f"%{code}", "%  ") for code in ("3D", "3A", "2C", "2F", "0A", "0D", "5B", "7B", "3d", "3a", "2c", "2f", "5b")
    ],
}
"""What ends in a letter or digit and is none: JSON's escapes, and those of URLs."""

_OTHERS: Final = bytes(code for code in range(128) if not chr(code).isalnum())
_PEM = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END [A-Z0-9 ]{1,64}-{4,5}|-----BEGIN ")
_PEM_BODY = re.compile(r"(?:[A-Za-z0-9+/=,:.\s\\-]|%[0-9A-F]{2})*+")
_PEM_LEAST: Final = 40
"""A key has this many letters and digits at least; less is an example's `...`."""


def long_run(text: str) -> bool:
    """Whether there is a run of characters in the text that is long enough for a token, and no identifier's."""
    classes = text.encode("latin-1", "replace").translate(_CLASSES)  # a byte for each character
    at = classes.find(_LONG)
    while at >= 0:
        run = _WHOLE_RUN.match(text, at)
        if run is None or _IDENTIFIER.fullmatch(run[0]) is None:
            return True
        at = classes.find(_LONG, run.end())
    return False


def tokens(text: str) -> Iterator[Span]:
    """The tokens in the text, each where a word begins."""
    plain = " " + text
    for sign, escapes in _ESCAPES.items():
        if sign in text:
            for escape, blank in escapes:
                plain = plain.replace(escape, blank)
    for match in _ANY.finditer(plain):
        start = match.start() + 1
        kind = next(kind for kind, shape in _EACH[plain[start]] if shape.match(plain, start))
        if kind != "openai" or "T3BlbkFJ" in match[0]:
            begin = _BEGIN.get(kind)
            yield (begin(plain, start) if begin else start) - 1, match.end() - 1, kind
    if "Q~" in text:
        for match in _AZURE.finditer(text):
            yield match.start() - 3, match.end(), "azure"


def private_keys(text: str) -> Iterator[Span]:
    """The private keys in PEM form in the text, whole or cut off, on lines or with `\\n` for their ends."""
    done = 0
    for match in _PEM.finditer(text):
        if match.start() < done:
            continue
        end = _PEM_END.search(text, match.end())
        whole = end is not None and end[0].startswith("-----END")
        stop = end.start() if end else _cut_off(text, match.end())
        done = end.end() if end and whole else stop
        if _letters(text[match.end() : min(stop, match.end() + 4 * _PEM_LEAST)]) >= _PEM_LEAST:
            yield match.start(), done, "private_key"


def _letters(text: str) -> int:
    """How many letters and digits there are."""
    return len(text.encode("ascii", "ignore").translate(None, _OTHERS))


def _cut_off(text: str, start: int) -> int:
    """Where a key ends that has no end line: with what can stand in one."""
    body = _PEM_BODY.match(text, start)
    return body.end() if body else start


def _back(characters: str, most: int) -> Callable[[str, int], int]:
    """Where a token begins whose first characters, at most so many, are not what it is found by."""

    def begin(text: str, start: int) -> int:
        head = text[max(0, start - most) : start]
        return start - len(head) + len(head.rstrip(characters))

    return begin


def _after_address(text: str, start: int) -> int:
    """Where the secret part of a webhook's address begins; the host stays, so that a reader sees whose it is."""
    for place in ("services/", "workflows/", "triggers/", "webhooks/"):
        at = text.find(place, start, start + 60)
        if at >= 0:
            return at + len(place)
    return start


_DIGITS: Final = "0123456789"
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BEGIN: Final[dict[str, Callable[[str, int], int]]] = {
    "telegram": _back(_DIGITS + ":", 11),
    "mailchimp": _back(_DIGITS + "abcdef-", 33),
    "terraform": _back(_LETTERS + _DIGITS + ".", 15),
    "slack": _after_address,
    "discord": _after_address,
}
