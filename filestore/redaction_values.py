"""Where the value ends that follows a secret's name in a text, and whether it is a secret at all."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["MARK", "MARKED", "Place", "is_placeholder", "is_secret", "quoted", "unquoted", "until_line_end"]

MARK: Final = r"\[(?:redacted:[a-z0-9_-]{1,40}|sha:[a-z0-9_-]{1,40}:[0-9a-f]{16}|)\]"
"""What redaction writes; where it stands nothing is done again."""
MARKED = re.compile(MARK)

Place = tuple[int, int]

_OPEN = re.compile(r"(?:[\[(][ ]?)?[bruf]?(\\{0,3})([\"'`])|%22|&quot;")
_PLAIN = {quote: re.compile(rf"[^{quote}\\\r\n]*+(?:\\.[^{quote}\\\r\n]*+)*+") for quote in "\"'`"}
_ESCAPED = {(count, quote): re.compile(rf"(?<!\\)\\{{{count}}}{quote}") for count in (1, 2, 3) for quote in "\"'`"}
_ENDS: Final = r"\s&\"'`<>;,|)\]}\\"
_UNQUOTED = re.compile(rf"(?:{MARK})?(?:[^{_ENDS}]++(?:\\(?![nrt\"'])[^{_ENDS}]*+)*+)?+")
_IN_URL = re.compile(rf"(?:{MARK})?(?:[^{_ENDS}%]++(?:%(?!26|22|20|2[cC]|7[dD]|0[aAdD])[^{_ENDS}%]*+)*+)?+")
_LINE_END = re.compile(r"[\r\n]|\\[rn]")

_NOTHING_WORDS: Final = (
    "true false null none nil undefined yes no on off n/a na unset empty default redacted filtered masked hidden"
    " removed optional required include omit same-origin enabled disabled not_set [object [] {} ()"
)
_NOTHING: Final = frozenset(_NOTHING_WORDS.split())
_PROSE_WORDS: Final = (
    "a an and any are as at be been but by can cannot can't could chauthtok did do does doesn't expected expired"
    " expires failed failure for found from granted denied allowed forbidden has have if in incorrect invalid is"
    " isn't it its length mismatch missing more must new no not of ok on only or passed pam_unix please provided"
    " rejected required requires reset revoked seems set should success successful than that the there this to too"
    " unable unauthorized unexpected unknown unrecognized unsupported use used user valid was wasn't were when"
    " which will with wrong you your malformed sent semicolon comma colon eof identifier number newline whitespace"
    " keyword operator str string int bytes bool float object unterminated verified delivered accepted generated"
    " created updated deleted refreshed issued rotated stored saved loaded validated parsed active inactive enabled"
    " disabled type error warning null none"
)
_PROSE: Final = frozenset(_PROSE_WORDS.split())
"""How sentences go on after `password:` and the like."""
_REFERENCE = re.compile(
    r"\$\{|\$\(|\{\{|\{[A-Za-z_]+\}|%\(|%[sdvr]$|%%[0-9]{1,6}$|<|\$env:|#\{|@\{|\$[A-Z][A-Z0-9_]*$"
    r"|(?i:\$(?:password|passwd|pwd|secret|token|cred|credential|apikey|key)[a-z]*$)"
    r"|(?i:\[?(?:redacted|filtered|masked|hidden|removed|protected|sensitive)(?![a-z0-9]))"
    r"|[xX]{3,64}$|(?i:your|replace|change|insert|enter)[_-]"
)
"""How a place for a secret begins, or what another program wrote instead of one."""
_OF_PLACES: Final = (
    "a|access|account|actual|api|app|auth|aws|bearer|client|code|database|db|here|id|in|it|jwt|key|me|my|name|new|own"
    "|pass|passphrase|passwd|password|pin|private|pwd|real|secret|string|the|this|token|user|username|value|with|your"
)
_WHOLE_REFERENCE = re.compile(
    r"\$\{[^}]*\}|\$\([^()]*\)|\{\{[^{}]*\}\}|\{[A-Za-z_]+\}|%\([^()]*\)[sdr]?|%[sdvr]|%%[0-9]{1,6}|<[^<>]*>|\$env:\w+"
    r"|[#@]\{[^{}]*\}|\$[A-Z][A-Z0-9_]*"
    r"|(?i:\$(?:password|passwd|pwd|secret|token|cred|credential|apikey|key)[a-z]*)"
    r"|[\[(<*]{0,3}(?i:redacted|filtered|masked|hidden|removed|protected|sensitive)[\])>*]{0,3}"
    rf"|[xX]{{3,64}}|(?i:your|replace|change|insert|enter)(?:[ _-]++(?i:{_OF_PLACES})(?![A-Za-z0-9])){{1,6}}+"
)
"""A place for a secret and nothing else."""
_BEGINNING: Final = 64
_MASKS: Final = frozenset("*•.#-_…?")


def is_secret(value: str, *, prose: bool = False, begins: bool = False) -> bool:
    """Whether the value is one: not a mask, not a place for one such as `${PASSWORD}`; in prose no common word.

    With `begins` what only begins like a place is none either: so for what stands in a text without quotes, where the
    value may have ended too early.
    """
    if not value or MARKED.fullmatch(value) or _MASKS.issuperset(value):
        return False
    low = value[:32].lower()
    if low in _NOTHING or (prose and low.rstrip(".:!?") in _PROSE):
        return False
    return (_REFERENCE.match(value) if begins else _WHOLE_REFERENCE.fullmatch(value)) is None


def is_placeholder(text: str, at: int) -> bool:
    """Whether what begins here, without quotes, is a place for a secret, the beginning of a structure, or no value."""
    if text.startswith(("=", "[", "{", "("), at) and MARKED.match(text, at) is None:
        return True
    return _REFERENCE.match(text[at : at + _BEGINNING]) is not None


def quoted(text: str, at: int) -> Place | None:
    """The place between the quotes that open here, escaped ones too, or to the line's end if none closes them."""
    opened = _OPEN.match(text, at)
    if opened is None:
        return None
    start, quote = opened.end(), opened[2]
    if quote is None:
        end = text.find(opened[0], start)
        return start, end if end >= 0 else until_line_end(text, start)
    if not opened[1]:
        body = _PLAIN[quote].match(text, start)
        return start, body.end() if body else start
    closing = _ESCAPED[len(opened[1]), quote].search(text, start)
    return start, closing.start() if closing else until_line_end(text, start)


def unquoted(text: str, at: int, *, in_url: bool = False) -> Place:
    """The place of what begins here and goes to a space, a quote, or what parts one value from the next."""
    body = (_IN_URL if in_url else _UNQUOTED).match(text, at)
    return at, body.end() if body else at


def until_line_end(text: str, at: int) -> int:
    """Where the line ends that this place is on; `\\\\n` ends one too."""
    end = _LINE_END.search(text, at)
    return end.start() if end else len(text)
